import json
import sys
from pathlib import Path

import pytest

import train_speed

from .util import run_command, write_docs

TWEETS = ["in Leeds/B-place @ann", "", "in Leeds/B-place", "in Leeds/B-place @ann"]


def test_cli_times_all_contestants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("threadpoolctl")
    monkeypatch.setattr(train_speed, "BATCH_SIZE", 2)
    monkeypatch.setattr(train_speed, "N_WARM_UP", 1)
    json_path, train_path = tmp_path / "speed.json", write_docs(tmp_path / "train.spacy", *TWEETS)
    # One thread: on a busy machine the threads of such small matrices wait for each other.
    settings = ("--epochs", "2", "--threads", "1", "--json", json_path)
    result = run_command(train_speed.train_speed_cli, "--train", train_path, *settings)
    assert result.exit_code == 0, result.output
    for name in ("ours", "PyTorch, packed", "PyTorch, padded"):
        assert name in result.output
    figures = json.loads(json_path.read_text())
    assert (figures["words"], figures["batches"]) == (8, 2)
    assert all(len(seconds) == 2 for seconds in figures["seconds"].values())
    assert min(figures["ratio_to_torch"][name] for name in figures["seconds"] if "," in name) <= 1
    assert figures["versions"]["torch"]


def test_cli_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # None makes the import fail, installed or not.
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run_command(
        train_speed.train_speed_cli, "--train", write_docs(tmp_path / "train.spacy", *TWEETS)
    )
    assert result.exit_code == 1
    assert "needs PyTorch" in result.output
    assert "pip install torch" in result.output
