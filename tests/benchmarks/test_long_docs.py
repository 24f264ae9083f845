from pathlib import Path

import pytest
import spacy
import typer
from typer.testing import CliRunner

import long_docs
from spacy_twitter_ner.corpus.converting import convert

ROOT = Path(__file__).parents[2]


def run(*arguments):
    app = typer.Typer()
    app.command()(long_docs.long_docs_cli)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def project(tweet_nlp, tmp_path, monkeypatch):
    tweet_nlp.to_disk(tmp_path / "model")
    corpus = tmp_path / "corpus" / "sample"
    corpus.mkdir(parents=True)
    convert([ROOT / "assets" / "sample" / "train.txt"], corpus / "train.spacy")
    monkeypatch.setattr(long_docs, "ROOT", tmp_path)
    return tmp_path


def test_the_table(project):
    result = run(project / "model", "--corpus", "sample", "--tokens", "1500", "--window", "300")
    assert result.exit_code == 0, result.output
    rows = [[cell.strip() for cell in line.split("|")] for line in result.output.splitlines()]
    whole, windows = rows[2:]
    assert (whole[1], windows[1]) == ("none", "300")
    assert int(whole[4]) > 10
    assert whole[5:7] == ["0", "0"]
    assert int(windows[5]) < 5
    assert windows[6] == "0"


def test_windows_are_as_long_as_asked(project, monkeypatch):
    nlp = spacy.load(project / "model")
    monkeypatch.setattr(spacy, "load", lambda path: nlp)
    reading = long_docs.read(project / "model", project / "corpus" / "sample", 700, 300)
    assert nlp.get_pipe(long_docs.COMPONENT).cfg["window_length"] == 300
    assert len(reading.cuts) == 2
    assert reading.entities


def test_a_missing_corpus_is_named(project):
    result = run(project / "model", "--corpus", "absent")
    assert result.exit_code == 1
    assert "spacy project run convert . --vars.corpus absent" in result.output


def test_differences():
    whole = long_docs.Reading(1.0, 2_000_000, [(5, 6, "X"), (500, 502, "X"), (900, 901, "Y")], [])
    other = long_docs.Reading(0.5, 1_000_000, [(5, 6, "X"), (500, 501, "X")], [460])
    assert long_docs.describe(other, whole) == ("0.5", "1", "2", "3", "1")
