"""Annotate files, to a folder or to a stream; annotate a live stream."""

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

from .engines import run_dask, run_here, run_processes
from .inputs import STDIN, Shard, expand, read_records, read_shards, resolve_format
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
from .manifest import Manifest, describe_input, describe_model, hold_folder, open_manifest
from .records import RawRecord, ReadOptions

Engine = Literal["local", "dask"]


@dataclass
class Totals:
    """What was done.

    shards (int): How many shards.
    records (int): How many records were annotated.
    entities (int): How many entities were found.
    rejects (int): How many records had no text.
    skipped (int): How many of the records an earlier run had annotated.
    """

    shards: int = 0
    records: int = 0
    entities: int = 0
    rejects: int = 0
    skipped: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count what came of a shard."""
        self.shards += 1
        self.records += outcome.records
        self.entities += outcome.entities
        self.rejects += outcome.rejects


Progress = Callable[[Outcome], None]
# When a record came; None after the last one; why no more can come.
_Arrival = tuple[float, RawRecord | BaseException | None]


@dataclass(frozen=True)
class Workers:
    """Who annotates.

    n (int): How many processes; with one and the local engine it is this one.
    engine (str): "local" or "dask".
    scheduler (Optional[str]): Address of a Dask scheduler.
    """

    n: int = field(default_factory=lambda: os.cpu_count() or 1)
    engine: Engine = "local"
    scheduler: str | None = None

    def run(self, shards: Iterable[Shard], job: Job) -> Iterator[Outcome]:
        """YIELDS (Outcome): What came of each shard, in order."""
        if self.engine == "dask" or self.scheduler:
            return run_dask(shards, job, self.n, self.scheduler)
        if self.n == 1:
            return run_here(shards, job)
        return run_processes(shards, job, self.n)


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
    """Annotate files into a folder. Run again, it goes on where it stopped.

    inputs (Sequence[str]): Files, folders, patterns, addresses.
    job (Job): What to do; its output_dir is the folder.
    shard_size (int): Records of a shard, which is a file of output.
    input_format (Optional[str]): Format of the files; told by their names if not given.
    options (Optional[ReadOptions]): How to read them.
    workers (Optional[Workers]): Who does it.
    on_outcome (Optional[Callable[[Outcome], None]]): Called with what came of each shard.
    RETURNS (Totals): What was done, by earlier runs too.
    RAISES (ValueError): If inputs cannot be read, if the folder has the output of something else,
        or if the pipeline or an input changes during the run.
    RAISES (OSError): If the pipeline or a file cannot be found, or output cannot be written.
    """
    if job.output_dir is None:
        raise ValueError("annotate_files needs an output folder")
    files = expand(inputs)
    for name in files:
        resolve_format(name, input_format)
    folder = Path(job.output_dir)
    settings = {**job.settings, "shard_size": shard_size, "input_format": input_format}
    settings |= (options or ReadOptions()).settings
    model = describe_model(job.model)
    job = replace(job, model_hash=model["hash"])
    with hold_folder(folder):
        described = list(map(describe_input, files))
        manifest = open_manifest(folder, model, settings, described)
        if manifest.complete:
            _remove_gathered(folder)
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
    """Annotate the shards that the manifest does not know."""
    folder = manifest.path
    # Files may have been removed, or not have reached the disk before a power failure.
    for number in [n for n in manifest.finished if not _is_there(n, manifest, job)]:
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
        # An input that was removed or replaced is the better explanation.
        manifest.check_inputs()
        raise
    remove_unfinished(folder)
    # Whenever the process dies, the rejects are either in their parts or in one file.
    _gather_rejects(manifest)
    manifest.close()
    _remove_gathered(folder)
    return totals


def _is_there(number: int, manifest: Manifest, job: Job) -> bool:
    """Whether the files of a finished shard exist."""
    folder = manifest.path
    if manifest.finished[number]["rejects"] and not rejects_part(folder, number).exists():
        return False
    return (folder / PART_NAME.format(number, job.output_format)).exists()


def _totals_of_complete(folder: Path) -> Totals:
    data = json.loads((folder / MANIFEST).read_text(encoding="utf8"))
    counts = {name: data[name] for name in ("shards", "records", "entities", "rejects")}
    return Totals(**counts, skipped=data["records"])


def _gather_rejects(manifest: Manifest) -> None:
    """Write the rejects of all shards to one file."""
    numbers = [n for n, counts in sorted(manifest.finished.items()) if counts["rejects"]]
    if numbers:
        parts = (rejects_part(manifest.path, number) for number in numbers)
        write_whole(manifest.path / REJECTS, (part.read_bytes() for part in parts))


def _remove_gathered(folder: Path) -> None:
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

    inputs, shard_size, input_format, options, workers, on_outcome: As of `annotate_files`.
    job (Job): What to do; its output_format is "jsonl" or "conll".
    output (IO[bytes]): The stream.
    rejects (IO[bytes]): Where records without text are told of, as JSON lines.
    RETURNS (Totals): What was done.
    RAISES (ValueError): If inputs cannot be read, or if the pipeline changes during the run.
    RAISES (OSError): If the pipeline or a file cannot be found, or output cannot be written.
    """
    totals = Totals()
    workers = workers or Workers(1)
    if workers != Workers(1):
        # A worker that replaces another one must not load other files.
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
    """Annotate records as they come.

    lines (Iterable[RawRecord]): The records, which may take their time.
    job (Job): What to do.
    output (IO[bytes]): Where to; flushed after each batch.
    rejects (IO[bytes]): Where records without text are told of.
    input_format (str): Format of the records.
    max_latency (float): How many seconds a record waits for others at most before it is annotated.
    batch_size (int): How many records are annotated at once at most.
    on_outcome (Optional[Callable[[Outcome], None]]): Called with what came of each batch.
    RETURNS (Totals): What was done.
    """
    totals = Totals()
    # A reader that is ahead of the annotator waits.
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
        # Raised again by who reads the queue.
        queue.put((0.0, error))


def _collect(queue: "Queue[_Arrival]", size: int, seconds: float) -> Iterator[list[RawRecord]]:
    """Batches that are full, or whose first record has waited long enough since it came."""
    batch: list[RawRecord] = []
    deadline = 0.0
    while True:
        try:
            # What has come already is taken, however late it is.
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

    input_format (Optional[str]): Their format. Detected if not given.
    options (Optional[ReadOptions]): How they are written.
    YIELDS (RawRecord): The records.
    """
    return read_records(_open_stdin(), STDIN, input_format, options)


def _open_stdin() -> IO[bytes]:
    """Open standard input once more. When the interpreter exits it closes `sys.stdin`, and aborts
    if a thread is still waiting for input there."""
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):
        # Replaced by an object in memory, which nobody has to wait for.
        return sys.stdin.buffer
