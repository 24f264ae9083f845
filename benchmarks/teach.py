"""Simulated annotation: gold annotation answers what `spacy-twitter-ner teach` asks.

    python benchmarks/teach.py choice assets/modern/train.jsonl assets/modern/dev.jsonl
    python benchmarks/teach.py new-type assets/modern/train.jsonl assets/modern/dev.jsonl

Corpora are .spacy files, token/tag files or JSON lines with spans.

`choice` starts without a trained model, from the lexical knowledge of the pretrained pipeline, and
prints F1 by number of answers if the tweets are chosen as `teach` chooses them, at random, or the
shortest first. The first 200 answers are to random tweets, since there is no model to choose by.

`new-type` trains a pipeline on tweets in which one type isn't annotated, then teaches it that type
and prints F1 of the type and of the others. The first answers are to tweets that contain it; the
others are to tweets that `teach` chooses.
"""

import json
import random
import statistics
import sys
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import spacy
import typer
from spacy.language import Language
from spacy.vocab import Vocab

from spacy_twitter_ner.corpus.reader import read_docs
from spacy_twitter_ner.corpus.spanfile import CharSpan
from spacy_twitter_ner.evaluation.scorer import score_entities
from spacy_twitter_ner.teaching.learning import (
    BLANK_STEPS,
    Gold,
    make_examples,
    teach,
    teach_blank,
)
from spacy_twitter_ner.teaching.selection import choose, drop_near_duplicates, get_entropies
from spacy_twitter_ner.util import get_ner
from spacy_twitter_ner.viz.style import BLUE, GRID, MUTED, VERMILLION, new_figure, save_figure

OURS, RANDOM, SHORTEST = "ours", "random", "shortest"
STRATEGIES = [OURS, RANDOM, SHORTEST]
# Numbers of answers after which a pipeline is trained and scored.
SIZES = [200, 400, 600, 800, 1000, 1200]
OTHER_SIZES = [600, 1200, 2000]
SEEDS = [0, 1, 2]
# Number of tweets that a pipeline is trained on before it's taught a new type.
N_OLD = 6000
NEW_TYPE_SIZES = [70, 100]
NEW_TYPE_SEEDS = [0, 1]
LABELS = ["person", "geo-loc", "company"]

STYLES = {
    OURS: ("teach", BLUE),
    RANDOM: ("random", VERMILLION),
    SHORTEST: ("shortest first", MUTED),
}

app = typer.Typer(help="Simulated annotation", rich_markup_mode=None)


class Run(NamedTuple):
    """F1 by number of answers, with one strategy and seed."""

    strategy: str
    seed: int
    scores: dict[int, float]


