"""Annotate files to a folder or a stream. Annotate a live stream."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Literal

from ..sources.inputs import STDIN, Shard, expand, read_records, read_shards, resolve_format
from ..sources.records import RawRecord, ReadOptions
from .annotator import describe_model
from .engines import Work, run_dask, run_here, run_processes
from .jobs import (
    MANIFEST,
    PART_NAME,
    REJECTS,
    REJECTS_FOLDER,
    Job,
    Outcome,
    annotate_shard,
    name_in_errors,
    reject_line,
    rejects_part,
    remove_unfinished,
    write_whole,
)
from .resume import Manifest, describe_input, lock_folder, open_manifest

Engine = Literal["local", "dask"]


@dataclass
class Totals:
    """Totals of a run.

    shards (int): Number of shards.
    records (int): Number of annotated records.
    entities (int): Number of entities.
    rejects (int): Number of rejects.
    skipped (int): Number of records annotated by an earlier run.
    """

    shards: int = 0
    records: int = 0
    entities: int = 0
    rejects: int = 0
    skipped: int = 0

    def add(self, outcome: Outcome) -> None:
        """Add the counts of a shard."""
        self.shards += 1
        self.records += outcome.records
        self.entities += outcome.entities
        self.rejects += outcome.rejects


Progress = Callable[[Outcome], None]
# Arrival time, and a record, the error that ended the stream, or None at its end.
_Arrival = tuple[float, RawRecord | BaseException | None]


@dataclass(frozen=True)
class Workers:
    """The workers of a run.

    n (int): Number of processes. With one and the local engine, this process annotates.
    engine (str): "local" or "dask".
    scheduler (Optional[str]): Address of a Dask scheduler.
    """

    n: int = field(default_factory=lambda: os.cpu_count() or 1)
    engine: Engine = "local"
    scheduler: str | None = None

    def run(
        self, shards: Iterable[Shard], job: Job, work: Work = annotate_shard
    ) -> Iterator[Outcome]:
        """Process shards, by default annotate them, and yield their outcomes, in order."""
        if self.engine == "dask" or self.scheduler:
            return run_dask(shards, job, self.n, self.scheduler, work)
        if self.n == 1:
            return run_here(shards, job, work)
        return run_processes(shards, job, self.n, work)


def annotate_files(
    inputs: Sequence[str],
    job: Job,
    *,
    shard_size: int = 10_000,
    input_format: str | None = None,
    options: ReadOptions | None = None,
    workers: Workers | None = None,
    on_outcome: Progress | None = None,
) -> Totals:
    """Annotate files to a folder. Interrupted runs are resumed.

    inputs (Sequence[str]): Files, folders, patterns or URLs.
    job (Job): The settings. output_dir is required.
    shard_size (int): Number of records per shard. Each shard is an output file.
    input_format (Optional[str]): Format of the files. Default: detected from their names.
    options (Optional[ReadOptions]): How to read them.
    workers (Optional[Workers]): The workers. Default: one process per core.
    on_outcome (Optional[Callable[[Outcome], None]]): Called with the outcome of each shard.
    RETURNS (Totals): The totals, including earlier runs.
    RAISES (ValueError): If inputs can't be read, if the folder contains other output, or if the
        pipeline or an input changes during the run.
    RAISES (OSError): If the pipeline or a file can't be found, or output can't be written.
    """
    if job.output_dir is None:
        raise ValueError("annotate_files needs an output folder")
    files = expand(inputs)
    for name in files:
        resolve_format(name, input_format)
    folder = Path(job.output_dir)
    options = options or ReadOptions()
    settings = {**job.settings, "shard_size": shard_size, "input_format": input_format}
    model = describe_model(job.model)
    job = replace(job, model_hash=model["hash"])
    with lock_folder(folder):
        described = list(map(describe_input, files))
        manifest = open_manifest(folder, model, settings | options.settings, described)
        if manifest.complete:
            _remove_rejects_folder(folder)
            return _totals_of_complete(folder)
        shards = read_shards(files, shard_size, input_format, options)
        return _annotate_rest(shards, job, manifest, workers or Workers(), on_outcome)


def _annotate_rest(
    shards: Iterable[Shard],
    job: Job,
    manifest: Manifest,
    workers: Workers,
    on_outcome: Progress | None,
) -> Totals:
    """Annotate the shards that aren't finished."""
    folder = manifest.path
    # Files may have been removed, or lost in a power failure.
    for number in [n for n in manifest.finished if not _has_files(n, manifest, job)]:
        del manifest.finished[number]
    totals = Totals(shards=len(manifest.finished), **manifest.counts())
    totals.skipped = totals.records
    todo = (shard for shard in shards if shard.number not in manifest.finished)
    try:
        for outcome in workers.run(todo, job):
            manifest.finish(outcome)
            totals.add(outcome)
            if on_outcome is not None:
                on_outcome(outcome)
    except OSError:
        # If an input changed, that is probably the cause.
        manifest.check_inputs()
        raise
    remove_unfinished(folder)
    # In this order, a killed run loses no rejects.
    _merge_rejects(manifest)
    manifest.close()
    _remove_rejects_folder(folder)
    return totals


def _has_files(number: int, manifest: Manifest, job: Job) -> bool:
    """Return whether the files of a finished shard exist."""
    folder = manifest.path
    if manifest.finished[number]["rejects"] and not rejects_part(folder, number).exists():
        return False
    return (folder / PART_NAME.format(number, job.output_format)).exists()


