import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.layers.crf import Lattice
from spacy_twitter_ner.layers.decoding import viterbi
from spacy_twitter_ner.layers.forward_backward import marginals
from spacy_twitter_ner.layers.spans import (
    TypedSpans,
    candidate_spans,
    make_chart,
    prefix_posteriors,
    span_posteriors,
)

from .crf_oracle import log_partitions, make_lattice
from .spans_oracle import all_span_posteriors, masked, sequence_probabilities, spans_of

LENGTHS = [3, 0, 1, 4, 0]


def as_arrays(spans: list[tuple[int, int, int]]) -> TypedSpans:
    return TypedSpans(*numpy.asarray(spans, dtype="int64").reshape(-1, 3).T)


def as_tuples(spans: TypedSpans) -> list[tuple[int, int, int]]:
    return list(zip(*(array.tolist() for array in spans), strict=True))


def every_span(lengths: list[int], n_types: int) -> list[tuple[int, int, int]]:
    spans, offset = [], 0
    for length in lengths:
        for start in range(length):
            spans += [
                (offset + start, offset + end, k)
                for end in range(start + 1, length + 1)
                for k in range(n_types)
            ]
        offset += length
    return spans


def check_posteriors(lattice: Lattice, no_begin=None, no_inside=None) -> None:
    expected = all_span_posteriors(masked(lattice, no_begin, no_inside))
    spans = every_span(lattice.lengths, len(lattice.start) // 2)
    chart = make_chart(lattice, no_begin=no_begin, no_inside=no_inside)
    found = span_posteriors(chart, as_arrays(spans))
    assert found.shape == (len(spans),)
    for span, probability in zip(spans, found.tolist(), strict=True):
        assert probability == pytest.approx(expected.get(span, 0.0), abs=1e-9, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("nO", [1, 3, 5])
def test_span_posteriors_equal_enumeration(nO: int, dtype: str) -> None:
    for seed in range(5):
        check_posteriors(make_lattice(LENGTHS, nO, seed=seed, dtype=dtype))


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.integers(0, 2**16),
    st.sampled_from([0.1, 1.5, 8.0, 60.0, 1e3]),
)
def test_span_posteriors_equal_enumeration_with_constraints(lengths, seed, scale) -> None:
    no_begin, no_inside = numpy.random.RandomState(seed).uniform(size=(2, sum(lengths))) < 0.3
    check_posteriors(make_lattice(lengths, 5, seed=seed, scale=scale), no_begin, no_inside)


def test_chart_log_partition_with_constraints() -> None:
    lattice = make_lattice(LENGTHS, 5)
    no_begin, no_inside = numpy.random.RandomState(0).uniform(size=(2, sum(LENGTHS))) < 0.4
    chart = make_chart(lattice, no_begin=no_begin, no_inside=no_inside)
    expected = log_partitions(masked(lattice, no_begin, no_inside))
    assert chart.log_partition == pytest.approx(numpy.asarray(expected), abs=1e-10)


def test_prefix_posteriors_equal_enumeration() -> None:
    lattice = make_lattice([4], 5)
    spans = every_span([4], 2)
    expected = dict.fromkeys(spans, 0.0)
    for tags, probability in sequence_probabilities(lattice)[0]:
        for start, end, k in spans_of(tags, 2):
            for reached in range(start + 1, end + 1):
                expected[start, reached, k] += probability
    found = prefix_posteriors(make_chart(lattice), as_arrays(spans))
    assert found.tolist() == pytest.approx([expected[span] for span in spans], abs=1e-12)


@pytest.mark.parametrize("least", [0.3, 0.05, 1e-3, 1e-9])
def test_candidate_spans_include_all_probable_ones(least: float) -> None:
    for seed in range(5):
        lattice = make_lattice(LENGTHS, 5, seed=seed)
        chart = make_chart(lattice)
        spans = candidate_spans(chart, least)
        found = as_tuples(spans)
        assert len(set(found)) == len(found)
        probable = {s for s, p in all_span_posteriors(lattice).items() if p >= least}
        assert probable <= set(found)
        assert (prefix_posteriors(chart, spans) >= least).all()


def test_candidate_spans_of_long_text_are_few() -> None:
    """Not all 500 * 501 / 2 * 10."""
    spans = candidate_spans(make_chart(make_lattice([500], 21)), 0.05)
    assert 0 < len(spans.starts) <= 500 / 0.05


@pytest.mark.parametrize("least", [0.0, -1.0, math.nan])
def test_candidate_spans_raise_for_probability_not_above_zero(least: float) -> None:
    with pytest.raises(ValueError, match="has to be above 0"):
        candidate_spans(make_chart(make_lattice([2], 3)), least)


def test_span_posteriors_of_long_sequences_add_up_to_marginals() -> None:
    lengths = [60, 1, 45, 0, 60]
    lattice = make_lattice(lengths, 5)
    chart = make_chart(lattice)
    spans = as_arrays(every_span(lengths, 2))
    sums = numpy.zeros((sum(lengths), 2))
    numpy.add.at(sums, (spans.starts, spans.types), span_posteriors(chart, spans))
    numpy.testing.assert_allclose(sums, marginals(lattice)[1].emissions[:, 1::2], atol=1e-10)


def test_span_posteriors_are_independent_of_the_batch() -> None:
    lattice = make_lattice([3], 5)
    extreme = make_lattice([3], 5, scale=500.0)
    both = Lattice(
        numpy.concatenate([extreme.emissions, lattice.emissions]),
        lattice.transitions,
        lattice.start,
        lattice.end,
        [3, 3],
    )
    spans = as_arrays(every_span([3], 2))
    shifted = TypedSpans(spans.starts + 3, spans.ends + 3, spans.types)
    alone = span_posteriors(make_chart(lattice), spans)
    assert span_posteriors(make_chart(both), shifted) == pytest.approx(alone, rel=1e-9)


def test_chart_without_spans() -> None:
    for lengths in ([], [0, 0]):
        chart = make_chart(make_lattice(lengths, 5))
        assert span_posteriors(chart, as_arrays([])).shape == (0,)
        assert as_tuples(candidate_spans(chart, 0.1)) == []
    chart = make_chart(make_lattice([3], 5))
    assert span_posteriors(chart, as_arrays([])).shape == (0,)


def test_decoded_spans_are_certain_if_scores_are_extreme() -> None:
    lattice = make_lattice([5, 2], 5, scale=100.0)
    tags = viterbi(lattice)
    spans = spans_of(tags[:5].tolist(), 2)
    spans += [(a + 5, b + 5, k) for a, b, k in spans_of(tags[5:].tolist(), 2)]
    assert spans
    found = span_posteriors(make_chart(lattice), as_arrays(spans))
    assert found == pytest.approx(1.0, abs=1e-6)
