"""Accuracy of the baselines and of our models: train, score, write the tables.

    python benchmarks/accuracy.py --corpus hse --seeds 3 --jobs 1 --threads 1

needs corpus/<corpus>/{train,validation,test}.spacy (`python -m spacy project run convert`). The
predictions of each run are saved in benchmarks/results/<corpus>/<model>-<seed>.json, with digests
of everything that determined them. Runs with a current result aren't repeated, so an interrupted
command can be continued. The results for hse are committed: they contain span indices, no text. The
tables are written to docs/accuracy.md. They contain all models; --only determines which may be
trained.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy
import srsly
import typer
from spacy.tokens import Doc
from wasabi import msg

from lib.machine import package_version
from lib.models import LADDER, MODELS
from lib.project import ROOT, BenchmarkError, corpus_path, read_docs
from lib.results import SPLITS, Result, Run, make_runs, read_result, train_run
from lib.tables import Table, has_block, to_markdown, write_block
from spacy_twitter_ner.evaluation.predictions import doc_spans
from spacy_twitter_ner.evaluation.scores import (
    N_DRAWS,
    Difference,
    SpanPair,
    asdict,
    count_boundaries,
    count_spans,
    paired_differences,
    to_scores,
)

DOCS = ROOT / "docs" / "accuracy.md"
# The baseline that our best models are compared with.
REFERENCE = "crfsuite"
N_COMPARED = 2

Docs = dict[str, list[Doc]]


class Scores(NamedTuple):
    """Scores of a run, 0..1: F1 on validation; F1, precision and recall on test; F1 on test with
    types ignored."""

    validation: float
    test: float
    precision: float
    recall: float
    span_only: float


class Report(NamedTuple):
    """Everything in the tables.

    results (dict[str, list[Result]]): The results by model, one per seed.
    remarks (dict[str, str]): By model, a remark on its results.
    scores (dict[str, list[Scores]]): The scores by model, one per seed.
    differences (dict[str, dict[str, Difference]]): By compared model, the differences from the
        reference on test: all types, then each type.
    """

    results: dict[str, list[Result]]
    remarks: dict[str, str]
    scores: dict[str, list[Scores]]
    differences: dict[str, dict[str, Difference]]


def get_pairs(result: Result, docs: Docs, split: str) -> list[SpanPair]:
    """RETURNS (list[SpanPair]): Gold and predicted entities of each tweet."""
    predicted = result.predictions[split]
    return [(doc_spans(doc), spans) for doc, spans in zip(docs[split], predicted, strict=True)]


def score_result(result: Result, docs: Docs, labels: Sequence[str]) -> Scores:
    """RETURNS (Scores): The scores of a run."""
    validation, test = (
        to_scores(count_spans(get_pairs(result, docs, split), labels).sum((0, 1)))
        for split in SPLITS
    )
    span_only = to_scores(count_boundaries(get_pairs(result, docs, "test")).sum(0))
    return Scores(validation.f, test.f, test.p, test.r, span_only.f)


def make_report(runs: Sequence[Run], docs: Docs, *, accept_stale: bool) -> Report:
    """Score all results.

    runs (Sequence[Run]): The runs.
    docs (dict[str, list[Doc]]): The docs of each split.
    accept_stale (bool): Whether to include stale results.
    RETURNS (Report): The report.
    """
    labels = get_labels(docs)
    results: dict[str, list[Result]] = {}
    remarks = {}
    for name in MODELS:
        own = [run for run in runs if run.model.name == name]
        read = [read_result(run, accept_stale=accept_stale) for run in own]
        results[name] = [result for result in read if result is not None]
        if remark := describe(results[name], len(own)):
            remarks[name] = remark
    scores = {
        name: [score_result(result, docs, labels) for result in found]
        for name, found in results.items()
    }
    counts = {
        name: numpy.stack([count_spans(get_pairs(r, docs, "test"), labels) for r in results[name]])
        for name in (REFERENCE, *best_models(scores))
        if results[name]
    }
    reference = counts.pop(REFERENCE, None)
    differences = {
        name: dict(zip(("all", *labels), paired_differences(own, reference), strict=True))
        for name, own in counts.items()
        if reference is not None
    }
    return Report(results, remarks, scores, differences)


def describe(results: Sequence[Result], n_runs: int) -> str:
    """RETURNS (str): A remark on incomplete or stale results."""
    if not results:
        return "not run"
    remarks = [f"{len(results)} of {n_runs} seeds"] if len(results) < n_runs else []
    remarks += ["earlier"] if any(result.is_stale for result in results) else []
    return "; ".join(remarks)


def best_models(scores: dict[str, list[Scores]]) -> list[str]:
    """RETURNS (list[str]): Our models with the best mean F1 on validation, never on test."""
    means = {
        spec.name: statistics.mean(run.validation for run in scores[spec.name])
        for spec in LADDER
        if scores[spec.name]
    }
    return sorted(means, key=lambda name: -means[name])[:N_COMPARED]


def get_labels(docs: Docs) -> list[str]:
    """RETURNS (list[str]): All entity types."""
    return sorted({ent.label_ for split in docs.values() for doc in split for ent in doc.ents})


def percent(values: Sequence[float]) -> str:
    """RETURNS (str): The mean in percent, with the standard deviation of several values."""
    deviation = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.2f}{deviation}"


def accuracy_table(report: Report) -> Table:
    """RETURNS (Table): A row per model."""
    rows = []
    for name, spec in MODELS.items():
        remark = f" ({report.remarks[name]})" if name in report.remarks else ""
        results, scores = report.results[name], report.scores[name]
        cells = ["-"] * 6
        if results:
            columns = Scores(*zip(*scores, strict=True))  # type: ignore[arg-type]
            sizes = [result.n_bytes for result in results if result.n_bytes is not None]
            precision, recall = (
                f"{100 * statistics.mean(values):.2f}"
                for values in (columns.precision, columns.recall)
            )
            cells = [
                percent(columns.validation),
                percent(columns.test),
                f"{precision} / {recall}",
                percent(columns.span_only),
                f"{statistics.mean(result.seconds for result in results):.0f}",
                f"{statistics.mean(sizes) / 1e6:.1f}" if sizes else "-",
            ]
        rows.append((f"`{name}`", spec.features + remark, *cells))
    header = (
        "model",
        "features",
        "validation F1",
        "test F1",
        "test P / R",
        "test span-only F1",
        "training, CPU s",
        "MB",
    )
    return Table("", header, rows, n_names=2)


def type_table(differences: dict[str, dict[str, Difference]], n_gold: dict[str, int]) -> Table:
    """Make the table of entity types.

    differences (dict[str, dict[str, Difference]]): By model, the differences from the reference.
    n_gold (dict[str, int]): The number of gold entities of each type.
    RETURNS (Table): The table. Its note says for each model whether any type is worse.
    """
    header = ["type", "entities", f"`{REFERENCE}`"]
    for name in differences:
        header += [f"`{name}`", "difference", "not worse"]
    rows = []
    for label, n in n_gold.items():
        cells = [label, str(n), percent([next(iter(differences.values()))[label].other])]
        for by_label in differences.values():
            row = by_label[label]
            low, high = (f"{100 * value:+.1f}" for value in (row.low, row.high))
            difference = f"{100 * (row.f - row.other):+.1f} [{low}, {high}]"
            cells += [percent([row.f]), difference, "**no**" if is_worse(row) else "yes"]
        rows.append(cells)
    return Table("", header, rows, "\n".join(verdict(*item) for item in differences.items()))


def is_worse(difference: Difference) -> bool:
    """RETURNS (bool): Whether a model is worse than the reference by more than the interval."""
    return difference.high < 0


def verdict(name: str, differences: dict[str, Difference]) -> str:
    """RETURNS (str): A list item: for which types a model is worse than the reference."""
    worse = [label for label, row in differences.items() if label != "all" and is_worse(row)]
    if worse:
        return f"- `{name}` is worse than `{REFERENCE}` by more than the interval for: " + (
            ", ".join(worse) + "."
        )
    return f"- `{name}` isn't worse than `{REFERENCE}` by more than the interval for any type."


def make_caption(corpus: str, seeds: int, results: dict[str, list[Result]]) -> str:
    """RETURNS (str): How the models were trained and scored."""
    versions = ", ".join(f"{name} {package_version(name)}" for name in ("spacy", "thinc"))
    caption = (
        f"Corpus `{corpus}`, {versions}. Mean ± standard deviation over "
        f"{'seed 0' if seeds == 1 else f'seeds 0 to {seeds - 1}'}; the gazetteer and CRFsuite are "
        "deterministic. F1 is that of `spacy evaluate` on gold tokens. Intervals: 95%, "
        f"{N_DRAWS} bootstrap samples of the tweets."
    )
    for result in results[REFERENCE]:
        choice = result.notes["choices"][0]
        caption += f" CRFsuite: c1 = {choice['c1']:g}, c2 = {choice['c2']:g}, chosen on validation."
    return caption


def runs_to_train(runs: Sequence[Run], *, force: bool, accept_stale: bool) -> list[Run]:
    """RETURNS (list[Run]): The runs that have no result and can be trained. Prints why the others
    are skipped."""
    chosen = []
    for run in runs:
        if not force and read_result(run, accept_stale=accept_stale) is not None:
            msg.text(f"{run.name}: has its result")
        elif missing := run.model.for_corpus(run.corpus).missing_files():
            msg.warn(f"{run.name}: skipped, there is no {', '.join(missing)}")
        else:
            chosen.append(run)
    return chosen


def train_all(runs: Sequence[Run], docs: Docs, jobs: int, threads: int) -> int:
    """Train models in parallel and save each result when it's done.

    runs (Sequence[Run]): The runs.
    docs (dict[str, list[Doc]]): The docs of each split.
    jobs (int): Number of parallel trainings.
    threads (int): BLAS threads of each.
    RETURNS (int): The number of failures, which don't stop the other runs.
    """
    n_failures = 0
    labels = get_labels(docs)
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {pool.submit(train_run, run, docs, threads): run for run in runs}
        for future in as_completed(futures):
            name = futures[future].name
            try:
                scores = score_result(future.result(), docs, labels)
            except BenchmarkError as error:
                n_failures += 1
                # wasabi would join the lines of the log.
                typer.echo(str(error))
            else:
                msg.good(f"{name}: F1 {percent([scores.validation])}, {percent([scores.test])}")
    finally:
        # Don't start the remaining runs after an interruption.
        pool.shutdown(cancel_futures=True)
    return n_failures


def write_report(report: Report, docs: Docs, corpus: str, seeds: int) -> None:
    """Print the tables and write them to docs/accuracy.md."""
    tables = [accuracy_table(report)]
    if report.differences:
        golds = Counter(ent.label_ for doc in docs["test"] for ent in doc.ents)
        n_gold = {"all": golds.total(), **{label: golds[label] for label in get_labels(docs)}}
        tables.append(type_table(report.differences, n_gold))
    for table in tables:
        typer.echo(to_markdown(table) + "\n")
    name = f"accuracy:{corpus}"
    if has_block(DOCS, name):
        write_block(DOCS, name, make_caption(corpus, seeds, report.results), tables)
    else:
        msg.info(f"{DOCS} has no block {name}, so the tables were only printed")


def accuracy_cli(
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "sample",
    seeds: Annotated[int, typer.Option(help="Number of seeds, starting with 0", min=1)] = 3,
    only: Annotated[list[str] | None, typer.Option(help="Train only this one; repeatable")] = None,
    jobs: Annotated[int, typer.Option(help="Number of parallel trainings", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="BLAS threads of each", min=1)] = 1,
    table_only: Annotated[bool, typer.Option("--table-only", help="Train nothing")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Train models that already have a result, too")
    ] = False,
    accept_stale: Annotated[
        bool,
        typer.Option(
            "--accept-stale",
            help="Use results of earlier source, settings, lexical files or library versions",
        ),
    ] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="File for all scores")
    ] = None,
) -> None:
    """Train and score all models and write the tables to docs/accuracy.md."""
    if unknown := set(only or ()) - set(MODELS):
        raise typer.BadParameter(
            f"unknown model {', '.join(sorted(unknown))}: expected one of {', '.join(MODELS)}"
        )
    if table_only and (force or only):
        raise typer.BadParameter("--table-only can't be combined with --force or --only")
    docs = {split: read_docs(corpus_path(corpus, split)) for split in ("train", *SPLITS)}
    runs = make_runs(corpus, seeds)
    n_failures = 0
    if not table_only:
        chosen = [run for run in runs if not only or run.model.name in only]
        todo = runs_to_train(chosen, force=force, accept_stale=accept_stale)
        n_failures = train_all(todo, docs, jobs, threads)
    report = make_report(runs, docs, accept_stale=accept_stale)
    write_report(report, docs, corpus, seeds)
    if json_path is not None:
        srsly.write_json(json_path, asdict(report._replace(results={})))
    if n_failures:
        msg.fail(f"{n_failures} of {len(todo)} trainings failed", exits=1)


if __name__ == "__main__":
    typer.run(accuracy_cli)
