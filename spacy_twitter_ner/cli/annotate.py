import os
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer
from wasabi import Printer

from ._util import Arg, Opt, Silent, app, describe_error, errors_as_messages, split_model

if TYPE_CHECKING:
    from ..annotate.jobs import Job, Outcome
    from ..annotate.run import Progress, Totals, Workers
    from ..sources.diagnose import Unreadable


class InputFormat(str, Enum):
    """Format of the input files."""

    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


class OutputFormat(str, Enum):
    """Format of the output."""

    jsonl = "jsonl"
    parquet = "parquet"
    spacy = "spacy"
    conll = "conll"


class EngineName(str, Enum):
    """Execution engine."""

    local = "local"
    dask = "dask"


_CONTINUE = "Finished shards are kept: run the same command again to continue"
# Formats that can be written to standard output.
_STREAMED = (OutputFormat.jsonl, OutputFormat.conll)
# Maximum number of unreadable inputs to list.
_MAX_MESSAGES = 20


@contextmanager
def _stops_on_signals() -> Iterator[None]:
    """Handle Ctrl-C, SIGTERM and a closed terminal: stop the workers, remove temporary files and
    exit with 128 plus the signal's number. A second signal ends the process at once. Signals that
    the caller ignores, such as with nohup, stay ignored."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number in numbers if before[number] not in (signal.SIG_IGN, None)]

    def stop(number: int, frame: object) -> None:
        for each in handled:
            signal.signal(each, signal.SIG_DFL)
        # An Exception would turn the text being annotated into a reject.
        raise SystemExit(128 + number)

    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in handled:
            if signal.getsignal(number) is stop:
                signal.signal(number, before[number])


# fmt: off
@app.command("annotate")
@_stops_on_signals()
def annotate_cli(
    arguments: Annotated[list[str], Arg(metavar="[MODEL] INPUT...", help="Folder or package of a trained pipeline, by default the pretrained pipeline; then inputs: text, JSON (lines, arrays, pages from Twitter's API v1.1 or v2, archives), CSV, TSV or Parquet files, also compressed as .gz, .bz2, .xz or .zst; folders, glob patterns, URLs such as s3://..., or - for standard input")],
    output: Annotated[str | None, Opt("--output", "-o", help="Output folder. An incomplete one is continued. Default: standard output")] = None,
    output_format: Annotated[OutputFormat, Opt("--format", "-f", help="Output format")] = OutputFormat.jsonl,
    input_format: Annotated[InputFormat | None, Opt("--input-format", "-i", help="Input format. Default: by file name")] = None,
    delimiter: Annotated[str | None, Opt("--delimiter", "-d", help="CSV delimiter: a character, or tab. Default: tab for .tsv, comma otherwise")] = None,
    no_header: Annotated[bool, Opt("--no-header", help="CSV files have no header. Columns are named by number, as in --text-field 6")] = False,
    encoding: Annotated[str | None, Opt("--encoding", help="Encoding of text, JSON and CSV files, such as cp1252. Default: UTF-8, or UTF-16 with a byte order mark")] = None,
    text_field: Annotated[str | None, Opt("--text-field", "-t", help="Field with the text, such as text or a.b")] = None,
    id_field: Annotated[str | None, Opt("--id-field", help="Field with the ID")] = None,
    no_text: Annotated[bool, Opt("--no-text", help="Exclude texts from the output")] = False,
    keep_fields: Annotated[bool, Opt("--keep-fields", help="Copy the input records to `fields`")] = False,
    workers: Annotated[int, Opt("--workers", "-w", min=0, help="Processes, or 0 for one per core")] = 0,
    engine: Annotated[EngineName, Opt("--engine", "-e", help="local processes or dask")] = EngineName.local,
    scheduler: Annotated[str | None, Opt("--scheduler", help="Address of a Dask scheduler; implies --engine dask")] = None,
    shard_size: Annotated[int | None, Opt("--shard-size", min=1, help="Records per shard, which is one output file. Default: 10,000; 1,000 for standard output; at most 256 from standard input")] = None,
    max_latency: Annotated[float, Opt("--max-latency", min=0.0, help="Maximum seconds that a record from standard input waits")] = 0.5,
    rejects: Annotated[Path | None, Opt("--rejects", help="File for records without a text. Default: rejects.jsonl in the output folder, or standard error")] = None,
    strict: Annotated[bool, Opt("--strict", help="Exit with code 2 if there are rejects")] = False,
    silent: Silent = False,
) -> None:
    # fmt: on
    """
    Annotate any number of tweets with entities. Output records have id, text, entities (start, end,
    type, text, confidence), model and version. With --output, shards are written completely or not
    at all, and running the same command again resumes an interrupted run.
    """
    # Imported here because spaCy takes seconds to import.
    from ..annotate.jobs import Job
    from ..sources.diagnose import Unreadable
    from ..sources.inputs import STDIN
    from ..sources.records import ReadOptions

    model, inputs = split_model(arguments)
    job = Job(model, output, output_format.value, text_field, id_field, not no_text, keep_fields)
    options: dict[str, Any] = {
        "input_format": input_format and input_format.value,
        "workers": _make_workers(workers, engine, scheduler, to_stream=output is None),
    }
    if shard_size is not None:
        options["shard_size"] = shard_size
    # Standard output is for records only.
    with errors_as_messages(_StderrPrinter()), _errors_with_advice(output):
        options["options"] = ReadOptions(delimiter, encoding, header=not no_header)
        # List the inputs before opening any output, which may be in the same folder.
        files = _list_inputs(inputs)
        _check_output(files, output, output_format)
        _check_rejects(files, output, rejects)
        unreadable = _find_unreadable(files, job, options)
        if output is None:
            totals = _to_stdout(files, job, max_latency, rejects, options, silent)
        else:
            totals = _to_folder(files, job, rejects, options, silent)
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


@contextmanager
def _errors_with_advice(output: str | None) -> Iterator[None]:
    """Raise errors that stop the run as ValueErrors that say how to continue, and print the same
    for signals."""
    from ..annotate.engines import WorkerError

    try:
        yield
    except WorkerError as error:
        raise ValueError(str(error)) from None
    except OSError as error:
        _drop_output(error)
        raise ValueError(describe_error(error) + _advise(error, output)) from None
    except SystemExit:
        # The terminal may be closed.
        with suppress(OSError):
            if output is not None:
                typer.echo(f"Stopped by a signal. {_CONTINUE}", err=True)
        raise


def _list_inputs(inputs: list[str]) -> list[str]:
    from ..sources.inputs import STDIN, expand

    if not inputs:
        raise ValueError("pass files to annotate, or - for standard input")
    if STDIN in inputs and sys.stdin is None:
        raise ValueError("standard input is closed")
    return expand(inputs)


def _find_unreadable(files: list[str], job: "Job", options: dict[str, Any]) -> "list[Unreadable]":
    """Find the inputs without a readable record.

    RAISES (ValueError): If none of the inputs has the given fields.
    """
    from ..sources.diagnose import find_unreadable

    found = find_unreadable(
        files, options["input_format"], options["options"], job.text_field, job.id_field
    )
    is_misspelt = (job.text_field or job.id_field) and len(found) == len(files)
    if is_misspelt and all("there is no field" in each.reason for each in found):
        raise ValueError("\n".join(map(str, found[:_MAX_MESSAGES])))
    return found


def _check_output(files: list[str], output: str | None, output_format: OutputFormat) -> None:
    """RAISES (ValueError): If the output can't be written, or is an input."""
    from ..sources.inputs import is_remote

    if output is not None:
        if is_remote(output):
            raise ValueError(f"--output {output}: must be a local folder")
        return
    if sys.stdout is None:
        raise ValueError("standard output is closed. Pass --output with a folder")
    if written := next((name for name in files if _is_stdout(name)), None):
        raise ValueError(f"{written} is also standard output: its records would be read again")
    if output_format not in _STREAMED:
        raise ValueError(f"--format {output_format.value} needs --output with a folder")


