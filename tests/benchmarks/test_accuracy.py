import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import typer
from spacy.cli.evaluate import evaluate
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import Config
from typer.testing import CliRunner, Result

from .scripts import FOLDER, load_script

accuracy = load_script("accuracy")
crfsuite = load_script("crfsuite")

VOCAB = spacy.blank("xx").vocab
LABELS = ["person", "place", "team"]
TWEETS = [
    "@ann saw Drake/B-person in New/B-place York/I-place",
    "Leeds/B-team won in Leeds/B-place",
    "nothing here at all",
    "Ann/B-person and Bob/B-person",
]


def make_doc(text: str) -> Doc:
    """Make a doc of words with tags, as in "in Leeds/B-place"; "-" is a word not annotated."""
    pairs = [word.partition("/") for word in text.split()]
    tags: list[Any] = [None if pair[0] == "-" else pair[2] or "O" for pair in pairs]
    return Doc(VOCAB, words=[pair[0] for pair in pairs], ents=tags)


def write_corpus(folder: Path, **splits: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "validation", "test"):
        docs = [make_doc(text) for text in splits.get(split, TWEETS)]
        DocBin(docs=docs).to_disk(folder / f"{split}.spacy")


def random_predictions(docs: list[Doc], seed: int) -> list[list[tuple[int, int, str]]]:
    """Gold spans of which some are lost and some get another type or end."""
    generator = random.Random(seed)
    predictions = []
    for doc in docs:
        spans, free_from = [], 0
        for ent in doc.ents:
            start = generator.choice([ent.start, max(free_from, ent.start - 1)])
            if generator.random() < 0.7:
                spans.append((start, ent.end, generator.choice([ent.label_, *LABELS])))
            free_from = ent.end
        predictions.append(spans)
    return predictions


DOCS = [make_doc(text) for text in TWEETS * 5]


# --- Scores


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scores_are_those_of_spacy(seed: int) -> None:
    predictions = random_predictions(DOCS, seed)
    examples = []
    for doc, spans in zip(DOCS, predictions, strict=True):
        predicted = Doc(VOCAB, words=[token.text for token in doc])
        predicted.set_ents([Span(predicted, s, e, label=label) for s, e, label in spans])
        examples.append(Example(predicted, doc))
    expected, scores = get_ner_prf(examples), accuracy.score(DOCS, predictions, LABELS)
    assert 0 < expected["ents_f"] < 1
    for key in "prf":
        assert scores["all"][key] == pytest.approx(expected[f"ents_{key}"])
        for label, row in expected["ents_per_type"].items():
            assert scores["per_type"][label][key] == pytest.approx(row[key])
    support = {label: row["support"] for label, row in scores["per_type"].items()}
    assert support == {"person": 15, "place": 10, "team": 5}
    assert scores["all"]["support"] == 30
    assert scores["all"]["low"] <= scores["all"]["f"] <= scores["all"]["high"]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 1, "team"), (3, 4, "place")], (1, 1, 1)),
        # The types do not matter, the bounds do.
        ([(0, 1, "person"), (3, 4, "team")], (1, 1, 1)),
        ([(0, 2, "team"), (3, 4, "place")], (1 / 2, 1 / 2, 1 / 2)),
        ([(0, 1, "team")], (1, 1 / 2, 2 / 3)),
        ([(0, 1, "team"), (1, 2, "team"), (2, 4, "place")], (1 / 3, 1 / 2, 2 / 5)),
        ([], (0, 0, 0)),
    ],
)
def test_span_only_scores(spans: list[tuple[int, int, str]], expected: tuple[float, ...]) -> None:
    scores = accuracy.score([make_doc(TWEETS[1])], [spans], LABELS)["span_only"]
    assert tuple(scores[key] for key in "prf") == pytest.approx(expected)


def test_scores_where_nothing_is_found_or_sought_are_zero() -> None:
    scores = accuracy.score([make_doc("nothing here")], [[]], LABELS)
    assert scores["all"] == {"p": 0, "r": 0, "f": 0, "low": 0, "high": 0, "support": 0}


def test_predictions_of_fewer_tweets_are_rejected() -> None:
    with pytest.raises(ValueError, match="shorter"):
        accuracy.score(DOCS, [[]], LABELS)


