"""Embeddings of lexeme features: normal form, affixes, shape, ..."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints2d

from .interface import EmbedPart
from .lexemes import NAME_FEATURES, Lexemes, count_orths, lexeme_features, validate_features
from .tables import UNKNOWN, fit_tables, gather, init_tables, table_model, vocabularies

InT: TypeAlias = Lexemes
OutT: TypeAlias = Floats2d


def LexemeFeatures(
    features: list[str],
    widths: list[int],
    *,
    min_freq: int = 1,
    unknown_rate: float = 0.0,
    feature_dropout: float = 0.0,
) -> Model[InT, OutT]:
    """Embed several features of each distinct lexeme and concatenate their vectors.

    Each feature has a vocabulary, built at initialization from the training data and stored
    with the model. Values outside it share a learned vector. Without training data, values get
    their rows as they are first seen in training, up to 5,000 per feature.

    features (list[str]): The features to embed, from lexemes.FEATURES.
    widths (list[int]): The width of each feature's vectors.
    min_freq (int): Values that are less frequent in the training data are unknown.
    unknown_rate (float): Probability, in training, of replacing a value that occurs once by the
        unknown value, so that its vector is learned.
    feature_dropout (float): Probability, in training, of replacing any value by the unknown value,
        so that the tagger doesn't rely on a single feature. Not overwritten by [training] dropout.
    RETURNS (Model[Lexemes, Floats2d]): nU lexemes -> (nU, sum(widths))
    """
    validate_features(features)
    if len(features) != len(widths):
        raise ValueError(
            f"LexemeFeatures: {len(features)} features, but {len(widths)} widths. "
            "Give one width per feature"
        )
    return table_model(
        "lexeme_features",
        forward,
        init=init,
        widths=dict(zip(features, widths, strict=True)),
        attrs={
            "min_freq": min_freq,
            "unknown_rate": unknown_rate,
            "feature_dropout": feature_dropout,
            "part": EmbedPart(fit_vocabulary, name_keys),
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Initialize the vectors from N(0, 1 / width)."""
    init_tables(model)


def fit_vocabulary(model: Model[InT, OutT], docs: Iterable[Doc], *, n_spare: int = 0) -> None:
    """Build the vocabularies from the training data. Existing vectors are reinitialized.

    docs (Iterable[Doc]): All docs of the training data. Iterated once.
    n_spare (int): The number of rows per feature for values that are first seen in training.
    """
    features = tuple(model.param_names)
    counts: list[Counter[str]] = [Counter() for _ in features]
    for word, count in count_orths(docs).items():
        for counter, value in zip(counts, lexeme_features(word, features), strict=True):
            counter[value] += count
    fit_tables(model, counts, min_freq=model.attrs["min_freq"], n_spare=n_spare)


def forward(model: Model[InT, OutT], lexemes: InT, is_train: bool) -> tuple[OutT, Callable]:
    if is_train:
        for name, vocabulary in zip(model.param_names, vocabularies(model), strict=True):
            vocabulary.learn(lexemes.feature(name))
    rows = _rows(model, lexemes)
    if is_train:
        rows = _drop_values(model, rows)
    Y, backprop_tables = gather(model, rows)

    def backprop(dY: OutT) -> InT:
        backprop_tables(dY)
        return lexemes

    return Y, backprop


def name_keys(model: Model[InT, OutT], lexemes: InT) -> list[tuple[int, ...]]:
    """RETURNS (list[tuple[int, ...]]): The rows of features that differ between user names or
    between URLs."""
    rows = [
        vocabulary.lookup(lexemes.feature(name)).tolist()
        for name, vocabulary in zip(model.param_names, vocabularies(model), strict=True)
        if name in NAME_FEATURES
    ]
    return list(zip(*rows, strict=True)) if rows else [()] * len(lexemes.texts)


def _rows(model: Model[InT, OutT], lexemes: InT) -> Ints2d:
    """RETURNS (Ints2d): (nU, features) the row of each value."""
    rows = [
        vocabulary.lookup(lexemes.feature(name))
        for name, vocabulary in zip(model.param_names, vocabularies(model), strict=True)
    ]
    return numpy.stack(rows, axis=1)


def _drop_values(model: Model[InT, OutT], rows: Ints2d) -> Ints2d:
    rate, rare_rate = model.attrs["feature_dropout"], model.attrs["unknown_rate"]
    if rate <= 0 and rare_rate <= 0:
        return rows
    n_frequent = numpy.asarray([v.n_frequent for v in vocabularies(model)])
    rates = numpy.where(rows > n_frequent, max(rate, rare_rate), rate)
    return numpy.where(numpy.random.uniform(size=rows.shape) < rates, UNKNOWN, rows)