def _check_rejects(files: list[str], output: str | None, rejects: Path | None) -> None:
    """Check that the file for rejects can be written, and that it doesn't overwrite an input.

    files (list[str]): The inputs.
    output (Optional[str]): The output folder.
    rejects (Optional[Path]): The file for rejects.
    RAISES (ValueError): If it is an input, or is in the output folder.
    RAISES (OSError): If it can't be written.
    """
    if rejects is None:
        return
    target = rejects.resolve()
    if any(Path(name).resolve() == target for name in files):
        raise ValueError(f"--rejects {rejects} is one of the inputs, and would be overwritten")
    if output is not None and Path(output).resolve() in target.parents:
        raise ValueError(f"--rejects {rejects}: must be outside the output folder {output}")
    if not rejects.parent.is_dir():
        raise ValueError(f"--rejects {rejects}: there is no folder {rejects.parent}")
    if rejects.is_dir():
        raise ValueError(f"--rejects {rejects} is a folder. Pass a file")
    if not rejects.exists():
        rejects.open("xb").close()
        rejects.unlink()
    elif rejects.is_file():
        rejects.open("ab").close()


def _is_stdout(name: str) -> bool:
    """Check whether standard output is redirected to the file."""
    try:
        status = os.fstat(sys.stdout.fileno())
        other = os.stat(sys.stdin.fileno() if name == "-" else name)
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, other)
    except (OSError, ValueError):
        return False


