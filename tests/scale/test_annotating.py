import pytest
import spacy

from spacy_twitter_ner.scale import annotate_batch
from spacy_twitter_ner.scale.annotating import load_annotator, make_annotator

from .util import TWEETS


def test_records_say_what_the_pipeline_finds(model: str) -> None:
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


def test_confidence_is_that_of_the_component(model: str) -> None:
    nlp = spacy.load(model)
    (record,) = annotate_batch(["saw Drake in Chicago"], nlp)
    ner = nlp.get_pipe("twitter_bilstm_ner")
    doc = nlp.make_doc("saw Drake in Chicago")
    (spans,) = ner.predict_spans([doc], 1e-4)
    scores = {
        (span.start_char, span.end_char, span.label_): score
        for span, score in zip(spans, spans.attrs["scores"], strict=True)
    }
    for entity in record["entities"]:
        expected = scores[entity["start"], entity["end"], entity["type"]]
        assert entity["confidence"] == pytest.approx(expected, abs=1e-4)


def test_a_key_that_the_user_has_set_is_kept(model: str) -> None:
    settings = {"components.twitter_bilstm_ner.spans_key": "mine"}
    nlp = spacy.load(model, config=settings)
    assert make_annotator(nlp).keys == ("mine",)
    assert annotate_batch(["saw Drake in Chicago"], nlp)[0]["entities"][0]["confidence"]


def test_other_pipelines_know_no_confidence() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PLACE", "pattern": "Rome"}])
    (record,) = annotate_batch(["in Rome"], nlp)
    assert record["entities"] == [
        {"start": 3, "end": 7, "type": "PLACE", "text": "Rome", "confidence": None}
    ]


def test_a_text_that_fails_raises() -> None:
    with pytest.raises(UnicodeEncodeError):
        annotate_batch(["\ud800"], spacy.blank("en"))


def test_a_pipeline_is_loaded_once(model: str) -> None:
    assert load_annotator(model) is load_annotator(model)


def test_no_texts(model: str) -> None:
    assert annotate_batch([], model) == []
