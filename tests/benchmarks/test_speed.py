import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import speed
import train_speed
from spacy_twitter_ner.layers import lstm
from timing import command
from timing.command import choose_sections
from timing.pipeline import WITHOUT_KERNEL
from timing.workload import FULL, QUICK

# What --quick measures, and less of it.
TINY = QUICK._replace(
    repeats=1,
    rate_seconds=0.001,
    batches=(1, 4),
    growth_batch=4,
    layer_tweets=8,
    pipeline_tweets=20,
    growth_words=40,
    lengths=(20, 40),
    memory_docs=21,
    train_batches=1,
    train_steps=2,
)


def run_command(cli: Callable, *arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(cli)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def root(sample_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(command, "QUICK", TINY)
    for script in (speed, train_speed):
        monkeypatch.setattr(script, "ROOT", sample_project)
    return sample_project


def run_quick(cli: Callable, root: Path, *arguments: str) -> dict[str, Any]:
    path = root / "speed.json"
    result = run_command(cli, "--quick", "--json", path, *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(path.read_text())


def test_quick_run_measures_all_and_writes_the_docs(root: Path) -> None:
    result = run_quick(speed.speed_cli, root, "--write-docs", "--docs", "15")
    assert result["corpus"] == "sample"
    assert result["machine"]["cores"] >= 1
    sections = result["sections"]
    assert list(sections) == list(speed.SECTIONS)
    assert (
        sections["bound"]["words_per_second"]["50"] > sections["bound"]["words_per_second"]["100"]
    )
    assert {row["batch_size"] for row in sections["layer"]["rows"]} == set(TINY.batches)
    assert all(row["words_per_second"]["ours"] > 0 for row in sections["layer"]["rows"])
    tokens = sections["pipeline"]["modes"]["given tokens"]
    assert {"ours, default", "spaCy `ner`"} <= set(tokens["words_per_second"])
    assert tokens["ratio_to_spacy_ner"]["spaCy `ner`"] == 1
    hidden = {"ours, default": 100, "spaCy `ner`": 0, "CRFsuite": 0}
    if lstm.kernel is not None:
        hidden[WITHOUT_KERNEL] = 100
    assert sections["pipeline"]["hidden"] | {"CRFsuite": 0} == hidden
    for kind, values in (("length", TINY.lengths), ("batch", TINY.growth_batches)):
        assert [row["n"] for row in sections["growth"][kind]["ours, default"]] == list(values)
    assert [row["n"] for row in sections["growth"]["labels"]] == list(TINY.labels)
    assert all(points[-1][0] == 15 for points in sections["memory"]["streams"].values())
    text = (root / "docs" / "benchmarks.md").read_text(encoding="utf8")
    for line in ("**tanh of float32**", "| forward+backward | 4 |", "| ours, default | 100 |"):
        assert line in text
    page = (root / "docs" / "reliability.md").read_text(encoding="utf8")
    table = page.partition("speed:memory:begin")[2].partition("speed:memory:end")[0]
    assert "| growth from 1 |" in table
    assert "CRFsuite" not in table


def test_quick_run_of_training(root: Path) -> None:
    result = run_quick(train_speed.train_speed_cli, root)
    rows = result["sections"]["layer"]["rows"]
    assert {row["mode"] for row in rows} == {"forward+backward"}
    steps = result["sections"]["steps"]
    assert {"ours, default", "article, ours", "spaCy `ner`"} <= set(steps["words_per_second"])
    assert steps["words"][0] > 0
    if "torch" in result["machine"]["versions"]:
        assert max(steps["ratio_to_torch"][f"article, PyTorch, {way}"] for way in WAYS) == 1


WAYS = ("packed", "padded")


def test_without_torch_and_threadpoolctl_the_others_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None makes the import fail, installed or not.
    for name in ("torch", "threadpoolctl"):
        monkeypatch.setitem(sys.modules, name, None)
    result = run_command(speed.speed_cli, "--quick", "--only", "layer")
    assert result.exit_code == 0, result.output
    assert "PyTorch is not installed" in result.output
    assert "pip install threadpoolctl" in result.output
    assert "Thinc" in result.output


def test_memory_needs_psutil(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    result = run_command(speed.speed_cli, "--quick", "--only", "memory")
    assert result.exit_code == 1
    assert "pip install psutil" in result.output


def test_cli_says_what_is_wrong(root: Path) -> None:
    result = run_command(speed.speed_cli, "--only", "layers")
    assert result.exit_code == 2
    assert "no section layers" in result.output
    result = run_command(speed.speed_cli, "--corpus", "mine")
    assert result.exit_code == 1
    assert "--vars.corpus mine" in result.output


def test_docs_without_a_place_for_the_table_are_found_before_anything_is_measured(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(work: Any) -> dict[str, Any]:
        pytest.fail("measured")

    monkeypatch.setattr(speed, "SECTIONS", {"new": command.Section(measure, lambda figures: [])})
    result = run_command(speed.speed_cli, "--quick", "--write-docs", "--threads", "2")
    assert result.exit_code == 1
    assert "speed:new:2-threads:begin" in result.output


def test_sections_keep_their_order() -> None:
    names = ["bound", "layer", "growth"]
    assert choose_sections("growth, bound", names) == ["bound", "growth"]
    assert choose_sections(None, names) == names


@pytest.mark.parametrize("effort", [FULL, QUICK, TINY])
def test_lengths_divide_the_words(effort: Any) -> None:
    """So that texts of all lengths have the same number of words in all."""
    assert all(effort.growth_words % length == 0 for length in effort.lengths)
