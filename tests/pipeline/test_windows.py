import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_twitter_ner.layers.heads import SoftmaxHead
from spacy_twitter_ner.pipeline import windows
from spacy_twitter_ner.pipeline.windows import CONTEXT, find_windows, score_docs

from .util import (
    NAME,
    TEXTS,
    add_fake_ner,
    add_shared_tok2vec,
    entities,
    make_examples,
    train,
)

VOCAB = spacy.blank("xx").vocab
LENGTH = 2 * CONTEXT + 7


def make_doc(n_tokens: int) -> Doc:
    return Doc(VOCAB, words=[str(number) for number in range(n_tokens)])


def long_doc(nlp, n_tokens: int) -> Doc:
    words = [token.text for text in TEXTS for token in nlp.make_doc(text)]
    return Doc(nlp.vocab, words=(words * (n_tokens // len(words) + 1))[:n_tokens])


def read_in_windows(nlp, doc: Doc, length: int) -> list:
    """The entities that a pipeline finds in a copy of a doc with that length of windows."""
    ner = nlp.get_pipe(NAME)
    before, ner.cfg["window_length"] = ner.cfg["window_length"], length
    copied = Doc(doc.vocab, words=[token.text for token in doc])
    copied.tensor = doc.tensor
    found = entities([ner(copied)])
    ner.cfg["window_length"] = before
    return found


@given(st.integers(0, 1000), st.integers(2 * CONTEXT + 1, 400))
def test_each_token_is_kept_once_and_in_context(n_tokens, length):
    kept = []
    for window in find_windows(n_tokens, length):
        assert 0 <= window.start <= window.keep_start < window.keep_end <= window.end <= n_tokens
        assert window.end - window.start <= length
        assert window.start == 0 or window.keep_start - window.start >= CONTEXT
        assert window.end == n_tokens or window.end - window.keep_end >= CONTEXT
        kept += range(window.keep_start, window.keep_end)
    assert kept == list(range(n_tokens))


@given(st.integers(1, 1000), st.integers(2 * CONTEXT + 1, 400))
def test_no_more_is_read_than_has_to_be(n_tokens, length):
    found = list(find_windows(n_tokens, length))
    sizes = [window.end - window.start for window in found]
    assert max(sizes) - min(sizes) <= 1
    # Windows as long as they may be, but the last.
    n_needed = len(range(0, max(n_tokens - 2 * CONTEXT, 1), length - 2 * CONTEXT))
    assert len(found) == n_needed
    assert sum(sizes) == n_tokens + (n_needed - 1) * 2 * CONTEXT


@pytest.mark.parametrize("n_tokens", [0, 1, 99, 1000])
def test_no_windows(n_tokens):
    expected = [(0, n_tokens, 0, n_tokens)] if n_tokens else []
    assert [tuple(window) for window in find_windows(n_tokens, 0)] == expected


@given(st.lists(st.integers(0, 500), min_size=1, max_size=5).filter(any))
def test_pieces_are_put_together(lengths):
    """Whatever the lengths: each token gets the scores that it would get without windows."""
    docs = [make_doc(length) for length in lengths]
    seen = []

    def predict(pieces):
        seen.append(sum(len(piece) for piece in pieces))
        return [
            numpy.asarray([[float(token.text), len(token.text)] for token in piece])
            for piece in pieces
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "MAX_TOKENS", 250)
        scores = score_docs(predict, SoftmaxHead(), docs, LENGTH)
    assert max(seen) <= 250
    assert [len(doc_scores) for doc_scores in scores] == lengths
    for doc_scores, length in zip(scores, lengths, strict=True):
        assert [row[0] for row in doc_scores] == list(range(length))


def test_a_batch_of_usual_size_is_scored_at_once():
    calls = []
    docs = [make_doc(LENGTH), make_doc(0)]
    assert score_docs(lambda pieces: calls.append(pieces), SoftmaxHead(), docs, LENGTH) is None
    assert calls == [docs]


def test_pieces_have_the_texts_spaces(trained):
    doc = trained.make_doc("Shaka Khan, in London (" * 60)
    pieces = []

    def predict(docs):
        pieces.extend(docs)
        return [numpy.zeros((len(piece), 3), dtype="float32") for piece in docs]

    score_docs(predict, SoftmaxHead(), [doc], LENGTH)
    assert len(pieces) > 2
    assert all(piece.text in doc.text and len(piece) <= LENGTH for piece in pieces)


@pytest.mark.parametrize("n_tokens", [LENGTH, LENGTH + 1, 5 * LENGTH])
def test_long_docs(trained, n_tokens):
    doc = long_doc(trained, n_tokens)
    found = read_in_windows(trained, doc, LENGTH)
    assert found == read_in_windows(trained, doc, 0)
    assert len(found[0]) > n_tokens / 10
    posteriors = trained.get_pipe(NAME).predict_proba([doc, trained.make_doc("")])
    assert [len(doc_posteriors) for doc_posteriors in posteriors] == [n_tokens, 0]


def test_no_entity_is_cut(nlp):
    """Where a window ends means nothing to entities."""
    add_fake_ner(
        nlp, ["LOC"], lambda token: ["I-LOC"] if int(token.text) % 30 else ["B-LOC", "I-LOC"]
    )
    doc = make_doc(900)
    assert any(window.keep_end % 30 for window in find_windows(len(doc), LENGTH))
    assert read_in_windows(nlp, doc, LENGTH) == [
        [(start, start + 30, "LOC") for start in range(0, 900, 30)]
    ]


@pytest.mark.parametrize("is_crf", [False, True])
def test_long_docs_with_a_shared_tok2vec(nlp, is_crf):
    add_shared_tok2vec(nlp, NAME, is_crf=is_crf)
    train(nlp, make_examples(nlp))
    doc = nlp.get_pipe("tok2vec")(long_doc(nlp, 400))
    found = read_in_windows(nlp, doc, LENGTH)
    assert found == read_in_windows(nlp, doc, 0)
    assert len(found[0]) > 40


def test_the_setting_is_saved(nlp, small):
    ner = nlp.add_pipe(NAME, config={**small, "window_length": 321})
    nlp.initialize(lambda: make_examples(nlp))
    loaded = spacy.blank("xx").add_pipe(NAME, config=small).from_bytes(ner.to_bytes())
    assert loaded.cfg["window_length"] == 321


@pytest.mark.parametrize("length", [-1, 1, 2 * CONTEXT])
def test_windows_that_cannot_overlap(nlp, length):
    with pytest.raises(ValueError, match=f"window_length must be more than 100 .* it is {length}"):
        nlp.add_pipe(NAME, config={"window_length": length})
