import json
from contextlib import contextmanager

import pytest
import spacy

from spacy_twitter_ner.serving import annotating
from spacy_twitter_ner.serving.annotating import Annotator
from spacy_twitter_ner.serving.messages import AnnotateRequest


@pytest.fixture
def nlp(saved_pipeline):
    return spacy.load(saved_pipeline)


def request(text):
    return AnnotateRequest(text=text)


def test_new_words_last_for_some_batches_and_not_for_good(nlp, monkeypatch):
    monkeypatch.setattr(annotating, "_TOKENS_A_ZONE", 5)
    annotator = Annotator(nlp)
    before = len(nlp.vocab.strings)
    annotator.annotate([request("abrakadabra one two")])
    annotator.annotate([request("simsalabim three four")])
    assert "abrakadabra" in nlp.vocab.strings
    annotator.annotate([request("hokuspokus")])
    assert "abrakadabra" not in nlp.vocab.strings
    assert "hokuspokus" in nlp.vocab.strings
    annotator.close()
    assert "hokuspokus" not in nlp.vocab.strings
    assert len(nlp.vocab.strings) == before
    annotator.annotate([request("hokuspokus")])
    annotator.close()


def test_answers_do_not_depend_on_the_zone(nlp, monkeypatch):
    texts = [f"saw Drake in Chicago and Leeds{i}" for i in range(12)]
    found = []
    for tokens in (1, 1_000_000):
        monkeypatch.setattr(annotating, "_TOKENS_A_ZONE", tokens)
        annotator = Annotator(nlp)
        answers = [annotator.annotate([request(text)]) for text in texts]
        found.append([json.loads(answer) for (answer,) in answers])
        annotator.close()
    assert found[0] == found[1]
    assert any(one["results"][0]["entities"] for one in found[0])


def test_a_zone_is_left_before_the_next_one_is_entered(nlp, monkeypatch):
    monkeypatch.setattr(annotating, "_TOKENS_A_ZONE", 1)
    opened = []

    @contextmanager
    def memory_zone():
        assert not opened
        opened.append(True)
        yield
        opened.clear()

    monkeypatch.setattr(nlp, "memory_zone", memory_zone)
    annotator = Annotator(nlp)
    for _ in range(3):
        annotator.annotate([request("so tired")])
    assert opened
    annotator.close()
    assert not opened


def test_description(nlp):
    assert Annotator(nlp).describe() == {
        "name": f"{nlp.meta['lang']}_{nlp.meta['name']}",
        "version": nlp.meta["version"],
        "labels": sorted(nlp.get_pipe("twitter_bilstm_ner").labels),
        "has_confidence": True,
    }
    assert not Annotator(spacy.blank("xx")).describe()["has_confidence"]
