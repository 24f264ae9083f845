"""Exact posterior probabilities of entities: typed spans in a lattice of BIO tags.

An entity of type k from token s to token e, exclusive, is part of all sequences that have B of k at
s, I of k at s+1 to e-1, and anything but I of k at e. Their probabilities add up to

    alpha_s[B] * (transitions and emissions from s to e-1) * (all continuations but I of k) / Z

which forward and backward scores give for any number of spans at once (Culotta & McCallum 2004),
as logarithms. The scores of transitions from I to I are cumulative sums over the batch, so a long
entity costs no more than a short one.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy
from thinc.types import Floats1d, Floats2d, Ints1d, Ints2d

from ..iob import BEGIN_TAGS, INSIDE_TAGS, begin_tag, inside_tag
from .crf import Lattice
from .forward_backward import ForwardBackward, forward_backward, log_sum_exp
from .packing import pack_sequences
from .types import CPU, Bools1d, Bools2d


class TypedSpans(NamedTuple):
    """Spans of a batch and their types: three (S,) arrays.

    starts (Ints1d): The first row of each span.
    ends (Ints1d): The row after its last one.
    types (Ints1d): The index of its type.
    """

    starts: Ints1d
    ends: Ints1d
    types: Ints1d

    def select(self, rows: Ints1d | Bools1d | slice) -> "TypedSpans":
        """RETURNS (TypedSpans): Some of the spans, by index or by a mask."""
        return TypedSpans(*(array[rows] for array in self))


@dataclass(frozen=True)
class SpanChart:
    """Precomputed scores for the posteriors of a batch's spans.

    scores (ForwardBackward): Forward and backward scores, rows in packed order.
    totals (Floats1d): (N,) the logarithm of the sum over the tags of each batch row.
    row_index (Ints1d): (N,) the packed index of each batch row.
    is_last (Bools1d): (N,) which batch rows are the last of their sequence.
    inside (Floats2d): (N, types) cumulative scores of I, excluding rows where it is impossible.
    n_impossible (Ints2d): (N, types) the number of excluded rows so far.
    log_partition (Floats1d): (B,) the logarithm of the sum over each sequence's tags.
    """

    scores: ForwardBackward
    totals: Floats1d
    row_index: Ints1d
    is_last: Bools1d
    inside: Floats2d
    n_impossible: Ints2d
    log_partition: Floats1d


def make_chart(
    lattice: Lattice, *, no_begin: Bools1d | None = None, no_inside: Bools1d | None = None
) -> SpanChart:
    """Precompute scores for span_posteriors, prefix_posteriors and candidate_spans.

    lattice (Lattice): The scores, as NumPy arrays.
    no_begin (Optional[Bools1d]): (N,) where no entity may begin.
    no_inside (Optional[Bools1d]): (N,) where no entity may continue.
    RETURNS (SpanChart): The chart.
    """
    packing = pack_sequences(CPU, lattice.lengths)
    tag_mask = possible_tags(lattice.emissions.shape, no_begin, no_inside)
    scores = forward_backward(lattice, packing, tag_mask)
    row_index = packing.inverse
    is_last = packing.is_last[row_index]
    lengths = numpy.asarray(lattice.lengths, dtype="int64")
    # The sum is the same for all rows of a sequence.
    totals = log_sum_exp(scores.alpha[row_index[is_last]] + scores.end_weights)[:, 0]
    inside = (scores.emission_weights[:, INSIDE_TAGS] - scores.scale)[row_index]
    is_impossible = numpy.isneginf(inside)
    inside[is_impossible] = 0.0
    return SpanChart(
        scores,
        numpy.repeat(totals, lengths[lengths > 0]),
        row_index,
        is_last,
        inside.cumsum(axis=0),
        is_impossible.cumsum(axis=0),
        scores.log_partition(packing, len(lengths)),
    )


def possible_tags(
    shape: tuple[int, ...], no_begin: Bools1d | None, no_inside: Bools1d | None
) -> Bools2d | None:
    """RETURNS (Optional[Bools2d]): (N, nO) the possible tags of each token; None without masks."""
    if no_begin is None and no_inside is None:
        return None
    possible = numpy.ones(shape, dtype=bool)
    if no_begin is not None:
        possible[no_begin, BEGIN_TAGS] = False
    if no_inside is not None:
        possible[no_inside, INSIDE_TAGS] = False
    return possible


def span_posteriors(chart: SpanChart, spans: TypedSpans) -> Floats1d:
    """Compute the probabilities of entities.

    chart (SpanChart): The chart of the lattice.
    spans (TypedSpans): S nonempty spans, each within a sequence.
    RETURNS (Floats1d): (S,) the probability of exactly these spans and types.
    """
    scores = chart.scores
    last_tags = _last_tags(spans)
    rows = chart.row_index[numpy.minimum(spans.ends, len(chart.row_index) - 1)]
    follow = scores.transition_weights[last_tags]
    follow = follow + scores.emission_weights[rows] + scores.beta[rows]
    follow[numpy.arange(len(follow)), inside_tag(spans.types)] = -numpy.inf
    suffixes = numpy.where(
        chart.is_last[spans.ends - 1],
        scores.end_weights[last_tags],
        (log_sum_exp(follow) - scores.scale[rows])[:, 0],
    )
    return numpy.exp(_prefix_logs(chart, spans) + suffixes)


def prefix_posteriors(chart: SpanChart, spans: TypedSpans) -> Floats1d:
    """Compute the probabilities of entities that start with a span.

    chart (SpanChart): The chart of the lattice.
    spans (TypedSpans): S nonempty spans, each within a sequence.
    RETURNS (Floats1d): (S,) the probability that an entity begins at the start and reaches at least
        the end.
    """
    beta = chart.scores.beta[chart.row_index[spans.ends - 1], _last_tags(spans)]
    return numpy.exp(_prefix_logs(chart, spans) + beta)


def candidate_spans(chart: SpanChart, min_probability: float) -> TypedSpans:
    """Find all spans and types that may reach a probability.

    Longer prefixes of an entity are less probable, so each is extended for as long as it is
    probable enough. There are at most 1 / min_probability spans per token, however long the text.

    chart (SpanChart): The chart of the lattice.
    min_probability (float): The minimum probability, above 0.
    RETURNS (TypedSpans): The spans whose prefix posterior reaches the probability, which include
        all spans whose posterior does. Ordered by length.
    RAISES (ValueError): If min_probability isn't above 0.
    """
    if not min_probability > 0.0:
        raise ValueError(
            f"the minimum probability of spans has to be above 0, not {min_probability}"
        )
    starts, types = numpy.indices(chart.inside.shape).reshape(2, -1)
    spans = TypedSpans(starts, starts + 1, types)
    found = [spans.select(slice(0))]
    while len(spans.starts):
        spans = spans.select(prefix_posteriors(chart, spans) >= min_probability)
        found.append(spans)
        longer = spans.select(~chart.is_last[spans.ends - 1])
        spans = longer._replace(ends=longer.ends + 1)
    return TypedSpans(*(numpy.concatenate(arrays) for arrays in zip(*found, strict=True)))


def _prefix_logs(chart: SpanChart, spans: TypedSpans) -> Floats1d:
    """Compute the log score of B at the start and I up to the last token, over Z."""
    scores, (starts, ends, types) = chart.scores, spans
    begin, inside = begin_tag(types), inside_tag(types)
    n_inside = ends - starts - 1
    logs = chart.inside[ends - 1, types] - chart.inside[starts, types]
    logs += numpy.where(n_inside > 0, scores.transition_weights[begin, inside], 0.0)
    logs += numpy.maximum(n_inside - 1, 0) * scores.transition_weights[inside, inside]
    is_possible = chart.n_impossible[ends - 1, types] == chart.n_impossible[starts, types]
    logs += scores.alpha[chart.row_index[starts], begin] - chart.totals[starts]
    return numpy.where(is_possible, logs, -numpy.inf)


def _last_tags(spans: TypedSpans) -> Ints1d:
    is_long = spans.ends - spans.starts > 1
    return numpy.where(is_long, inside_tag(spans.types), begin_tag(spans.types))
