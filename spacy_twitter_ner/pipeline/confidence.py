"""How sure the component is: probabilities of entities, other analyses, other entities.

All of it is read off one distribution over the sequences of tags of a doc: that which is decoded,
with entities that are there already, white space and sentence starts as in decoding. An entity's
probability is that of exactly this span and type.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy
from spacy.tokens import Doc, Span, SpanGroup
from thinc.types import Floats1d, Ints1d

from ..layers.crf import Lattice
from ..layers.kbest import kbest
from ..layers.spans import SpanChart, TypedSpans, make_chart, probable_spans, span_posteriors
from ..layers.viterbi import viterbi
from .annotation import find_spans, tags_to_entities, trim_white_space
from .gold import OUTSIDE
from .scores import AnchoredSpanGroup

Bools1d: TypeAlias = numpy.ndarray


class ScoredTags(list[Ints1d]):
    """Each doc's tags, and how probable the entities are that they stand for.

    confidences (list[Floats1d]): Each doc's probabilities, in the order of its entities.
    """

    def __init__(self, batch_tags: Iterable[Ints1d], confidences: list[Floats1d]) -> None:
        super().__init__(batch_tags)
        self.confidences = confidences


class Analysis(NamedTuple):
    """All entities of a doc, and the probability that exactly these are right."""

    entities: list[Span]
    probability: float


@dataclass(frozen=True)
class DocLattice:
    """The distribution over the tags of a batch of docs that is decoded.

    lattice (Lattice): The scores of tag sequences, a sequence a doc, in ordinary memory.
    no_begin (Bools1d): (N,) where no entity may begin.
    no_inside (Bools1d): (N,) where no entity may continue.
    is_space (Bools1d): (N,) which tokens are white space, on which no entity ends.
    """

    lattice: Lattice
    no_begin: Bools1d
    no_inside: Bools1d
    is_space: Bools1d

    def make_chart(self) -> SpanChart:
        """RETURNS (SpanChart): What posteriors of spans are computed of."""
        return make_chart(self.lattice, no_begin=self.no_begin, no_inside=self.no_inside)

    def decode(self) -> Ints1d:
        """RETURNS (Ints1d): (N,) the most probable tags, white space trimmed off entities."""
        tags = viterbi(self.lattice, no_begin=self.no_begin, no_inside=self.no_inside)
        return trim_white_space(tags, self.is_space)

    def tempered(self, temperature: float) -> "DocLattice":
        """RETURNS (DocLattice): The distribution raised to the power 1 / temperature."""
        return replace(self, lattice=self.lattice.centered().scaled(1.0 / temperature))

    def select(self, sequences: Bools1d) -> tuple["DocLattice", Bools1d]:
        """Leave docs out.

        sequences (Bools1d): (B,) which docs to keep.
        RETURNS (tuple[DocLattice, Bools1d]): The others, and (N,) which rows these have.
        """
        lengths = numpy.asarray(self.lattice.lengths, dtype="int64")
        rows = numpy.repeat(sequences, lengths)
        lattice = replace(
            self.lattice,
            emissions=self.lattice.emissions[rows],
            lengths=lengths[sequences].tolist(),
        )
        masks = (mask[rows] for mask in (self.no_begin, self.no_inside, self.is_space))
        return DocLattice(lattice, *masks), rows


def entity_confidences(docs: DocLattice, tags: Ints1d) -> Floats1d:
    """Find how probable the entities are that tags stand for.

    docs (DocLattice): The distribution.
    tags (Ints1d): (N,) valid BIO tags; no entity of theirs ends on white space.
    RETURNS (Floats1d): (S,) the probability of each entity, in order.
    """
    spans = find_spans(tags)
    owners = numpy.repeat(numpy.arange(len(docs.lattice.lengths)), docs.lattice.lengths)
    has_entities = numpy.zeros(len(docs.lattice.lengths), dtype=bool)
    has_entities[owners[spans.starts]] = True
    # Half of all tweets have no entity, and need no passes through their lattice.
    some, rows = docs.select(has_entities)
    shift = numpy.cumsum(~rows)[spans.starts]
    moved = spans._replace(starts=spans.starts - shift, ends=spans.ends - shift)
    return trimmed_posteriors(some, some.make_chart(), moved)


def trimmed_posteriors(docs: DocLattice, chart: SpanChart, spans: TypedSpans) -> Floats1d:
    """Find how probable spans are as entities of a doc, that is once white space is trimmed off
    their end: what the model says of the span alone and of it with the white space after it counts
    for the same entity.

    docs (DocLattice): The distribution.
    chart (SpanChart): Made of it.
    spans (TypedSpans): S spans that do not end on white space.
    RETURNS (Floats1d): (S,) the probabilities.
    """
    if not docs.is_space.any():
        return numpy.minimum(span_posteriors(chart, spans), 1.0)
    # Where white space ends that may belong to the entity before it.
    is_border = numpy.append(~docs.is_space | numpy.append(True, chart.is_last[:-1]), True)
    borders = numpy.flatnonzero(is_border)
    n_spaces = borders[numpy.searchsorted(borders, spans.ends)] - spans.ends
    number = numpy.repeat(numpy.arange(len(n_spaces)), n_spaces + 1)
    first = numpy.cumsum(n_spaces + 1) - (n_spaces + 1)
    longer = spans.select(number)
    longer = longer._replace(ends=longer.ends + numpy.arange(len(number)) - first[number])
    posteriors = span_posteriors(chart, longer)
    sums = numpy.bincount(number, weights=posteriors, minlength=len(n_spaces))
    return numpy.minimum(sums, 1.0)  # not above it by rounding


def score_tags(
    docs: DocLattice, tags: Ints1d, *, temperature: float, threshold: float
) -> ScoredTags:
    """Find how probable the decoded entities are, and take those away that are not enough so.

    docs (DocLattice): The distribution.
    tags (Ints1d): (N,) the decoded tags; overwritten.
    temperature (float): By how much the confidences are tempered.
    threshold (float): Entities that are less probable become O.
    RETURNS (ScoredTags): The tags and the confidences, by doc.
    """
    spans = find_spans(tags)
    confidences = entity_confidences(docs.tempered(temperature), tags)
    is_kept = confidences >= threshold
    # Tokens of one entity get its number, counted from one, and all others none.
    number = numpy.where(tags == OUTSIDE, 0, numpy.cumsum(tags % 2 == 1))
    tags[~numpy.append(True, is_kept)[number]] = OUTSIDE
    doc_ends = numpy.cumsum(docs.lattice.lengths)[:-1]
    kept_starts = spans.starts[is_kept]
    return ScoredTags(
        numpy.split(tags, doc_ends),
        numpy.split(confidences[is_kept], numpy.searchsorted(kept_starts, doc_ends)),
    )


def find_analyses(
    docs: Sequence[Doc], distribution: DocLattice, k: int, types: Sequence[str]
) -> list[list[Analysis]]:
    """Find each doc's k most probable analyses.

    docs (Sequence[Doc]): The docs.
    distribution (DocLattice): Their distribution.
    k (int): How many, from 1.
    types (Sequence[str]): The entity types.
    RETURNS (list[list[Analysis]]): Each doc's analyses, the most probable first; fewer than k where
        there are no more.
    """
    chart = distribution.make_chart()
    found = kbest(
        distribution.lattice,
        k,
        no_begin=distribution.no_begin,
        no_inside=distribution.no_inside,
    )
    ends = numpy.cumsum(distribution.lattice.lengths)
    analyses = []
    for doc, end, log_sum, (tags, scores) in zip(
        docs, ends, chart.log_partition, found, strict=True
    ):
        is_space = distribution.is_space[end - len(doc) : end]
        probabilities: dict[bytes, float] = {}
        for row, probability in zip(tags, numpy.exp(scores - log_sum).tolist(), strict=True):
            # Analyses that differ in white space only are one.
            key = trim_white_space(row.copy(), is_space).tobytes()
            probabilities[key] = probabilities.get(key, 0.0) + probability
        best = sorted(probabilities.items(), key=lambda item: -item[1])
        batch_tags = [numpy.frombuffer(key, dtype=tags.dtype) for key, _ in best]
        entities = tags_to_entities([doc] * len(best), batch_tags, types)
        analyses.append(
            [Analysis(ents, min(p, 1.0)) for ents, (_, p) in zip(entities, best, strict=True)]
        )
    return analyses


def find_alternatives(
    docs: Sequence[Doc],
    distribution: DocLattice,
    min_probability: float,
    types: Sequence[str],
    name: str,
) -> list[SpanGroup]:
    """Find all spans that are entities with at least some probability.

    docs (Sequence[Doc]): The docs.
    distribution (DocLattice): Their distribution.
    min_probability (float): The least probability, above 0.
    types (Sequence[str]): The entity types.
    name (str): The groups' name.
    RETURNS (list[SpanGroup]): Each doc's spans, which may overlap, from left to right and the more
        probable ones first; their probabilities are in attrs["scores"].
    """
    chart = distribution.make_chart()
    spans = probable_spans(chart, min_probability)
    spans = spans.select(~distribution.is_space[spans.ends - 1])
    posteriors = trimmed_posteriors(distribution, chart, spans)
    order = numpy.lexsort((-posteriors, spans.starts))
    order = order[posteriors[order] >= min_probability]
    spans, posteriors = spans.select(order), posteriors[order]
    ends = numpy.cumsum(distribution.lattice.lengths)
    groups: list[SpanGroup] = []
    for doc, end in zip(docs, ends.tolist(), strict=True):
        offset = end - len(doc)
        first, last = numpy.searchsorted(spans.starts, [offset, end]).tolist()
        group = AnchoredSpanGroup(doc, name=name, attrs={"scores": posteriors[first:last]})
        for start, stop, k in zip(*(array[first:last].tolist() for array in spans), strict=True):
            group.append(Span(doc, start - offset, stop - offset, label=types[k]))
        groups.append(group)
    return groups
