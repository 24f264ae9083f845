"""Read phrase lists, and find phrases in texts with a trie."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy
from thinc.types import Ints1d

_SETTING = "[initialize.components.*.phrases.paths]"
_BYTE_ORDER_MARK = "\ufeff"
MatchT = TypeVar("MatchT", bound=tuple[int, int, Any])


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
    """Matches of phrases in a batch, left to right, the longest first.

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


def find_longest(matches: Iterable[MatchT]) -> Iterator[MatchT]:
    """Leave out matches that are inside another one.

    matches (Iterable[tuple[int, int, T]]): The start, length and any value of each match, left to
        right, the longest first.
    YIELDS (tuple[int, int, T]): The other matches, left to right. They may overlap.
    """
    reach = 0
    for match in matches:
        end = match[0] + match[1]
        # A match is inside another one that starts no later and ends no earlier.
        if end > reach:
            reach = end
            yield match


class PhraseTrie:
    """A trie of phrases. Its nodes are numbered from the root, which is 0.

    phrases (Sequence[Sequence[str]]): The words of each phrase. Phrases are distinct and not empty.
    """

    def __init__(self, phrases: Sequence[Sequence[str]] = ()) -> None:
        vocabulary = dict.fromkeys(word for phrase in phrases for word in phrase)
        # 0 is for words that don't occur in any phrase.
        self._words = {word: number for number, word in enumerate(vocabulary, start=1)}
        # The node that an edge, parent * n_words + word, leads to.
        self._nodes: dict[int, int] = {}
        self._n_words = len(vocabulary) + 1
        self._phrase_at = [-1]
        for index, phrase in enumerate(phrases):
            node = 0
            for word in phrase:
                edge = node * self._n_words + self._words[word]
                node = self._nodes.setdefault(edge, len(self._phrase_at))
                if node == len(self._phrase_at):
                    self._phrase_at.append(-1)
            self._phrase_at[node] = index

    def find(self, words: Iterable[str], inverse: Ints1d, lengths: Sequence[int]) -> Matches:
        """Find all matches of phrases, including those inside longer ones.

        words (Iterable[str]): The distinct words of a batch.
        inverse (Ints1d): (N,) index of each token's word.
        lengths (Sequence[int]): The number of tokens in each text. Matches don't cross texts.
        RETURNS (Matches): The matches.
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
        RETURNS (Matches): The matches.
        """
        words, follow = tokens.tolist(), self._nodes.get
        found: list[tuple[int, int, int]] = []
        end = 0
        for size in lengths:
            begin, end = end, end + size
            for start in range(begin, end):
                node, n_before = 0, len(found)
                # 0 isn't a word of any phrase, so no edge leads on.
                for position in range(start, end if words[start] else start):
                    node = follow(node * self._n_words + words[position], 0)
                    if not node:
                        break
                    if self._phrase_at[node] >= 0:
                        found.append((start, position + 1 - start, self._phrase_at[node]))
                found[n_before:] = reversed(found[n_before:])
        return Matches(*numpy.asarray(found, dtype="int64").reshape(-1, 3).T)
