from itertools import pairwise

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER

from .util import (
    NAME,
    SMALL_CRF,
    TEST_TEXTS,
    TEXTS,
    add_fake_ner,
    add_small_ner,
    clear_gradients,
    entities,
    fake_model,
    make_examples,
    predicted_entities,
    predicted_spans,
)

VOCAB = spacy.blank("xx").vocab


def test_predict_does_not_modify_docs(trained):
    ner = trained.get_pipe(NAME)
    docs = list(trained.tokenizer.pipe(TEST_TEXTS))
    predictions = ner.predict(docs)
    assert predictions.lengths == [len(doc) for doc in docs]
    assert not any(doc.ents for doc in docs)
    ner.set_annotations(docs, predictions)
    assert entities(docs) == predicted_entities(trained)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["", "London", ""], ["London", "", ""]])
def test_predict_empty_docs(trained, texts):
    ner = trained.get_pipe(NAME)
    docs = list(trained.tokenizer.pipe(texts))
    assert ner.predict(docs).lengths == [len(doc) for doc in docs]
    assert [doc.text for doc in trained.pipe(texts)] == texts
    assert entities(trained.pipe(texts)) == [[(0, 1, "LOC")] if text else [] for text in texts]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_entities_do_not_depend_on_batch_size(trained, batch_size):
    texts = [*TEST_TEXTS * 3, *TEXTS]
    docs = trained.pipe(texts, batch_size=batch_size)
    assert entities(docs) == predicted_entities(trained, texts)


def test_predict_and_update_with_generators(trained):
    ner = trained.get_pipe(NAME)
    docs = list(trained.tokenizer.pipe(TEXTS))
    ner.set_annotations(iter(docs), ner.predict(doc for doc in docs))
    assert entities(docs) == predicted_entities(trained, TEXTS)
    assert ner.update(iter(make_examples(trained)))[NAME] > 0.0
    clear_gradients(ner.model)


def test_pipe_with_two_processes(trained, safe_start_method):
    texts = [*TEST_TEXTS, *TEXTS]
    docs = trained.pipe(texts, n_process=2, batch_size=3)
    assert entities(docs) == predicted_entities(trained, texts)


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=5),
    st.integers(0, 2**16),
    st.sampled_from([0.1, 1.0, 10.0, 1000.0]),
)
def test_entities_are_valid_for_any_scores(lengths, seed, scale):
    random = numpy.random.RandomState(seed)
    labels = ["LOC", "PERSON", "TEAM"]

    def probabilities(doc):
        logits = scale * random.normal(size=(len(doc), 7))
        exp = numpy.exp(logits - logits.max(axis=1, keepdims=True)) if len(doc) else logits
        return exp / exp.sum(axis=1, keepdims=True)

    ner = TwitterBiLSTMNER(VOCAB, fake_model(probabilities))
    for label in labels:
        ner.add_label(label)
    words = ["word", " ", "\n", "@user"]
    docs = [Doc(VOCAB, words=random.choice(words, length).tolist()) for length in lengths]
    for doc in docs:
        for token in doc[1:]:
            token.is_sent_start = bool(random.uniform() < 0.2)
        marks = random.choice(
            ["free", "preset", "blocked", "outside"], len(doc), p=[0.7, *[0.1] * 3]
        )
        slices = {
            mark: [doc[i : i + 1] for i in numpy.flatnonzero(marks == mark)] for mark in marks
        }
        preset = [Span(doc, span.start, span.end, label="X") for span in slices.get("preset", [])]
        doc.set_ents(
            preset,
            blocked=slices.get("blocked"),
            outside=slices.get("outside"),
            default="missing",
        )
    before = [[(token.ent_iob, token.ent_type_) for token in doc] for doc in docs]
    spans = predicted_spans(ner, docs)
    assert all(start < end for start, end, _ in spans)
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(spans))
    for doc, tokens in zip(ner.pipe(iter(docs)), before, strict=True):
        assert len(doc) == 0 or "" not in {token.ent_iob_ for token in doc if token.ent_iob != 3}
        for token, (iob, label) in zip(doc, tokens, strict=True):
            if iob == 3:
                assert (token.ent_iob, token.ent_type_) == (iob, label)
        for ent in doc.ents:
            assert not ent[0].is_space or ent.label_ == "X"
            assert not ent[-1].is_space or ent.label_ == "X"
            assert not any(token.is_sent_start for token in ent[1:])


def test_best_valid_sequence_is_decoded(nlp):
    """Not the best tags of each token, nor a repair of those."""
    add_fake_ner(
        nlp,
        ["LOC", "PERSON"],
        lambda token: {
            "New": ["B-LOC", "O", "B-PERSON"],
            "York": ["I-PERSON", "I-LOC"],
            "Fry": ["I-PERSON", "B-PERSON"],
        }.get(token.text, []),
    )
    assert predicted_entities(nlp, ["in New York", "in Fry"]) == [
        [(1, 3, "LOC")],
        [(1, 2, "PERSON")],
    ]


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_non_finite_weights_are_error(nlp, value):
    ner = add_small_ner(nlp, **SMALL_CRF)
    nlp.initialize(lambda: make_examples(nlp))
    ner.model.get_ref("output_layer").get_param("b")[1] = value
    with pytest.raises(ValueError, match="sequence 0 of the batch: its scores are NaN or infinite"):
        nlp("in London")


@pytest.fixture
def failing(nlp):
    """A pipeline that fails for docs with the word "bad" and recognizes "London"."""
    ner = add_fake_ner(nlp, ["LOC"], lambda token: ["B-LOC"] if token.text == "London" else [])
    score = ner.model._func

    def forward(model, docs, is_train):
        for doc in docs:
            if "bad" in doc.text:
                raise RuntimeError(f"cannot read {doc.text!r}")
        return score(model, docs, is_train)

    ner.model._func = forward
    return nlp


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_pipe_error_handler_gets_failed_docs_only(failing, batch_size):
    failed = []
    failing.set_error_handler(
        lambda name, pipe, docs, error: failed.append((name, [d.text for d in docs], str(error)))
    )
    texts = ["in London", "bad", "", "London", "so bad London", "a London"]
    docs = list(failing.pipe(texts, batch_size=batch_size))
    assert [doc.text for doc in docs] == ["in London", "", "London", "a London"]
    assert entities(docs) == [[(1, 2, "LOC")], [], [(0, 1, "LOC")], [(1, 2, "LOC")]]
    assert failed == [
        (NAME, ["bad"], "cannot read 'bad'"),
        (NAME, ["so bad London"], "cannot read 'so bad London'"),
    ]


def test_pipe_raises_by_default(failing):
    with pytest.raises(RuntimeError, match="cannot read 'so bad'"):
        list(failing.pipe(["London", "so bad", "London"]))
