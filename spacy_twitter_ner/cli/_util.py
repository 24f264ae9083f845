"""The Typer application, shared options and helpers for the commands."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument as Arg
from typer import Option as Opt
from wasabi import Printer

from .. import PRETRAINED, __version__
from ..corpus.tagfile import CorpusError, Problem, summarize_problems
from ..loading import find_package
from ..util import plural

NAME = "spacy-twitter-ner"
HELP = "Named entity recognition for tweets: train, evaluate, annotate and serve."
MODEL_HELP = "Folder or package of a trained pipeline. Default: the pretrained pipeline"

# Options shared by commands
# fmt: off
Model = Annotated[str, Arg(help="Folder or package of a trained pipeline")]
Output = Annotated[Path, Arg(metavar="OUTPUT", help="Output folder")]
TweetFiles = Annotated[list[Path], Arg(metavar="TWEETS", help="Text files with one tweet per line, or folders of them; JSON, CSV, TSV or Parquet files; also compressed as .gz, .bz2, .xz or .zst")]
Scheme = Annotated[str, Opt("--scheme", "-s", help="Tag scheme: BIO (IOB2), IOB1, BILUO (IOBES, BMES), IO, or auto to detect it per file")]
TokenColumn = Annotated[int | None, Opt("--token-column", help="Token column, counted from 1, or from -1 for the last. Default: the first, or the second if the first numbers the tokens")]
TagColumn = Annotated[int | None, Opt("--tag-column", help="Tag column, counted like --token-column. Default: the last")]
Comments = Annotated[list[str] | None, Opt("--comment", metavar="PREFIX", help="Skip lines that start with PREFIX, such as '#' or 'IMGID:', unless they are complete rows; repeatable")]
Label = Annotated[str, Opt("--label", help="Entity type for tags without one, such as B and I")]
Lang = Annotated[str, Opt("--lang", "-l", help="Language code of the pipelines to train")]
GPU = Annotated[int, Opt("--gpu-id", "-g", help="GPU ID, or -1 for the CPU")]
Silent = Annotated[bool, Opt("--silent", "-S", help="Only print errors")]
# fmt: on

app = typer.Typer(name=NAME, help=HELP, no_args_is_help=True, rich_markup_mode=None)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit()


# fmt: off
@app.callback(help=HELP)
def app_cli(
    version: Annotated[bool, Opt("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit")] = False,
) -> None:
    # fmt: on
    """Set up the output streams."""
    # Escape characters that the terminal can't encode instead of failing.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def errors_as_messages(msg: Printer, hint: str = "") -> Iterator[None]:
    """Print errors that the user can fix, and exit with code 1.

    msg (Printer): The printer. If it prints nothing, messages go to standard error.
    hint (str): Printed after corpus problems that can be repaired.
    """
    try:
        yield
    except CorpusError as error:
        lines = [f"  {line}" for line in summarize_problems(error.problems)]
        if hint and any(problem.repair for problem in error.problems):
            lines.append(hint)
        fail(msg, f"Found {plural(len(error.problems), 'problem')}", lines)
    # An ImportError names the missing extra.
    except (ImportError, OSError, ValueError) as error:
        fail(msg, describe_error(error))


def describe_error(error: Exception) -> str:
    """RETURNS (str): The error's message; for an OSError, the file and the reason."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def split_model(arguments: Sequence[str], n_others: int | None = None) -> tuple[str, list[str]]:
    """Split off a command's first argument if it's the pipeline.

    arguments (Sequence[str]): The arguments, optionally starting with the pipeline.
    n_others (Optional[int]): Number of arguments after the pipeline. If None, the first argument
        is the pipeline if there is one of that name.
    RETURNS (tuple[str, list[str]]): The pipeline, by default the pretrained one, and the other
        arguments.
    """
    if n_others is None:
        is_named = bool(arguments) and is_pipeline(arguments[0])
    else:
        is_named = len(arguments) > n_others
    if is_named:
        return arguments[0], list(arguments[1:])
    return str(PRETRAINED), list(arguments)


def is_pipeline(name: str) -> bool:
    """RETURNS (bool): Whether the name is a pipeline's folder or an installed package. The
    package may turn out not to be a pipeline (see load_pipeline)."""
    try:
        if (Path(name) / "config.cfg").is_file():
            return True
    except (OSError, ValueError):
        return False
    return find_package(name) is not None


def fail(msg: Printer, title: str, lines: list[str] | None = None) -> None:
    """Print an error and exit with code 1.

    msg (Printer): The printer. If it prints nothing, messages go to standard error.
    title (str): The error.
    lines (list[str] | None): Printed after it unwrapped, so that file:line stays clickable.
    RAISES (typer.Exit): Always.
    """
    text = msg.fail(printable_lines(title))
    if text:
        print(text, file=sys.stderr)
    for line in lines or []:
        print(printable(line), file=sys.stderr if msg.no_print else sys.stdout)
    raise typer.Exit(1)


def describe_repair(problem: Problem) -> str:
    """RETURNS (str): The problem and its repair, in one line."""
    return f"{problem} ({problem.repair})" if problem.repair else str(problem)


def printable(text: str) -> str:
    """RETURNS (str): The text in one line, without control characters."""
    return "".join(char if char.isprintable() or char == "\u200d" else " " for char in text)


def printable_lines(text: str) -> str:
    """RETURNS (str): The text without control characters other than line breaks."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    """RETURNS (str): Equivalent JSON with unprintable characters escaped."""
    return "".join(
        char if char.isprintable() or char in "\n\u200d" else json.dumps(char)[1:-1]
        for char in text
    )
