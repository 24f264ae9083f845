"""Exact posterior probabilities of entities: spans and their types in a lattice of BIO tags.

An entity of type k from token s to token e, exclusive, stands in all sequences that have B of k at
s, I of k at s+1 to e-1, and anything but I of k at e. Their probabilities add up to

    alpha_s[B] * (steps from s to e-1) * (all that may follow, but I of k) / Z

which forward and backward scores give for any number of spans at once (Culotta & McCallum 2004),
as logarithms. The scores of steps from I to I are summed up over the batch beforehand, so that a
long entity costs no more than a short one.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy
from thinc.api import NumpyOps
from thinc.types import Floats1d, Floats2d, Ints1d, Ints2d

from .crf import Lattice, Passes, forward_backward, log_sum_exp, log_sums
from .packing import pack_sequences

Bools1d: TypeAlias = numpy.ndarray
Bools2d: TypeAlias = numpy.ndarray

_CPU = NumpyOps()


class TypedSpans(NamedTuple):
    """Spans of a batch, and their types: three (S,) arrays.

    starts (Ints1d): Each span's first row of the batch.
    ends (Ints1d): The row after its last one.
    types (Ints1d): Its type k, whose tags are 2k + 1 and 2k + 2.
    """

    starts: Ints1d
    ends: Ints1d
    types: Ints1d

    def select(self, rows: Ints1d | Bools1d | slice) -> "TypedSpans":
        """RETURNS (TypedSpans): Some of the spans, by number or by a mask."""
        return TypedSpans(*(array[rows] for array in self))


@dataclass(frozen=True)
class SpanChart:
    """What the posteriors of a batch's spans are computed from.

    passes (Passes): Forward and backward scores, rows in packed order.
    totals (Floats1d): (N,) the logarithm of the sum over the tags of each row of the batch.
    places (Ints1d): (N,) the packed place of each row of the batch.
    is_last (Bools1d): (N,) which rows are the last of their sequence.
    inside (Floats2d): (N, types) the scores of I at all rows up to each, added up; those of rows
        where it is impossible are left out.
    n_impossible (Ints2d): (N, types) how many were left out.
    log_partition (Floats1d): (B,) the logarithm of the sum over each sequence's tags.
    """

    passes: Passes
    totals: Floats1d
    places: Ints1d
    is_last: Bools1d
    inside: Floats2d
    n_impossible: Ints2d
    log_partition: Floats1d


def make_chart(
    lattice: Lattice, *, no_begin: Bools1d | None = None, no_inside: Bools1d | None = None
) -> SpanChart:
    """Prepare to find posteriors of spans.

    lattice (Lattice): The scores, in ordinary memory.
    no_begin (Optional[Bools1d]): (N,) where no entity may begin.
    no_inside (Optional[Bools1d]): (N,) where no entity may continue.
    RETURNS (SpanChart): What span_posteriors and probable_spans need.
    """
    packing = pack_sequences(_CPU, lattice.lengths)
    possible = possible_tags(lattice.emissions.shape, no_begin, no_inside)
    passes = forward_backward(lattice, packing, possible)
    places = numpy.empty_like(packing.left_to_right)
    places[packing.left_to_right] = numpy.arange(len(places))
    is_last = numpy.zeros(len(places), dtype=bool)
    lengths = numpy.asarray(lattice.lengths, dtype="int64")
    lengths = lengths[lengths > 0]
    last_rows = numpy.cumsum(lengths) - 1
    is_last[last_rows] = True
    # The sum is the same for all rows of a sequence.
    totals = log_sum_exp(numpy, passes.alpha[places[last_rows]] + passes.end)[:, 0]
    inside = (passes.emissions[:, 2::2] - passes.norms)[places]
    is_impossible = numpy.isneginf(inside)
    inside[is_impossible] = 0.0
    return SpanChart(
        passes,
        numpy.repeat(totals, lengths),
        places,
        is_last,
        inside.cumsum(axis=0),
        is_impossible.cumsum(axis=0),
        log_sums(lattice, packing, passes)[0],
    )


def possible_tags(
    shape: tuple[int, ...], no_begin: Bools1d | None, no_inside: Bools1d | None
) -> Bools2d | None:
    """RETURNS (Optional[Bools2d]): (N, nO) which tags may stand where; None if all may anywhere."""
    if no_begin is None and no_inside is None:
        return None
    possible = numpy.ones(shape, dtype=bool)
    if no_begin is not None:
        possible[:, 1::2] &= ~no_begin[:, None]
    if no_inside is not None:
        possible[:, 2::2] &= ~no_inside[:, None]
    return possible


def span_posteriors(chart: SpanChart, spans: TypedSpans) -> Floats1d:
    """Find how probable it is that entities stand exactly there.

    chart (SpanChart): Made of the lattice.
    spans (TypedSpans): S spans, each within one sequence and of one token at least.
    RETURNS (Floats1d): (S,) the probabilities.
    """
    passes = chart.passes
    last_tags = _last_tags(spans)
    after = numpy.minimum(spans.ends, len(chart.places) - 1)
    rows = chart.places[after]
    follow = passes.transitions[last_tags] + passes.emissions[rows] + passes.beta[rows]
    follow[numpy.arange(len(follow)), 2 * spans.types + 2] = -numpy.inf
    ends = numpy.where(
        chart.is_last[spans.ends - 1],
        passes.end[last_tags],
        (log_sum_exp(numpy, follow) - passes.norms[rows])[:, 0],
    )
    return numpy.exp(_begun(chart, spans) + ends)


def begun_posteriors(chart: SpanChart, spans: TypedSpans) -> Floats1d:
    """Find how probable it is that entities begin there and reach that far, or farther.

    chart (SpanChart): Made of the lattice.
    spans (TypedSpans): S spans, each within one sequence and of one token at least.
    RETURNS (Floats1d): (S,) the probabilities.
    """
    beta = chart.passes.beta[chart.places[spans.ends - 1], _last_tags(spans)]
    return numpy.exp(_begun(chart, spans) + beta)


def probable_spans(chart: SpanChart, min_probability: float) -> TypedSpans:
    """Find all spans and types that may have at least some probability.

    An entity that reaches farther is less probable, so that each is followed from its first token
    for as long as it is probable enough. There are at most 1 / min_probability a token, however
    long the text.

    chart (SpanChart): Made of the lattice.
    min_probability (float): The least probability, above 0.
    RETURNS (TypedSpans): Spans whose first and further tokens have that probability, and all spans
        that have it are among them. In order of ends - starts.
    RAISES (ValueError): If min_probability is not above 0.
    """
    if not min_probability > 0.0:
        raise ValueError(f"the least probability of spans has to be above 0, not {min_probability}")
    starts, types = numpy.indices(chart.inside.shape).reshape(2, -1)
    spans = TypedSpans(starts, starts + 1, types)
    found = [spans.select(slice(0))]
    while len(spans.starts):
        spans = spans.select(begun_posteriors(chart, spans) >= min_probability)
        found.append(spans)
        longer = spans.select(~chart.is_last[spans.ends - 1])
        spans = longer._replace(ends=longer.ends + 1)
    return TypedSpans(*(numpy.concatenate(arrays) for arrays in zip(*found, strict=True)))


def _begun(chart: SpanChart, spans: TypedSpans) -> Floats1d:
    """The logarithm of the forward part: B at the start and I up to the last token, over Z."""
    passes, (starts, ends, types) = chart.passes, spans
    begin, inside = 2 * types + 1, 2 * types + 2
    n_inside = ends - starts - 1
    logs = chart.inside[ends - 1, types] - chart.inside[starts, types]
    logs += numpy.where(n_inside > 0, passes.transitions[begin, inside], 0.0)
    logs += numpy.maximum(n_inside - 1, 0) * passes.transitions[inside, inside]
    is_possible = chart.n_impossible[ends - 1, types] == chart.n_impossible[starts, types]
    logs += passes.alpha[chart.places[starts], begin] - chart.totals[starts]
    return numpy.where(is_possible, logs, -numpy.inf)


def _last_tags(spans: TypedSpans) -> Ints1d:
    return 2 * spans.types + 1 + (spans.ends - spans.starts > 1)
