"""Converts token/tag files to spaCy's binary training format (.spacy)."""

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .reading import AUTO, Problem, TagFile, TaggedTweet, check_problems, read_tag_file
from .splits import compare_splits, training_first

FILE_TYPE = ".spacy"


@dataclass
class Conversion:
    """What was converted: the files read and the one written for each; the problems that were
    mended on the way; notes on the splits."""

    files: list[TagFile]
    outputs: list[Path]
    problems: list[Problem]
    notes: list[str]


def docs_from_tweets(tweets: Iterable[TaggedTweet], vocab: Vocab) -> Iterator[Doc]:
    """Make Docs of tweets, with their entities.

    The Docs are made without spaces on purpose: a token/tag file does not say where they were,
    and a Doc that does not know them (has_unknown_spaces) makes spaCy train and evaluate on the
    corpus's own tokens instead of tokenizing a text that never was.

    tweets (Iterable[TaggedTweet]): The tweets.
    vocab (Vocab): The shared vocab.
    YIELDS (Doc): A Doc a tweet. Tokens whose label is missing have no ent_iob (0), not O.
    """
    for tweet in tweets:
        yield Doc(vocab, words=tweet.tokens, ents=[tag or "" for tag in tweet.tags])


def convert(
    inputs: Sequence[Path], output: Path, *, scheme: str = AUTO, repair: bool = False
) -> Conversion:
    """Convert token/tag files to .spacy files: all of them, or none and nothing is written.

    inputs (Sequence[Path]): The files. Several are the splits of a corpus. The training
        split is the first whose name begins with "train", or else the first of all.
    output (Path): A file in .spacy, for one input; or a folder that gets a file for each.
    scheme (str): Tag scheme of the files: BIO, IOB1 or BILUO; or "auto" to recognise it.
    repair (bool): Mend problems instead of stopping at them.
    RETURNS (Conversion): What was read, written and mended.
    RAISES (CorpusError): If there are problems, listing all of them; with repair only if some
        cannot be mended.
    RAISES (OSError): If a file cannot be read or written.
    RAISES (ValueError): If inputs and output do not go together, or the scheme is not known.
    """
    inputs = training_first(inputs)
    outputs = _choose_outputs(inputs, Path(output))
    files = [read_tag_file(path, scheme=scheme) for path in inputs]
    type_problems, notes = compare_splits(files)
    problems = [problem for file in files for problem in file.problems] + type_problems
    check_problems(problems, repair=repair)
    _write_all(files, outputs)
    return Conversion(files, outputs, problems, notes)


def _choose_outputs(inputs: Sequence[Path], output: Path) -> list[Path]:
    if not inputs:
        raise ValueError("no input files")
    if output.suffix == FILE_TYPE:
        if len(inputs) > 1:
            raise ValueError(
                f"{output} is one file but there are {len(inputs)} inputs: give a folder instead"
            )
        outputs = [output]
    else:
        outputs = [output / f"{path.stem}{FILE_TYPE}" for path in inputs]
    if output.suffix != FILE_TYPE and output.exists() and not output.is_dir():
        raise ValueError(f"{output} is neither a folder nor named {FILE_TYPE}")
    chosen: dict[Path, Path] = {}
    for path, target in zip(inputs, outputs, strict=True):
        if target in chosen:
            raise ValueError(f"{chosen[target]} and {path} would both be written to {target}")
        if target.is_dir():
            raise ValueError(f"{target} is a folder, so no file can be written there")
        chosen[target] = path
    return outputs


def _write_all(files: Sequence[TagFile], outputs: Sequence[Path]) -> None:
    """Write all files under other names first, and rename them once all are on the disk."""
    vocab = Vocab()
    written: list[tuple[Path, Path]] = []
    try:
        for file, output in zip(files, outputs, strict=True):
            output.parent.mkdir(parents=True, exist_ok=True)
            temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}.tmp")
            written.append((temporary, output))
            _write_synced(temporary, _docbin_bytes(file.tweets, vocab))
        for temporary, output in written:
            os.replace(temporary, output)
    finally:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)


def _docbin_bytes(tweets: Iterable[TaggedTweet], vocab: Vocab) -> bytes:
    docs = docs_from_tweets(tweets, vocab)
    return DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=False, docs=docs).to_bytes()


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
