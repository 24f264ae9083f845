"""Fold entity types into coarser ones: the probability of a folded entity is the sum over the types
that are folded into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy
from thinc.types import Floats2d, Ints1d

from ..layers.spans import TypedSpans


@dataclass(frozen=True)
class Folding:
    """The types of a component and the coarser types they are folded into.

    labels (tuple[str, ...]): The coarser types.
    types (Ints1d): (types,) for each type of the component, the index of its coarser type.
    """

    labels: tuple[str, ...]
    types: Ints1d

    @classmethod
    def make(cls, labels: Sequence[str], fold: Mapping[str, str]) -> "Folding":
        """Create a folding, or return the same one as before.

        labels (Sequence[str]): The component's types.
        fold (Mapping[str, str]): The coarser type for each type. Others are kept.
        RETURNS (Folding): The folding.
        """
        return _make_folding(tuple(fold.get(label, label) for label in labels))

    @property
    def is_trivial(self) -> bool:
        """RETURNS (bool): Whether all types are kept apart."""
        return len(self.labels) == len(self.types)

    @property
    def max_size(self) -> int:
        """RETURNS (int): The largest number of types that are folded into one."""
        return int(numpy.bincount(self.types).max())

    def fold_tags(self, tags: Ints1d) -> Ints1d:
        """RETURNS (Ints1d): The tags of the coarser types."""
        begins = numpy.repeat(2 * self.types + 1, 2)
        begins[1::2] += 1
        return numpy.concatenate([[0], begins])[tags]

    def fold_posteriors(self, posteriors: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): (N, coarser tags) the sums of (N, tags) probabilities."""
        columns = self.fold_tags(numpy.arange(posteriors.shape[1]))
        is_folded = columns[:, None] == numpy.arange(2 * len(self.labels) + 1)
        return posteriors @ is_folded.astype(posteriors.dtype)

    def unfold(self, spans: TypedSpans) -> tuple[TypedSpans, Ints1d]:
        """List the spans that are folded into coarser ones.

        spans (TypedSpans): S spans of coarser types.
        RETURNS (tuple[TypedSpans, Ints1d]): T spans with each type that is folded into theirs, and
            (T,) the index of the coarser span of each.
        """
        owners, types = numpy.nonzero(spans.types[:, None] == self.types)
        return spans.select(owners)._replace(types=types), owners

    def fold_spans(self, spans: TypedSpans) -> TypedSpans:
        """RETURNS (TypedSpans): The distinct spans of coarser types."""
        rows = numpy.stack([*spans[:2], self.types[spans.types]], axis=1)
        return TypedSpans(*numpy.unique(rows, axis=0).T)


# Cached, since it's needed for each batch.
@lru_cache(16)
def _make_folding(names: tuple[str, ...]) -> Folding:
    distinct = tuple(dict.fromkeys(names))
    return Folding(distinct, numpy.asarray([distinct.index(name) for name in names]))
