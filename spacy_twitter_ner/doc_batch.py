"""A batch of docs whose tokens' attributes are read in one go."""

from collections.abc import Iterable

import numpy
from spacy.attrs import ENT_IOB, IS_SPACE, ORTH, SENT_START
from spacy.tokens import Doc

from .lazy import lazy_property

Attributes1d = numpy.ndarray

# All that prediction asks of tokens. Of a doc as short as a tweet, several take no longer than one.
_ATTRIBUTES = [ORTH, IS_SPACE, ENT_IOB, SENT_START]


class DocBatch(list[Doc]):
    """A list of docs that caches their tokens' attributes. Don't modify the docs while it is in
    use.

    docs (Iterable[Doc]): The docs.
    """

    @classmethod
    def of(cls, docs: Iterable[Doc]) -> "DocBatch":
        """RETURNS (DocBatch): The docs; themselves if they are a DocBatch."""
        return docs if isinstance(docs, cls) else cls(docs)

    def attribute(self, attribute: int) -> Attributes1d:
        """Get an attribute of all tokens.

        attribute (int): ORTH, IS_SPACE, ENT_IOB or SENT_START.
        RETURNS (Attributes1d): (N,) unsigned integers, all docs one after another.
        """
        return self._columns[_ATTRIBUTES.index(attribute)]

    @lazy_property
    def _columns(self) -> numpy.ndarray:
        width = len(_ATTRIBUTES)
        rows = [doc.to_array(_ATTRIBUTES).reshape(len(doc), width) for doc in self]
        return numpy.concatenate([numpy.zeros((0, width), "uint64"), *rows]).T.copy()
