"""Probabilities are compared to those from an enumeration of all valid tag sequences."""

from collections import Counter
from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from thinc.api import Model

from spacy_twitter_ner.layers.crf import Lattice
from spacy_twitter_ner.layers.heads import CRFHead, Head, SoftmaxHead
from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER
from spacy_twitter_ner.pipeline.constraints import entity_constraints, strip_whitespace

from ..layers.crf_oracle import make_lattice
from ..layers.spans_oracle import masked, sequence_probabilities, spans_of
from .util import NAME, TEST_TEXTS, entities, predicted_entities

VOCAB = spacy.blank("xx").vocab
LABELS = ["LOC", "PERSON"]


def model_of(head: Head, scores: Any) -> Model:
    model: Model = Model("fixed", lambda model, docs, is_train: (scores, lambda d_scores: []))
    model.set_ref("output_layer", model)
    model.attrs["head"] = head
    return model


def random_scores(is_crf: bool, docs: list[Doc], seed: int) -> tuple[Head, Any]:
    lengths = [len(doc) for doc in docs]
    lattice = make_lattice(lengths, 5, seed=seed)
    if is_crf:
        return CRFHead(), lattice
    exp = numpy.exp(lattice.emissions)
    probabilities = exp / exp.sum(axis=1, keepdims=True)
    return SoftmaxHead(), numpy.split(probabilities, numpy.cumsum(lengths)[:-1])


def random_docs(lengths: list[int], seed: int) -> list[Doc]:
    random = numpy.random.RandomState(seed)
    docs = [Doc(VOCAB, words=random.choice(["a", " ", "\n"], n).tolist()) for n in lengths]
    for doc in docs:
        for token in doc[1:]:
            token.is_sent_start = bool(random.uniform() < 0.2)
        preset = [Span(doc, i, i + 1, "X") for i in range(len(doc)) if random.uniform() < 0.15]
        doc.set_ents(preset, default="missing")
    return docs


Spans = tuple[tuple[int, int, str], ...]


def enumerate_predictions(docs: list[Doc], lattice: Lattice) -> list[Counter[Spans]]:
    """The probability of each set of entities that a doc can have."""
    no_begin, no_inside, is_space = entity_constraints(docs)
    end, predictions = 0, []
    distribution = sequence_probabilities(masked(lattice, no_begin, no_inside))
    for doc, scored in zip(docs, distribution, strict=True):
        start, end = end, end + len(doc)
        probabilities: Counter[Spans] = Counter()
        for tags, probability in scored:
            trimmed = strip_whitespace(numpy.asarray(tags, dtype="int64"), is_space[start:end])
            spans = [(a, b, LABELS[k]) for a, b, k in spans_of(trimmed.tolist(), 2)]
            probabilities[tuple(spans)] += probability
        predictions.append(probabilities)
    return predictions


def marginals(predictions: Counter[Spans]) -> Counter[tuple[int, int, str]]:
    sums: Counter[tuple[int, int, str]] = Counter()
    for spans, probability in predictions.items():
        for span in spans:
            sums[span] += probability
    return sums


def make_ner(head: Head, scores: Any, **settings: Any) -> TwitterBiLSTMNER:
    ner = TwitterBiLSTMNER(VOCAB, model_of(head, scores), spans_key="sure", **settings)
    for label in LABELS:
        ner.cfg["labels"].append(label)
    return ner


def tuples(spans: Any) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label_) for span in spans]


lengths_of_docs = st.lists(st.integers(0, 4), min_size=1, max_size=3)
seeds = st.integers(0, 2**16)


@given(st.booleans(), lengths_of_docs, seeds, st.sampled_from([0.5, 1.0, 2.5]))
def test_confidences_match_enumeration(is_crf, lengths, seed, temperature) -> None:
    docs = random_docs(lengths, seed)
    head, scores = random_scores(is_crf, docs, seed)
    ner = make_ner(head, scores, temperature=temperature)
    if not any(lengths):
        return
    expected = enumerate_predictions(docs, head.get_lattice(scores).scaled(1.0 / temperature))
    preset = [tuples(doc.ents) for doc in docs]
    ner.set_annotations(docs, ner.predict(docs))
    for doc, predictions, before in zip(docs, expected, preset, strict=True):
        group = doc.spans["sure"]
        sums = marginals(predictions)
        assert sorted(tuples(group) + before) == tuples(doc.ents)
        probabilities = [sums[place] for place in tuples(group)]
        assert group.attrs["scores"] == pytest.approx(probabilities, abs=1e-9)


