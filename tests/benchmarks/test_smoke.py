"""Run each benchmark on a small scale."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_twitter_ner.corpus.convert import convert

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))
FOLDERS = ("assets/sample", "configs", "docs", "benchmarks", "spacy_twitter_ner")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the sample corpus converted."""
    root = tmp_path_factory.mktemp("project")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    splits = ("train", "validation", "test")
    files = [ROOT / "assets" / "sample" / f"{split}.txt" for split in splits]
    convert(files, root / "corpus" / "sample")
    return root


def run(project, script, *arguments):
    command = [sys.executable, project / "benchmarks" / script, *arguments]
    result = subprocess.run(
        [str(part) for part in command], cwd=project, capture_output=True, encoding="utf-8"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("script", BENCHMARKS)
def test_help(script, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(ROOT / "benchmarks" / script), run_name="__main__")
    assert "Usage:" in capsys.readouterr().out


def test_layers_writes_its_table_to_the_docs(project):
    run(project, "layers.py", "--quick", "--write-docs")
    page = (project / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    block = page.partition("<!-- layers:begin -->")[2].partition("<!-- layers:end -->")[0]
    assert "| forward | 32 |" in block
    assert "| forward | 256 |" not in block


def test_accuracy_keeps_results(project):
    arguments = ("--corpus", "sample", "--seeds", "1", "--only", "gazetteer")
    assert "| `gazetteer` |" in run(project, "accuracy.py", *arguments)
    assert "has its result" in run(project, "accuracy.py", *arguments)


def test_fuzz_finds_no_failures(project):
    model = ROOT / "spacy_twitter_ner" / "en_tweet_ner"
    assert "60 documents" in run(project, "fuzz.py", model, "--docs", "60")
