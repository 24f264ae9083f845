"""Merge tables of word vectors into one small table.

Vectors trained on tweets cover their spelling; those trained on news and encyclopedias cover more
names. Concatenated they cover both (Yin & Schütze 2016). The vectors of words that one table
doesn't contain are predicted from another table with a linear map, fitted on the words that both
contain. A truncated singular value decomposition then reduces the width, and rare words share the
row of their nearest neighbor among frequent ones.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import spacy
from spacy.strings import StringStore
from spacy.vectors import Vectors
from thinc.types import Floats2d, Ints1d

from .vectors import VectorTable, read_vectors

META = "meta.json"

# Number of words compared to all rows at once, which bounds memory use.
_BLOCK = 2000


class MergedTable(NamedTuple):
    """Words and their vectors. Rare words share rows with frequent ones.

    words (list[str]): nW words, the most frequent first.
    rows (Ints1d): (nW,) row of each word. The first nR words have their own rows.
    vectors (Floats2d): (nR, width)
    """

    words: list[str]
    rows: Ints1d
    vectors: Floats2d


def write_merged_vectors(
    paths: Sequence[Path],
    output: Path,
    *,
    width: int = 120,
    max_rows: int = 40_000,
    max_words: int = 200_000,
    lang: str = "en",
) -> dict[str, Any]:
    """Merge files of vectors into a float16 table for [initialize] vectors.

    paths (Sequence[Path]): Two or more files or folders, as for read_vectors.
    output (Path): The output folder.
    width, max_rows, max_words (int): As for merge_vectors.
    lang (str): The language of the pipelines that use the vectors.
    RETURNS (dict[str, Any]): The data added to meta.json.
    RAISES (OSError): If a file can't be read.
    RAISES (ValueError): If a file isn't a vector table, or the tables can't be merged.
    """
    if output.exists() and not output.is_dir():
        raise FileExistsError(f"{output} is a file: name an output folder")
    tables = [read_vectors(path) for path in paths]
    merged = merge_vectors(tables, width=width, max_rows=max_rows, max_words=max_words)
    meta = {
        "words": len(merged.words),
        "vectors": list(merged.vectors.shape),
        "tables": [
            {"name": path.name, "words": len(table.words), "width": table.vectors.shape[1]}
            for path, table in zip(paths, tables, strict=True)
        ],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    nlp = spacy.blank(lang)
    nlp.vocab.vectors = _to_spacy(merged)
    nlp.vocab.vectors.name = nlp.meta["vectors"]["name"] = f"{lang}_merged.vectors"
    output.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
    # Add to the meta.json written by spaCy.
    own = json.loads((output / META).read_text(encoding="utf-8"))
    content = json.dumps({**own, "merged": meta}, indent=2, ensure_ascii=False)
    (output / META).write_text(content + "\n", encoding="utf-8")
    return meta


def merge_vectors(
    tables: Sequence[VectorTable], *, width: int, max_rows: int, max_words: int
) -> MergedTable:
    """Merge tables of vectors.

    tables (Sequence[VectorTable]): The tables, each with its most frequent words first.
    width (int): Width of the merged vectors.
    max_rows (int): Number of rows. They belong to the words with the best rank in any table.
    max_words (int): Number of words. Words beyond max_rows share the row of the most similar word,
        by cosine before the width is reduced.
    RETURNS (MergedTable): The merged table.
    RAISES (ValueError): If there are fewer than two tables, they share too few words, or they
        have too few columns.
    """
    if len(tables) < 2:
        raise ValueError(f"at least two tables of vectors are needed, got {len(tables)}")
    total = sum(table.vectors.shape[1] for table in tables)
    if not 1 <= width <= total:
        raise ValueError(f"width: must be from 1 to {total}, the tables' total width, got {width}")
    if not 1 <= max_rows <= max_words:
        raise ValueError(f"max_rows: must be from 1 to max_words ({max_words:,}), got {max_rows:,}")
    rows = [{word: row for row, word in enumerate(table.words)} for table in tables]
    words = _best_ranked(rows, max_words)
    units = [_unit_length(table.vectors) for table in tables]
    parts = [_take(unit, row, words) for unit, row in zip(units, rows, strict=True)]
    known = numpy.asarray([[word in row for word in words] for row in rows])
    _fill_in(parts, known)
    vectors = _unit_length(numpy.concatenate(parts, axis=1))
    rows_of_words = numpy.concatenate(
        [numpy.arange(len(vectors))[:max_rows], _nearest(vectors, max_rows)]
    )
    return MergedTable(words, rows_of_words, _shorten(vectors[:max_rows], width))


def _to_spacy(merged: MergedTable) -> Vectors:
    vectors = Vectors(strings=StringStore(merged.words), shape=merged.vectors.shape)
    vectors.data = merged.vectors.astype("float16")
    for word, row in zip(merged.words, merged.rows.tolist(), strict=True):
        vectors.add(word, row=row)
    return vectors


def _best_ranked(rows: Sequence[dict[str, int]], max_words: int) -> list[str]:
    best: dict[str, int] = {}
    for row in rows:
        for word, rank in row.items():
            best[word] = min(rank, best.get(word, rank))
    # Sorting is stable: words of the same rank are in the order of the tables.
    return sorted(best, key=best.__getitem__)[:max_words]


def _unit_length(vectors: Floats2d) -> Floats2d:
    vectors = vectors.astype("float32")
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / numpy.where(lengths > 0, lengths, 1.0)


def _take(vectors: Floats2d, rows: dict[str, int], words: list[str]) -> Floats2d:
    """RETURNS (Floats2d): The words' vectors, with zeros for unknown words."""
    taken = numpy.zeros((len(words), vectors.shape[1]), dtype=vectors.dtype)
    known = [index for index, word in enumerate(words) if word in rows]
    taken[known] = vectors[[rows[words[index]] for index in known]]
    return taken


def _fill_in(parts: list[Floats2d], known: numpy.ndarray) -> None:
    """Predict the vectors of words that a table doesn't contain from the first table that does, by
    least squares over the words that both contain."""
    known = known.copy()
    originals = known.copy()
    for target in range(len(parts)):
        for source in range(len(parts)):
            missing = originals[source] & ~known[target]
            if source == target or not missing.any():
                continue
            shared = originals[source] & originals[target]
            if shared.sum() < parts[source].shape[1]:
                raise ValueError(
                    f"tables {source + 1} and {target + 1} share {shared.sum()} words, too "
                    "few to map one to the other: increase max_words, or use tables with the same "
                    "spelling (lower-cased or not)"
                )
            mapping = numpy.linalg.lstsq(parts[source][shared], parts[target][shared], rcond=None)
            parts[target][missing] = parts[source][missing] @ mapping[0]
            known[target] |= missing


def _nearest(vectors: Floats2d, n_rows: int) -> Ints1d:
    """RETURNS (Ints1d): For each vector after the first n_rows, the most similar one of those."""
    kept = vectors[:n_rows]
    blocks = [
        (vectors[start : start + _BLOCK] @ kept.T).argmax(axis=1)
        for start in range(n_rows, len(vectors), _BLOCK)
    ]
    return numpy.concatenate([numpy.zeros(0, dtype="int64"), *blocks])


def _shorten(vectors: Floats2d, width: int) -> Floats2d:
    """Truncated singular value decomposition, from the eigenvectors of the Gram matrix."""
    _, axes = numpy.linalg.eigh(vectors.T @ vectors)
    return vectors @ axes[:, ::-1][:, :width]
