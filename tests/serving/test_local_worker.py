import json
from contextlib import contextmanager

import pytest
import spacy

import spacy_twitter_ner
from spacy_twitter_ner.serving import local_worker
from spacy_twitter_ner.serving.local_worker import LocalWorker
from spacy_twitter_ner.serving.schemas import AnnotateRequest


@pytest.fixture
def nlp(saved_pipeline):
    return spacy.load(saved_pipeline)


def request(text):
    return AnnotateRequest(text=text)


def test_memory_zone_frees_new_words(nlp, monkeypatch):
    monkeypatch.setattr(local_worker, "_ZONE_TOKENS", 5)
    worker = LocalWorker(nlp)
    before = len(nlp.vocab.strings)
    worker.annotate([request("abrakadabra one two")])
    worker.annotate([request("simsalabim three four")])
    assert "abrakadabra" in nlp.vocab.strings
    worker.annotate([request("hokuspokus")])
    assert "abrakadabra" not in nlp.vocab.strings
    assert "hokuspokus" in nlp.vocab.strings
    worker.close()
    assert "hokuspokus" not in nlp.vocab.strings
    assert len(nlp.vocab.strings) == before
    worker.annotate([request("hokuspokus")])
    worker.close()


def test_responses_do_not_depend_on_memory_zone(nlp, monkeypatch):
    texts = [f"saw Drake in Chicago and Leeds{i}" for i in range(12)]
    found = []
    for tokens in (1, 1_000_000):
        monkeypatch.setattr(local_worker, "_ZONE_TOKENS", tokens)
        worker = LocalWorker(nlp)
        responses = [worker.annotate([request(text)]) for text in texts]
        found.append([json.loads(response) for (response,) in responses])
        worker.close()
    assert found[0] == found[1]
    assert any(one["results"][0]["entities"] for one in found[0])


def test_memory_zones_are_not_nested(nlp, monkeypatch):
    monkeypatch.setattr(local_worker, "_ZONE_TOKENS", 1)
    opened = []

    @contextmanager
    def memory_zone():
        assert not opened
        opened.append(True)
        yield
        opened.clear()

    monkeypatch.setattr(nlp, "memory_zone", memory_zone)
    worker = LocalWorker(nlp)
    for _ in range(3):
        worker.annotate([request("so tired")])
    assert opened
    worker.close()
    assert not opened


def test_describe(nlp):
    assert LocalWorker(nlp).describe() == {
        "name": f"{nlp.meta['lang']}_{nlp.meta['name']}",
        "version": nlp.meta["version"],
        "labels": sorted(nlp.get_pipe("twitter_bilstm_ner").labels),
        "has_confidence": True,
    }
    assert not LocalWorker(spacy.blank("xx")).describe()["has_confidence"]


def test_describe_lists_folded_types():
    nlp = spacy_twitter_ner.load("coarse")
    labels = LocalWorker(nlp).describe()["labels"]
    assert "location" in labels
    assert "geo-loc" not in labels
