"""Pipelines saved by earlier versions load and predict the same. docs/compatibility.md promises
it."""

import json
import shutil
from pathlib import Path

import numpy
import pytest
import spacy

import save_fixture

PIPELINES = sorted((Path(__file__).parent / "data").glob("pipeline-*"))


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_saved_pipeline_loads_without_warnings_and_predicts_the_same(path):
    expected = json.loads((path / "expected.json").read_text(encoding="utf-8"))
    nlp = spacy.load(path)  # pytest makes warnings errors
    assert [doc["text"] for doc in expected] == save_fixture.TEXTS
    assert any(doc["entities"] for doc in expected)
    for found, wanted in zip(save_fixture.predict(nlp), expected, strict=True):
        numpy.testing.assert_allclose(found.pop("scores"), wanted.pop("scores"), atol=2e-3)
        assert found == wanted


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_saved_pipeline_can_be_saved_and_trained_further(path, tmp_path):
    nlp = spacy.load(path)
    nlp.to_disk(tmp_path / "again")
    loaded = spacy.load(tmp_path / "again")
    assert save_fixture.predict(loaded) == save_fixture.predict(nlp)
    gold = {"entities": [(3, 8, nlp.get_pipe("twitter_bilstm_ner").labels[0])]}
    example = spacy.training.Example.from_dict(loaded.make_doc("go Leeds"), gold)
    optimizer = loaded.resume_training()
    losses = [loaded.update([example], sgd=optimizer)["twitter_bilstm_ner"] for _ in range(5)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_damaged_pipeline_is_an_error(path, tmp_path):
    """Otherwise the tests above could pass with data from elsewhere."""
    shutil.copytree(path, tmp_path / "copy")
    (tmp_path / "copy" / "twitter_bilstm_ner" / "model").unlink()
    with pytest.raises(FileNotFoundError, match="model is missing"):
        spacy.load(tmp_path / "copy")


def test_there_is_a_pipeline_and_it_is_small():
    assert PIPELINES
    for path in PIPELINES:
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        assert size < 300_000, path
