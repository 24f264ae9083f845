"""Bias of expected and thresholded counts of names, and coverage of their intervals.

    python benchmarks/counts.py hse training/hse/finetune/model-best \\
        corpus/hse/validation.spacy corpus/hse/test.spacy --write-docs

Labelled tweets that the pipeline wasn't trained on are split into random halves. One calibrates
the counts, and names are counted in the other. Results are kept in benchmarks/results/counts,
without tweets.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy
import spacy
import typer

from lib.project import ROOT, keep_result
from lib.tables import Table, print_table, split_at_block, write_block
from spacy_twitter_ner.corpus.reader import read_examples
from spacy_twitter_ner.counts.calibration import (
    Count,
    CountCalibration,
    fit_calibration,
    label_names,
)
from spacy_twitter_ner.counts.candidates import Name, Sums
from spacy_twitter_ner.counts.names import name_key
from spacy_twitter_ner.training.guarantees import drop_copies

DOCS = ROOT / "docs" / "guarantees.md"
RESULTS = ROOT / "benchmarks" / "results" / "counts"
BLOCK = "counts"
TOP = 50
ESTIMATES = ("annotated", "raw", "expected")


class Tweet(NamedTuple):
    """A labelled tweet: its names with probabilities and whether it contains them, and the names
    that `annotate` finds."""

    names: dict[Name, tuple[float, bool]]
    annotated: set[Name]


def read_tweets(model: str, paths: list[Path]) -> list[Tweet]:
    """RETURNS (list[Tweet]): All tweets without copies."""
    nlp = spacy.load(model)
    examples = drop_copies(eg for path in paths for eg in read_examples(path, nlp))
    names = label_names(nlp, examples, {})
    docs = nlp.pipe(eg.predicted.copy() for eg in examples)
    found = ({(name_key(ent.text), ent.label_) for ent in doc.ents} for doc in docs)
    return [Tweet(*pair) for pair in zip(names, found, strict=True)]


class Counted(NamedTuple):
    """Counts of some tweets, by name or type.

    gold (dict): The right ones.
    annotated (dict): Those of `annotate`.
    sums (dict): The sums of probabilities.
    """

    gold: dict[Any, int]
    annotated: dict[Any, int]
    sums: dict[Any, Sums]


def count(tweets: Sequence[Tweet], *, by_type: bool) -> Counted:
    """RETURNS (Counted): The counts by type or by name."""
    counted = Counted({}, {}, {})
    for tweet in tweets:
        for name, (p, is_right) in tweet.names.items():
            key = name[1] if by_type else name
            counted.gold[key] = counted.gold.get(key, 0) + is_right
            if p > 0:
                counted.sums[key] = counted.sums.get(key, Sums()).plus(p)
        for name in tweet.annotated:
            key = name[1] if by_type else name
            counted.annotated[key] = counted.annotated.get(key, 0) + 1
    return counted


def compare(keys: Sequence[Any], counted: Counted, counts: list[Count]) -> dict[str, list[float]]:
    """RETURNS (dict[str, list[float]]): For each key, the right, annotated and expected count, and
    whether the interval contains the right one."""
    gold = [counted.gold.get(key, 0) for key in keys]
    return {
        "gold": gold,
        "annotated": [counted.annotated.get(key, 0) for key in keys],
        "raw": [counted.sums.get(key, Sums()).p for key in keys],
        "expected": [each.expected for each in counts],
        "covered": [each.low <= n <= each.high for each, n in zip(counts, gold, strict=True)],
    }


def split_once(tweets: Sequence[Tweet], order: numpy.ndarray) -> dict[str, dict[str, list[float]]]:
    """RETURNS (dict[str, dict[str, list[float]]]): The comparison of the names that are most
    frequent in the first half, and of types, in the second half."""
    middle = len(order) // 2
    labelled, others = ([tweets[i] for i in some] for some in (order[:middle], order[middle:]))
    calibration: CountCalibration = fit_calibration(tweet.names for tweet in labelled)
    frequent = sorted(count(labelled, by_type=False).gold.items(), key=lambda item: -item[1])
    names = [name for name, _ in frequent[:TOP]]
    by_name, by_type = count(others, by_type=False), count(others, by_type=True)
    types = sorted(by_type.gold)
    return {
        "names": compare(
            names,
            by_name,
            [calibration.count_name(name, by_name.sums.get(name, Sums())) for name in names],
        ),
        "types": compare(
            types,
            by_type,
            [calibration.count_type(label, by_type.sums.get(label, Sums())) for label in types],
        ),
    }


def make_rows(name: str, result: dict[str, Any]) -> list[tuple[str, ...]]:
    """RETURNS (list[tuple[str, ...]]): The rows of a result: names and types."""
    rows = []
    for kind, some in result["kinds"].items():
        biases = [
            f"{100 * some[each] / some['gold']:.1f}" for each in ("annotated", "raw", "expected")
        ]
        title = f"{TOP} names, in all" if kind == "names" else "types, each"
        n = f"{result['tweets'] // 2:,}"
        rows.append((name, title, n, f"{some['gold']:,.0f}", *biases, f"{some['covered']:.1%}"))
    return rows


def summarize(splits: list[dict[str, Any]], kind: str) -> dict[str, float]:
    """RETURNS (dict[str, float]): The mean number of right names, the mean bias of each count, and
    the coverage. The bias of names is that of their sum, which may have a sign; that of types is
    the sum of the absolute mean bias of each type."""
    some = [each[kind] for each in splits]
    summary = {"gold": float(numpy.mean([sum(each["gold"]) for each in some]))}
    for count_kind in ESTIMATES:
        if kind == "names":
            biases = [sum(each[count_kind]) - sum(each["gold"]) for each in some]
            summary[count_kind] = float(numpy.mean(biases))
        else:
            errors = [numpy.subtract(each[count_kind], each["gold"]) for each in some]
            summary[count_kind] = float(numpy.abs(numpy.mean(errors, axis=0)).sum())
    summary["covered"] = float(numpy.mean([value for each in some for value in each["covered"]]))
    return {key: round(value, 4) for key, value in summary.items()}


def counts_cli(
    name: Annotated[str, typer.Argument(help="Name of the corpus in the tables")],
    model: Annotated[str, typer.Argument(help="A trained pipeline: its folder or package")],
    files: Annotated[list[Path], typer.Argument(help="Labelled tweets it wasn't trained on")],
    splits: Annotated[int, typer.Option(min=1, help="Number of random splits")] = 100,
    seed: Annotated[int, typer.Option(help="Random seed of the splits")] = 0,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Keep the result, and write the table")
    ] = False,
) -> None:
    """Measure the bias of counts and the coverage of their intervals."""
    if write_docs:
        split_at_block(DOCS, BLOCK)
    tweets = read_tweets(model, files)
    random = numpy.random.default_rng(seed)
    found = [split_once(tweets, random.permutation(len(tweets))) for _ in range(splits)]
    # All types occur in both halves, unless there are very few tweets.
    found = [each for each in found if len(each["types"]["gold"]) == len(found[0]["types"]["gold"])]
    kinds = {kind: summarize(found, kind) for kind in ("names", "types")}
    result = {"tweets": len(tweets), "seed": seed, "splits": len(found), "kinds": kinds}
    results = {name: result}
    if write_docs:
        results = keep_result(RESULTS, name, result)
    header = (
        *("Corpus", "Counts", "Tweets", "Right", "Bias of annotate, %"),
        *("Bias of sums, %", "Bias of count, %", "Covered"),
    )
    rows = [row for each, some in results.items() for row in make_rows(each, some)]
    table = Table(f"{splits} random splits, seed {seed}, 90% intervals", header, rows, n_names=2)
    print_table(table)
    if write_docs:
        write_block(DOCS, BLOCK, "", [table])


if __name__ == "__main__":
    typer.run(counts_cli)
