"""The command `annotate`."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer
from wasabi import Printer

from .app import app, errors_as_messages, split_model

if TYPE_CHECKING:
    from ..scale.jobs import Job, Outcome
    from ..scale.looks import Unreadable
    from ..scale.running import Progress, Totals, Workers


class InputFormat(str, Enum):
    """What input files hold."""

    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


class OutputFormat(str, Enum):
    """What is written."""

    jsonl = "jsonl"
    parquet = "parquet"
    spacy = "spacy"
    conll = "conll"


class EngineName(str, Enum):
    """Who annotates."""

    local = "local"
    dask = "dask"


# Those that can be written piece by piece.
_STREAMED = (OutputFormat.jsonl, OutputFormat.conll)
# Inputs that cannot be read and are named.
_MAX_MESSAGES = 20


@app.command("annotate")
def annotate_cli(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] INPUT...",
            help="A trained pipeline: its folder or package; the pretrained one if it is left out. "
            "Text files, JSON (lines, arrays, pages of Twitter's API v1.1 or v2, archives), CSV, "
            "TSV or Parquet; may end in .gz, .bz2, .xz or .zst; folders, patterns, addresses as "
            "s3://…; - for standard input",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder to write to; run again, it is continued. Default: standard output",
        ),
    ] = None,
    output_format: Annotated[
        OutputFormat, typer.Option("--format", "-f", help="What to write")
    ] = OutputFormat.jsonl,
    input_format: Annotated[
        InputFormat | None,
        typer.Option("--input-format", "-i", help="What inputs hold; default: as their names say"),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(
            "--delimiter",
            "-d",
            help="Delimiter of CSV: a character, or tab. Default: a tab for .tsv, else a comma",
        ),
    ] = None,
    no_header: Annotated[
        bool,
        typer.Option(
            "--no-header",
            help="CSV has no header: columns are named by their numbers, as --text-field 6",
        ),
    ] = False,
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding",
            help="Encoding of text, JSON and CSV, such as cp1252 or utf-16. Default: UTF-8, or "
            "UTF-16 if the file starts like that",
        ),
    ] = None,
    text_field: Annotated[
        str | None,
        typer.Option("--text-field", "-t", help="Where records have their text, as text or a.b"),
    ] = None,
    id_field: Annotated[
        str | None, typer.Option("--id-field", help="Where records have their id")
    ] = None,
    no_text: Annotated[
        bool, typer.Option("--no-text", help="Leave texts out of the output")
    ] = False,
    keep_fields: Annotated[
        bool, typer.Option("--keep-fields", help="Put what input records hold under `fields`")
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=0, help="Processes; 0 for one each core")
    ] = 0,
    engine: Annotated[
        EngineName, typer.Option("--engine", "-e", help="Processes of this machine, or Dask")
    ] = EngineName.local,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="Address of a Dask scheduler; implies --engine dask"),
    ] = None,
    shard_size: Annotated[
        int | None,
        typer.Option(
            "--shard-size",
            min=1,
            help="Records that are annotated in one piece: those of a file of output. Default: "
            "10,000; to standard output 1,000, of standard input at most 256",
        ),
    ] = None,
    max_latency: Annotated[
        float,
        typer.Option(
            "--max-latency", min=0.0, help="Seconds that a record of standard input may wait"
        ),
    ] = 0.5,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            help="File for records without text; default: rejects.jsonl in the folder of output, "
            "or standard error",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 2 if there were rejects")
    ] = False,
    silent: Annotated[bool, typer.Option("--silent", "-S", help="Print errors only")] = False,
) -> None:
    """
    Find the entities of tweets, however many. Each output record has id, text, entities (start,
    end, type, text, confidence), model and version. With --output, work is cut into shards: a shard
    is written whole or not at all, and the same command goes on where an earlier one stopped.
    """
    # Imported here because they import spaCy, which takes seconds.
    from ..scale.engines import WorkerError
    from ..scale.inputs import STDIN, is_remote
    from ..scale.jobs import Job
    from ..scale.looks import Unreadable
    from ..scale.records import ReadOptions

    model, inputs = split_model(arguments)
    unreadable: list[Unreadable] = []
    job = Job(
        model,
        output,
        output_format.value,
        text_field,
        id_field,
        not no_text,
        keep_fields,
    )
    options: dict[str, Any] = {
        "input_format": input_format and input_format.value,
        "workers": _make_workers(workers, engine, scheduler, to_stream=output is None),
    }
    if shard_size is not None:
        options["shard_size"] = shard_size
    # Standard output is for records.
    with errors_as_messages(_StderrPrinter()), _ends_on_sigterm():
        if not inputs:
            raise ValueError("give files to annotate, or - for standard input")
        options["options"] = ReadOptions(delimiter, encoding, header=not no_header)
        unreadable += _find_unreadable(inputs, job, options)
        try:
            if output is not None:
                if is_remote(output):
                    raise ValueError(f"--output {output}: a folder is needed, no address")
                totals = _to_folder(inputs, job, rejects, options, silent)
            elif output_format not in _STREAMED:
                raise ValueError(f"--format {output_format.value} needs --output, a folder")
            else:
                totals = _to_stdout(inputs, job, max_latency, rejects, options, silent)
        except WorkerError as error:
            raise ValueError(str(error)) from None
        except BrokenPipeError:
            # Whoever read the output has had enough. Nothing is to be flushed to it any more.
            sys.stdout = None
            raise typer.Exit(1) from None
    if not silent:
        _summarize(totals, output)
    if not unreadable and STDIN in inputs and totals.rejects and not totals.records:
        unreadable.append(Unreadable(STDIN, "see the rejects", ""))
    for each in unreadable[:_MAX_MESSAGES]:
        print(each, file=sys.stderr)
    if unreadable:
        raise typer.Exit(1)
    if strict and totals.rejects:
        raise typer.Exit(2)


def _find_unreadable(inputs: list[str], job: "Job", options: dict[str, Any]) -> "list[Unreadable]":
    """The inputs of which no record can be read. If no record of any has the fields that are named,
    nothing is done."""
    from ..scale.inputs import expand
    from ..scale.looks import find_unreadable

    files = expand(inputs)
    found = find_unreadable(
        files, options["input_format"], options["options"], job.text_field, job.id_field
    )
    is_misspelt = (job.text_field or job.id_field) and len(found) == len(files)
    if is_misspelt and all("there is no field" in each.reason for each in found):
        raise ValueError("\n".join(map(str, found[:_MAX_MESSAGES])))
    return found


class _StderrPrinter(Printer):
    """Prints nothing itself, so that errors go to standard error."""

    def __init__(self) -> None:
        super().__init__(no_print=True)


def _make_workers(
    n: int, engine: EngineName, scheduler: str | None, *, to_stream: bool
) -> "Workers":
    from ..scale.running import Workers

    name: Any = EngineName.dask.value if scheduler else engine.value
    if n:
        return Workers(n, name, scheduler)
    # A stream is mostly a short one, for which starting processes takes longer than the work.
    return Workers(1, name, scheduler) if to_stream else Workers(engine=name, scheduler=scheduler)


def _to_folder(
    inputs: list[str],
    job: "Job",
    rejects: Path | None,
    options: dict[str, Any],
    silent: bool,
) -> "Totals":
    from ..scale.running import REJECTS, annotate_files

    with _progress(inputs, silent) as on_outcome:
        totals = annotate_files(inputs, job, on_outcome=on_outcome, **options)
    if rejects is not None:
        found = Path(str(job.output_dir)) / REJECTS
        shutil.copyfile(found if found.exists() else os.devnull, rejects)
    return totals


def _to_stdout(
    inputs: list[str],
    job: "Job",
    max_latency: float,
    rejects: Path | None,
    options: dict[str, Any],
    silent: bool,
) -> "Totals":
    from ..scale.inputs import STDIN
    from ..scale.running import annotate_to_stream

    with ExitStack() as stack:
        bad: IO[bytes] = sys.stderr.buffer
        if rejects is not None:
            bad = stack.enter_context(rejects.open("wb"))
        if inputs == [STDIN]:
            return _live(job, max_latency, bad, options)
        on_outcome = stack.enter_context(_progress(inputs, silent))
        out = sys.stdout.buffer
        return annotate_to_stream(inputs, job, out, rejects=bad, on_outcome=on_outcome, **options)


def _live(job: "Job", max_latency: float, rejects: IO[bytes], options: dict[str, Any]) -> "Totals":
    from ..scale.running import Workers, annotate_live, stdin_records

    if options["workers"] != Workers(1):
        raise ValueError(
            "a live stream is annotated by one process: --workers, --engine and --scheduler need "
            "--output, or files"
        )
    sizes = {"batch_size": options["shard_size"]} if "shard_size" in options else {}
    return annotate_live(
        stdin_records(options["input_format"], options["options"]),
        job,
        sys.stdout.buffer,
        rejects=rejects,
        input_format=options["input_format"] or "text",
        max_latency=max_latency,
        **sizes,
    )


@contextmanager
def _progress(inputs: list[str], silent: bool) -> Iterator["Progress"]:
    """A bar of the bytes read, tweets a second and the time that is left, on standard error."""
    from tqdm import tqdm

    from ..scale.inputs import expand, input_size

    total = sum(map(input_size, expand(inputs)))
    tweets = 0
    layout = "{percentage:3.0f}% |{bar}| {desc} [{elapsed}<{remaining}]"
    with tqdm(
        total=total or None,
        disable=silent or not sys.stderr.isatty(),
        bar_format=layout if total else "{desc} [{elapsed}]",
    ) as bar:

        def on_outcome(outcome: "Outcome") -> None:
            nonlocal tweets
            tweets += outcome.records
            seconds = max(bar.format_dict["elapsed"], 1e-9)
            speed = f"{tweets:,} tweets, {tweets / seconds:,.0f}/s"
            bar.set_description_str(speed, refresh=False)
            bar.update(max(outcome.position - bar.n, 0))

        yield on_outcome


@contextmanager
def _ends_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does: workers are stopped, unfinished files removed."""

    def stop(number: int, frame: object) -> None:
        # No Exception, which would be taken for one of the text that is being annotated.
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _summarize(totals: "Totals", output: str | None) -> None:
    skipped = f" ({totals.skipped:,} by an earlier run)" if totals.skipped else ""
    where = f"{output}: " if output is not None else ""
    text = f"{where}{totals.records:,} tweets{skipped}, {totals.entities:,} entities"
    print(f"{text}, {totals.rejects:,} rejects", file=sys.stderr)
