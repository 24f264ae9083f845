"""Runs that are trained, several at once, and stored as each ends."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import typer
from wasabi import msg

from .corpus import SPLITS, Gold
from .project import BenchmarkError, digest, write_json
from .results import SOURCES, Run, decisive_inputs
from .scores import score_splits
from .tables import percent
from .training import Trained, train

# Of the scores that are stored; those of the tables are made anew of the predictions.
N_DIGITS = 6


def run_all(runs: Sequence[Run], gold: Gold, jobs: int, threads: int) -> list[str]:
    """Train, predict and store, each run as it ends.

    RETURNS (list[str]): What went wrong; a failure does not stop the other runs.
    """
    failures = []
    source = digest(SOURCES)
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {pool.submit(start, run, gold, threads, source): run for run in runs}
        for future in as_completed(futures):
            try:
                inputs, trained = future.result()
            except BenchmarkError as error:
                failures.append(str(error))
                # As it is: wasabi would join the lines of a log.
                typer.echo(failures[-1])
            else:
                store(futures[future], inputs, trained, gold, threads)
    finally:
        # Otherwise an interruption waits for all that have not begun.
        pool.shutdown(cancel_futures=True)
    return failures


def start(run: Run, gold: Gold, threads: int, source: str) -> tuple[dict[str, Any], Trained]:
    """Train a contestant and say what decided it.

    source (str): Digest of the package's source when the command began.
    RAISES (BenchmarkError): If the training fails, or the source is no longer the same: a new
        process would train with the new source, and this one predict with the old.
    """
    # Before training: if the source changes meanwhile, the result is stale and known to be.
    inputs = decisive_inputs(run)
    if inputs["package"] not in (None, source):
        raise BenchmarkError(f"{run.name}: the package's source has changed: begin again")
    msg.text(f"{run.name}: training")
    return inputs, train(run, gold, threads)


def store(run: Run, inputs: dict[str, Any], trained: Trained, gold: Gold, threads: int) -> None:
    """Write the result of a run: what decided it, what it cost, its scores and predictions."""
    predictions = {split: trained.predict(split) for split in SPLITS}
    scores = score_splits(predictions, gold)
    result = {
        "contestant": run.contestant.name,
        "corpus": run.corpus,
        "seed": run.seed,
        "inputs": inputs,
        "threads": threads,
        "processor_seconds": round(trained.seconds, 1),
        "n_bytes": trained.n_bytes,
        "notes": trained.notes,
        "scores": _rounded(scores),
        "predictions": predictions,
    }
    write_json(run.path, result)
    figures = ", ".join(f"{split} {percent(scores[split]['all']['f'])}" for split in SPLITS)
    msg.good(f"{run.name}: F1 {figures}, {trained.seconds:.0f} processor s")


def _rounded(scores: Any) -> Any:
    if isinstance(scores, dict):
        return {key: _rounded(value) for key, value in scores.items()}
    return round(scores, N_DIGITS)
