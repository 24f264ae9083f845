"""The command `annotate`."""

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

from .app import app, describe_error, errors_as_messages, split_model

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


_CONTINUE = "Finished shards are kept: run the same command again to continue"
# Those that can be written piece by piece.
_STREAMED = (OutputFormat.jsonl, OutputFormat.conll)
# Inputs that cannot be read and are named.
_MAX_MESSAGES = 20


@contextmanager
def _stops_on_signals() -> Iterator[None]:
    """Make Ctrl-C, SIGTERM and a closed terminal end the command in the same way: workers are
    stopped, temporary files are removed, and the exit code is 128 plus the signal's number. A
    second signal ends the process at once. Signals that the caller ignores, as nohup does, stay
    ignored."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number in numbers if before[number] not in (signal.SIG_IGN, None)]

    def stop(number: int, frame: object) -> None:
        for each in handled:
            signal.signal(each, signal.SIG_DFL)
        # Not an Exception, which would become a reject of the text that is being annotated.
        raise SystemExit(128 + number)

    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in handled:
            if signal.getsignal(number) is stop:
                signal.signal(number, before[number])


@app.command("annotate")
@_stops_on_signals()
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
    from ..scale.inputs import STDIN, expand, is_remote
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
    with errors_as_messages(_StderrPrinter()):
        if not inputs:
            raise ValueError("give files to annotate, or - for standard input")
        if STDIN in inputs and sys.stdin is None:
            raise ValueError("standard input is closed")
        options["options"] = ReadOptions(delimiter, encoding, header=not no_header)
        try:
            # What is read is settled before any output is opened, which may be in the same folder.
            files = expand(inputs)
            _check_outputs(files, output, rejects)
            unreadable += _find_unreadable(files, job, options)
            if output is not None:
                if is_remote(output):
                    raise ValueError(f"--output {output}: a folder is needed, no address")
                totals = _to_folder(files, job, rejects, options, silent)
            elif output_format not in _STREAMED:
                raise ValueError(f"--format {output_format.value} needs --output, a folder")
            else:
                totals = _to_stdout(files, job, max_latency, rejects, options, silent)
            if not silent:
                _summarize(totals, output)
        except WorkerError as error:
            raise ValueError(str(error)) from None
        except OSError as error:
            _drop_output(error)
            raise ValueError(describe_error(error) + _advise(error, output)) from None
        except SystemExit as error:
            # The terminal may be gone.
            with suppress(OSError):
                if output is not None:
                    typer.echo(f"Stopped by a signal. {_CONTINUE}", err=True)
            raise error
    if not unreadable and STDIN in inputs and totals.rejects and not totals.records:
        unreadable.append(Unreadable(STDIN, "see the rejects", ""))
    for each in unreadable[:_MAX_MESSAGES]:
        print(each, file=sys.stderr)
    if unreadable:
        raise typer.Exit(1)
    if strict and totals.rejects:
        raise typer.Exit(2)


def _find_unreadable(files: list[str], job: "Job", options: dict[str, Any]) -> "list[Unreadable]":
    """The inputs of which no record can be read. If no record of any has the fields that are named,
    nothing is done."""
    from ..scale.looks import find_unreadable

    found = find_unreadable(
        files, options["input_format"], options["options"], job.text_field, job.id_field
    )
    is_misspelt = (job.text_field or job.id_field) and len(found) == len(files)
    if is_misspelt and all("there is no field" in each.reason for each in found):
        raise ValueError("\n".join(map(str, found[:_MAX_MESSAGES])))
    return found


def _check_outputs(files: list[str], output: str | None, rejects: Path | None) -> None:
    """Check, before any work is done, that output can be written and that it overwrites no input.

    files (list[str]): The inputs.
    output (Optional[str]): The folder of output.
    rejects (Optional[Path]): The file of rejects.
    RAISES (ValueError): If output would go to an input, or rejects into the folder of output.
    RAISES (OSError): If the file of rejects cannot be written.
    """
    if output is None:
        if sys.stdout is None:
            raise ValueError("standard output is closed; give --output, a folder")
        if written := next((name for name in files if _is_stdout(name)), None):
            raise ValueError(f"{written} is standard output, too: its records would be read again")
    if rejects is None:
        return
    target = rejects.resolve()
    if any(Path(name).resolve() == target for name in files):
        raise ValueError(f"--rejects {rejects} is one of the inputs, and would be overwritten")
    if output is not None and Path(output).resolve() in target.parents:
        raise ValueError(f"--rejects {rejects}: give a file outside of the folder {output}")
    if not rejects.parent.is_dir():
        raise ValueError(f"--rejects {rejects}: there is no folder {rejects.parent}")
    if rejects.is_dir():
        raise ValueError(f"--rejects {rejects} is a folder: give a file")
    if not rejects.exists():
        rejects.open("xb").close()
        rejects.unlink()
    elif rejects.is_file():
        rejects.open("ab").close()


def _is_stdout(name: str) -> bool:
    """Whether a file is what standard output is redirected to."""
    try:
        status = os.fstat(sys.stdout.fileno())
        other = os.stat(sys.stdin.fileno() if name == "-" else name)
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, other)
    except (OSError, ValueError):
        return False


def _drop_output(error: OSError) -> None:
    """Drop what is left to write to standard output if that is what failed: the interpreter would
    try to write it when it exits, and fail again.

    error (OSError): The error.
    RAISES (typer.Exit): If the reader of a pipe is gone, which is how `| head` ends a command.
    """
    is_closed = isinstance(error, BrokenPipeError)
    if is_closed or error.filename == getattr(getattr(sys.stdout, "buffer", None), "name", ""):
        sys.stdout = None
    if is_closed:
        raise typer.Exit(1) from None


def _advise(error: OSError, output: str | None) -> str:
    """RETURNS (str): What can be done if the folder of output cannot be written to."""
    if output is None or Path(output) not in Path(str(error.filename)).parents:
        return ""
    return f". {_CONTINUE}"


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
        # Not copyfile, which refuses a pipe.
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
    from ..scale.inputs import STDIN
    from ..scale.jobs import name_in_errors
    from ..scale.running import annotate_to_stream

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
