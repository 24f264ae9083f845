import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import trial
from contest.corpus import read_gold
from contest.project import BenchmarkError

from .util import DOCS, TWEETS, write_corpus

ROOT = Path(__file__).parents[2]


def test_a_fifth_is_left_out_and_always_the_same() -> None:
    rest, held = trial.split_fifth(DOCS)
    assert (len(rest), len(held)) == (16, 4)
    assert {id(doc) for doc in [*rest, *held]} == {id(doc) for doc in DOCS}
    assert trial.split_fifth(DOCS) == (rest, held)
    # A corpus may be in the order of time, or of topics.
    assert held not in (DOCS[:4], DOCS[-4:])


def test_test_split_is_left_alone(root: Path) -> None:
    write_corpus(root / "corpus" / "tiny", train=TWEETS * 5, test=["never/B-person seen"])
    name = trial.make_corpus("tiny")
    docs = read_gold(name).docs
    assert [len(docs[split]) for split in ("train", "validation", "test")] == [16, 4, 4]
    assert {doc.text for doc in docs["test"]} <= {doc.text for doc in DOCS}
    write_corpus(root / "corpus" / "tiny", train=TWEETS)
    with pytest.raises(BenchmarkError, match="is no tweet"):
        trial.make_corpus("tiny")


def test_settings_are_tried(real_root: Path) -> None:
    config = shutil.copy(ROOT / "configs" / "bilstm.cfg", real_root / "configs" / "b.cfg")
    write_corpus(real_root / "corpus" / "tiny", train=TWEETS * 5)
    model = "components.twitter_bilstm_ner.model.tok2vec"
    arguments = [config, "--corpus", "tiny", "--seeds", "2", "--training.max_steps", "20"]
    arguments += ["--training.eval_frequency", "10", f"--{model}.encode.hidden_width", "10"]
    result = CliRunner().invoke(trial.make_app(), [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "seed 1: " in result.output
    assert "a fifth of train" in result.output
    trained = real_root / "training" / "tiny-trial" / "accuracy" / "trial-1" / "model-best"
    assert "max_steps = 20\n" in (trained / "config.cfg").read_text()
    assert "hidden_width = 10\n" in (trained / "config.cfg").read_text()


def test_a_failure_is_told(real_root: Path) -> None:
    write_corpus(real_root / "corpus" / "tiny", train=TWEETS * 5)
    config = str(real_root / "configs" / "b.cfg")
    result = CliRunner().invoke(trial.make_app(), [config, "--corpus", "tiny"])
    assert result.exit_code == 1
    assert "trial-0 failed, see" in result.output
