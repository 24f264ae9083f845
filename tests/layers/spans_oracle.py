"""Posteriors of spans in plain Python, by listing all valid sequences of tags."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy

from spacy_twitter_ner.iob import bio_tags, tags_to_spans
from spacy_twitter_ner.layers.crf import Lattice

from .crf_oracle import log_sums, valid_sequences

Span = tuple[int, int, int]


def masked(
    lattice: Lattice, no_begin: Sequence[bool] | None, no_inside: Sequence[bool] | None
) -> Lattice:
    """The lattice without the tags that are forbidden."""
    emissions = lattice.emissions.copy()
    for mask, first in ((no_begin, 1), (no_inside, 2)):
        if mask is not None:
            emissions[numpy.asarray(mask), first::2] = -math.inf
    return Lattice(emissions, lattice.transitions, lattice.start, lattice.end, lattice.lengths)


def sequence_probabilities(lattice: Lattice) -> list[list[tuple[tuple[int, ...], float]]]:
    """For each sequence of the batch, all valid tags and their probability."""
    return [
        [(tags, math.exp(score - log_sum)) for tags, score in scored]
        for scored, log_sum in zip(valid_sequences(lattice), log_sums(lattice), strict=True)
    ]


def spans_of(tags: Sequence[int], n_types: int) -> list[Span]:
    names = bio_tags([str(k) for k in range(n_types)])
    return [(start, end, int(k)) for start, end, k in tags_to_spans([names[tag] for tag in tags])]


def all_span_posteriors(lattice: Lattice) -> dict[Span, float]:
    """The probability of each span, in rows of the batch, that any valid sequence has."""
    posteriors: Counter[Span] = Counter()
    offset = 0
    n_types = len(lattice.start) // 2
    for scored, length in zip(sequence_probabilities(lattice), lattice.lengths, strict=True):
        for tags, probability in scored:
            for start, end, k in spans_of(tags, n_types):
                posteriors[offset + start, offset + end, k] += probability
        offset += length
    return dict(posteriors)
