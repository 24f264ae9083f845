"""Convert token/tag files to spaCy's binary training format (.spacy)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..util import write_atomic
from .detokenize import guess_spaces
from .layout import FileFormat
from .splits import compare_splits, split_name, training_first
from .tagfile import (
    AUTO,
    DEFAULT_FORMAT,
    Problem,
    TagFile,
    TaggedTweet,
    check_problems,
    read_tag_file,
)

FILE_TYPE = ".spacy"
RAW_SUFFIX = "_raw"


@dataclass
class Conversion:
    """The result of a conversion: the input files, the output file for each and the one with raw
    text if there is one, the problems that were repaired, and notes on the splits."""

    files: list[TagFile]
    outputs: list[Path]
    raw_outputs: list[Path]
    problems: list[Problem]
    notes: list[str]


def docs_from_tweets(
    tweets: Iterable[TaggedTweet], vocab: Vocab, *, raw: bool = False
) -> Iterator[Doc]:
    """Create Docs with entities from tweets.

    Token/tag files don't store spaces. Docs with unknown spaces (has_unknown_spaces) make spaCy
    train and evaluate on the corpus's own tokens. Docs with raw text have guessed spaces, and make
    spaCy tokenize their text, as in production.

    tweets (Iterable[TaggedTweet]): The tweets.
    vocab (Vocab): The shared vocab.
    raw (bool): Whether to create Docs with raw text.
    YIELDS (Doc): One Doc per tweet. Where the label is missing, token.ent_iob is 0 (missing).
    """
    for tweet in tweets:
        ents = [tag or "" for tag in tweet.tags]
        spaces = guess_spaces(tweet.tokens) if raw else None
        yield Doc(vocab, words=tweet.tokens, spaces=spaces, ents=ents)


def convert(
    inputs: Sequence[Path],
    output: Path,
    *,
    scheme: str = AUTO,
    file_format: FileFormat = DEFAULT_FORMAT,
    repair: bool = False,
    raw: bool = False,
) -> Conversion:
    """Convert token/tag files to .spacy files. If one of them fails, nothing is written.

    inputs (Sequence[Path]): The splits of a corpus. The training split is found by its name, or
        else it's the first (see training_first).
    output (Path): A .spacy file if there is one input, or a folder.
    scheme (str): Tag scheme of the files: BIO, IOB1, BILUO or IO; or "auto" to recognize it.
    file_format (FileFormat): The columns and comments of the files.
    repair (bool): Repair problems instead of raising an error.
    raw (bool): Also write NAME_raw.spacy for each file, with the same tweets as raw text.
    RETURNS (Conversion): The result.
    RAISES (CorpusError): If there are problems that are not repaired, listing all of them.
    RAISES (OSError): If a file can't be read or written.
    RAISES (ValueError): If inputs and output don't match, or the scheme is unknown.
    """
    inputs = training_first(inputs)
    outputs = _choose_outputs(inputs, Path(output))
    raw_outputs = [path.with_stem(path.stem + RAW_SUFFIX) for path in outputs] if raw else []
    _check_outputs([*inputs, *inputs[: len(raw_outputs)]], [*outputs, *raw_outputs])
    files = [read_tag_file(path, scheme=scheme, file_format=file_format) for path in inputs]
    type_problems, notes = compare_splits(files)
    problems = [problem for file in files for problem in file.problems] + type_problems
    check_problems(problems, repair=repair)
    _write_all(files, outputs, raw_outputs)
    return Conversion(files, outputs, raw_outputs, problems, notes)


def _choose_outputs(inputs: Sequence[Path], output: Path) -> list[Path]:
    if not inputs:
        raise ValueError("no input files")
    if output.suffix == FILE_TYPE:
        if len(inputs) > 1:
            raise ValueError(
                f"{output} is one file but there are {len(inputs)} inputs: give a folder instead"
            )
        return [output]
    if output.exists() and not output.is_dir():
        raise ValueError(
            f"{output} is neither a folder nor a {FILE_TYPE} file: the last argument is the output"
        )
    return [output / f"{split_name(path)}{FILE_TYPE}" for path in inputs]


def _check_outputs(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Check that each file can be written and that no two are the same."""
    chosen: dict[Path, Path] = {}
    for path, target in zip(inputs, outputs, strict=True):
        if target in chosen:
            raise ValueError(
                f"{chosen[target]} and {path} would both be written to {target}: convert them one "
                f"by one, each to its own {FILE_TYPE} file"
            )
        if target.is_dir():
            raise ValueError(f"{target} is a folder, so it can't be written as a file")
        chosen[target] = path


def _write_all(
    files: Sequence[TagFile], outputs: Sequence[Path], raw_outputs: Sequence[Path]
) -> None:
    targets = [(file, path, False) for file, path in zip(files, outputs, strict=True)]
    targets += [(file, path, True) for file, path in zip(files, raw_outputs, strict=False)]
    vocab = Vocab()
    with write_atomic(*(path for _, path, _ in targets)) as temporary:
        for (file, _, raw), path in zip(targets, temporary, strict=True):
            docs = docs_from_tweets(file.tweets, vocab, raw=raw)
            path.write_bytes(_docbin_bytes(docs))


def _docbin_bytes(docs: Iterable[Doc]) -> bytes:
    return DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=False, docs=docs).to_bytes()