def read_golds(path: Path) -> list[Gold]:
    """RETURNS (list[Gold]): The annotated tweets of a corpus."""
    golds = []
    for doc in read_docs(path, Vocab()):
        spans = [CharSpan(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
        golds.append(Gold(doc.text, spans))
    return golds


def find_labels(golds: Sequence[Gold]) -> list[str]:
    """RETURNS (list[str]): The types, sorted."""
    return sorted({span.label for gold in golds for span in gold.spans})


def score(nlp: Language, golds: Sequence[Gold]) -> dict[str, float]:
    """RETURNS (dict[str, float]): F1 from raw text, in percent, overall ("") and by type."""
    examples = make_examples(nlp, golds)
    for _ in nlp.pipe([example.predicted for example in examples]):
        pass
    scores = score_entities(examples)
    by_type = {label: 100 * one["f"] for label, one in scores["ents_per_type"].items()}
    return {"": 100 * scores["ents_f"], **by_type}


def simulate(
    pool: Sequence[Gold],
    dev: Sequence[Gold],
    strategy: str,
    sizes: Sequence[int],
    seed: int,
    steps: int,
) -> dict[int, float]:
    """Replay the annotation of a pool with one strategy.

    pool (Sequence[Gold]): The annotated tweets to choose from, without near duplicates.
    dev (Sequence[Gold]): The tweets to score on.
    strategy (str): One of STRATEGIES.
    sizes (Sequence[int]): Numbers of answers after which a pipeline is trained and scored.
    seed (int): Seed of the first answers, random choices and training.
    steps (int): Number of updates of each training.
    RETURNS (dict[int, float]): F1 by number of answers.
    """
    labels = find_labels(pool)
    order = _shuffle(pool, seed)
    if strategy == SHORTEST:
        order.sort(key=lambda gold: len(gold.text))
    answers = order[: sizes[0]]
    found = {}
    for size, following in pairwise([*sizes, 0]):
        nlp = teach_blank(answers, labels, n_steps=steps, seed=seed)
        found[size] = score(nlp, dev)[""]
        print(f"seed {seed}, {strategy}: {size} answers, F1 {found[size]:.1f}", flush=True)
        if strategy != OURS:
            answers = order[:following]
        elif following:
            left = leave_out(pool, answers)
            answers = answers + choose_next(nlp, left, following - size, seed + size)
    return found


def _shuffle(golds: Sequence[Gold], seed: int) -> list[Gold]:
    order = list(golds)
    random.Random(seed).shuffle(order)  # noqa: S311
    return order


def leave_out(golds: Sequence[Gold], answers: Sequence[Gold]) -> list[Gold]:
    """RETURNS (list[Gold]): The tweets without answers."""
    answered = {gold.text for gold in answers}
    return [gold for gold in golds if gold.text not in answered]


def choose_next(nlp: Language, tweets: Sequence[Gold], n: int, seed: int) -> list[Gold]:
    """RETURNS (list[Gold]): The next tweets, as `teach` chooses them."""
    entropies = get_entropies(nlp, [gold.text for gold in tweets], get_ner(nlp).labels)
    return [tweets[choice.tweet] for choice in choose(range(len(tweets)), entropies, n, seed=seed)]


@app.command("choice")
def choice_cli(
    pool: Annotated[Path, typer.Argument(help="Corpus to choose from")],
    dev: Annotated[Path, typer.Argument(help="Corpus to score on")],
    strategies: Annotated[list[str], typer.Option("--strategy", help="Strategies")] = STRATEGIES,
    ours: Annotated[
        list[int], typer.Option("--size", help="Numbers of answers to score for ours")
    ] = SIZES,
    others: Annotated[
        list[int], typer.Option("--other-size", help="The same of the others")
    ] = OTHER_SIZES,
    seeds: Annotated[list[int], typer.Option("--seed", help="Seeds")] = SEEDS,
    steps: Annotated[int, typer.Option(min=1, help="Updates of each training")] = BLANK_STEPS,
    results: Annotated[
        Path | None, typer.Option(help="JSON file for the scores. Runs that it contains are kept")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Picture to draw, .png or .svg")] = None,
) -> None:
    """Print F1 by number of answers for each strategy."""
    golds = read_golds(pool)
    golds = [golds[index] for index in drop_near_duplicates([gold.text for gold in golds])]
    dev_golds = read_golds(dev)
    runs = read_runs(results) if results is not None and results.exists() else []
    done = {(run.strategy, run.seed) for run in runs}
    for seed, strategy in product(seeds, strategies):
        if (strategy, seed) not in done:
            sizes = ours if strategy == OURS else others
            scores = simulate(golds, dev_golds, strategy, sizes, seed, steps)
            runs.append(Run(strategy, seed, {n: round(f1, 1) for n, f1 in scores.items()}))
            if results is not None:
                text = json.dumps([run._asdict() for run in runs], indent=1)
                results.write_text(text + "\n", encoding="utf-8")
    print_choice(runs)
    if picture is not None:
        draw_choice(runs, picture)


def read_runs(path: Path) -> list[Run]:
    """RETURNS (list[Run]): The runs of a JSON file."""
    records = json.loads(path.read_text(encoding="utf-8"))
    return [
        Run(one["strategy"], one["seed"], {int(n): f1 for n, f1 in one["scores"].items()})
        for one in records
    ]


def collect(runs: Sequence[Run]) -> dict[str, dict[int, list[float]]]:
    """RETURNS (dict[str, dict[int, list[float]]]): F1 of all seeds by strategy and answers."""
    scores: dict[str, dict[int, list[float]]] = {}
    for run in runs:
        for size, f1 in run.scores.items():
            scores.setdefault(run.strategy, {}).setdefault(size, []).append(f1)
    return scores


def print_choice(runs: Sequence[Run]) -> None:
    """Print the mean and standard deviation over seeds by number of answers."""
    scores = collect(runs)
    print(f"| answers | {' | '.join(scores)} |")
    print("|---:|" + "---:|" * len(scores))
    for size in sorted({size for by_size in scores.values() for size in by_size}):
        cells = [_summarize(by_size.get(size, [])) for by_size in scores.values()]
        print(f"| {size:,} | {' | '.join(cells)} |")


def _summarize(values: Sequence[float]) -> str:
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def draw_choice(runs: Sequence[Run], path: Path) -> None:
    """Draw F1 by number of answers: a line through the means, and a dot per seed."""
    scores = collect(runs)
    with new_figure(6.2, 3.4) as figure:
        axis = figure.add_axes((0.09, 0.14, 0.79, 0.82))
        for strategy, by_size in scores.items():
            name, color = STYLES[strategy]
            sizes = sorted(by_size)
            means = [statistics.mean(by_size[size]) for size in sizes]
            axis.plot(sizes, means, color=color, linewidth=1.8)
            for size in sizes:
                axis.plot(
                    [size] * len(by_size[size]), by_size[size], "o", color=color, markersize=3
                )
            style = {"xytext": (8, 0), "textcoords": "offset points", "annotation_clip": False}
            style |= {"color": color, "fontweight": "bold", "va": "center"}
            axis.annotate(name, (sizes[-1], means[-1]), **style)
        axis.set_xlabel("answers", labelpad=2)
        axis.set_ylabel("F1 on the development split", labelpad=3)
        axis.set_ylim(bottom=0)
        axis.grid(axis="y", color=GRID, linewidth=0.7)
        axis.tick_params(length=0)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        save_figure(figure, path)


class NewType(NamedTuple):
    """F1 of a new type, and of all others before and after it was taught."""

    new: float
    before: float
    after: float


def without_type(gold: Gold, label: str) -> Gold:
    """RETURNS (Gold): The annotation without a type."""
    return gold._replace(spans=[span for span in gold.spans if span.label != label])


def teach_type(
    pool: Sequence[Gold],
    dev: Sequence[Gold],
    label: str,
    sizes: Sequence[int],
    steps: int,
    seed: int,
) -> NewType:
    """Train without a type, then teach it. The first answers are to tweets that contain it, as a
    search for examples finds them; `teach` chooses the others.

    RETURNS (NewType): The scores.
    """
    tweets = _shuffle(pool, seed)
    labels = find_labels(tweets)
    old = [without_type(gold, label) for gold in tweets[:N_OLD]]
    nlp = teach_blank(old, find_labels(old), n_steps=steps, seed=seed)
    before = score_without(nlp, dev, label)
    left = tweets[N_OLD:]
    answers = [gold for gold in left if any(s.label == label for s in gold.spans)][: sizes[0]]
    with TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        for size, following in pairwise([*sizes, 0]):
            left = leave_out(left, answers)
            taught = spacy.load(folder)
            teach(taught, answers, labels, [gold.text for gold in left], seed=seed)
            if following:
                answers += choose_next(taught, left, following - size, seed + size)
    return NewType(score(taught, dev)[label], before, score_without(taught, dev, label))


def score_without(nlp: Language, golds: Sequence[Gold], label: str) -> float:
    """RETURNS (float): F1 of all types except one."""
    examples = make_examples(nlp, [without_type(gold, label) for gold in golds])
    for doc in nlp.pipe([example.predicted for example in examples]):
        doc.set_ents([ent for ent in doc.ents if ent.label_ != label], default="outside")
    return 100 * score_entities(examples)["ents_f"]


@app.command("new-type")
def new_type_cli(
    pool: Annotated[Path, typer.Argument(help="Corpus to train on")],
    dev: Annotated[Path, typer.Argument(help="Corpus to score on")],
    labels: Annotated[
        list[str], typer.Option("--label", help="Types to learn later, one by one")
    ] = LABELS,
    sizes: Annotated[
        list[int], typer.Option("--size", help="Numbers of answers after which it's trained")
    ] = NEW_TYPE_SIZES,
    steps: Annotated[int, typer.Option(min=1, help="Updates of the first training")] = 600,
    seeds: Annotated[list[int], typer.Option("--seed", help="Seeds")] = NEW_TYPE_SEEDS,
) -> None:
    """Print F1 of a new type and of the others, before and after teaching it: means over seeds."""
    golds, dev_golds = read_golds(pool), read_golds(dev)
    print("| new type | its F1 | others before | others after |")
    print("|---|---:|---:|---:|")
    losses = []
    for label in labels:
        runs = []
        for seed in seeds:
            runs.append(teach_type(golds, dev_golds, label, sizes, steps, seed))
            print(f"seed {seed}, {label}: {runs[-1]}", file=sys.stderr, flush=True)
        new, before, after = map(statistics.mean, zip(*runs, strict=True))
        losses.append(before - after)
        print(f"| {label} | {new:.1f} | {before:.1f} | {after:.1f} |", flush=True)
    print(f"Mean loss of the others: {statistics.mean(losses):.1f}")


if __name__ == "__main__":
    app()
