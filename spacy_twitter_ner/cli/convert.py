from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import Printer, msg

from ..corpus.layout import DEFAULT_LABEL, FileFormat
from ..corpus.tagfile import AUTO
from ..util import plural
from ._util import (
    Arg,
    Comments,
    Label,
    Opt,
    Scheme,
    TagColumn,
    TokenColumn,
    app,
    describe_repair,
    errors_as_messages,
    printable,
)

if TYPE_CHECKING:
    from ..corpus.convert import Conversion

SPAN_FILE_TYPE = ".jsonl"
_HINT = (
    "Nothing was written. Fix the files, or pass --repair to fix them automatically where possible."
)


# fmt: off
@app.command("convert")
def convert_cli(
    paths: Annotated[list[Path], Arg(metavar="IN [IN]... OUT", help="Token/tag files, or .jsonl files of tweets with spans: a single one, or the splits of a corpus. The training split is the one with 'train' in its name, or else the first. Then the output: a .spacy file for one input, or a folder")],
    scheme: Scheme = AUTO,
    token_column: TokenColumn = None,
    tag_column: TagColumn = None,
    comments: Comments = None,
    label: Label = DEFAULT_LABEL,
    repair: Annotated[bool, Opt("--repair", "-r", help="Repair problems and report how, instead of stopping")] = False,
    raw: Annotated[bool, Opt("--raw", help="Also write NAME_raw.spacy, with the likely whitespace between tokens restored, so that train and evaluate use the pipeline's tokenizer instead of the corpus's tokens")] = False,
) -> None:
    # fmt: on
    """
    Convert token/tag files into spaCy's binary training format. Files have one token and its tag
    per line, separated by tabs or spaces, and a blank line between tweets. The .spacy files can
    be used with the train command. Files named .jsonl have one JSON object per line instead:
    {"text": ..., "spans": [{"start", "end", "label"}]}; the other options don't apply to them.

    If there are problems, they are listed by file and line, nothing is written and the exit code
    is 1. With --repair, invalid labels are left missing and invalid tag sequences are interpreted
    as conlleval does. An entity type that's in another split but not in the training split also
    counts as a problem.
    """
    # Imported here because spaCy takes seconds to import.
    from ..corpus.convert import convert

    if len(paths) < 2:
        raise typer.BadParameter(
            f"no output given after {paths[0]}. Pass the input files, then the output file or "
            f"folder: spacy-twitter-ner convert {paths[0]} {paths[0].stem}.spacy"
        )
    if all(path.suffix == SPAN_FILE_TYPE for path in paths[:-1]):
        _convert_span_files(paths[:-1], paths[-1])
        return
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


def _convert_span_files(inputs: list[Path], output: Path) -> None:
    from ..corpus.convert import convert_span_files

    with errors_as_messages(msg, "Nothing was written. Fix the files."):
        converted = convert_span_files(inputs, output)
    for path, n_tweets, n_entities in converted:
        msg.good(f"{printable(str(path))}: {plural(n_tweets, 'tweet')}, {n_entities:,} entities")


def _print_conversion(conversion: "Conversion", msg: Printer) -> None:
    if conversion.problems:
        msg.warn(f"Repaired {plural(len(conversion.problems), 'problem')}")
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
        msg.good(f"{printable(str(output))}: the same as raw text")
