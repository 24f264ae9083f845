import json
from functools import partial
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from thinc.api import fix_random_seed

from ..pipeline.util import NAME, SMALL_CRF, make_examples, trained_ner
from ..training.test_calibration import MIXED
from .util import run

calibrate, reliability, report = (
    partial(run, name) for name in ("calibrate", "reliability", "report")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Holds a trained pipeline and an annotated split."""
    path = tmp_path_factory.mktemp("calibrate")
    fix_random_seed(0)
    nlp = trained_ner(**SMALL_CRF)
    nlp.to_disk(path / "model")
    DocBin(docs=[eg.reference for eg in make_examples(nlp, MIXED)]).to_disk(path / "test.spacy")
    return path


def test_calibrate_then_measure_then_report(folder: Path) -> None:
    result = calibrate(folder / "model", folder / "test.spacy", "--output", folder / "calibrated")
    assert result.exit_code == 0, result.output
    temperature = spacy.load(folder / "calibrated").get_pipe(NAME).cfg["temperature"]
    assert temperature > 1.0
    assert f"temperature {temperature:.3f}" in " ".join(result.output.split())

    metrics = folder / "metrics"
    result = reliability(folder / "calibrated", folder / "test.spacy", "--output", metrics)
    assert result.exit_code == 0, result.output
    assert "Reliability on test" in result.output
    data = json.loads((metrics / "confidence.json").read_text(encoding="utf8"))
    assert data["temperature"] == temperature
    assert data["splits"]["test"]["after"]["entities"] == 5

    scores = {"ents_p": 0.6, "ents_r": 0.75, "ents_f": 2 / 3, "ents_per_type": {}}
    (metrics / "test.json").write_text(json.dumps(scores), encoding="utf8")
    result = report(metrics, "--title", "Sure")
    assert result.exit_code == 0, result.output
    assert "Thresholds on test" in result.output
    written = (metrics / "report.md").read_text(encoding="utf8")
    assert "## Reliability on test" in written
    assert json.loads((metrics / "report.json").read_text())["confidence"] == data

    corpus = ["--corpus", folder / "test.spacy", "--silent"]
    result = report(metrics, "--model", folder / "calibrated", *corpus)
    assert (result.exit_code, result.output) == (0, "")
    page = (metrics / "report.html").read_text(encoding="utf8")
    assert '"confidence":{"gold":4,"before":' in page

    pytest.importorskip("matplotlib")
    result = report(metrics, "--plot", "--silent")
    assert (result.exit_code, result.output) == (0, "")
    assert (metrics / "reliability.png").stat().st_size > 10_000


def test_files_that_are_not_there(folder: Path) -> None:
    result = calibrate(folder / "model", folder / "absent.spacy", "--output", folder / "out")
    assert result.exit_code == 1
    assert "does not exist" in " ".join(result.output.split())
    assert not (folder / "out").exists()
    result = reliability(folder / "model", folder / "test.spacy", folder / "absent.spacy")
    assert result.exit_code == 1
    assert "no such file" in " ".join(result.output.split())
    assert reliability(folder / "nothing", folder / "test.spacy").exit_code == 1


def test_a_plot_of_nothing(tmp_path: Path) -> None:
    scores = {"ents_p": 0.6, "ents_r": 0.75, "ents_f": 2 / 3, "ents_per_type": {}}
    (tmp_path / "test.json").write_text(json.dumps(scores), encoding="utf8")
    result = report(tmp_path, "--plot")
    assert result.exit_code == 1
    assert "spacy-twitter-ner reliability MODEL" in " ".join(result.output.split())


def test_token_tag_files(folder: Path, tmp_path: Path) -> None:
    """All commands that take .spacy files take them."""
    tweets = tmp_path / "eng.testa"
    tweets.write_text("Shaka B-PERSON\nKhan I-PERSON\nsings O\n", encoding="utf-8")
    for command in (
        ["calibrate", folder / "model", tweets, "--output", tmp_path / "calibrated"],
        ["reliability", folder / "model", tweets, "--output", tmp_path],
        ["report", tmp_path / "r", "--model", folder / "model", "--corpus", tweets],
        ["report", tmp_path, "--model", folder / "model", "--corpus", tweets, "--train", tweets],
    ):
        result = run(*command)
        assert result.exit_code == 0, result.output
    assert "eng.testa" in json.loads((tmp_path / "confidence.json").read_text())["splits"]
    tweets.write_text("Shaka B-PERSON\nKhan\n", encoding="utf-8")
    for name in ("calibrate", "reliability"):
        result = run(name, folder / "model", tweets, *(["-o", tmp_path] * (name == "calibrate")))
        assert result.exit_code == 1
        assert f"{tweets}:2: no tag after the token 'Khan'" in result.output