def test_bootstrap_equals_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "N_DRAWS", 25)
    counts = numpy.stack(
        [accuracy.count_spans(DOCS, random_predictions(DOCS, seed), LABELS) for seed in (0, 1)]
    )
    drawn = accuracy.draw_f1(counts)
    assert drawn.shape == (25, 4)
    for row, weights in zip(drawn, accuracy.resampling_weights(len(DOCS)), strict=True):
        tweets = [i for i, times in enumerate(weights) for _ in range(times)]
        assert len(tweets) == len(DOCS)
        expected = []
        for labels in (LABELS, *([label] for label in LABELS)):
            f1 = []
            for seed_counts in counts:
                tp = fp = fn = 0
                for tweet in tweets:
                    for label in labels:
                        outcome = seed_counts[tweet, LABELS.index(label)]
                        tp, fp, fn = tp + outcome[0], fp + outcome[1], fn + outcome[2]
                f1.append(2 * tp / (2 * tp + fp + fn) if tp else 0.0)
            expected.append(sum(f1) / len(f1))
        assert row == pytest.approx(expected)


def test_draws_differ_from_one_another_and_repeat() -> None:
    weights = accuracy.resampling_weights(20)
    assert weights.shape == (1000, 20)
    assert len({tuple(row) for row in weights}) == 1000
    assert weights.mean() == 1
    numpy.testing.assert_array_equal(weights, accuracy.resampling_weights(20))


def test_interval_leaves_a_fortieth_on_either_side() -> None:
    draws = numpy.arange(1001.0)[:, None]
    assert accuracy.interval(draws).ravel() == pytest.approx([25, 975])


# --- Comparison by type

GOLD = accuracy.Gold({split: DOCS for split in ("train", "validation", "test")}, LABELS)


def gold_spans(docs: list[Doc], *, without: str = "") -> list[list[tuple[int, int, str]]]:
    return [[span for span in accuracy.doc_spans(doc) if span[2] != without] for doc in docs]


def make_result(predictions: Any, **values: Any) -> dict[str, Any]:
    predictions = {split: predictions for split in accuracy.SPLITS}
    scores = accuracy.score_splits(predictions, GOLD)
    costs = {"train_seconds": 10.0, "n_bytes": 2_500_000, "stale": False, "notes": {}}
    return {"predictions": predictions, "scores": scores, **costs, **values}


def test_types_below_the_reference_are_named() -> None:
    reference = [make_result(gold_spans(DOCS))]
    equal = accuracy.compare(reference, reference * 2, GOLD)
    worse = accuracy.compare(
        reference, [make_result(gold_spans(DOCS, without="place")) for _ in "ab"], GOLD
    )
    assert equal["place"] == accuracy.Difference(10, 1.0, 1.0, 0.0, 0.0)
    assert [label for label, row in worse.items() if not row.holds] == ["all", "place"]
    assert worse["place"].model == 0.0
    text = accuracy.type_table({"bilstm": equal, "bilstm_crf": worse})
    assert "| place | 10 | 100.00 | 100.00 | +0.0 [+0.0, +0.0] | yes | 0.00 | -100.0 " in text
    assert text.count("**no**") == 2
    assert "- `bilstm`, no type below `crfsuite` by more than its interval: holds for every" in text
    assert "- `bilstm_crf`, no type below `crfsuite` by more than its interval: does not" in text
    assert text.endswith("does not hold for place.")


@pytest.mark.parametrize(("high", "holds"), [(-0.001, False), (0.0, True), (0.2, True)])
def test_holds_if_the_interval_reaches_zero(high: float, holds: bool) -> None:
    assert accuracy.Difference(1, 0.6, 0.5, -0.3, high).holds is holds


def test_difference_is_drawn_in_pairs_and_takes_the_mean_of_the_seeds() -> None:
    one, two, three = (make_result(random_predictions(DOCS, seed)) for seed in range(3))
    rows = accuracy.compare([one], [two, three], GOLD)
    means = [sum(r["scores"]["test"]["all"]["f"] for r in (two, three)) / 2]
    assert rows["all"].model == pytest.approx(means[0])
    # The same predictions on other draws of the tweets would not agree.
    same = accuracy.compare([two, three], [two, three], GOLD)
    assert {(row.low, row.high) for row in same.values()} == {(0.0, 0.0)}