def _totals_of_complete(folder: Path) -> Totals:
    data = json.loads((folder / MANIFEST).read_text(encoding="utf8"))
    counts = {name: data[name] for name in ("shards", "records", "entities", "rejects")}
    return Totals(**counts, skipped=data["records"])


def _merge_rejects(manifest: Manifest) -> None:
    """Write the rejects of all shards to one file."""
    numbers = [n for n, counts in sorted(manifest.finished.items()) if counts["rejects"]]
    if numbers:
        parts = (rejects_part(manifest.path, number) for number in numbers)
        write_whole(manifest.path / REJECTS, (part.read_bytes() for part in parts))


def _remove_rejects_folder(folder: Path) -> None:
    parts = folder / REJECTS_FOLDER
    if parts.exists():
        shutil.rmtree(parts)


def annotate_to_stream(
    inputs: Sequence[str],
    job: Job,
    output: IO[bytes],
    *,
    rejects: IO[bytes],
    shard_size: int = 1_000,
    input_format: str | None = None,
    options: ReadOptions | None = None,
    workers: Workers | None = None,
    on_outcome: Progress | None = None,
) -> Totals:
    """Annotate files to a stream, in order.

    inputs, shard_size, input_format, options, on_outcome: See `annotate_files`.
    job (Job): The settings. output_format must be "jsonl" or "conll".
    output (IO[bytes]): The stream.
    rejects (IO[bytes]): Stream for rejects, as JSON lines.
    workers (Optional[Workers]): The workers. Default: this process.
    RETURNS (Totals): The totals.
    RAISES (ValueError): If inputs can't be read, or the pipeline changes during the run.
    RAISES (OSError): If the pipeline or a file can't be found, or output can't be written.
    """
    totals = Totals()
    workers = workers or Workers(1)
    if workers != Workers(1):
        # Replacement workers must load the same files.
        job = replace(job, model_hash=describe_model(job.model)["hash"])
    shards = read_shards(expand(inputs), shard_size, input_format, options)
    for outcome in workers.run(shards, job):
        _emit(outcome, output, rejects, totals)
        if on_outcome is not None:
            on_outcome(outcome)
    return totals


def _emit(outcome: Outcome, output: IO[bytes], rejects: IO[bytes], totals: Totals) -> None:
    with name_in_errors(getattr(rejects, "name", "rejects")):
        rejects.writelines(map(reject_line, outcome.rejected))
        rejects.flush()
    with name_in_errors(getattr(output, "name", "output")):
        output.write(outcome.output)
        output.flush()
    totals.add(outcome)


def annotate_live(
    lines: Iterable[RawRecord],
    job: Job,
    output: IO[bytes],
    *,
    rejects: IO[bytes],
    input_format: str = "text",
    max_latency: float = 0.5,
    batch_size: int = 256,
    on_outcome: Progress | None = None,
) -> Totals:
    """Annotate records as they arrive.

    lines (Iterable[RawRecord]): The records. May block.
    job (Job): The settings.
    output (IO[bytes]): Output stream. Flushed after each batch.
    rejects (IO[bytes]): Stream for rejects.
    input_format (str): Format of the records.
    max_latency (float): Maximum time in seconds that a record waits for a batch to fill.
    batch_size (int): Maximum number of records per batch.
    on_outcome (Optional[Callable[[Outcome], None]]): Called with the outcome of each batch.
    RETURNS (Totals): The totals.
    """
    totals = Totals()
    # A bounded queue, so that the reader waits for the annotator.
    queue: Queue[_Arrival] = Queue(maxsize=4 * batch_size)
    threading.Thread(target=_fill, args=(lines, queue), daemon=True).start()
    for number, batch in enumerate(_collect(queue, batch_size, max_latency)):
        outcome = annotate_shard(Shard(number, STDIN, input_format, batch), job)
        _emit(outcome, output, rejects, totals)
        if on_outcome is not None:
            on_outcome(outcome)
    return totals


def _fill(lines: Iterable[RawRecord], queue: "Queue[_Arrival]") -> None:
    try:
        for line in lines:
            queue.put((time.monotonic(), line))
        queue.put((0.0, None))
    except BaseException as error:
        # Raised again by _collect.
        queue.put((0.0, error))


def _collect(queue: "Queue[_Arrival]", size: int, seconds: float) -> Iterator[list[RawRecord]]:
    """Yield batches that are full, or whose first record has waited for the maximum time."""
    batch: list[RawRecord] = []
    deadline = 0.0
    while True:
        try:
            # With a timeout of 0, records that have already arrived are still added.
            timeout = max(deadline - time.monotonic(), 0.0) if batch else None
            arrival, found = queue.get(timeout=timeout)
        except Empty:
            yield batch
            batch = []
            continue
        if isinstance(found, RawRecord):
            deadline = deadline if batch else arrival + seconds
            batch.append(found)
        if batch and (not isinstance(found, RawRecord) or len(batch) == size):
            yield batch
            batch = []
        if isinstance(found, BaseException):
            raise found
        if found is None:
            return


def stdin_records(
    input_format: str | None = None, options: ReadOptions | None = None
) -> Iterator[RawRecord]:
    """Read the records of standard input.

    input_format (Optional[str]): Their format. Default: text.
    options (Optional[ReadOptions]): How to read them.
    YIELDS (RawRecord): The records.
    """
    return read_records(_open_stdin(), STDIN, input_format, options)


def _open_stdin() -> IO[bytes]:
    """Reopen standard input. At exit, the interpreter closes `sys.stdin` and aborts if a thread is
    still reading from it."""
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):
        # Replaced by an object in memory.
        return sys.stdin.buffer
