"""Whether what a model computes of a lexeme may have changed."""

from typing import Any

from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import FloatsXd

from .vocabulary import Vocabulary

# Entries of an array that are compared, evenly spread.
N_SAMPLED = 32


class Fingerprint:
    """The state of a model and of a vocab's vectors and lookups, cheap to take and to compare:
    which objects they hold, how large tables are, and some entries of each array. An update of a
    model changes entries of all weights but those of tables of which a batch looks up few rows.

    model (Model): The model.
    vocab (Vocab): The vocab.
    """

    def __init__(self, model: Model, vocab: Vocab) -> None:
        vectors, lookups = vocab.vectors, vocab.lookups
        tables = [lookups.get_table(name) for name in lookups.tables]
        nodes = list(model.walk())
        # Vectors of another kind may have neither.
        arrays = [vectors.data] if hasattr(vectors, "data") else []
        for node in nodes:
            arrays += (node.get_param(name) for name in node.param_names if node.has_param(name))
        attributes = [value for node in nodes for value in node.attrs.values()]
        # The objects themselves: the id of one that is gone may be given to another.
        self._objects: list[Any] = [vocab, vectors, *tables, *nodes, *arrays, *attributes]
        self._sizes = [len(getattr(vectors, "key2row", ())), *map(len, tables)]
        self._sizes += [len(a.keys) for a in attributes if isinstance(a, Vocabulary)]
        self._samples = [_sample(array) for array in arrays]

    def __eq__(self, other: object) -> bool:
        """RETURNS (bool): Whether nothing seems to have changed."""
        return (
            isinstance(other, Fingerprint)
            and len(self._objects) == len(other._objects)
            and all(a is b for a, b in zip(self._objects, other._objects, strict=True))
            and self._sizes == other._sizes
            and self._samples == other._samples
        )

    __hash__ = None  # type: ignore[assignment]


def _sample(array: FloatsXd) -> bytes:
    flat = array.reshape(-1)
    return flat[:: max(flat.size // N_SAMPLED, 1)].tobytes()
