import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.cli.evaluate import evaluate
from typer.testing import Result

import accuracy
from contest import contestants, results, running
from contest.contestants import Contestant
from contest.corpus import SPLITS
from contest.project import BenchmarkError

from .util import TWEETS, run_command, set_contestants, write_corpus

ROOT = Path(__file__).parents[2]
ALL = ["spacy_ner-0", "spacy_ner-1", "bilstm-0", "bilstm-1"]


def test_rungs_are_chosen_on_validation() -> None:
    def result(validation: float, test: float) -> dict[str, Any]:
        return {"scores": {"validation": {"all": {"f": validation}}, "test": {"all": {"f": test}}}}

    results = {
        "crfsuite": [result(0.9, 0.9)],
        "article": [result(0.1, 0.8)],
        "bilstm": [result(0.2, 0.1), result(0.6, 0.1)],
        "bilstm_crf": [result(0.5, 0.1), result(0.4, 0.1)],
        "bilstm_crf_lexical": [],
    }
    assert accuracy.best_rungs(results) == ["bilstm_crf", "bilstm"]


def run_cli(*arguments: str | Path) -> Result:
    return run_command(accuracy.accuracy_cli, "--corpus", "tiny", "--seeds", "2", *arguments)


def test_results_are_kept_and_not_made_again(root: Path, trained: list[str]) -> None:
    first = run_cli("--json", root / "all.json")
    assert first.exit_code == 0, first.output
    assert trained == ALL
    result = json.loads((root / "benchmarks" / "results" / "tiny" / "bilstm-1.json").read_text())
    assert result["predictions"]["test"][0] == [[2, 3, "person"], [4, 6, "place"]]
    assert (result["seed"], result["processor_seconds"], result["n_bytes"]) == (1, 1.5, 1000)
    assert result["scores"]["test"]["all"]["f"] == 1.0
    figures = json.loads((root / "all.json").read_text())
    assert [run["seed"] for run in figures["contestants"]["bilstm"]] == [0, 1]
    table = (root / "docs" / "accuracy.md").read_text()
    assert "| `bilstm` | rung | 100.00 ± 0.00 | 100.00 ± 0.00 |" in table

    second = run_cli()
    assert second.exit_code == 0, second.output
    assert trained == ALL
    assert (root / "docs" / "accuracy.md").read_text() == table
    assert run_cli("--force", "--only", "bilstm").exit_code == 0
    assert trained == [*ALL, "bilstm-0", "bilstm-1"]


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def set_option(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text()}\n{line}\n")


def new_corpus(split: str) -> Callable[[Path], None]:
    return lambda root: write_corpus(root / "corpus" / "tiny", **{split: TWEETS[:3]})


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda root: set_option(root / "configs" / "b.cfg", "dropout = 0.1"), ALL[2:]),
        (lambda root: set_option(root / "configs" / "a.cfg", "dropout = 0.1"), ALL[:2]),
        # What only says how to report does not.
        (lambda root: set_option(root / "configs" / "b.cfg", "# a comment"), []),
        (lambda root: set_option(root / "configs/b.cfg", "[training.logger]\nx = 1"), []),
        (lambda root: set_option(root / "configs/b.cfg", "[training.before_to_disk]\nx = 1"), []),
        (lambda root: set_option(root / "configs/b.cfg", "[components.ner.scorer]\nx = 1"), []),
        (lambda root: append(root / "assets" / "words.txt"), ALL[2:]),
        # The source decides our models, not the baselines.
        (lambda root: append(root / "spacy_twitter_ner" / "layers" / "x" / "y.py"), ALL[2:]),
        (lambda root: append(root / "spacy_twitter_ner" / "training" / "x" / "y.py"), ALL[2:]),
        (lambda root: append(root / "spacy_twitter_ner" / "iob.py"), ALL[2:]),
        (
            lambda root: (root / "spacy_twitter_ner/models/x/y.py").rename(
                root / "spacy_twitter_ner/models/x/z.py"
            ),
            ALL[2:],
        ),
        *((new_corpus(split), ALL) for split in ("train", "validation", "test")),
        (lambda root: (root / "benchmarks/results/tiny/bilstm-1.json").unlink(), ALL[3:]),
        (lambda root: append(root / "spacy_twitter_ner" / "layers" / "x.pyc"), []),
    ],
)
def test_what_decides_a_result_makes_it_again(
    root: Path, trained: list[str], change: Callable[[Path], None], again: list[str]
) -> None:
    (root / "spacy_twitter_ner" / "layers" / "x.pyc").write_text("bytecode")
    run_cli()
    trained.clear()
    change(root)
    assert run_cli().exit_code == 0
    assert trained == again


