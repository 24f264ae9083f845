from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

import scale
from spacy_twitter_ner.scale.engines import run_here


@pytest.fixture
def model(saved_pipeline: Path) -> str:
    return str(saved_pipeline)


@pytest.fixture
def tweets(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_tweets(path: Path, n: int) -> None:
        path.write_text("saw Drake in Chicago\n" * n)

    monkeypatch.setattr(scale, "write_tweets", write_tweets)
    # Dask is tried in the tests of engines.
    monkeypatch.setattr(
        scale, "run_cluster", lambda shards, job: run_here(shards, job, scale.count_only)
    )
    monkeypatch.setattr(scale, "DASK", "local")


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(scale.scale_cli)
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("tweets")
def test_all_sections(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = tmp_path / "scale.md"
    docs.write_text(
        "".join(f"<!-- scale:{n}:begin -->\n<!-- scale:{n}:end -->\n" for n in scale.SECTIONS)
    )
    monkeypatch.setattr(scale, "DOCS", docs)
    monkeypatch.setattr(scale, "SHARD_SIZE", 10)
    monkeypatch.setattr(scale, "FULL_SHARD", 20)
    sizes = ("--tweets", "50", "--memory-tweets", "60", "--shards", "400")
    result = run(model, *sizes, "--rounds", "1", "--write-docs")
    assert result.exit_code == 0, result.output
    text = docs.read_text()
    for row in (
        "| two processes |",
        "| 1,000 |",
        "| local | 60 |",
        "| processes | 1 | 400 |",
        "| dask | 20 | 4 |",
    ):
        assert row in text


def test_unknown_section(model: str) -> None:
    result = run(model, "--only", "speed")
    assert result.exit_code == 2
    assert "unknown section speed" in result.output
