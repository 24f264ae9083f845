"""Results are exact for any finite scores, compared with enumeration of all tag sequences and
exact sums of their scores."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Adam

from spacy_twitter_ner.layers import crf
from spacy_twitter_ner.layers.crf import CRF, Lattice
from spacy_twitter_ner.layers.decoding import viterbi, viterbi_kbest
from spacy_twitter_ner.layers.forward_backward import MISSING, gold_mask, marginals
from spacy_twitter_ner.layers.heads import CRFHead
from spacy_twitter_ner.layers.spans import candidate_spans, make_chart, span_posteriors
from spacy_twitter_ner.pipeline.distribution import TagDistribution

from .crf_oracle import SCORES, is_valid, make_lattice, tag_likelihood
from .decoding_oracle import Mask, draw_masks, forbid
from .spans_oracle import spans_of
from .test_spans import as_arrays, as_tuples, every_span

Path = tuple[tuple[int, ...], Fraction]

SCALES = [0.0, 0.1, 1.5, 60.0, 300.0, 1e3, 1e4]


@st.composite
def extreme_lattices(draw: st.DrawFn) -> Lattice:
    """Draw a lattice with separate scales for emissions and transitions, and with constants added
    to all scores of some tokens."""
    lengths = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    nO = draw(st.sampled_from([1, 3, 5]))
    random = numpy.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    emission_scale, step_scale = draw(st.tuples(*[st.sampled_from(SCALES)] * 2))
    shapes = ((sum(lengths), nO), (nO, nO), (nO,), (nO,))
    if draw(st.booleans()):
        arrays = [random.normal(size=shape) for shape in shapes]
    else:  # many ties and maximal gaps
        arrays = [random.choice([-1.0, 0.0, 1.0], size=shape) for shape in shapes]
    arrays[0] *= emission_scale
    for array in arrays[1:]:
        array *= step_scale
    arrays[0] += random.choice([0.0, draw(st.sampled_from([0.0, 1e6, -1e6]))], (len(arrays[0]), 1))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    return Lattice(*(array.astype(dtype) for array in arrays), lengths)


def all_paths(lattice: Lattice, gold: Sequence[int] | None = None) -> list[list[Path]]:
    """The valid tags of each sequence that agree with the gold tags, and their exact scores."""
    emissions, transitions, start, end = (getattr(lattice, n).tolist() for n in SCORES)
    found, row = [], 0
    for length in lattice.lengths:
        choices = [
            [
                tag
                for tag in range(len(start))
                if emissions[i][tag] > -math.inf and (gold is None or gold[i] in (MISSING, tag))
            ]
            for i in range(row, row + length)
        ]
        paths: list[Path] = []
        for tags in filter(is_valid, itertools.product(*choices)):
            terms = [emissions[row + i][tag] for i, tag in enumerate(tags)]
            terms += [transitions[a][b] for a, b in itertools.pairwise(tags)]
            terms += [start[tags[0]], end[tags[-1]]] if tags else []
            paths.append((tags, sum(map(Fraction, terms), Fraction(0))))
        found.append(paths)
        row += length
    return found


def distribution(paths: list[Path], temperature: float = 1.0) -> list[tuple[tuple, float]]:
    """The probability of each path."""
    best = max(score for _, score in paths)
    weights = [math.exp(float(score - best) / temperature) for _, score in paths]
    total = math.fsum(weights)
    return [(tags, w / total) for (tags, _), w in zip(paths, weights, strict=True)]


def counts(lattice: Lattice, gold: Sequence[int] | None = None) -> Lattice:
    """The expected number of each tag, transition, first and last tag."""
    expected = Lattice(*(numpy.zeros(getattr(lattice, n).shape) for n in SCORES), lattice.lengths)
    row = 0
    for paths, length in zip(all_paths(lattice, gold), lattice.lengths, strict=True):
        for tags, probability in distribution(paths) if length else ():
            expected.start[tags[0]] += probability
            expected.end[tags[-1]] += probability
            expected.emissions[range(row, row + length), tags] += probability
            for pair in itertools.pairwise(tags):
                expected.transitions[pair] += probability
        row += length
    return expected


def assert_close(found: Lattice, expected: Lattice) -> None:
    for name in SCORES:
        numpy.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=0, atol=1e-8, err_msg=name
        )


def check_spans(
    lattice: Lattice, no_begin: Mask, no_inside: Mask, temperature: float = 1.0
) -> None:
    forbidden = forbid(lattice, no_begin, no_inside)
    posteriors: Counter = Counter()
    offset = 0
    for paths, length in zip(all_paths(forbidden), lattice.lengths, strict=True):
        for tags, probability in distribution(paths, temperature):
            for start, end, k in spans_of(tags, len(lattice.start) // 2):
                posteriors[offset + start, offset + end, k] += probability
        offset += length
    n_tokens = len(lattice.emissions)
    no_begin, no_inside = (
        numpy.zeros(n_tokens, dtype=bool) if mask is None else mask
        for mask in (no_begin, no_inside)
    )
    docs = TagDistribution(lattice, no_begin, no_inside, numpy.zeros(n_tokens, dtype=bool))
    chart = docs.apply_temperature(temperature).make_chart()
    spans = every_span(lattice.lengths, len(lattice.start) // 2)
    found = span_posteriors(chart, as_arrays(spans)).tolist()
    assert found == pytest.approx([posteriors[span] for span in spans], abs=1e-8)
    probable = set(as_tuples(candidate_spans(chart, 0.01)))
    assert probable >= {span for span, p in posteriors.items() if p > 0.01 + 1e-8}


@pytest.mark.slow
@given(extreme_lattices(), st.data())
def test_span_posteriors(lattice: Lattice, data: st.DataObject) -> None:
    check_spans(lattice, *draw_masks(data, lattice))


@given(extreme_lattices(), st.data(), st.sampled_from([0.25, 1.7, 30.0]))
def test_span_posteriors_at_temperature(
    lattice: Lattice, data: st.DataObject, temperature: float
) -> None:
    check_spans(lattice, *draw_masks(data, lattice), temperature)


@pytest.mark.parametrize("scale", [60.0, 300.0, 1e3, 1e4])
@pytest.mark.parametrize("seed", [*range(5), 8744])
def test_span_posteriors_of_large_scores_with_constraints(seed: int, scale: float) -> None:
    lattice = make_lattice([4, 4, 4], 5, seed=seed, scale=scale)
    check_spans(lattice, *(numpy.random.RandomState(seed).uniform(size=(2, 12)) < 0.3))


@given(extreme_lattices())
def test_marginals(lattice: Lattice) -> None:
    log_partition, found = marginals(lattice)
    assert_close(found, counts(lattice))
    for paths, value in zip(all_paths(lattice), log_partition.tolist(), strict=True):
        best = max(score for _, score in paths)
        total = math.fsum(math.exp(float(score - best)) for _, score in paths)
        assert value == pytest.approx(float(best) + math.log(total), abs=1e-8, rel=1e-12)


@given(extreme_lattices(), st.data())
def test_log_likelihood_and_gradient(lattice: Lattice, data: st.DataObject) -> None:
    everything = all_paths(lattice)
    gold: list[int] = []
    for paths in everything:
        tags = data.draw(st.sampled_from([tags for tags, _ in paths]))
        gold += [data.draw(st.sampled_from([tag, tag, MISSING])) for tag in tags]
    found, gradient = tag_likelihood(lattice, gold)
    assert (found <= 0.0).all()
    for value, paths, agreeing in zip(
        found.tolist(), everything, all_paths(lattice, gold), strict=True
    ):
        best, best_agreeing = (max(score for _, score in some) for some in (paths, agreeing))
        expected = float(best_agreeing - best)
        expected += math.log(math.fsum(math.exp(float(s - best_agreeing)) for _, s in agreeing))
        expected -= math.log(math.fsum(math.exp(float(s - best)) for _, s in paths))
        assert value == pytest.approx(expected, abs=1e-8, rel=1e-12)
    assert_close(gradient, counts(lattice, gold).minus(counts(lattice)))


@given(extreme_lattices(), st.data())
def test_viterbi_and_kbest(lattice: Lattice, data: st.DataObject) -> None:
    no_begin, no_inside = draw_masks(data, lattice)
    k = data.draw(st.integers(1, 8))
    tags = viterbi(lattice, no_begin=no_begin, no_inside=no_inside).tolist()
    found = viterbi_kbest(lattice, k, no_begin=no_begin, no_inside=no_inside)
    ends = itertools.accumulate(lattice.lengths)
    everything = all_paths(forbid(lattice, no_begin, no_inside))
    for paths, end, length, (k_tags, scores) in zip(
        everything, ends, lattice.lengths, found, strict=True
    ):
        exact = dict(paths)
        best = sorted(exact.values(), reverse=True)[:k]
        assert float(best[0] - exact[tuple(tags[end - length : end])]) <= 1e-8
        rows = [tuple(row) for row in k_tags.tolist()]
        assert len(set(rows)) == len(rows) == len(best)
        for row, score, expected in zip(rows, scores.tolist(), best, strict=True):
            assert float(abs(exact[row] - expected)) <= 1e-8
            assert score == pytest.approx(float(expected), abs=1e-8)


@pytest.mark.parametrize("n_tags", [3, 21, pytest.param(401, marks=pytest.mark.slow)])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_kbest_with_many_tags(n_tags: int, k: int) -> None:
    lattice = make_lattice([2, 1], n_tags, scale=3.0)
    for paths, (tags, scores) in zip(all_paths(lattice), viterbi_kbest(lattice, k), strict=True):
        exact = dict(paths)
        best = sorted(exact.values(), reverse=True)[:k]
        assert [exact[tuple(row)] for row in tags.tolist()] == best
        assert scores.tolist() == pytest.approx([float(score) for score in best])


def reference_marginals(lattice: Lattice) -> numpy.ndarray:
    """Forward-backward for one sequence, without exponentials and in extended precision."""
    e, T, start, end = (getattr(lattice, name).astype("longdouble") for name in SCORES)
    T = numpy.where(crf.bio_transitions(len(T)), T, -numpy.inf)
    e = e - e.max(axis=1, keepdims=True)
    alpha, beta = numpy.empty_like(e), numpy.empty_like(e)
    alpha[0] = e[0] + numpy.where(crf.bio_transitions(len(T))[0], start, -numpy.inf)
    for t in range(1, len(e)):
        alpha[t] = numpy.logaddexp.reduce(alpha[t - 1][:, None] + T, axis=0) + e[t]
    beta[-1] = end
    for t in range(len(e) - 2, -1, -1):
        beta[t] = numpy.logaddexp.reduce(T + e[t + 1] + beta[t + 1], axis=1)
    logs = alpha + beta
    return numpy.exp(logs - numpy.logaddexp.reduce(logs, axis=1, keepdims=True)).astype("float64")


@pytest.mark.parametrize("scale", [1.0, 300.0, 1e4])
@pytest.mark.parametrize("step_scale", [1.0, 2e3])
def test_marginals_and_span_posteriors_of_long_sequences(scale: float, step_scale: float) -> None:
    lattice = make_lattice([400], 5, scale=scale)
    lattice = replace(lattice, transitions=lattice.transitions * (step_scale / scale))
    expected = reference_marginals(lattice)
    numpy.testing.assert_allclose(marginals(lattice)[1].emissions, expected, atol=1e-7)
    spans = candidate_spans(make_chart(lattice), 1e-6)
    sums = numpy.zeros((400, 2))
    numpy.add.at(sums, (spans.starts, spans.types), span_posteriors(make_chart(lattice), spans))
    numpy.testing.assert_allclose(sums, expected[:, 1::2], atol=1e-4)


def test_span_posterior_of_entity_as_long_as_the_text() -> None:
    emissions = numpy.full((3000, 3), -1e4)
    emissions[:, 2] = emissions[0, 1] = 1e4
    lattice = replace(make_lattice([3000], 3, scale=0.0), emissions=emissions)
    assert span_posteriors(make_chart(lattice), as_arrays([(0, 3000, 0)])) == pytest.approx(1.0)


def test_viterbi_of_long_sequences_is_precise() -> None:
    """Float32 can't represent the differences between the sums."""
    emissions = numpy.full((3000, 3), 1e4, dtype="float32")
    emissions[:, 1:] -= 1.0
    emissions[1500, 1] += 2.0
    lattice = replace(make_lattice([3000], 3, scale=0.0, dtype="float32"), emissions=emissions)
    expected = numpy.zeros(3000, dtype="int64")
    expected[1500] = 1
    assert viterbi(lattice).tolist() == expected.tolist()
    emissions = numpy.tile(numpy.float32([-1e4, -1e4 - 8, -1e4 + 1]), (3000, 1))
    lattice = Lattice.independent(emissions, [3000])
    assert viterbi(lattice).tolist() == [1] + [2] * 2999