def _drop_output(error: OSError) -> None:
    """Drop unwritten output if writing to standard output failed. Otherwise the interpreter would
    fail again when it flushes the stream at exit.

    error (OSError): The error.
    RAISES (typer.Exit): If the reader has closed the pipe, as `| head` does.
    """
    is_closed = isinstance(error, BrokenPipeError)
    if is_closed or error.filename == getattr(getattr(sys.stdout, "buffer", None), "name", ""):
        sys.stdout = None
    if is_closed:
        raise typer.Exit(1) from None


def _advise(error: OSError, output: str | None) -> str:
    """RETURNS (str): Advice if the output folder can't be written to."""
    if output is None or Path(output) not in Path(str(error.filename)).parents:
        return ""
    return f". {_CONTINUE}"


class _StderrPrinter(Printer):
    """A printer for errors only, which go to standard error."""

    def __init__(self) -> None:
        super().__init__(no_print=True)


def _make_workers(
    n: int, engine: EngineName, scheduler: str | None, *, to_stream: bool
) -> "Workers":
    from ..annotate.run import Workers

    name: Any = EngineName.dask.value if scheduler else engine.value
    if n:
        return Workers(n, name, scheduler)
    # For short streams, starting processes takes longer than annotating.
    return Workers(1, name, scheduler) if to_stream else Workers(engine=name, scheduler=scheduler)


def _to_folder(
    inputs: list[str],
    job: "Job",
    rejects: Path | None,
    options: dict[str, Any],
    silent: bool,
) -> "Totals":
    from ..annotate.run import REJECTS, annotate_files

    with show_progress(inputs, silent) as on_outcome:
        totals = annotate_files(inputs, job, on_outcome=on_outcome, **options)
    if rejects is not None:
        found = Path(str(job.output_dir)) / REJECTS
        # shutil.copyfile raises an error for pipes.
        with open(found if found.exists() else os.devnull, "rb") as file, rejects.open("wb") as bad:
            shutil.copyfileobj(file, bad)
    return totals


def _to_stdout(
    inputs: list[str],
    job: "Job",
    max_latency: float,
    rejects: Path | None,
    options: dict[str, Any],
    silent: bool,
) -> "Totals":
    from ..annotate.jobs import name_in_errors
    from ..annotate.run import annotate_to_stream
    from ..sources.inputs import STDIN

    with ExitStack() as stack:
        if rejects is not None:
            stack.enter_context(name_in_errors(rejects))
            bad: IO[bytes] = stack.enter_context(rejects.open("wb"))
        elif sys.stderr is not None:
            bad = sys.stderr.buffer
        else:
            bad = stack.enter_context(open(os.devnull, "wb"))
        if inputs == [STDIN]:
            return _live(job, max_latency, bad, options)
        on_outcome = stack.enter_context(show_progress(inputs, silent))
        out = sys.stdout.buffer
        return annotate_to_stream(inputs, job, out, rejects=bad, on_outcome=on_outcome, **options)


def _live(job: "Job", max_latency: float, rejects: IO[bytes], options: dict[str, Any]) -> "Totals":
    from ..annotate.run import Workers, annotate_live, stdin_records

    if options["workers"] != Workers(1):
        raise ValueError(
            "--workers, --engine and --scheduler need --output or input files: standard input is "
            "annotated in one process"
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
def show_progress(inputs: list[str], silent: bool) -> Iterator["Progress"]:
    """Show a progress bar on standard error: bytes read, tweets per second and time left."""
    from tqdm import tqdm

    from ..sources.inputs import expand, input_size

    total = sum(map(input_size, expand(inputs)))
    tweets = 0
    layout = "{percentage:3.0f}% |{bar}| {desc} [{elapsed}<{remaining}]"
    with tqdm(
        total=total or None,
        disable=silent or sys.stderr is None or not sys.stderr.isatty(),
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


def _summarize(totals: "Totals", output: str | None) -> None:
    skipped = f" ({totals.skipped:,} by an earlier run)" if totals.skipped else ""
    where = f"{output}: " if output is not None else ""
    text = f"{where}{totals.records:,} tweets{skipped}, {totals.entities:,} entities"
    typer.echo(f"{text}, {totals.rejects:,} rejects", err=True)
