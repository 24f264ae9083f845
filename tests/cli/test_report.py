import io
import json
from functools import partial
from pathlib import Path

import pytest
import spacy
from rich.console import Console
from rich.text import Text
from spacy.tokens import Doc, DocBin

from spacy_twitter_ner.cli.report import print_tables
from spacy_twitter_ner.evaluation.tables import Table

from ..pipeline.util import trained_ner
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A trained pipeline, one to compare it with, and a corpus."""
    path = tmp_path_factory.mktemp("report")
    nlp = trained_ner()
    (path / "ours").mkdir()
    nlp.to_disk(path / "ours" / "model-best")
    spacy.blank("xx").to_disk(path / "empty")
    docs = [
        Doc(nlp.vocab, words=["in", "London"], ents=["O", "B-LOC"]),
        Doc(nlp.vocab, words=["Shaka", "Khan", "sings"], ents=["B-PERSON", "I-PERSON", "O"]),
    ]
    for name in ("train", "test"):
        DocBin(docs=docs).to_disk(path / f"{name}.spacy")
    return path


def test_report_of_a_pipeline(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    result = report(
        *(out, "--model", folder / "ours" / "model-best", "--against", folder / "empty"),
        *("--corpus", folder / "train.spacy", "--corpus", folder / "test.spacy"),
    )
    assert result.exit_code == 0, result.output
    assert "Running on test: 2 tweets" in result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["test:", "scores", "by", "type"] in lines
    assert ["LOC", "1", "1", "1"] in [line[:4] for line in lines]
    assert "train: scores by type" not in result.output, "the last corpus alone is printed whole"
    data = json.loads((out / "report.json").read_text(encoding="utf8"))
    assert set(data["quality"]) == set(data["splits"]) == {"train", "test"}
    assert data["quality"]["test"]["differences"]["empty"]["LOC"]["other"] == 0.0
    markdown = (out / "report.md").read_text(encoding="utf8")
    assert "## train: scores by type" in markdown
    assert "## test: confusions" in markdown
    html = (out / "report.html").read_text(encoding="utf8")
    assert html.startswith("<!doctype html>")
    assert '"Shaka"' in html


def test_report_of_metrics_and_of_a_pipeline(metrics_dir: Path, folder: Path) -> None:
    model = folder / "ours" / "model-best"
    result = report(metrics_dir, "--model", model, "--corpus", folder / "train.spacy", "--silent")
    assert (result.exit_code, result.output) == (0, "")
    data = json.loads((metrics_dir / "report.json").read_text(encoding="utf8"))
    assert list(data["splits"]) == ["train", "validation", "test"]
    assert list(data["quality"]) == ["train"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corpus", "test.spacy"], "also need --model"),
        (["--against", "empty"], "also need --model"),
        (["--model", "empty"], "also needs --corpus"),
        (["--model", "absent", "--corpus", "test.spacy"], "absent"),
        (["--model", "empty", "--corpus", "test.txt"], "spacy-twitter-ner convert"),
    ],
)
def test_mistakes_with_pipelines_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    result = report("out", *options)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.output.split())
    assert not (folder / "out").exists()


def test_tables_are_shaded_in_a_terminal() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system="truecolor", width=80)
    table = Table("a [b]", ("x [y]", "1"), [("[red]", "7")], "note", [[1.0]])
    print_tables([table], console)
    assert "48;2;30;95;160m7" in file.getvalue()
    assert "[red]" in file.getvalue()
    assert "a [b]" in Text.from_ansi(file.getvalue()).plain
