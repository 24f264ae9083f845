"""A closed list of feature values that have a vector of their own, and one row for all others."""

from collections import Counter
from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy
import srsly
from spacy.util import logger
from thinc.model import deserialize_attr, serialize_attr
from thinc.types import Ints1d

UNKNOWN = 0


def warn_of_sample(name: str, n_words: int) -> None:
    """Say that a vocabulary is made of a layer's sample input, which is a few texts at most: what
    `spacy pretrain` initialises a pipeline with is not even a text of the user's.

    name (str): The layer's name.
    n_words (int): How many distinct words the sample has.
    """
    logger.warning(
        "%s: its vocabulary is made of a sample of %d distinct word(s), as no training data was "
        "seen. For `spacy pretrain`, let [components.twitter_bilstm_ner] have `source`: a pipeline "
        "that `spacy init nlp` has initialised with the training data",
        name,
        n_words,
    )


class Vocabulary:
    """Maps strings to rows of an embedding table; row 0 is for the strings it does not know.

    keys (Iterable[str]): The known strings, the most frequent first. The i-th has row i + 1.
    n_frequent (int): How many of the keys, from the first, are not rare.
    """

    def __init__(self, keys: Iterable[str] = (), n_frequent: int = 0) -> None:
        self.keys = list(keys)
        self.n_frequent = n_frequent
        self._rows = {key: row for row, key in enumerate(self.keys, start=1)}

    @classmethod
    def from_counts(cls, counts: Counter[str], *, min_freq: int = 1) -> "Vocabulary":
        """Make a vocabulary of the strings that occur in the training data.

        counts (Counter[str]): How often each string occurs.
        min_freq (int): Strings that occur less often are left out.
        RETURNS (Vocabulary): The vocabulary; strings that occur once count as rare.
        """
        kept = ((key, count) for key, count in counts.items() if count >= min_freq)
        ordered = sorted(kept, key=lambda item: (-item[1], item[0]))
        return cls((key for key, _ in ordered), sum(count > 1 for _, count in ordered))

    def __len__(self) -> int:
        """RETURNS (int): How many rows there are, that of unknown strings included."""
        return len(self.keys) + 1

    def row(self, key: str) -> int:
        """RETURNS (int): The string's row; 0 if it is not known."""
        return self._rows.get(key, UNKNOWN)

    def rows(self, keys: Iterable[str]) -> Ints1d:
        """RETURNS (Ints1d): The rows of many strings."""
        return numpy.fromiter(map(self._rows.get, keys, repeat(UNKNOWN)), dtype="int64")

    def to_bytes(self) -> bytes:
        return srsly.msgpack_dumps({"keys": self.keys, "n_frequent": self.n_frequent})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Vocabulary":
        return cls(**srsly.msgpack_loads(data))


# Thinc stores a model's attributes by their type; one of an unknown type is silently left out.
@serialize_attr.register(Vocabulary)
def _serialize_vocabulary(_: Any, value: Vocabulary, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(Vocabulary)
def _deserialize_vocabulary(_: Any, value: bytes, name: str, model: Any) -> Vocabulary:
    return Vocabulary.from_bytes(value)
