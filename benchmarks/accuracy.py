"""Accuracy of every contestant and of our ladder of models: trains, scores, writes the tables.

    python benchmarks/accuracy.py --corpus hse --seeds 3 --jobs 1 --threads 1

needs corpus/<corpus>/{train,validation,test}.spacy, as `python -m spacy project run convert`
makes them. What a run predicted goes to benchmarks/results/<corpus>/<contestant>-<seed>.json, with
digests of all that decided it: a run whose digests still fit is not repeated, so an interrupted
command continues where it stopped. Results of hse are committed: they have scores and the indices
of spans, no text. The tables go to docs/accuracy.md. They always show all contestants that have
results, --table-only nothing but those; --only says which may be trained.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from contest import contestants, project
from contest.contestants import REFERENCE, all_contestants
from contest.corpus import Gold, read_gold
from contest.document import make_block, write_block
from contest.project import BenchmarkError, write_json
from contest.results import STALE, Result, Run, make_runs, missing_files, read_result
from contest.running import run_all
from contest.scores import compare, score_splits
from contest.tables import accuracy_table, type_table

N_COMPARED = 2


def collect(
    runs: Sequence[Run], gold: Gold, *, accept_stale: bool
) -> tuple[dict[str, list[Result]], dict[str, str]]:
    """Read the results of all runs; score them anew, as the scorer may have changed.

    RETURNS (tuple[dict[str, list[dict[str, Any]]], dict[str, str]]): By contestant, its results,
        and what the table should say of them.
    """
    results: dict[str, list[Result]] = {}
    remarks = {}
    for contestant in all_contestants():
        own = [run for run in runs if run.contestant.name == contestant.name]
        read = [read_result(run, accept_stale=accept_stale) for run in own]
        found = results[contestant.name] = [result for result in read if result is not None]
        for result in found:
            result["scores"] = score_splits(result["predictions"], gold)
        if notes := _remarks(own, found):
            remarks[contestant.name] = "; ".join(notes)
    return results, remarks


def _remarks(runs: Sequence[Run], found: Sequence[Result]) -> list[str]:
    if not found:
        missing = missing_files(runs[0])
        return [f"not run: there is no {', '.join(missing)}" if missing else "not run"]
    remarks = [f"{len(found)} of {len(runs)} seeds"] if len(found) < len(runs) else []
    stale = {key for result in found for key in result["stale"]}
    if reasons := [reason for key, reason in STALE.items() if key in stale]:
        remarks.append(f"trained with {', '.join(reasons)}")
    return remarks


def runs_to_train(runs: Sequence[Run], *, force: bool, accept_stale: bool) -> list[Run]:
    """RETURNS (list[Run]): The runs that lack a result. Says of the others why they do not run."""
    chosen = []
    for run in runs:
        if not force and read_result(run, accept_stale=accept_stale) is not None:
            msg.text(f"{run.name}: has its result")
        elif missing := missing_files(run):
            msg.warn(f"{run.name}: skipped, there is no {', '.join(missing)}")
        else:
            chosen.append(run)
    return chosen


def best_rungs(results: dict[str, list[Result]]) -> list[str]:
    """RETURNS (list[str]): Rungs with the best mean F1 on validation, never on test."""
    means = {
        rung.name: statistics.mean(
            run["scores"]["validation"]["all"]["f"] for run in results[rung.name]
        )
        for rung in contestants.LADDER
        if results.get(rung.name)
    }
    return sorted(means, key=lambda name: -means[name])[:N_COMPARED]


def write_report(
    runs: Sequence[Run], gold: Gold, seeds: int, accept_stale: bool, json_path: Path | None
) -> None:
    """Print the tables of all results there are, and write them in docs/accuracy.md."""
    corpus = runs[0].corpus
    results, remarks = collect(runs, gold, accept_stale=accept_stale)
    tables = [accuracy_table(results, remarks)]
    reference = results.get(REFERENCE)
    rungs = best_rungs(results) if reference else []
    comparisons = {name: compare(reference or [], results[name], gold) for name in rungs}
    if comparisons:
        tables.append(type_table(comparisons))
    block = make_block(corpus, seeds, results, tables)
    typer.echo(block)
    write_block(project.ROOT / "docs" / "accuracy.md", corpus, block)
    if json_path is not None:
        types = {
            name: {label: row._asdict() | {"holds": row.holds} for label, row in rows.items()}
            for name, rows in comparisons.items()
        }
        shown = {
            name: [{k: v for k, v in run.items() if k != "predictions"} for run in found]
            for name, found in results.items()
        }
        write_json(json_path, {"contestants": shown, "remarks": remarks, "against": types})


def accuracy_cli(
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "sample",
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0", min=1)] = 3,
    only: Annotated[
        list[str] | None, typer.Option(help="Train but this contestant; may be repeated")
    ] = None,
    jobs: Annotated[int, typer.Option(help="How many trainings at once", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="BLAS threads of each", min=1)] = 1,
    table_only: Annotated[bool, typer.Option("--table-only", help="Train nothing")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train even what has a result")] = False,
    accept_stale: Annotated[
        bool,
        typer.Option(
            "--accept-stale",
            help="Take results of earlier source or settings, other lexical files or versions",
        ),
    ] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="File for all figures")
    ] = None,
) -> None:
    """Train and score all contestants and write the tables in docs/accuracy.md."""
    runs = make_runs(corpus, seeds)
    names = list(dict.fromkeys(run.contestant.name for run in runs))
    if unknown := set(only or ()) - set(names):
        raise typer.BadParameter(
            f"no contestant {', '.join(sorted(unknown))}: there are {', '.join(names)}"
        )
    if table_only and (force or only):
        raise typer.BadParameter("--table-only trains nothing: leave --force and --only out")
    try:
        gold = read_gold(corpus)
        failures: list[str] = []
        if not table_only:
            chosen = [run for run in runs if not only or run.contestant.name in only]
            todo = runs_to_train(chosen, force=force, accept_stale=accept_stale)
            failures = run_all(todo, gold, jobs, threads)
        write_report(runs, gold, seeds, accept_stale, json_path)
    except BenchmarkError as error:
        msg.fail(str(error), exits=1)
    if failures:
        msg.fail(f"{len(failures)} of {len(todo)} trainings failed", exits=1)


if __name__ == "__main__":
    typer.run(accuracy_cli)