# --- Tables


def test_table_has_means_deviations_and_remarks() -> None:
    perfect, nothing = make_result(gold_spans(DOCS)), make_result([[] for _ in DOCS])
    results = {
        "gazetteer": [{**perfect, "n_bytes": None}],
        "bilstm": [perfect, {**nothing, "train_seconds": 20.0}],
    }
    lines = accuracy.accuracy_table(results, {"bilstm_crf": "not run"}).splitlines()
    rows = {line.split("`")[1]: line.split(" | ") for line in lines[2:]}
    assert list(rows) == [c.name for c in (*accuracy.BASELINES, *accuracy.LADDER)]
    assert rows["gazetteer"][2:] == ["100.00", "100.00", "100.00 / 100.00", "100.00", "10", "- |"]
    mean = "50.00 ± 70.71"
    assert rows["bilstm"][2:] == [mean, mean, "50.00 / 50.00", mean, "15", "2.5 |"]
    adds = next(rung.adds for rung in accuracy.LADDER if rung.name == "bilstm_crf")
    assert rows["bilstm_crf"][1:] == [f"{adds} (not run)", *["-"] * 5, "- |"]
    assert {len(row) for row in rows.values()} == {8}


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


def test_block_is_put_between_its_markers(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "accuracy.md"
    accuracy.write_block(path, "hse", "one")
    accuracy.write_block(path, "sample", "two")
    text = path.read_text()
    assert text.startswith("# Accuracy\n\n<!-- accuracy:hse:begin -->\none\n<!-- accuracy:hse:end")
    path.write_text(text.replace("# Accuracy", "# Ours\n\nProse.") + "\nMore prose.\n")
    # Backslashes and group references are but characters.
    accuracy.write_block(path, "hse", r"new \1")
    assert path.read_text() == (
        "# Ours\n\nProse.\n\n<!-- accuracy:hse:begin -->\nnew \\1\n<!-- accuracy:hse:end -->\n\n"
        "<!-- accuracy:sample:begin -->\ntwo\n<!-- accuracy:sample:end -->\n\nMore prose.\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "<!-- accuracy:hse:begin -->\n",
        "<!-- accuracy:hse:end -->\n",
        "<!-- accuracy:hse:end -->\n<!-- accuracy:hse:begin -->\n",
    ],
)
def test_half_a_pair_of_markers_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "accuracy.md"
    path.write_text(text)
    with pytest.raises(accuracy.BenchmarkError, match="or neither"):
        accuracy.write_block(path, "hse", "one")
    assert path.read_text() == text


