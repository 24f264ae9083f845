"""Learned vectors for features of a lexeme: its normal form, affixes, shape and the like."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints2d

from .features import (
    FEATURES_OF_NAMES,
    Lexemes,
    count_texts,
    lexeme_features,
    validate_features,
)
from .tables import draw_tables, fit_tables, gather, table_model, vocabularies
from .vocabulary import UNKNOWN

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
    """Embed several features of each distinct lexeme and put their vectors side by side.

    Each feature has a vocabulary, built at initialization from the training data and stored
    with the model. Values outside it share a learned vector. Without training data, values get
    their rows as they are first seen in training, up to 5,000 per feature.

    features (list[str]): What to embed: names of features.FEATURES.
    widths (list[int]): The width of each feature's vectors.
    min_freq (int): Values that occur less often in the training data are unknown.
    unknown_rate (float): How often, in training, a value that occurs once is taken for
        unknown, so that the vector of unknown values is learned.
    feature_dropout (float): How often, in training, any value is taken for unknown, so that the
        tagger does not lean on one feature alone. The training loop leaves it alone.
    RETURNS (Model[Lexemes, Floats2d]): nU lexemes -> (nU, sum(widths))
    """
    validate_features(features)
    if len(features) != len(widths):
        raise ValueError(f"{len(features)} features, but {len(widths)} widths: give one for each")
    return table_model(
        "lexeme_features",
        forward,
        init=init,
        widths=dict(zip(features, widths, strict=True)),
        attrs={
            "min_freq": min_freq,
            "unknown_rate": unknown_rate,
            "feature_dropout": feature_dropout,
            "fit_vocabulary": fit_vocabulary,
            "see_names": see_names,
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Draw the vectors from N(0, 1 / width)."""
    draw_tables(model)


def fit_vocabulary(model: Model[InT, OutT], docs: Iterable[Doc], *, n_spare: int = 0) -> None:
    """Build the vocabularies from the training data. If there are vectors, they are drawn again.

    docs (Iterable[Doc]): All docs of the training data, read once.
    n_spare (int): The number of rows per feature for values that are first seen in training.
    """
    features = tuple(model.param_names)
    counts: list[Counter[str]] = [Counter() for _ in features]
    for word, count in count_texts(docs).items():
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


def see_names(model: Model[InT, OutT], lexemes: InT) -> list[tuple[int, ...]]:
    """RETURNS (list[tuple[int, ...]]): What the model sees of user names and of URLs, for each."""
    rows = [
        vocabulary.rows(lexemes.feature(name)).tolist()
        for name, vocabulary in zip(model.param_names, vocabularies(model), strict=True)
        if name in FEATURES_OF_NAMES
    ]
    return list(zip(*rows, strict=True)) if rows else [()] * len(lexemes.texts)


def _rows(model: Model[InT, OutT], lexemes: InT) -> Ints2d:
    """Look the lexemes up: (nU, features)."""
    rows = [
        vocabulary.rows(lexemes.feature(name))
        for name, vocabulary in zip(model.param_names, vocabularies(model), strict=True)
    ]
    return numpy.stack(rows, axis=1)


def _drop_values(model: Model[InT, OutT], rows: Ints2d) -> Ints2d:
    rate, rate_of_rare = model.attrs["feature_dropout"], model.attrs["unknown_rate"]
    if rate <= 0 and rate_of_rare <= 0:
        return rows
    n_frequent = numpy.asarray([v.n_frequent for v in vocabularies(model)])
    rates = numpy.where(rows > n_frequent, max(rate, rate_of_rare), rate)
    return numpy.where(numpy.random.uniform(size=rows.shape) < rates, UNKNOWN, rows)
