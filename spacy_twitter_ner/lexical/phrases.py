"""Read phrase lists, and find phrases in texts with a trie."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy
from thinc.types import Ints1d

_SETTING = "[initialize.components.*.phrases.paths]"
_BYTE_ORDER_MARK = "\ufeff"


def create_phrase_lists(paths: dict[str, Path]) -> dict[str, list[str]]:
    """Read lists of phrases: "spacy-twitter-ner.PhraseLists.v1".

    Files are in UTF-8 with one phrase per line, its tokens separated by spaces. Blank lines and
    comments are skipped. Comments start with "# " or are just "#" ("#nasa" is a phrase). spaCy
    calls this when a pipeline is initialized; a trained pipeline doesn't need the files.

    paths (dict[str, Path]): The file for each type of phrase. Types may be entity types.
    RETURNS (dict[str, list[str]]): The phrases of each type, in the order of the file.
    RAISES (ValueError): If a file can't be read or isn't in UTF-8.
    """
    return {label: _read_phrases(label, Path(path)) for label, path in paths.items()}


def _read_phrases(label: str, path: Path) -> list[str]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ValueError(
            f"{_SETTING} {label} = {str(path)!r}: can't read the phrases of {label!r}: "
            f"{error.strerror}. Use a text file with one phrase per line"
        ) from error
    decoded = (_decode(line, label, f"{path}:{n}") for n, line in enumerate(lines, start=1))
    return [" ".join(line.split()) for line in decoded if line.strip() and not _is_comment(line)]


def _decode(line: bytes, label: str, location: str) -> str:
    try:
        return line.decode("utf8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{location}: not UTF-8: byte {error.object[error.start]:#04x} in the phrases of "
            f"{label!r}, set by {_SETTING} {label}. Save the file as UTF-8"
        ) from error


def _is_comment(line: str) -> bool:
    return line.startswith("# ") or line.strip() == "#"


class Matches(NamedTuple):
    """Matches of phrases in a batch.

    starts (Ints1d): (nM,) index of each match's first token in the batch.
    lengths (Ints1d): (nM,) its number of tokens.
    phrases (Ints1d): (nM,) the index of its phrase.
    """

    starts: Ints1d
    lengths: Ints1d
    phrases: Ints1d

    def select(self, which: Ints1d) -> "Matches":
        """RETURNS (Matches): The matches selected by a mask or by indices."""
        return Matches(*(array[which] for array in self))

    def longest(self) -> Ints1d:
        """RETURNS (Ints1d): The indices of matches that aren't inside another one, left to right.
        They may overlap."""
        order = numpy.lexsort((-self.lengths, self.starts))
        ends = (self.starts + self.lengths)[order]
        # A match is inside another one that starts no later and ends no earlier.
        reach = numpy.maximum.accumulate(ends)
        return order[ends > numpy.concatenate([[0], reach])[: len(ends)]]


class PhraseTrie:
    """A trie of phrases that is searched from all tokens of a batch at once.

    Nodes are numbered by level, starting from the root, which is 0, and on each level by parent and
    word. So the edges (parent, word) are sorted, and the i-th edge leads to node i + 1. Following
    an edge is a binary search.

    phrases (Sequence[Sequence[str]]): The words of each phrase. Phrases are distinct and not empty.
    """

    def __init__(self, phrases: Sequence[Sequence[str]] = ()) -> None:
        vocabulary = dict.fromkeys(word for phrase in phrases for word in phrase)
        # 0 is for words that don't occur in any phrase.
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
        """Find all matches of phrases, including those inside longer ones.

        words (Iterable[str]): The distinct words of a batch.
        inverse (Ints1d): (N,) index of each token's word.
        lengths (Sequence[int]): The number of tokens in each text. Matches don't cross texts.
        RETURNS (Matches): The matches, shortest first, then left to right.
        """
        return self.find_numbers(self.numbers(words)[inverse], lengths)

    def numbers(self, words: Iterable[str]) -> Ints1d:
        """Look words up.

        words (Iterable[str]): The words.
        RETURNS (Ints1d): Each word's number; 0 if it doesn't occur in any phrase.
        """
        number_of = self._words.get
        return numpy.asarray([number_of(word, 0) for word in words], dtype="int64")

    def find_numbers(self, tokens: Ints1d, lengths: Sequence[int]) -> Matches:
        """Find all matches of phrases, given the numbers of words.

        tokens (Ints1d): (N,) the number of each token's word.
        lengths (Sequence[int]): The number of tokens in each text.
        RETURNS (Matches): The matches, shortest first, then left to right.
        """
        ends = numpy.repeat(numpy.cumsum(lengths, dtype="int64"), lengths)
        starts = numpy.flatnonzero(tokens)
        nodes = numpy.zeros_like(starts)
        found = [(starts[:0], starts[:0], starts[:0])]
        length = 0
        while len(starts):
            edges = self._edges(nodes, tokens[starts + length])
            rows = numpy.searchsorted(self._sorted_edges, edges)
            rows = numpy.minimum(rows, len(self._sorted_edges) - 1)
            is_edge = self._sorted_edges[rows] == edges
            starts, nodes = starts[is_edge], rows[is_edge] + 1
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
