"""The command line application, and what its commands share."""

import json
import sys
from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer
from wasabi import Printer

from .. import PRETRAINED, __version__
from ..corpus.reading import CorpusError, Problem, summarize_problems
from ..loading import find_package

NAME = "spacy-twitter-ner"
HELP = "Named entity recognition for tweets: commands for corpora and their evaluation."
SCHEME_HELP = (
    "Tag scheme of the files: BIO (IOB2), IOB1, BILUO (IOBES, BMES) or IO, "
    "or auto to recognize it file by file"
)

# The options of all commands that read token/tag files.
Scheme = Annotated[str, typer.Option("--scheme", "-s", help=SCHEME_HELP)]
TokenColumn = Annotated[
    int | None,
    typer.Option(
        "--token-column",
        help="Column of the tokens, counted from 1, or from -1 for the last. Default: the first, "
        "or the second if the first one numbers the tokens",
    ),
]
TagColumn = Annotated[
    int | None,
    typer.Option("--tag-column", help="Column of the tags, counted likewise. Default: the last"),
]
Comments = Annotated[
    list[str] | None,
    typer.Option(
        "--comment",
        metavar="PREFIX",
        help="Skip lines that begin with PREFIX, such as '#' or 'IMGID:', unless they are complete "
        "rows; repeatable",
    ),
]
Label = Annotated[
    str,
    typer.Option("--label", help="Entity type of tags that have none, such as B and I"),
]
MODEL_HELP = "A trained pipeline: its folder or package; the pretrained one if it is left out"
TweetFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="TWEETS",
        help="Text files, one tweet per line, or folders of them; JSON, CSV, TSV or Parquet files; "
        "may end in .gz, .bz2, .xz or .zst",
    ),
]

app = typer.Typer(name=NAME, help=HELP, no_args_is_help=True, rich_markup_mode=None)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit()


@app.callback(help=HELP)
def app_cli(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Print the version and exit",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Take the options that belong to no command."""
    # A terminal that cannot show a tweet's emoji is no reason to stop.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def errors_as_messages(msg: Printer, hint: str = "") -> Iterator[None]:
    """Print errors that the user can do something about, and exit with code 1.

    msg (Printer): The printer; if it prints nothing, the message goes to standard error.
    hint (str): What to do if there are problems in the corpus that can be mended.
    """
    try:
        yield
    except CorpusError as error:
        lines = [f"  {line}" for line in summarize_problems(error.problems)]
        if hint and any(problem.repair for problem in error.problems):
            lines.append(hint)
        fail(msg, f"Found {count_of(error.problems, 'problem')}", lines)
    # An ImportError is that of a library of an extra, and names it.
    except (ImportError, OSError, ValueError) as error:
        fail(msg, describe_error(error))


def describe_error(error: Exception) -> str:
    """RETURNS (str): An error's message; of those of the system, the file and what is wrong."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def split_model(arguments: Sequence[str], n_others: int | None = None) -> tuple[str, list[str]]:
    """Take the pipeline off a command's arguments, where it may be left out.

    arguments (Sequence[str]): The arguments, the pipeline first, if it is named.
    n_others (Optional[int]): How many arguments there are besides it. If None, the first one is a
        pipeline if there is one of that name.
    RETURNS (tuple[str, list[str]]): The pipeline, the pretrained one if none is named; the others.
    """
    if n_others is None:
        is_named = bool(arguments) and is_pipeline(arguments[0])
    else:
        is_named = len(arguments) > n_others
    if is_named:
        return arguments[0], list(arguments[1:])
    return str(PRETRAINED), list(arguments)


def is_pipeline(name: str) -> bool:
    """RETURNS (bool): Whether a name is the folder of a pipeline or an installed package, rather
    than a text or a file. The package need not be a pipeline (see load_pipeline)."""
    try:
        if (Path(name) / "config.cfg").is_file():
            return True
    except (OSError, ValueError):
        return False
    return find_package(name) is not None


def fail(msg: Printer, title: str, lines: list[str] | None = None) -> None:
    """Print an error and exit with code 1.

    msg (Printer): The printer; if it prints nothing, the message goes to standard error.
    title (str): The error.
    lines (list[str] | None): Printed after it, not wrapped, so that file:line can be clicked on.
    RAISES (typer.Exit): Always.
    """
    text = msg.fail(printable_lines(title))
    if text:
        print(text, file=sys.stderr)
    for line in lines or []:
        print(printable(line), file=sys.stderr if msg.no_print else sys.stdout)
    raise typer.Exit(1)


def count_of(things: Sized, noun: str) -> str:
    """RETURNS (str): How many things there are, with their noun in the right number."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def describe_repair(problem: Problem) -> str:
    """RETURNS (str): A problem and what was done about it, in a line."""
    return f"{problem} ({problem.repair})" if problem.repair else str(problem)


def printable(text: str) -> str:
    """RETURNS (str): A text in one line without characters that control a terminal, which tweets,
    labels and file names may contain."""
    return "".join(char if char.isprintable() or char == "\u200d" else " " for char in text)


def printable_lines(text: str) -> str:
    """RETURNS (str): The same for a text whose line breaks stay."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    """RETURNS (str): JSON whose unprintable characters are escaped, so that it means the same."""
    return "".join(
        char if char.isprintable() or char in "\n\u200d" else json.dumps(char)[1:-1]
        for char in text
    )
