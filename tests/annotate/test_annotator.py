import pytest
import spacy

from spacy_twitter_ner.annotate import annotate_batch
from spacy_twitter_ner.annotate.annotator import Annotator, load_annotator

from .util import TWEETS


def test_annotate_batch_returns_entities_of_pipeline(model: str) -> None:
    nlp = spacy.load(model)
    records = annotate_batch(TWEETS, model)
    assert [record["text"] for record in records] == TWEETS
    for record, text in zip(records, TWEETS, strict=True):
        doc = nlp(text)
        assert [(e["start"], e["end"], e["type"], e["text"]) for e in record["entities"]] == [
            (ent.start_char, ent.end_char, ent.label_, ent.text) for ent in doc.ents
        ]
        for entity in record["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
            assert 0 < entity["confidence"] <= 1
    assert sum(len(record["entities"]) for record in records) > 10
    meta = nlp.meta
    assert {record["model"] for record in records} == {f"{meta['lang']}_{meta['name']}"}
    assert {record["version"] for record in records} == {meta["version"]}


def test_confidence_equals_component_score(model: str) -> None:
    nlp = spacy.load(model)
    (record,) = annotate_batch([TWEETS[0]], nlp)
    ner = nlp.get_pipe("twitter_bilstm_ner")
    doc = nlp.make_doc(TWEETS[0])
    (spans,) = ner.predict_spans([doc], 1e-4)
    scores = {
        (span.start_char, span.end_char, span.label_): score
        for span, score in zip(spans, spans.attrs["scores"], strict=True)
    }
    for entity in record["entities"]:
        expected = scores[entity["start"], entity["end"], entity["type"]]
        assert entity["confidence"] == pytest.approx(expected, abs=1e-4)


def test_annotator_keeps_spans_key_of_user(model: str) -> None:
    settings = {"components.twitter_bilstm_ner.spans_key": "mine"}
    nlp = spacy.load(model, config=settings)
    (doc,) = Annotator(nlp).annotate([TWEETS[0]])
    assert set(doc.spans) == {"mine"}
    assert annotate_batch([TWEETS[0]], nlp)[0]["entities"][0]["confidence"]


def test_confidence_is_none_for_other_components() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PLACE", "pattern": "Rome"}])
    (record,) = annotate_batch(["in Rome"], nlp)
    assert record["entities"] == [
        {"start": 3, "end": 7, "type": "PLACE", "text": "Rome", "confidence": None}
    ]


def test_annotate_batch_raises_error_of_text() -> None:
    with pytest.raises(UnicodeEncodeError):
        annotate_batch(["\ud800"], spacy.blank("en"))


def test_load_annotator_caches_pipeline(model: str) -> None:
    assert load_annotator(model) is load_annotator(model)


def test_annotate_batch_without_texts(model: str) -> None:
    assert annotate_batch([], model) == []
