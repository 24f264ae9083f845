import json
from functools import partial
from pathlib import Path

import pytest

from .util import run

report = partial(run, "report")


@pytest.fixture
def metrics_dir(tmp_path: Path) -> Path:
    return write_metrics(tmp_path / "bilstm", 0.61)


def write_metrics(folder: Path, f: float) -> Path:
    folder.mkdir()
    prf = {"p": 0.7, "r": 0.5, "f": 0.5833}
    for split in ("test", "validation"):
        data = {"ents_p": 0.7, "ents_r": 0.5, "ents_f": f, "ents_per_type": {"person": prf}}
        (folder / f"{split}.json").write_text(json.dumps(data), encoding="utf8")
    return folder


def test_report_prints_tables_and_writes_next_to_metrics(metrics_dir: Path) -> None:
    result = report(metrics_dir, "--title", "Tweets")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["Split", "P", "R", "F1", "Words/s"] in lines
    assert ["test", "70.00", "50.00", "61.00", "-"] in lines
    assert ["person", "58.33", "58.33"] in lines
    assert (metrics_dir / "report.md").read_text(encoding="utf8").startswith("# Tweets\n")
    assert json.loads((metrics_dir / "report.json").read_text())["title"] == "Tweets"


def test_report_compares_and_writes_to_output(metrics_dir: Path, tmp_path: Path) -> None:
    folders = [write_metrics(tmp_path / name, f) for name, f in [("crf", 0.55), ("cnn", 0.495)]]
    against = [argument for folder in folders for argument in ("--against", folder)]
    result = report(metrics_dir, "--output", tmp_path / "out", *against)
    assert result.exit_code == 0, result.output
    assert ["cnn", "49.50", "49.50"] in [line.split() for line in result.output.splitlines()]
    assert set(json.loads((tmp_path / "out" / "report.json").read_text())["against"]) == {
        "crf",
        "cnn",
    }
    assert not (metrics_dir / "report.md").exists()


def test_silent_report_prints_nothing_and_writes(metrics_dir: Path) -> None:
    result = report(metrics_dir, "--silent")
    assert (result.exit_code, result.output) == (0, "")
    assert (metrics_dir / "report.md").exists()


def test_report_without_metrics_fails_with_a_way_out(tmp_path: Path) -> None:
    result = report(tmp_path / "absent", "--silent")
    assert result.exit_code == 1
    assert "python -m spacy project run all" in " ".join(result.output.split())
    assert not (tmp_path / "absent").exists()


def test_report_that_cannot_be_written_fails_without_traceback(metrics_dir: Path) -> None:
    result = report(metrics_dir, "--output", metrics_dir / "test.json")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "test.json" in result.output
