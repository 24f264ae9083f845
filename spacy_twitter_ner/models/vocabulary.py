"""Rows of an embedding table: one per known feature value, and one shared by all others."""

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
# Spare rows of a table that is initialized without the training data, as in spaCy's HashEmbed.
N_SPARE = 5000


class Vocabulary:
    """Maps strings to rows of an embedding table. Unknown strings share row 0.

    keys (Iterable[str]): The known strings, the most frequent first. The i-th has row i + 1.
    n_frequent (int): The number of keys, from the first, that aren't rare.
    n_spare (int): The number of rows for strings that are first seen in training.
    """

    def __init__(self, keys: Iterable[str] = (), n_frequent: int = 0, n_spare: int = 0) -> None:
        self.keys = list(keys)
        self.n_frequent = n_frequent
        self.n_spare = n_spare
        self._rows = {key: row for row, key in enumerate(self.keys, start=1)}

    @classmethod
    def from_counts(
        cls, counts: Counter[str], *, min_freq: int = 1, n_spare: int = 0
    ) -> "Vocabulary":
        """Make a vocabulary from the strings of the training data.

        counts (Counter[str]): The frequency of each string.
        min_freq (int): Less frequent strings are left out.
        n_spare (int): The number of rows for strings that are first seen in training.
        RETURNS (Vocabulary): The vocabulary. Strings that occur once count as rare.
        """
        kept = ((key, count) for key, count in counts.items() if count >= min_freq)
        ordered = sorted(kept, key=lambda item: (-item[1], item[0]))
        n_frequent = sum(count > 1 for _, count in ordered)
        return cls((key for key, _ in ordered), n_frequent, n_spare)

    def __len__(self) -> int:
        """RETURNS (int): The number of rows, with the spare ones and that of unknown strings."""
        return len(self.keys) + 1 + self.n_spare

    def learn(self, keys: Iterable[str]) -> None:
        """Assign spare rows to the strings of a training batch that don't have a row yet. Without
        spare rows, nothing changes.

        keys (Iterable[str]): The strings.
        """
        if not self.n_spare:
            return
        for key in keys:
            if key not in self._rows:
                self.keys.append(key)
                self._rows[key] = len(self.keys)
                self.n_spare -= 1
                if not self.n_spare:
                    logger.warning(
                        "A vocabulary that was initialized without the training data is full: "
                        "from now on, new words share one vector. Initialize with the training "
                        "data: nlp.initialize(lambda: examples). For `spacy pretrain`, set "
                        "`source` in [components.twitter_bilstm_ner] to a pipeline that "
                        "`spacy init nlp` has initialized with the training data"
                    )
                    return

    def row(self, key: str) -> int:
        """RETURNS (int): The string's row; 0 if it is not known."""
        return self._rows.get(key, UNKNOWN)

    def rows(self, keys: Iterable[str]) -> Ints1d:
        """RETURNS (Ints1d): The rows of many strings."""
        return numpy.fromiter(map(self._rows.get, keys, repeat(UNKNOWN)), dtype="int64")

    def to_bytes(self) -> bytes:
        data = {"keys": self.keys, "n_frequent": self.n_frequent}
        # Earlier versions can read a vocabulary without spare rows.
        return srsly.msgpack_dumps({**data, "n_spare": self.n_spare} if self.n_spare else data)

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
