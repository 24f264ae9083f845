import sys
from pathlib import Path

import pytest
from thinc.api import Config

from contest import contestants
from contest.contestants import Contestant
from contest.project import BenchmarkError
from contest.results import Run
from contest.scores import score
from contest.training import run_timed, train, train_command, write_config

from ..util import DOCS, GOLD, LABELS


def test_failed_training_shows_its_log(real_root: Path) -> None:
    run = Run(contestants.LADDER[0], "tiny", 3)
    with pytest.raises(BenchmarkError, match=r"bilstm-3 failed, see .*train\.log") as info:
        train(run, None, 1)
    # The config is not a whole one.
    assert "Error parsing config overrides" in str(info.value)


def test_seconds_are_those_of_the_processor(root: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint('done')"
    for code, low, high in [(busy, 0.3, 1.5), ("import time; time.sleep(1)", 0.0, 0.3)]:
        with (root / "log.txt").open("w") as log:
            status, seconds = run_timed([sys.executable, "-c", code], {}, log)
        assert (status, low <= seconds < high) == (0, True)
    with (root / "log.txt").open("a") as log:
        assert run_timed([sys.executable, "-c", "print('no'); exit(3)"], {}, log)[0] == 3
    assert (root / "log.txt").read_text() == "no\n"


def test_config_is_written_without_what_a_rung_leaves_out(root: Path, tmp_path: Path) -> None:
    (root / "configs" / "r.cfg").write_text(
        "[a]\nx = ${b.c.y}\n\n[b]\n\n[b.c]\ny = 1\n\n[b.d]\nz = 2\n", encoding="utf8"
    )
    rung = Contestant("rung", "rung", "configs/r.cfg", without=("b.d",))
    write_config(Run(rung, "tiny", 0), tmp_path / "config.cfg")
    config = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    assert config == {"a": {"x": "${b.c.y}"}, "b": {"c": {"y": 1}}}
    rung = rung._replace(without=("b.d", "b.e.f"))
    with pytest.raises(BenchmarkError, match=r"rung-0: configs/r.cfg has no .*b\.e\.f"):
        write_config(Run(rung, "tiny", 0), tmp_path / "config.cfg")


def test_every_rung_can_be_made_of_its_config(tmp_path: Path) -> None:
    for rung in contestants.LADDER:
        write_config(Run(rung, "tiny", 0), tmp_path / f"{rung.name}.cfg")


def test_command_passes_seed_paths_and_overrides(root: Path) -> None:
    rung = contestants.LADDER[0]._replace(overrides={"a.b": True, "a.c": "text", "a.d": [1, 2]})
    command = train_command(Run(rung, "tiny", 7), root / "out")
    assert command[:4] == [sys.executable, "-m", "spacy", "train"]
    settings = dict(zip(command[5::2], command[6::2], strict=True))
    assert settings == {
        "--output": str(root / "out"),
        "--paths.train": str(root / "corpus" / "tiny" / "train.spacy"),
        "--paths.dev": str(root / "corpus" / "tiny" / "validation.spacy"),
        "--system.seed": "7",
        "--a.b": "true",
        "--a.c": "text",
        "--a.d": "[1, 2]",
    }


@pytest.mark.parametrize("name", ["gazetteer", "crfsuite"])
def test_scripts_are_contestants(name: str) -> None:
    if name == "crfsuite":
        pytest.importorskip("sklearn_crfsuite")
    contestant = next(c for c in contestants.BASELINES if c.name == name)
    trained = train(Run(contestant, "tiny", 0), GOLD, 1)
    assert (trained.n_bytes is None) == (name == "gazetteer")
    predictions = trained.predict("test")
    assert score(DOCS, predictions, LABELS)["all"]["f"] > 0.6


def test_crf_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    # None makes the import fail, installed or not.
    monkeypatch.setitem(sys.modules, "sklearn_crfsuite", None)
    contestant = next(c for c in contestants.BASELINES if c.name == "crfsuite")
    with pytest.raises(BenchmarkError, match=r"pip install .*\[benchmarks\]"):
        train(Run(contestant, "tiny", 0), GOLD, 1)
