"""The command `convert`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import Printer, msg

from ..corpus.layout import DEFAULT_LABEL, FileFormat
from ..corpus.reading import AUTO
from .app import (
    Comments,
    Label,
    Scheme,
    TagColumn,
    TokenColumn,
    app,
    count_of,
    describe_repair,
    errors_as_messages,
    printable,
)

if TYPE_CHECKING:
    from ..corpus.converting import Conversion

_HINT = "Nothing was written. Fix the files, or pass --repair to fix them where possible."


@app.command("convert")
def convert_cli(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN [IN]... OUT",
            help="Token/tag files: one, or the splits of a corpus. The one whose name says "
            "'train', or else the first, is the training split. Last, the file in .spacy to write "
            "to (for one input), or a folder that gets one for each input",
        ),
    ],
    scheme: Scheme = AUTO,
    token_column: TokenColumn = None,
    tag_column: TagColumn = None,
    comments: Comments = None,
    label: Label = DEFAULT_LABEL,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", "-r", help="Fix problems and say how, instead of stopping at them"
        ),
    ] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="Write for each input a second file, NAME_raw.spacy, of the same tweets on raw "
            "text: their docs have spaces between the tokens where there probably were some, so "
            "that train and evaluate use the pipeline's tokenizer instead of the corpus's tokens",
        ),
    ] = False,
) -> None:
    """
    Convert token/tag files into spaCy's binary training format. A file has one token and its tag
    per line and a blank line between tweets. Columns are separated by tabs or by spaces. The
    .spacy files can be used with the train command.

    Either all files are written or none: if there are problems, they are listed by file and
    line, and the exit code is 1. With --repair, labels that cannot be read are left missing and
    invalid tag sequences are read by conlleval's rules. An entity type that occurs in a later
    file but not in the training split counts as a problem, too.
    """
    # Imported here because it imports spaCy, which takes seconds.
    from ..corpus.converting import convert

    if len(paths) < 2:
        raise typer.BadParameter(
            f"there is nothing to write to after {paths[0]}. Give files to read and then the file "
            f"or folder to write: spacy-twitter-ner convert {paths[0]} {paths[0].stem}.spacy"
        )
    with errors_as_messages(msg, _HINT):
        conversion = convert(
            paths[:-1],
            paths[-1],
            scheme=scheme,
            file_format=FileFormat(token_column, tag_column, tuple(comments or ()), label),
            repair=repair,
            raw=raw,
        )
    _print_conversion(conversion, msg)


def _print_conversion(conversion: "Conversion", msg: Printer) -> None:
    if conversion.problems:
        msg.warn(f"Mended {count_of(conversion.problems, 'problem')}")
        for problem in conversion.problems:
            print(f"  {printable(describe_repair(problem))}")
    for note in conversion.notes:
        msg.info(printable(note))
    for file, output in zip(conversion.files, conversion.outputs, strict=True):
        entities = sum(len(tweet.spans()) for tweet in file.tweets)
        tokens = sum(len(tweet.tokens) for tweet in file.tweets)
        msg.good(
            f"{printable(str(output))}: {len(file.tweets):,} tweets, {tokens:,} tokens, "
            f"{entities:,} entities ({file.scheme})"
        )
    for output in conversion.raw_outputs:
        msg.good(f"{printable(str(output))}: the same on raw text")
