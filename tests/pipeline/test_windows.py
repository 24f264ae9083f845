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


def predict_with_windows(nlp, doc: Doc, length: int) -> list:
    """Predict the entities of a copy of a doc with the given window length."""
    ner = nlp.get_pipe(NAME)
    before, ner.cfg["window_length"] = ner.cfg["window_length"], length
    copied = Doc(doc.vocab, words=[token.text for token in doc])
    copied.tensor = doc.tensor
    found = entities([ner(copied)])
    ner.cfg["window_length"] = before
    return found


@given(st.integers(0, 1000), st.integers(2 * CONTEXT + 1, 400))
def test_windows_keep_each_token_once(n_tokens, length):
    kept = []
    for window in find_windows(n_tokens, length):
        assert 0 <= window.start <= window.keep_start < window.keep_end <= window.end <= n_tokens
        assert window.end - window.start <= length
        assert window.start == 0 or window.keep_start - window.start >= CONTEXT
        assert window.end == n_tokens or window.end - window.keep_end >= CONTEXT
        kept += range(window.keep_start, window.keep_end)
    assert kept == list(range(n_tokens))


@given(st.integers(1, 1000), st.integers(2 * CONTEXT + 1, 400))
def test_windows_are_few_and_balanced(n_tokens, length):
    found = list(find_windows(n_tokens, length))
    sizes = [window.end - window.start for window in found]
    assert max(sizes) - min(sizes) <= 1
    # Number of windows of maximum length.
    n_needed = len(range(0, max(n_tokens - 2 * CONTEXT, 1), length - 2 * CONTEXT))
    assert len(found) == n_needed
    assert sum(sizes) == n_tokens + (n_needed - 1) * 2 * CONTEXT


@pytest.mark.parametrize("n_tokens", [0, 1, 99, 1000])
def test_windows_disabled(n_tokens):
    expected = [(0, n_tokens, 0, n_tokens)] if n_tokens else []
    assert [tuple(window) for window in find_windows(n_tokens, 0)] == expected


@given(st.lists(st.integers(0, 500), min_size=1, max_size=5).filter(any))
def test_score_docs_concatenates_parts(lengths):
    """Each token has the same scores as without windows."""
    docs = [make_doc(length) for length in lengths]
    sizes = []

    def predict(parts):
        sizes.append(sum(len(part) for part in parts))
        return [
            numpy.asarray([[float(token.text), len(token.text)] for token in part])
            for part in parts
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "MAX_TOKENS", 250)
        scores = score_docs(predict, SoftmaxHead(), docs, LENGTH)
    assert max(sizes) <= 250
    assert [len(doc_scores) for doc_scores in scores] == lengths
    for doc_scores, length in zip(scores, lengths, strict=True):
        assert [row[0] for row in doc_scores] == list(range(length))


def test_score_docs_of_small_batch():
    calls = []
    docs = [make_doc(LENGTH), make_doc(0)]
    assert score_docs(lambda parts: calls.append(parts), SoftmaxHead(), docs, LENGTH) is None
    assert calls == [docs]


def test_parts_have_text_of_doc(trained):
    doc = trained.make_doc("Shaka Khan, in London (" * 60)
    parts = []

    def predict(docs):
        parts.extend(docs)
        return [numpy.zeros((len(part), 3), dtype="float32") for part in docs]

    score_docs(predict, SoftmaxHead(), [doc], LENGTH)
    assert len(parts) > 2
    assert all(part.text in doc.text and len(part) <= LENGTH for part in parts)


@pytest.mark.parametrize("n_tokens", [LENGTH, LENGTH + 1, 5 * LENGTH])
def test_entities_of_long_doc(trained, n_tokens):
    doc = long_doc(trained, n_tokens)
    found = predict_with_windows(trained, doc, LENGTH)
    assert found == predict_with_windows(trained, doc, 0)
    assert len(found[0]) > n_tokens / 10
    posteriors = trained.get_pipe(NAME).predict_proba([doc, trained.make_doc("")])
    assert [len(doc_posteriors) for doc_posteriors in posteriors] == [n_tokens, 0]


def test_entities_are_not_split_by_windows(nlp):
    add_fake_ner(
        nlp, ["LOC"], lambda token: ["I-LOC"] if int(token.text) % 30 else ["B-LOC", "I-LOC"]
    )
    doc = make_doc(900)
    assert any(window.keep_end % 30 for window in find_windows(len(doc), LENGTH))
    assert predict_with_windows(nlp, doc, LENGTH) == [
        [(start, start + 30, "LOC") for start in range(0, 900, 30)]
    ]


@pytest.mark.parametrize("is_crf", [False, True])
def test_long_doc_with_shared_tok2vec(nlp, is_crf):
    add_shared_tok2vec(nlp, NAME, is_crf=is_crf)
    train(nlp, make_examples(nlp))
    doc = nlp.get_pipe("tok2vec")(long_doc(nlp, 400))
    found = predict_with_windows(nlp, doc, LENGTH)
    assert found == predict_with_windows(nlp, doc, 0)
    assert len(found[0]) > 40


@pytest.mark.parametrize("length", [-1, 1, 2 * CONTEXT])
def test_invalid_window_length(nlp, length):
    with pytest.raises(ValueError, match=f"window_length must be more than 100 .* it is {length}"):
        nlp.add_pipe(NAME, config={"window_length": length})