@given(st.booleans(), lengths_of_docs, seeds, st.sampled_from([0.3, 0.05, 1e-4]))
def test_predict_spans_matches_enumeration(is_crf, lengths, seed, min_probability) -> None:
    docs = random_docs(lengths, seed)
    head, scores = random_scores(is_crf, docs, seed)
    if not any(lengths):
        return
    found = make_ner(head, scores).predict_spans(docs, min_probability, keep_ents=True)
    expected = enumerate_predictions(docs, head.get_lattice(scores))
    for group, predictions in zip(found, expected, strict=True):
        probable = {s: p for s, p in marginals(predictions).items() if p >= min_probability}
        scores_by_place = dict(zip(tuples(group), group.attrs["scores"], strict=True))
        assert len(scores_by_place) == len(group)
        assert scores_by_place == pytest.approx(probable, abs=1e-9)
        assert [span.start for span in group] == sorted(span.start for span in group)


@given(st.booleans(), lengths_of_docs, seeds)
@pytest.mark.slow
def test_predict_kbest_matches_enumeration(is_crf, lengths, seed) -> None:
    docs = random_docs(lengths, seed)
    if not any(lengths):
        return
    head, scores = random_scores(is_crf, docs, seed)
    ner = make_ner(head, scores)
    expected = enumerate_predictions(docs, head.get_lattice(scores))
    for found, predictions in zip(
        ner.predict_kbest(docs, 10_000, keep_ents=True), expected, strict=True
    ):
        by_entities = {tuple(tuples(a.entities)): a.probability for a in found}
        possible = {spans: p for spans, p in predictions.items() if p > 0.0}
        assert by_entities == pytest.approx(possible, abs=1e-9)
        probabilities = [a.probability for a in found]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1.0)
    for few, predictions in zip(ner.predict_kbest(docs, 2, keep_ents=True), expected, strict=True):
        assert 1 <= len(few) <= 2
        assert few[0].probability <= max(predictions.values()) + 1e-9


@given(st.booleans(), lengths_of_docs, seeds, st.sampled_from([-3.0, -0.5, 2.0]))
@pytest.mark.slow
def test_outside_bias_matches_enumeration(is_crf, lengths, seed, bias) -> None:
    docs = random_docs(lengths, seed)
    if not any(lengths):
        return
    head, scores = random_scores(is_crf, docs, seed)
    emissions = head.get_lattice(scores).emissions.copy()
    emissions[:, 0] += bias
    lattice = Lattice(
        emissions,
        *(getattr(head.get_lattice(scores), n) for n in ("transitions", "start", "end")),
        lengths,
    )
    ner = make_ner(head, scores, outside_bias=bias, temperature=2.0)
    expected = enumerate_predictions(docs, lattice.scaled(0.5))
    for found, predictions in zip(
        ner.predict_kbest(docs, 10_000, keep_ents=True), expected, strict=True
    ):
        by_entities = {tuple(tuples(a.entities)): a.probability for a in found}
        assert by_entities == pytest.approx(
            {s: p for s, p in predictions.items() if p > 0}, abs=1e-9
        )
    ner.set_annotations(docs, ner.predict(docs))
    for doc, predictions in zip(docs, expected, strict=True):
        sums = marginals(predictions)
        group = doc.spans["sure"]
        assert group.attrs["scores"] == pytest.approx([sums[p] for p in tuples(group)], abs=1e-9)


# Settings, in a trained pipeline


@pytest.fixture
def ner(trained):
    component = trained.get_pipe(NAME)
    before = dict(component.cfg), component.spans_key
    yield component
    component.cfg, component.spans_key = before


def scores_of(nlp, texts=TEST_TEXTS) -> list[list[float]]:
    return [doc.spans["sure"].attrs["scores"].tolist() for doc in nlp.pipe(texts)]


def test_temperature_keeps_entities(trained, ner) -> None:
    expected = predicted_entities(trained)
    ner.spans_key = "sure"
    before = scores_of(trained)
    ner.cfg["temperature"] = 4.0
    assert entities(trained.pipe(TEST_TEXTS)) == expected
    after = scores_of(trained)
    assert [len(scores) for scores in after] == [len(ents) for ents in expected]
    for old, new in zip(before, after, strict=True):
        assert all(b < a for a, b in zip(old, new, strict=True))


def test_threshold_per_type(trained, ner) -> None:
    everything = predicted_entities(trained)
    ner.cfg["threshold"] = {"PERSON": None}
    expected = [[ent for ent in ents if ent[2] != "PERSON"] for ents in everything]
    assert expected != everything
    assert entities(trained.pipe(TEST_TEXTS)) == expected
    # Types that aren't named have none.
    ner.cfg["threshold"] = {"LOC": 0.0}
    assert entities(trained.pipe(TEST_TEXTS)) == everything
    ner.cfg["threshold"] = {"LOC": 1.0, "PERSON": 0.0}
    expected = [[ent for ent in ents if ent[2] == "PERSON"] for ents in everything]
    assert entities(trained.pipe(TEST_TEXTS)) == expected


