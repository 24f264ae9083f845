"""Converts token/tag files to spaCy's binary training format (.spacy)."""

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .detokenizing import guess_spaces
from .layout import FileFormat
from .reading import AUTO, Problem, TagFile, TaggedTweet, check_problems, read_tag_file
from .splits import compare_splits, split_name, training_first

FILE_TYPE = ".spacy"
RAW_SUFFIX = "_raw"


@dataclass
class Conversion:
    """What was converted: the files read and the one written for each, and the one on raw text if
    there is one; the problems that were mended on the way; notes on the splits."""

    files: list[TagFile]
    outputs: list[Path]
    raw_outputs: list[Path]
    problems: list[Problem]
    notes: list[str]


def docs_from_tweets(
    tweets: Iterable[TaggedTweet], vocab: Vocab, *, raw: bool = False
) -> Iterator[Doc]:
    """Make Docs of tweets, with their entities.

    A token/tag file does not say where spaces were, and a Doc that does not know them
    (has_unknown_spaces) makes spaCy train and evaluate on the corpus's own tokens. A Doc on raw
    text has the spaces that its tokens probably had between them, and makes spaCy tokenize its
    text, as it will be with texts that nobody has cut.

    tweets (Iterable[TaggedTweet]): The tweets.
    vocab (Vocab): The shared vocab.
    raw (bool): Whether the Docs shall be on raw text.
    YIELDS (Doc): A Doc a tweet. Tokens whose label is missing have no ent_iob (0), not O.
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
    file_format: FileFormat | None = None,
    repair: bool = False,
    raw: bool = False,
) -> Conversion:
    """Convert token/tag files to .spacy files: all of them, or none and nothing is written.

    inputs (Sequence[Path]): The files. Several are the splits of a corpus. The training
        split is the one whose name says so, or else the first (see training_first).
    output (Path): A file in .spacy, for one input; or a folder that gets a file for each.
    scheme (str): Tag scheme of the files: BIO, IOB1, BILUO or IO; or "auto" to recognize it.
    file_format (FileFormat | None): The columns and comments of the files.
    repair (bool): Repair problems instead of stopping at them.
    raw (bool): Write a second file for each, named NAME_raw.spacy, of the same tweets on raw text.
    RETURNS (Conversion): What was read, written and mended.
    RAISES (CorpusError): If there are problems, listing all of them; with repair only if some
        cannot be mended.
    RAISES (OSError): If a file cannot be read or written.
    RAISES (ValueError): If inputs and output do not go together, or the scheme is not known.
    """
    inputs = training_first(inputs)
    outputs = _choose_outputs(inputs, Path(output))
    raw_outputs = [path.with_stem(path.stem + RAW_SUFFIX) for path in outputs] if raw else []
    _check_outputs([*inputs, *inputs[: len(raw_outputs)]], [*outputs, *raw_outputs])
    file_format = file_format or FileFormat()
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
            f"{output} is neither a folder nor named {FILE_TYPE}: the last argument is where to "
            "write to"
        )
    return [output / f"{split_name(path)}{FILE_TYPE}" for path in inputs]


def _check_outputs(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Check that each file can be written and that no two are the same."""
    chosen: dict[Path, Path] = {}
    for path, target in zip(inputs, outputs, strict=True):
        if target in chosen:
            raise ValueError(
                f"{chosen[target]} and {path} would both be written to {target}: convert them one "
                f"by one, each to its own file in {FILE_TYPE}"
            )
        if target.is_dir():
            raise ValueError(f"{target} is a folder, so no file can be written there")
        chosen[target] = path


def _write_all(
    files: Sequence[TagFile], outputs: Sequence[Path], raw_outputs: Sequence[Path]
) -> None:
    """Write all files under other names first, and rename them once all are on the disk."""
    vocab = Vocab()
    targets = [
        *((file, output, False) for file, output in zip(files, outputs, strict=True)),
        *((file, output, True) for file, output in zip(files, raw_outputs, strict=False)),
    ]
    written: list[tuple[Path, Path]] = []
    try:
        for file, output, raw in targets:
            output.parent.mkdir(parents=True, exist_ok=True)
            temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}.tmp")
            written.append((temporary, output))
            docs = docs_from_tweets(file.tweets, vocab, raw=raw)
            _write_synced(temporary, _docbin_bytes(docs))
        for temporary, output in written:
            os.replace(temporary, output)
    finally:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)


def _docbin_bytes(docs: Iterable[Doc]) -> bytes:
    return DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=False, docs=docs).to_bytes()


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
