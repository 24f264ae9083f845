"""How often a guaranteed precision holds, and what it costs in recall.

    python benchmarks/guarantees.py hse training/hse/finetune/model-best \\
        corpus/hse/validation.spacy corpus/hse/test.spacy --write-docs

Labelled tweets that the pipeline wasn't trained on are split into random halves. A threshold is
chosen on one half for each level; the other half tells its precision and recall. Results are kept
in benchmarks/results/guarantees, without tweets.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy
import spacy
import typer

from lib.project import ROOT, keep_result
from lib.tables import Table, print_table, split_at_block, write_block
from spacy_twitter_ner.corpus.reader import read_examples
from spacy_twitter_ner.evaluation.guarantees import (
    DELTA,
    GuaranteeError,
    ScoredTweets,
    choose_threshold,
)
from spacy_twitter_ner.training.guarantees import ALL, drop_copies, score_tweets
from spacy_twitter_ner.util import get_ner
from spacy_twitter_ner.viz.style import BLUE, GRID, INK, VERMILLION, new_figure, save_figure

DOCS = ROOT / "docs" / "guarantees.md"
PICTURE = ROOT / "docs" / "img" / "guarantees.png"
RESULTS = ROOT / "benchmarks" / "results" / "guarantees"
BLOCK = "guarantees"
LEVELS = (0.8, 0.9, 0.95)


def read_scored(model: str, paths: list[Path]) -> ScoredTweets:
    """RETURNS (ScoredTweets): The predicted entities of all tweets without copies."""
    nlp = spacy.load(model)
    examples = drop_copies(eg for path in paths for eg in read_examples(path, nlp))
    return score_tweets(nlp, get_ner(nlp), examples)[ALL]


def best_recall(tweets: ScoredTweets, precision: float) -> float:
    """RETURNS (float): The recall at the best threshold chosen with hindsight: the lowest one with
    this precision."""
    order = numpy.argsort(-tweets.confidences, kind="stable")
    right = numpy.cumsum(tweets.is_right[order])
    good = numpy.flatnonzero(right >= precision * numpy.arange(1, len(order) + 1))
    return float(right[good[-1]] / tweets.n_gold.sum()) if len(good) else 0.0


def split_once(tweets: ScoredTweets, order: numpy.ndarray) -> dict[str, list[float] | None]:
    """RETURNS (dict[str, Optional[list[float]]]): For each level, precision and recall on the other
    half, its best recall, and the precision on both halves. None if there is no guarantee."""
    middle = len(order) // 2
    chosen, other = tweets.select(order[:middle]), tweets.select(order[middle:])
    found: dict[str, list[float] | None] = {}
    for level in LEVELS:
        try:
            threshold = choose_threshold(chosen, precision=level).threshold
        except GuaranteeError:
            found[str(level)] = None
            continue
        counts, both = other.at_threshold(threshold), tweets.at_threshold(threshold)
        figures = (counts.precision, counts.recall, best_recall(other, level), both.precision)
        found[str(level)] = [round(float(x or 0), 5) for x in figures]
    return found


def make_rows(name: str, result: dict[str, Any]) -> list[tuple[str, ...]]:
    """RETURNS (list[tuple[str, ...]]): The rows of a result, one per level."""
    rows = []
    n = len(result["splits"])
    for level in LEVELS:
        found = [each[str(level)] for each in result["splits"]]
        given = numpy.asarray([each for each in found if each is not None]).reshape(-1, 4)
        row = [name, f"{result['tweets'] // 2:,}", f"{level:g}", f"{len(given) / n:.1%}"]
        if len(given):
            precision, recall, best = given.mean(axis=0)[:3]
            row += [
                f"{(given[:, 0] < level).sum() / n:.1%}",
                f"{(given[:, 3] < level).sum() / n:.1%}",
                *(f"{100 * x:.1f}" for x in (precision, recall, best, best - recall)),
            ]
        rows.append((*row, *["-"] * (10 - len(row))))
    return rows


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw the precision on the other half of each split.

    results (dict[str, dict[str, Any]]): The results, by name.
    path (Path): The picture.
    """
    with new_figure(8.4, 0.9 + 1.7 * len(results)) as figure:
        axes = figure.subplots(len(results), len(LEVELS), squeeze=False)
        figure.subplots_adjust(left=0.1, right=0.98, top=0.9, bottom=0.1, hspace=0.5, wspace=0.15)
        for (name, result), row in zip(results.items(), axes, strict=True):
            row[0].set_ylabel(name, fontsize=10, color=INK)
            for level, axis in zip(LEVELS, row, strict=True):
                found = [each[str(level)] for each in result["splits"]]
                values = [each[0] for each in found if each is not None]
                low = level - 0.08
                axis.hist(values, bins=numpy.arange(low, 1.001, 0.005), color=BLUE)
                axis.axvline(level, color=VERMILLION, linewidth=1.5)
                axis.set_xlim(low, 1.0)
                axis.set_yticks([])
                axis.tick_params(length=0, labelsize=7)
                for side in ("top", "right", "left"):
                    axis.spines[side].set_visible(False)
                axis.spines["bottom"].set_color(GRID)
                axis.set_title(f"{level:g} guaranteed: {len(values)} splits", fontsize=8, color=INK)
        figure.suptitle("Precision on the other half of each split", fontsize=11, x=0.54)
        save_figure(figure, path)


def guarantees_cli(
    name: Annotated[str, typer.Argument(help="Name of the corpus in the tables")],
    model: Annotated[str, typer.Argument(help="A trained pipeline: its folder or package")],
    files: Annotated[list[Path], typer.Argument(help="Labelled tweets it wasn't trained on")],
    splits: Annotated[int, typer.Option(min=1, help="Number of random splits")] = 500,
    seed: Annotated[int, typer.Option(help="Random seed of the splits")] = 0,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Keep the result, and write table and picture")
    ] = False,
) -> None:
    """Measure how often a guaranteed precision holds on the other half of labelled tweets."""
    if write_docs:
        split_at_block(DOCS, BLOCK)
    tweets = read_scored(model, files)
    random = numpy.random.default_rng(seed)
    n = len(tweets.n_gold)
    found = [split_once(tweets, random.permutation(n)) for _ in range(splits)]
    result = {"tweets": n, "seed": seed, "splits": found}
    results = {name: result}
    if write_docs:
        results = keep_result(RESULTS, name, result)
    header = (
        *("Corpus", "Tweets", "Level", "Given", "Below, other half", "Below, both halves"),
        *("Precision", "Recall", "Best recall", "Difference"),
    )
    rows = [row for each, some in results.items() for row in make_rows(each, some)]
    title = f"{splits} random splits, δ = {DELTA:g}, seed {seed}"
    table = Table(title, header, rows, n_names=1)
    print_table(table)
    if write_docs:
        write_block(DOCS, BLOCK, "", [table])
        draw(results, PICTURE)


if __name__ == "__main__":
    typer.run(guarantees_cli)
