"""Phrases: lists of them in files, and a trie that finds them in texts."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy
from thinc.types import Ints1d

_SETTING = "[initialize.components.*.phrases.paths]"
_BYTE_ORDER_MARK = "\ufeff"


def create_phrase_lists(paths: dict[str, Path]) -> dict[str, list[str]]:
    """Read lists of phrases: "spacy-twitter-ner.PhraseLists.v1".

    A file has one phrase a line in UTF-8, its tokens separated by spaces. Blank lines are
    skipped, and so are comments: lines that begin with "# " or are "#" alone ("#nasa" is a
    phrase). The files are read at once: spaCy calls this when it initialises a pipeline, and a
    trained pipeline needs them no more.

    paths (dict[str, Path]): For each type of phrase, which may be an entity type, its file.
    RETURNS (dict[str, list[str]]): For each type, its phrases in the file's order.
    RAISES (ValueError): If a file cannot be read or is not UTF-8.
    """
    return {label: _read_phrases(label, Path(path)) for label, path in paths.items()}


def _read_phrases(label: str, path: Path) -> list[str]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ValueError(
            f"{_SETTING} {label} = {str(path)!r}: cannot read the phrases of {label!r}: "
            f"{error.strerror}. Name a text file with one phrase a line"
        ) from error
    decoded = (_decode(line, label, f"{path}:{n}") for n, line in enumerate(lines, start=1))
    return [" ".join(line.split()) for line in decoded if line.strip() and not _is_comment(line)]


def _decode(line: bytes, label: str, place: str) -> str:
    try:
        return line.decode("utf8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{place}: not UTF-8: byte {error.object[error.start]:#04x} in the phrases of "
            f"{label!r}, set by {_SETTING} {label}. Save the file as UTF-8"
        ) from error


def _is_comment(line: str) -> bool:
    return line.startswith("# ") or line.strip() == "#"


class Matches(NamedTuple):
    """Where phrases stand in a batch.

    starts (Ints1d): (nM,) each match's first token, counted over all texts of the batch.
    lengths (Ints1d): (nM,) how many tokens it has.
    phrases (Ints1d): (nM,) the number of its phrase.
    """

    starts: Ints1d
    lengths: Ints1d
    phrases: Ints1d

    def select(self, which: Ints1d) -> "Matches":
        """RETURNS (Matches): Those of a mask or of indices."""
        return Matches(*(array[which] for array in self))

    def longest(self) -> Ints1d:
        """RETURNS (Ints1d): The indices of those that lie in no other match, left to right. They
        may overlap."""
        order = numpy.lexsort((-self.lengths, self.starts))
        ends = (self.starts + self.lengths)[order]
        # A match lies in another if one that starts no later reaches as far.
        reach = numpy.maximum.accumulate(ends)
        return order[ends > numpy.concatenate([[0], reach])[: len(ends)]]


class PhraseTrie:
    """A trie over phrases that is walked from all tokens of a batch at once.

    Nodes are numbered level by level from the root, which is 0, and on each level by parent and
    word. So the edges (parent, word) are sorted, and the i-th leads to node i + 1: a step of the
    walk is a binary search for an edge.

    phrases (Sequence[Sequence[str]]): The phrases' words; they are distinct and not empty.
    """

    def __init__(self, phrases: Sequence[Sequence[str]] = ()) -> None:
        vocabulary = dict.fromkeys(word for phrase in phrases for word in phrase)
        # 0 is for words that stand in no phrase: no edge has it.
        self._words = {word: number for number, word in enumerate(vocabulary, start=1)}
        lengths = numpy.asarray([len(phrase) for phrase in phrases], dtype="int64")
        words = numpy.asarray(
            [self._words[word] for phrase in phrases for word in phrase], dtype="int64"
        )
        firsts = numpy.cumsum(lengths) - lengths
        nodes = numpy.zeros(len(phrases), dtype="int64")
        levels = [numpy.zeros(0, dtype="int64")]
        n_edges = 0
        for depth in range(lengths.max(initial=0)):
            reaching = numpy.flatnonzero(lengths > depth)
            edges, inverse = numpy.unique(
                self._edges(nodes[reaching], words[firsts[reaching] + depth]), return_inverse=True
            )
            nodes[reaching] = n_edges + inverse + 1
            n_edges += len(edges)
            levels.append(edges)
        self._sorted_edges = numpy.concatenate(levels)
        self._phrase_at = numpy.full(n_edges + 1, -1, dtype="int64")
        self._phrase_at[nodes] = numpy.arange(len(phrases))

    def find(self, words: Iterable[str], inverse: Ints1d, lengths: Sequence[int]) -> Matches:
        """Find all occurrences of phrases, those inside of longer ones too.

        words (Iterable[str]): The distinct words of a batch.
        inverse (Ints1d): (N,) for each token of the batch, its word's index in words.
        lengths (Sequence[int]): How many tokens each text has; no phrase crosses a border.
        RETURNS (Matches): The occurrences, shortest first, then left to right.
        """
        return self.find_numbers(self.numbers(words)[inverse], lengths)

    def numbers(self, words: Iterable[str]) -> Ints1d:
        """Look words up.

        words (Iterable[str]): The words.
        RETURNS (Ints1d): Each word's number; 0 if it stands in no phrase.
        """
        number_of = self._words.get
        return numpy.asarray([number_of(word, 0) for word in words], dtype="int64")

    def find_numbers(self, tokens: Ints1d, lengths: Sequence[int]) -> Matches:
        """Find all occurrences of phrases, as find does, in words that are looked up already.

        tokens (Ints1d): (N,) the number of each token's word.
        lengths (Sequence[int]): How many tokens each text has.
        RETURNS (Matches): The occurrences, shortest first, then left to right.
        """
        ends = numpy.repeat(numpy.cumsum(lengths, dtype="int64"), lengths)
        starts = numpy.flatnonzero(tokens)
        nodes = numpy.zeros_like(starts)
        found = [(starts[:0], starts[:0], starts[:0])]
        length = 0
        while len(starts):
            edges = self._edges(nodes, tokens[starts + length])
            places = numpy.searchsorted(self._sorted_edges, edges)
            places = numpy.minimum(places, len(self._sorted_edges) - 1)
            is_edge = self._sorted_edges[places] == edges
            starts, nodes = starts[is_edge], places[is_edge] + 1
            length += 1
            phrases = self._phrase_at[nodes]
            is_phrase = phrases >= 0
            n_found = numpy.count_nonzero(is_phrase)
            found.append((starts[is_phrase], numpy.full(n_found, length), phrases[is_phrase]))
            inside = starts + length < ends[starts]
            starts, nodes = starts[inside], nodes[inside]
        return Matches(*map(numpy.concatenate, zip(*found, strict=True)))

    def _edges(self, parents: Ints1d, words: Ints1d) -> Ints1d:
        return parents * (len(self._words) + 1) + words