# --- Results that are kept


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with all that decides a result, and two contestants: a baseline and a rung."""
    write_corpus(tmp_path / "corpus" / "tiny")
    files = {"configs/a.cfg": "[nlp]", "configs/b.cfg": "[nlp]", "assets/words.txt": "words"}
    sources = [name if name.endswith(".py") else f"{name}/x/y.py" for name in accuracy.SOURCES]
    for name, text in (files | dict.fromkeys(sources, "source")).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(accuracy, "ROOT", tmp_path)
    rung = accuracy.Contestant(
        "bilstm",
        "rung",
        "configs/b.cfg",
        overrides={"training.dropout": 0.5},
        needs=("assets/words.txt",),
    )
    baseline = accuracy.Contestant("spacy_ner", "baseline", "configs/a.cfg")
    set_contestants(monkeypatch, baseline, rung)
    return tmp_path


def set_contestants(monkeypatch: pytest.MonkeyPatch, baseline: Any, rung: Any) -> None:
    monkeypatch.setattr(accuracy, "BASELINES", (baseline,))
    monkeypatch.setattr(accuracy, "LADDER", (rung,))


@pytest.fixture
def trained(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """RETURNS (list[str]): The names of the runs that were trained; they predict what is gold."""
    names = []

    def train(run: Any, gold: Any, threads: int) -> Any:
        names.append(run.name)
        return accuracy.Trained(lambda split: gold_spans(gold.docs[split]), 1.5, 1000, {})

    monkeypatch.setattr(accuracy, "train", train)
    return names


def run_cli(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(accuracy.accuracy_cli)
    return CliRunner().invoke(
        app, ["--corpus", "tiny", "--seeds", "2", *(str(argument) for argument in arguments)]
    )


ALL = ["spacy_ner-0", "spacy_ner-1", "bilstm-0", "bilstm-1"]


def test_results_are_kept_and_not_made_again(root: Path, trained: list[str]) -> None:
    first = run_cli("--json", root / "all.json")
    assert first.exit_code == 0, first.output
    assert trained == ALL
    result = json.loads((root / "metrics" / "tiny" / "accuracy" / "bilstm-1.json").read_text())
    assert result["predictions"]["test"][0] == [[2, 3, "person"], [4, 6, "place"]]
    assert (result["seed"], result["stale"], result["n_bytes"]) == (1, False, 1000)
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


def new_corpus(split: str) -> Callable[[Path], None]:
    return lambda root: write_corpus(root / "corpus" / "tiny", **{split: TWEETS[:3]})


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda root: append(root / "configs" / "b.cfg"), ALL[2:]),
        (lambda root: append(root / "configs" / "a.cfg"), ALL[:2]),
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
        (lambda root: (root / "metrics/tiny/accuracy/bilstm-1.json").unlink(), ALL[3:]),
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
        monkeypatch.setattr(accuracy, "version", lambda package: f"{package} 0")
        assert run_cli().exit_code == 0
        assert trained == ALL
    else:
        rung = accuracy.LADDER[0]._replace(overrides={"training.dropout": 0.4})
        monkeypatch.setattr(accuracy, "LADDER", (rung,))
        assert run_cli().exit_code == 0
        assert trained == ALL[2:]


def test_stale_results_are_marked(root: Path, trained: list[str]) -> None:
    run_cli()
    trained.clear()
    source = root / "spacy_twitter_ner" / "normalization.py"
    append(source)
    path = root / "metrics" / "tiny" / "accuracy" / "bilstm-0.json"

    result = run_cli("--table-only")
    assert result.exit_code == 0, result.output
    assert "| `bilstm` | rung (not run) | - |" in result.output
    result = run_cli("--accept-stale")
    assert "rung (trained by earlier source)" in result.output
    assert json.loads(path.read_text())["stale"] is True
    assert trained == []

    source.write_text("source")
    assert "| `bilstm` | rung | 100.00 ± 0.00 |" in run_cli().output
    assert json.loads(path.read_text())["stale"] is False

    # Another setting is another model, however much is accepted.
    append(source)
    append(root / "configs" / "b.cfg")
    run_cli("--accept-stale")
    assert trained == ALL[2:]


def test_scores_are_those_of_the_present_scorer(root: Path, trained: list[str]) -> None:
    run_cli()
    path = root / "metrics" / "tiny" / "accuracy" / "bilstm-0.json"
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
    succeed = accuracy.train

    def train(run: Any, gold: Any, threads: int) -> Any:
        if run.name == "spacy_ner-1":
            raise accuracy.BenchmarkError("out of memory")
        return succeed(run, gold, threads)

    monkeypatch.setattr(accuracy, "train", train)
    result = run_cli("--jobs", "2")
    assert result.exit_code == 1
    assert "out of memory" in result.output
    assert "1 of 4 trainings failed" in result.output
    assert sorted(trained) == ["bilstm-0", "bilstm-1", "spacy_ner-0"]
    assert "baseline (1 of 2 seeds)" in (root / "docs" / "accuracy.md").read_text()


def test_nothing_is_trained_by_changed_source(
    root: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed = accuracy.train

    def train(run: Any, gold: Any, threads: int) -> Any:
        if run.name == "bilstm-0":
            append(root / "spacy_twitter_ner" / "iob.py")
        return succeed(run, gold, threads)

    monkeypatch.setattr(accuracy, "train", train)
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


def test_corpus_must_be_annotated_gold_tokens(root: Path) -> None:
    folder = root / "corpus" / "tiny"
    write_corpus(folder, test=["Ann/B-person -"])
    with pytest.raises(accuracy.BenchmarkError, match=r"test\.spacy, tweet 1: needs gold tokens"):
        accuracy.read_gold("tiny")
    spaced = Doc(VOCAB, words=["Ann", "!"], spaces=[False, False], ents=["B-person", "O"])
    write_corpus(folder)
    DocBin(docs=[make_doc("Ann/B-person"), spaced]).to_disk(folder / "validation.spacy")
    with pytest.raises(accuracy.BenchmarkError, match=r"validation\.spacy, tweet 2"):
        accuracy.read_gold("tiny")


# --- Real contestants


@pytest.fixture
def real_root(root: Path) -> Path:
    """The project without its source, which would be imported instead of the package."""
    shutil.rmtree(root / "spacy_twitter_ner")
    return root


def test_training_scores_as_spacy_evaluate(
    real_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FOLDER.parent / "configs" / "bilstm.cfg", real_root / "configs" / "b.cfg")
    embed_and_encode = "components.twitter_bilstm_ner.model.tok2vec"
    overrides = {
        "training.max_steps": 20,
        "training.eval_frequency": 10,
        f"{embed_and_encode}.embed.widths": [10, 5, 5, 5],
        f"{embed_and_encode}.encode.hidden_width": 10,
    }
    rung = accuracy.Contestant("bilstm", "rung", "configs/b.cfg", overrides)
    set_contestants(monkeypatch, accuracy.BASELINES[0], rung)
    corpus = real_root / "corpus" / "tiny"
    # Empty docs are passed over by spaCy; the predictions have to stay with their tweets.
    write_corpus(corpus, test=["", *TWEETS, "", "Bob/B-team saw Drake/B-person"])
    result = run_cli("--only", "bilstm", "--seeds", "1")
    assert result.exit_code == 0, result.output
    model = real_root / "training" / "tiny" / "accuracy" / "bilstm-0" / "model-best"
    stored = json.loads((real_root / "metrics/tiny/accuracy/bilstm-0.json").read_text())
    assert stored["train_seconds"] > 0
    assert stored["n_bytes"] > 10_000
    for split in accuracy.SPLITS:
        expected = evaluate(str(model), corpus / f"{split}.spacy")
        scores = stored["scores"][split]["all"]
        for key in "prf":
            assert scores[key] == pytest.approx(expected[f"ents_{key}"])
        assert scores["f"] > 0
    assert spacy.load(model).config["training"]["max_steps"] == 20


def test_failed_training_shows_its_log(real_root: Path) -> None:
    run = accuracy.Run(accuracy.LADDER[0], "tiny", 3)
    with pytest.raises(accuracy.BenchmarkError, match=r"bilstm-3 failed, see .*train\.log") as info:
        accuracy.train(run, None, 1)
    # The config is not a whole one.
    assert "Error parsing config overrides" in str(info.value)


def test_config_is_written_without_what_a_rung_leaves_out(root: Path, tmp_path: Path) -> None:
    (root / "configs" / "r.cfg").write_text(
        "[a]\nx = ${b.c.y}\n\n[b]\n\n[b.c]\ny = 1\n\n[b.d]\nz = 2\n", encoding="utf8"
    )
    rung = accuracy.Contestant("rung", "rung", "configs/r.cfg", without=("b.d",))
    accuracy.write_config(accuracy.Run(rung, "tiny", 0), tmp_path / "config.cfg")
    config = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    assert config == {"a": {"x": "${b.c.y}"}, "b": {"c": {"y": 1}}}
    rung = rung._replace(without=("b.d", "b.e.f"))
    with pytest.raises(accuracy.BenchmarkError, match=r"rung-0: configs/r.cfg has no .*b\.e\.f"):
        accuracy.write_config(accuracy.Run(rung, "tiny", 0), tmp_path / "config.cfg")


def test_every_rung_can_be_made_of_its_config(tmp_path: Path) -> None:
    for rung in accuracy.LADDER:
        accuracy.write_config(accuracy.Run(rung, "tiny", 0), tmp_path / f"{rung.name}.cfg")


def test_command_passes_seed_paths_and_overrides(root: Path) -> None:
    rung = accuracy.LADDER[0]._replace(overrides={"a.b": True, "a.c": "text", "a.d": [1, 2]})
    command = accuracy.train_command(accuracy.Run(rung, "tiny", 7), root / "out")
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


def test_scripts_have_one_run() -> None:
    runs = accuracy.make_runs((*accuracy.BASELINES, *accuracy.LADDER), "tiny", 3)
    names = [run.name for run in runs]
    assert names[:3] == ["gazetteer-0", "crfsuite-0", "spacy_ner-0"]
    assert len(names) == len(set(names)) == 2 + 3 * (1 + len(accuracy.LADDER))


@pytest.mark.parametrize("name", ["gazetteer", "crfsuite"])
def test_scripts_are_contestants(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "crfsuite":
        pytest.importorskip("sklearn_crfsuite")
    contestant = next(c for c in accuracy.BASELINES if c.name == name)
    trained = accuracy.train(accuracy.Run(contestant, "tiny", 0), GOLD, 1)
    assert (trained.n_bytes is None) == (name == "gazetteer")
    predictions = trained.predict("test")
    assert accuracy.score(DOCS, predictions, LABELS)["all"]["f"] > 0.6


# --- CRFsuite


def test_token_features() -> None:
    features = crfsuite.token_features("iPhone7")
    assert features.affixes == [
        *("prefix1=i", "suffix1=7", "prefix2=ip", "suffix2=e7"),
        *("prefix3=iph", "suffix3=ne7", "prefix4=ipho", "suffix4=one7"),
    ]
    assert features.others == ["lower=iphone7", "shape=xXxd"]


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("NYC", ["lower=nyc", "shape=X", "upper"]),
        ("Leeds", ["lower=leeds", "shape=Xx", "title"]),
        ("2012", ["lower=2012", "shape=d", "digit"]),
        ("#tag", ["lower=#tag", "shape=#x", "hashtag"]),
        ("#", ["lower=#", "shape=#"]),
        ("@Ann", ["lower=<USR>", "shape=@Xx", "title", "user"]),
        ("http://t.co/a1", ["lower=<URL>", "shape=x:/x.x/xd", "url"]),
    ],
)
def test_flags_and_shapes(text: str, others: list[str]) -> None:
    assert crfsuite.token_features(text).others == others


def test_window_ends_with_the_text() -> None:
    first, _, last = crfsuite.doc_features(make_doc("a b c"))
    own = ["prefix", "suffix"]
    neighbours = [feature for feature in first if not feature.startswith(tuple(own))]
    assert [feature for feature in neighbours if "shape" not in feature] == [
        *("-2:BOS", "-1:BOS", "+0:lower=a", "+1:lower=b", "+2:lower=c")
    ]
    assert "+1:EOS" in last
    assert "-2:lower=a" in last
    assert crfsuite.doc_features(make_doc("")) == []


def test_crf_learns_and_chooses_on_validation() -> None:
    pytest.importorskip("sklearn_crfsuite")
    # Under a penalty as strong as the first, nothing is learned.
    tagger, choices = crfsuite.train(DOCS, DOCS[:4], grid=[(1000.0, 0.1), (0.01, 0.01)])
    assert [(choice.c1, choice.c2) for choice in choices] == [(0.01, 0.01), (1000.0, 0.1)]
    assert choices[0].f == 1.0 > choices[1].f
    assert tagger.n_bytes > 100
    predicted = tagger.annotate(make_doc("saw Drake in New York"))
    assert [(ent.text, ent.label_) for ent in predicted.ents] == [
        ("Drake", "person"),
        ("New York", "place"),
    ]
    again, _ = crfsuite.train(DOCS, DOCS[:4], grid=[(0.01, 0.01)])
    assert again.crf.state_features_ == tagger.crf.state_features_
    assert tagger.crf.all_possible_transitions


def test_crf_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    # None makes the import fail, installed or not.
    monkeypatch.setitem(sys.modules, "sklearn_crfsuite", None)
    contestant = next(c for c in accuracy.BASELINES if c.name == "crfsuite")
    with pytest.raises(accuracy.BenchmarkError, match=r"pip install .*\[benchmarks\]"):
        accuracy.train(accuracy.Run(contestant, "tiny", 0), GOLD, 1)


def test_crf_cli_prints_choice_and_scores(tmp_path: Path) -> None:
    pytest.importorskip("sklearn_crfsuite")
    write_corpus(tmp_path)
    app = typer.Typer()
    app.command()(crfsuite.crfsuite_cli)
    paths = [str(tmp_path / f"{split}.spacy") for split in ("train", "validation", "test")]
    result = CliRunner().invoke(app, paths)
    assert result.exit_code == 0, result.output
    assert "chosen on validation" in result.output
    assert "test: P, R, F1" in result.output