def test_candidates_as_arrays(trained, ner) -> None:
    docs = [trained.make_doc(text) for text in TEST_TEXTS]
    groups = ner.predict_spans(docs, 0.01)
    found = ner.predict_candidates(docs, 0.01)
    assert found.scores.tolist() == [p for group in groups for p in group.attrs["scores"]]
    offsets = numpy.cumsum([0, *found.lengths])
    spans = [
        (span.start + offset, span.end + offset, ner.labels.index(span.label_))
        for group, offset in zip(groups, offsets, strict=False)
        for span in group
    ]
    assert list(zip(*(column.tolist() for column in found.spans), strict=True)) == spans
    assert ner.predict_candidates([trained.make_doc("")]).lengths == [0]


def test_threshold(trained, ner) -> None:
    everything = predicted_entities(trained)
    ner.spans_key = "sure"
    ner.cfg["temperature"] = 4.0
    scores = scores_of(trained)
    threshold = sorted(score for doc_scores in scores for score in doc_scores)[3]
    ner.cfg["threshold"] = threshold
    kept = [
        [ent for ent, score in zip(ents, doc_scores, strict=True) if score >= threshold]
        for ents, doc_scores in zip(everything, scores, strict=True)
    ]
    assert kept != everything
    assert entities(trained.pipe(TEST_TEXTS)) == kept
    assert scores_of(trained) == [
        [s for s in doc_scores if s >= threshold] for doc_scores in scores
    ]
    ner.spans_key = None
    docs = list(trained.pipe(TEST_TEXTS))
    assert entities(docs) == kept
    assert not any(doc.spans for doc in docs)
    assert {token.ent_iob_ for doc in docs for token in doc} <= {"O", "B", "I"}


def test_outside_bias_changes_number_of_entities(trained, ner) -> None:
    counts = []
    for bias in (-20.0, 0.0, 20.0):
        ner.cfg["outside_bias"] = bias
        counts.append(sum(len(ents) for ents in predicted_entities(trained)))
    assert counts[0] > counts[1] > counts[2] == 0
    proba = ner.predict_proba([trained.make_doc("London")])[0]
    assert proba[0, 0] > 0.99


def test_predict_proba_applies_temperature(trained, ner) -> None:
    doc = trained.make_doc("Shaka Khan in London")
    (before,) = ner.predict_proba([doc])
    ner.cfg["temperature"] = 1e4
    (after,) = ner.predict_proba([doc])
    # Close to a uniform distribution over valid sequences.
    assert before.max() > 0.9
    assert after.max() < 0.5
    assert after.sum(axis=1) == pytest.approx(1.0)


def test_no_scores_by_default(trained, ner) -> None:
    docs = [trained.make_doc(text) for text in TEST_TEXTS]
    assert ner.predict(docs).scores is None
    assert not any(doc.spans for doc in trained.pipe(TEST_TEXTS))


def test_extension_requires_spans_key(nlp) -> None:
    message = rf'\[components.{NAME}\] extension requires .* spans_key = "{NAME}"'
    with pytest.raises(ValueError, match=message):
        nlp.add_pipe(NAME, config={"extension": "sure"})


def test_predict_spans_and_kbest_of_annotated_doc(trained, ner) -> None:
    doc = trained.make_doc("Shaka Khan in London")
    fresh = tuples(ner.predict_spans([doc], 1e-4)[0])
    best = ner.predict_kbest([doc], 2)[0]
    ner(doc)
    assert tuples(best[0].entities) == tuples(doc.ents) == [(0, 2, "PERSON"), (3, 4, "LOC")]
    assert tuples(ner.predict_spans([doc], 1e-4)[0]) == fresh
    assert set(tuples(doc.ents)) < set(fresh)
    assert [tuples(a.entities) for a in ner.predict_kbest([doc], 2)[0]] == [
        tuples(a.entities) for a in best
    ]
    (kept,) = ner.predict_kbest([doc], 1, keep_ents=True)[0]
    assert tuples(kept.entities) == []


def test_invalid_arguments(trained, ner) -> None:
    doc = trained.make_doc("London")
    with pytest.raises(ValueError, match="k has to be 1 or more"):
        ner.predict_kbest([doc], 0)
    with pytest.raises(ValueError, match="has to be above 0"):
        ner.predict_spans([doc], 0.0)


def test_predict_empty_docs(trained, ner) -> None:
    ner.spans_key = "sure"
    for texts in ([], [""], ["", "London", ""]):
        docs = [trained.make_doc(text) for text in texts]
        assert len(ner.predict(docs).scores) == texts.count("London")
        assert [len(found) for found in ner.predict_kbest(docs, 1)] == [1] * len(texts)
        assert [len(group) > 0 for group in ner.predict_spans(docs)] == [bool(t) for t in texts]
        for doc, text in zip(trained.pipe(texts), texts, strict=True):
            assert len(doc.spans["sure"]) == len(doc.spans["sure"].attrs["scores"]) == bool(text)