@pytest.mark.parametrize("scale", [300.0, 1e4])
def test_training_in_float32_converges(scale: float) -> None:
    random = numpy.random.RandomState(0)
    Xs = [random.normal(scale=scale, size=(n, 5)).astype("float32") for n in (4, 1, 6)]
    gold = numpy.asarray([0, 1, 2, 0, 3, 1, 2, 2, 0, 3, 4])
    model, head, sgd = CRF(5).initialize(), CRFHead(), Adam(scale / 20, grad_clip=0.0)
    rows: Any = numpy.zeros((11, 5), dtype="float32")  # trained like an encoder's output
    losses = []
    for _ in range(200):
        parts = numpy.split(rows, [4, 5])
        lattice, backprop = model.begin_update(
            [x + part for x, part in zip(Xs, parts, strict=True)]
        )
        loss, gradient = head.get_loss(lattice, gold_mask(gold, 5))
        losses.append(loss)
        dXs = backprop(gradient)
        assert all(dX.dtype == "float32" and abs(dX).max() <= 1.0 for dX in dXs)
        rows, _ = sgd((0, "rows"), rows, numpy.concatenate(dXs))
        model.finish_update(sgd)
    assert numpy.isfinite(losses).all()
    assert losses[0] > scale > 1.0 > losses[-1] >= 0.0
    assert head.decode(lattice, *[numpy.zeros(11, dtype=bool)] * 2).tolist() == gold.tolist()
