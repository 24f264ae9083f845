"""Read word vectors from spaCy pipelines, text files and winkNLP's npm packages."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy
import spacy
from thinc.types import Floats2d

from ..normalization import normalize_word


class VectorTable(NamedTuple):
    """Words and their vectors.

    words (list[str]): nW distinct normalized words, the most frequent first.
    vectors (Floats2d): (nW, width)
    """

    words: list[str]
    vectors: Floats2d


def read_vectors(path: Path) -> VectorTable:
    """Read a table of word vectors. Only the first word with the same normalized spelling is kept.

    path (Path): The folder of a spaCy pipeline with vectors, as from `spacy init vectors`. Or a
        .txt, .vec, .txt.gz or .vec.gz file with one word and its numbers per line, as in GloVe,
        word2vec and fastText, with or without a header. Or a .json or .tgz file with winkNLP's
        vectors, plain or as an npm package.
    RETURNS (VectorTable): The table.
    RAISES (OSError): If the file can't be read.
    RAISES (ValueError): If it isn't a table of vectors.
    """
    table = _read_table(path)
    rows: dict[str, int] = {}
    for row, word in enumerate(table.words):
        rows.setdefault(normalize_word(word), row)
    words = list(rows)
    return table if words == table.words else VectorTable(words, table.vectors[[*rows.values()]])


def _read_table(path: Path) -> VectorTable:
    if path.is_dir():
        return _read_spacy(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file of vectors")
    if path.name.endswith((".json", ".tgz")):
        return _read_wink(path)
    if path.name.endswith((".txt", ".vec", ".txt.gz", ".vec.gz")):
        return _read_text(path)
    raise ValueError(
        f"{path}: not a supported table of vectors: use a spaCy pipeline, a text file "
        "(.txt, .vec, .txt.gz, .vec.gz) or a winkNLP file (.json, .tgz)"
    )


def _read_spacy(path: Path) -> VectorTable:
    vocab = spacy.load(path).vocab
    if vocab.vectors.mode != "default" or not vocab.vectors.n_keys:
        kind = "has no vectors" if not vocab.vectors.n_keys else "has n-gram vectors (floret)"
        raise ValueError(f"{path}: this pipeline {kind}; only word vectors can be merged")
    keys = list(vocab.vectors.keys())
    rows = vocab.vectors.find(keys=keys)
    return VectorTable([vocab.strings[key] for key in keys], vocab.vectors.data[rows])


def _read_text(path: Path) -> VectorTable:
    words: dict[str, None] = {}
    rows: list[numpy.ndarray] = []
    with _open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            word, *numbers = line.rstrip().split(" ")
            if number == 1 and len(numbers) == 1:
                continue  # word2vec's header
            row = _parse_numbers(numbers, path, number)
            if rows and len(row) != len(rows[0]):
                raise ValueError(
                    f"{path}:{number}: expected {len(rows[0])} numbers as before, got {len(row)}"
                )
            if word not in words:
                words[word] = None
                rows.append(row)
    if not rows:
        raise ValueError(f"{path}: there are no vectors")
    return VectorTable(list(words), numpy.stack(rows))


@contextmanager
def _open_text(path: Path) -> Iterator[IO[str]]:
    open_binary = gzip.open if path.suffix == ".gz" else open
    # Lines end with "\n" only, since files contain words such as U+0085.
    with (
        open_binary(path, "rb") as binary,
        io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as file,
    ):
        try:
            yield file
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not UTF-8: {error.reason}") from error


def _parse_numbers(numbers: list[str], path: Path, number: int) -> numpy.ndarray:
    try:
        row = numpy.asarray(numbers, dtype="float32")
    except ValueError as error:
        raise ValueError(f"{path}:{number}: expected a word and numbers: {error}") from error
    if not row.size or not numpy.isfinite(row).all():
        raise ValueError(f"{path}:{number}: expected a word and finite numbers")
    return row


def _read_wink(path: Path) -> VectorTable:
    try:
        content = _load_json(path)
        width, by_word = content["dimensions"], content["vectors"]
        words = [word for word in content["words"] if word in by_word]
        # The vector is followed by its norm and its index.
        vectors = numpy.asarray([by_word[word][:width] for word in words], dtype="float32")
    except (KeyError, TypeError, json.JSONDecodeError, tarfile.TarError) as error:
        raise ValueError(f"{path}: not winkNLP vectors: {error!r}") from error
    if vectors.ndim != 2 or not vectors.size:
        raise ValueError(f"{path}: there are no vectors")
    return VectorTable(words, vectors)


def _load_json(path: Path) -> dict:
    if path.suffix == ".json":
        with path.open("rb") as file:
            return json.load(file)
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            # Nothing is extracted to disk, so unsafe names in the archive are harmless.
            stream = archive.extractfile(member)
            if stream is not None and "embeddings" in Path(member.name).name:
                return json.load(stream)
    raise ValueError(f"{path}: there is no embeddings file in this archive")
