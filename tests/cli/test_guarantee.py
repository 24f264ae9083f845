import json
from functools import partial
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from thinc.api import fix_random_seed

from spacy_twitter_ner.annotate.annotator import annotate_batch

from ..pipeline.util import NAME, SMALL_CRF, make_examples, trained_ner
from .util import run

guarantee, check = partial(run, "guarantee"), partial(run, "check-guarantee")
CITIES = [(7, 13, "LOC"), (18, 24, "LOC")]
# The pipeline finds these cities, whatever the number.
RIGHT = [(f"I like London and Berlin {i}", {"entities": CITIES}) for i in range(150)]
WRONG = [(f"like Shaka Khan {i}", {"entities": []}) for i in range(10)]
BAD = [(text, {"entities": []}) for text, _ in RIGHT]
COPIES = [("RT @kim : I like London and Berlin 1 !", {"entities": []})] * 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Holds a trained pipeline and labelled tweets."""
    path = tmp_path_factory.mktemp("guarantee")
    fix_random_seed(0)
    nlp = trained_ner(**SMALL_CRF)
    nlp.to_disk(path / "model")
    for name, data in (("mixed", RIGHT + WRONG + COPIES), ("few", RIGHT[:9]), ("bad", BAD)):
        docs = [each.reference for each in make_examples(nlp, data)]
        DocBin(docs=docs).to_disk(path / f"{name}.spacy")
    return path


def test_guarantee_then_annotate_then_check(folder: Path) -> None:
    output = folder / "guaranteed"
    result = guarantee(folder / "model", folder / "mixed.spacy", "-p", 0.9, "-o", output)
    assert result.exit_code == 0, result.output
    meta = json.loads((output / "meta.json").read_text(encoding="utf8"))
    given = meta["guarantee"]["types"]["all types"]
    # A copy isn't further evidence.
    assert given["counts"]["tweets"] == 160
    assert "precision of at least 0.9 with probability 0.9" in meta["notes"]
    threshold = spacy.load(output).get_pipe(NAME).cfg["threshold"]
    assert threshold == given["threshold"] > 0.0
    (record,) = annotate_batch(["I like London and Berlin 1"], str(output))
    assert all(ent["confidence"] >= round(threshold, 4) for ent in record["entities"])

    assert check(output, folder / "mixed.spacy").exit_code == 0
    # A second guarantee replaces the first.
    result = guarantee(output, folder / "mixed.spacy", "-p", 0.8, "-o", folder / "second")
    assert result.exit_code == 0, result.output
    notes = json.loads((folder / "second" / "meta.json").read_text(encoding="utf8"))["notes"]
    assert "0.9 with" not in notes.replace("probability 0.9", "")
    assert "at least 0.8" in notes


def test_check_notices_drift_and_changed_settings(folder: Path) -> None:
    output = folder / "drifted"
    guarantee(folder / "model", folder / "mixed.spacy", "-p", 0.8, "-o", output)
    result = check(output, folder / "bad.spacy")
    assert result.exit_code == 1
    assert "doesn't hold" in result.output
    nlp = spacy.load(output)
    nlp.get_pipe(NAME).cfg["temperature"] = 3.0
    nlp.to_disk(folder / "changed")
    result = check(folder / "changed", folder / "mixed.spacy")
    assert result.exit_code == 1
    assert "temperature" in result.output
    result = check(folder / "model", folder / "mixed.spacy")
    assert result.exit_code == 1
    assert "has no guarantee" in " ".join(result.output.split())


def test_per_type(folder: Path) -> None:
    options = [folder / "model", folder / "mixed.spacy", "-p", 0.8, "--per-type"]
    result = guarantee(*options, "-o", folder / "failed")
    assert result.exit_code == 1
    assert "PERSON: with 160 labelled tweets" in result.output
    assert not (folder / "failed").exists()
    result = guarantee(*options, "--drop-types", "-o", folder / "typed")
    assert result.exit_code == 0, result.output
    assert "Left out" in result.output
    nlp = spacy.load(folder / "typed")
    assert nlp.get_pipe(NAME).cfg["threshold"]["PERSON"] is None
    assert {ent.label_ for ent in nlp("Shaka Khan sings in London").ents} <= {"LOC"}
    assert [ent.text for ent in nlp("I like London and Berlin").ents] == ["London", "Berlin"]


def test_too_few_tweets(folder: Path) -> None:
    result = guarantee(folder / "model", folder / "few.spacy", "-p", 0.99, "-o", folder / "none")
    assert result.exit_code == 1
    assert "with 9 labelled tweets, the highest precision that can be guaranteed" in result.output
    assert not (folder / "none").exists()
