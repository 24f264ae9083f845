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
    from ..corpus.formats.registry import FormatConversion

_HINT = (
    "Nothing was written. Fix the files, or pass --repair to fix them automatically where possible."
)
# Suffixes that aren't those of token/tag files, and of outputs that aren't .spacy files.
_OTHER_SUFFIXES = {".json", ".jsonl", ".ann", ".spacy"}
_OTHER_OUTPUTS = {".json", ".jsonl", ".conll"}


# fmt: off
@app.command("convert")
def convert_cli(
    paths: Annotated[list[Path], Arg(metavar="IN [IN]... OUT", help="Token/tag files: a single one, or the splits of a corpus. The training split is the one with 'train' in its name, or else the first. Or files in another tool's format. Then the output: a file for one input, or a folder")],
    scheme: Scheme = AUTO,
    token_column: TokenColumn = None,
    tag_column: TagColumn = None,
    comments: Comments = None,
    label: Label = DEFAULT_LABEL,
    repair: Annotated[bool, Opt("--repair", "-r", help="Repair problems and report how, instead of stopping")] = False,
    raw: Annotated[bool, Opt("--raw", help="Also write NAME_raw.spacy, with the likely whitespace between tokens restored, so that train and evaluate use the pipeline's tokenizer instead of the corpus's tokens")] = False,
    source: Annotated[str | None, Opt("--from", help="Format of the input: spacy, conll, spans, prodigy, doccano, label-studio, tuples (spaCy v2, as JSON), hugging-face or brat. Detected by default")] = None,
    target: Annotated[str | None, Opt("--to", help="Format of the output, one of the same. By default, .spacy, .conll and .jsonl (spans) determine it")] = None,
) -> None:
    # fmt: on
    """
    Convert token/tag files into spaCy's binary training format. Files have one token and its tag
    per line, separated by tabs or spaces, and a blank line between tweets. The .spacy files can
    be used with the train command.

    If there are problems, they are listed by file and line, nothing is written and the exit code
    is 1. With --repair, invalid labels are left missing and invalid tag sequences are interpreted
    as conlleval does. An entity type that's in another split but not in the training split also
    counts as a problem.

    Also converts JSON lines with spans, {"text": ..., "spans": [{"start", "end", "label"}]}, and
    between the formats of Prodigy, doccano, Label Studio, brat, spaCy and Hugging Face data sets.
    Spans whose ends aren't token boundaries are problems, which --repair widens.
    """
    # Imported here because spaCy takes seconds to import.
    from ..corpus.convert import convert

    if len(paths) < 2:
        raise typer.BadParameter(
            f"no output given after {paths[0]}. Pass the input files, then the output file or "
            f"folder: spacy-twitter-ner convert {paths[0]} {paths[0].stem}.spacy"
        )
    with errors_as_messages(msg, _HINT):
        if source or target or any(_is_other_format(path, paths[-1]) for path in paths[:-1]):
            _convert_formats(paths[:-1], paths[-1], source, target, repair=repair)
            return
        conversion = convert(
            paths[:-1],
            paths[-1],
            scheme=scheme,
            file_format=FileFormat(token_column, tag_column, tuple(comments or ()), label),
            repair=repair,
            raw=raw,
        )
    _print_conversion(conversion, msg)


def _is_other_format(path: Path, output: Path) -> bool:
    """RETURNS (bool): Whether anything but token/tag files to .spacy files is requested."""
    is_brat = path.is_dir() and any(path.rglob("*.ann"))
    return is_brat or path.suffix in _OTHER_SUFFIXES or output.suffix in _OTHER_OUTPUTS


def _convert_formats(
    paths: list[Path], output: Path, source: str | None, target: str | None, *, repair: bool
) -> None:
    from ..corpus.formats.registry import convert_format

    if target not in (None, "spacy") and len(paths) > 1:
        raise ValueError("several files are converted to .spacy files: with --to, pass one")
    outputs = [output] if len(paths) == 1 else [output / f"{path.stem}.spacy" for path in paths]
    for path, file in zip(paths, outputs, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        conversion = convert_format(path, file, source=source, target=target, repair=repair)
        _print_format_conversion(conversion, file)


def _print_format_conversion(conversion: "FormatConversion", output: Path) -> None:
    for problem in conversion.problems:
        print(f"  {printable(describe_repair(problem))}")
    for kind, count in sorted(conversion.skipped.items()):
        msg.warn(printable(f"Not converted: {count:,} {kind}"))
    entities = sum(len(doc.ents) for doc in conversion.docs)
    msg.good(
        printable(
            f"{output}: {plural(len(conversion.docs), 'tweet')}, {entities:,} entities "
            f"({conversion.source} to {conversion.target})"
        )
    )


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
