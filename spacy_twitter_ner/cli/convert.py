"""The command `convert`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import Printer, msg

from ..corpus.reading import AUTO
from .app import Scheme, app, count_of, describe_repair, errors_as_messages

if TYPE_CHECKING:
    from ..corpus.converting import Conversion

_HINT = "Nothing was written. Mend the files, or let --repair do it where it can."


@app.command("convert")
def convert_cli(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN",
            help="Token/tag files. Several are the splits of a corpus; the one whose name begins "
            "with 'train', or else the first, is the training split",
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A file in .spacy (for one input), or a folder that gets one for each input",
        ),
    ],
    scheme: Scheme = AUTO,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", "-r", help="Mend problems and say how, instead of stopping at them"
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
    Convert token/tag files into spaCy's binary training format. A file has a token and its tag
    a line and a blank line between tweets. The .spacy files can be used with the train command.

    Either all files are written or none: if there are problems, they are listed by file and
    line, and the exit code is 1. With --repair, labels that cannot be read are left missing and
    invalid tag sequences are read by conlleval's rules. An entity type that occurs in a later
    file but not in the first counts as a problem, too.
    """
    # Imported here because it imports spaCy, which takes seconds.
    from ..corpus.converting import convert

    with errors_as_messages(msg, _HINT):
        conversion = convert(inputs, output, scheme=scheme, repair=repair, raw=raw)
    _print_conversion(conversion, msg)


def _print_conversion(conversion: "Conversion", msg: Printer) -> None:
    if conversion.problems:
        msg.warn(f"Mended {count_of(conversion.problems, 'problem')}")
        for problem in conversion.problems:
            print(f"  {describe_repair(problem)}")
    for note in conversion.notes:
        msg.info(note)
    for file, output in zip(conversion.files, conversion.outputs, strict=True):
        entities = sum(len(tweet.spans()) for tweet in file.tweets)
        tokens = sum(len(tweet.tokens) for tweet in file.tweets)
        msg.good(
            f"{output}: {len(file.tweets):,} tweets, {tokens:,} tokens, {entities:,} entities "
            f"({file.scheme})"
        )
    for output in conversion.raw_outputs:
        msg.good(f"{output}: the same on raw text")