@pytest.mark.parametrize("changed", ["overrides", "versions"])
def test_settings_and_versions_decide(
    root: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    run_cli()
    trained.clear()
    if changed == "versions":
        monkeypatch.setattr(results, "version", lambda package: f"{package} 0")
        assert run_cli().exit_code == 0
        assert trained == ALL
    else:
        rung = contestants.LADDER[0]._replace(overrides={"training.dropout": 0.4})
        monkeypatch.setattr(contestants, "LADDER", (rung,))
        assert run_cli().exit_code == 0
        assert trained == ALL[2:]


def test_stale_results_are_marked(root: Path, trained: list[str]) -> None:
    run_cli()
    trained.clear()
    source = root / "spacy_twitter_ner" / "normalization.py"
    append(source)
    path = root / "benchmarks" / "results" / "tiny" / "bilstm-0.json"
    stored = path.read_bytes()

    result = run_cli("--table-only")
    assert result.exit_code == 0, result.output
    assert "| `bilstm` | rung (not run) | - |" in result.output
    result = run_cli("--accept-stale")
    assert "rung (trained with earlier source)" in result.output
    # Results are committed: to look at them must not change them.
    assert path.read_bytes() == stored
    assert trained == []

    source.write_text("source")
    assert "| `bilstm` | rung | 100.00 ± 0.00 |" in run_cli().output

    # Another setting is another model, unless somebody knows better.
    append(source)
    set_option(root / "configs" / "b.cfg", "x = 1")
    result = run_cli("--accept-stale")
    assert "rung (trained with earlier settings, earlier source)" in result.output
    assert trained == []
    run_cli()
    assert trained == ALL[2:]


def test_stale_results_say_what_has_changed(
    root: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_cli()
    trained.clear()
    append(root / "assets" / "words.txt")
    monkeypatch.setattr(results, "version", lambda package: f"{package} 0")
    assert "rung (not run) | -" in run_cli("--table-only").output
    output = run_cli("--table-only", "--accept-stale").output
    assert "baseline (trained with other versions) | 100.00" in output
    assert "rung (trained with other lexical files, other versions) | 100.00" in output


def test_results_outlive_the_files_they_were_made_with(
    root: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_cli()
    trained.clear()
    (root / "assets" / "words.txt").unlink()
    result = run_cli()
    assert "bilstm-0: has its result" in result.output
    assert "| `bilstm` | rung | 100.00 ± 0.00 |" in result.output
    assert trained == []
    # But not another choice of such files.
    rung = contestants.LADDER[0]._replace(needs=("assets/others.txt",))
    monkeypatch.setattr(contestants, "LADDER", (rung,))
    assert "rung (not run: there is no assets/others.txt) | -" in run_cli("--accept-stale").output


def test_scores_are_those_of_the_present_scorer(root: Path, trained: list[str]) -> None:
    run_cli()
    path = root / "benchmarks" / "results" / "tiny" / "bilstm-0.json"
    result = json.loads(path.read_text())
    result["predictions"]["test"] = [[] for _ in TWEETS]
    path.write_text(json.dumps(result))
    assert "100.00 ± 0.00 | 50.00 ± 70.71" in run_cli("--table-only").output


def test_table_says_what_is_missing(root: Path, trained: list[str]) -> None:
    (root / "assets" / "words.txt").unlink()
    result = run_cli("--seeds", "1", "--only", "bilstm")
    assert result.exit_code == 0, result.output
    assert "bilstm-0: skipped, there is no assets/words.txt" in result.output
    assert "rung (not run: there is no assets/words.txt) | -" in result.output
    assert "baseline (not run) | -" in result.output
    run_cli("--seeds", "1", "--only", "spacy_ner")
    assert trained == ["spacy_ner-0"]
    assert "baseline (1 of 2 seeds) | 100.00 | 100.00" in run_cli("--table-only").output


def test_a_failure_does_not_stop_the_others(
    root: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed = running.train

    def train(run: Any, gold: Any, threads: int) -> Any:
        if run.name == "spacy_ner-1":
            raise BenchmarkError("out of memory")
        return succeed(run, gold, threads)

    monkeypatch.setattr(running, "train", train)
    result = run_cli("--jobs", "2")
    assert result.exit_code == 1
    assert "out of memory" in result.output
    assert "1 of 4 trainings failed" in result.output
    assert sorted(trained) == ["bilstm-0", "bilstm-1", "spacy_ner-0"]
    assert "baseline (1 of 2 seeds)" in (root / "docs" / "accuracy.md").read_text()


def test_nothing_is_trained_by_changed_source(
    root: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed = running.train

    def train(run: Any, gold: Any, threads: int) -> Any:
        if run.name == "bilstm-0":
            append(root / "spacy_twitter_ner" / "iob.py")
        return succeed(run, gold, threads)

    monkeypatch.setattr(running, "train", train)
    result = run_cli()
    assert result.exit_code == 1
    assert "bilstm-1: the package's source has changed: begin again" in result.output
    assert trained == ALL[:3]
    # What was trained meanwhile is known by the source it began with.
    assert "| `bilstm` | rung (not run) |" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "bilstn"], "no contestant bilstn"),
        (["--table-only", "--force"], "--table-only trains nothing"),
        (["--corpus", "none"], "project run convert . --vars.corpus none"),
    ],
)
def test_cli_says_what_is_wrong(
    root: Path, trained: list[str], arguments: list[str], message: str
) -> None:
    result = run_cli(*arguments)
    assert result.exit_code != 0
    assert message in " ".join(result.output.replace("│", " ").split())
    assert trained == []


def test_training_scores_as_spacy_evaluate(
    real_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "configs" / "bilstm.cfg", real_root / "configs" / "b.cfg")
    embed_and_encode = "components.twitter_bilstm_ner.model.tok2vec"
    overrides = {
        "training.max_steps": 60,
        "training.eval_frequency": 30,
        f"{embed_and_encode}.embed.widths": [10, 5, 5, 5],
        f"{embed_and_encode}.encode.hidden_width": 10,
    }
    rung = Contestant("bilstm", "rung", "configs/b.cfg", overrides)
    set_contestants(monkeypatch, contestants.BASELINES[0], rung)
    corpus = real_root / "corpus" / "tiny"
    # Empty docs are passed over by spaCy; the predictions have to stay with their tweets.
    write_corpus(corpus, test=["", *TWEETS, "", "Bob/B-team saw Drake/B-person"])
    result = run_cli("--only", "bilstm", "--seeds", "1")
    assert result.exit_code == 0, result.output
    model = real_root / "training" / "tiny" / "accuracy" / "bilstm-0" / "model-best"
    stored = json.loads((real_root / "benchmarks/results/tiny/bilstm-0.json").read_text())
    assert stored["processor_seconds"] > 0
    assert stored["n_bytes"] > 10_000
    for split in SPLITS:
        expected = evaluate(str(model), corpus / f"{split}.spacy")
        scores = stored["scores"][split]["all"]
        for key in "prf":
            assert scores[key] == pytest.approx(expected[f"ents_{key}"], abs=1e-6)
        assert scores["f"] > 0
    assert spacy.load(model).config["training"]["max_steps"] == 20
