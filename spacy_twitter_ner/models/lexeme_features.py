"""Learned vectors for features of a lexeme: its normal form, affixes, shape and the like."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints2d

from .features import Lexemes, lexeme_features, validate_features
from .vocabulary import UNKNOWN, Vocabulary

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

    Each feature has a vocabulary, built at initialisation from the training data and stored
    with the model. Values outside it share a learned vector. There is no vector for padding:
    nothing here is padded.

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
    attrs = {
        "min_freq": min_freq,
        "unknown_rate": unknown_rate,
        "feature_dropout": feature_dropout,
        "fit_vocabulary": fit_vocabulary,
    }
    return Model(
        "lexeme_features",
        forward,
        init=init,
        dims={"nO": sum(widths), **dict(zip(map(_dim, features), widths, strict=True))},
        params={name: None for name in features},
        attrs={**attrs, **{f"vocabulary_{name}": Vocabulary() for name in features}},
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Draw the vectors from N(0, 1 / width). Without vocabularies, build them of the sample."""
    if X is not None and all(len(vocabulary) == 1 for vocabulary in _vocabularies(model)):
        occurrences = numpy.bincount(X.inverse, minlength=len(X.texts)).tolist()
        _fit(model, Counter(dict(zip(X.texts, occurrences, strict=True))))
    for name, vocabulary in zip(model.param_names, _vocabularies(model), strict=True):
        width = model.get_dim(_dim(name))
        E = numpy.random.normal(scale=width**-0.5, size=(len(vocabulary), width))
        model.set_param(name, model.ops.asarray2f(E.astype("float32")))
        # A gradient of the table that was there before would have another shape.
        if model.has_grad(name):
            model.set_grad(name, model.ops.alloc2f(*E.shape))


def fit_vocabulary(model: Model[InT, OutT], docs: Iterable[Doc]) -> None:
    """Build the vocabularies of the training data. Vectors there are already are drawn anew.

    docs (Iterable[Doc]): All docs of the training data, read once.
    """
    words: Counter[str] = Counter()
    for doc in docs:
        words.update(token.text for token in doc)
    _fit(model, words)
    if all(model.has_param(name) for name in model.param_names):
        init(model)


def forward(model: Model[InT, OutT], lexemes: InT, is_train: bool) -> tuple[OutT, Callable]:
    rows = _rows(model, lexemes)
    if is_train:
        rows = _drop_values(model, rows)
    tables = [model.get_param(name) for name in model.param_names]
    # One contiguous array for each feature: Thinc scatters slowly along strided ones.
    rows_by_feature = [model.ops.asarray1i(numpy.ascontiguousarray(column)) for column in rows.T]
    vectors = [table[column] for table, column in zip(tables, rows_by_feature, strict=True)]

    def backprop(dY: OutT) -> InT:
        end = 0
        for name, table, column in zip(model.param_names, tables, rows_by_feature, strict=True):
            start, end = end, end + table.shape[1]
            values = model.ops.xp.ascontiguousarray(dY[:, start:end])
            # Tables are large and batches small: the gradient is added to in place.
            if not model.has_grad(name):
                model.set_grad(name, model.ops.alloc2f(*table.shape))
            model.ops.scatter_add(model.get_grad(name), column, values)
        return lexemes

    return model.ops.xp.concatenate(vectors, axis=1), backprop


def _dim(feature: str) -> str:
    """RETURNS (str): The name under which the model stores the width of a feature's vectors."""
    return f"nO_{feature}"


def _vocabularies(model: Model[InT, OutT]) -> list[Vocabulary]:
    return [model.attrs[f"vocabulary_{name}"] for name in model.param_names]


def _fit(model: Model[InT, OutT], words: Counter[str]) -> None:
    features = tuple(model.param_names)
    counts: list[Counter[str]] = [Counter() for _ in features]
    for word, count in words.items():
        for counter, value in zip(counts, lexeme_features(word, features), strict=True):
            counter[value] += count
    for name, counter in zip(features, counts, strict=True):
        vocabulary = Vocabulary.from_counts(counter, min_freq=model.attrs["min_freq"])
        model.attrs[f"vocabulary_{name}"] = vocabulary


def _rows(model: Model[InT, OutT], lexemes: InT) -> Ints2d:
    """Look the lexemes up: (nU, features)."""
    vocabularies = _vocabularies(model)
    features = tuple(model.param_names)
    rows = [
        [vocabulary.row(value) for vocabulary, value in zip(vocabularies, values, strict=True)]
        for values in (lexeme_features(text, features) for text in lexemes.texts)
    ]
    return numpy.asarray(rows, dtype="int64").reshape(len(rows), len(features))


def _drop_values(model: Model[InT, OutT], rows: Ints2d) -> Ints2d:
    rate, rate_of_rare = model.attrs["feature_dropout"], model.attrs["unknown_rate"]
    if rate <= 0 and rate_of_rare <= 0:
        return rows
    n_frequent = numpy.asarray([v.n_frequent for v in _vocabularies(model)])
    rates = numpy.where(rows > n_frequent, max(rate, rate_of_rare), rate)
    return numpy.where(numpy.random.uniform(size=rows.shape) < rates, UNKNOWN, rows)
