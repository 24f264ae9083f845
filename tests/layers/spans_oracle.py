"""Posteriors of spans in plain Python, by enumeration of all valid tag sequences."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy

from spacy_twitter_ner.iob import bio_tags, tags_to_spans
from spacy_twitter_ner.layers.crf import Lattice

from .crf_oracle import log_partitions, valid_sequences

Span = tuple[int, int, int]


def masked(
    lattice: Lattice, no_begin: Sequence[bool] | None, no_inside: Sequence[bool] | None
) -> Lattice:
    """The lattice without forbidden tags."""
    emissions = lattice.emissions.copy()
    for mask, first in ((no_begin, 1), (no_inside, 2)):
        if mask is not None:
            emissions[numpy.asarray(mask), first::2] = -math.inf
    return Lattice(emissions, lattice.transitions, lattice.start, lattice.end, lattice.lengths)


def sequence_probabilities(lattice: Lattice) -> list[list[tuple[tuple[int, ...], float]]]:
    """All valid tags of each sequence, and their probabilities."""
    return [
        [(tags, math.exp(score - log_sum)) for tags, score in scored]
        for scored, log_sum in zip(valid_sequences(lattice), log_partitions(lattice), strict=True)
    ]


def spans_of(tags: Sequence[int], n_types: int) -> list[Span]:
    names = bio_tags([str(k) for k in range(n_types)])
    return [(start, end, int(k)) for start, end, k in tags_to_spans([names[tag] for tag in tags])]


def all_span_posteriors(lattice: Lattice) -> dict[Span, float]:
    """The probability of each typed span, by batch row."""
    posteriors: Counter[Span] = Counter()
    offset = 0
    n_types = len(lattice.start) // 2
    for scored, length in zip(sequence_probabilities(lattice), lattice.lengths, strict=True):
        for tags, probability in scored:
            for start, end, k in spans_of(tags, n_types):
                posteriors[offset + start, offset + end, k] += probability
        offset += length
    return dict(posteriors)
