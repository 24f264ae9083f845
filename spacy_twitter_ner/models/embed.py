"""Token embeddings: concatenate lexeme features and gazetteer features."""

from collections.abc import Callable, Hashable, Sequence
from itertools import count

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from ..normalization import placeholder
from .interface import get_embed_part, get_phrase_part
from .lexeme_features import LexemeFeatures
from .lexemes import Lexemes, distinct_lexemes

InT = list[Doc]
OutT = list[Floats2d]

NAME = "tweet_embed"


def WordEmbed(width: int, *, min_freq: int = 1, unknown_rate: float = 0.0) -> Model[InT, OutT]:
    """Embed words as in the article: one learned vector per word of the training data, one for
    user names, one for URLs, and one for unknown words.

    width (int): Width of the vectors.
    min_freq (int): Words that are less frequent in the training data are unknown.
    unknown_rate (float): Probability, in training, of replacing a word that occurs once by the
        unknown word, so that its vector is learned.
    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, width) array per doc.
    """
    return FeatureEmbed(["masked"], [width], min_freq=min_freq, unknown_rate=unknown_rate)


def FeatureEmbed(
    features: list[str], widths: list[int], *, min_freq: int = 1, unknown_rate: float = 0.0
) -> Model[InT, OutT]:
    """Embed several features of each token and concatenate the vectors: a TweetEmbed with
    LexemeFeatures as its only part, with the same settings.

    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, sum(widths)) array per doc.
    """
    return TweetEmbed(
        LexemeFeatures(features, widths, min_freq=min_freq, unknown_rate=unknown_rate)
    )


def TweetEmbed(
    *parts: Model[Lexemes, Floats2d], phrases: Model[InT, OutT] | None = None
) -> Model[InT, OutT]:
    """Concatenate several embeddings of each token. The parts that depend on the lexeme alone are
    computed once per distinct lexeme of a batch.

    *parts (Model[Lexemes, Floats2d]): Embeddings of nU lexemes: (nU, width).
    phrases (Optional[Model[list[Doc], list[Floats2d]]]): An embedding that depends on neighboring
        tokens, such as spacy-twitter-ner.GazetteerEmbed.v1.
    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, sum of widths) array per doc.
    RAISES (ValueError): If there are no parts.
    """
    if not parts:
        raise ValueError(
            "TweetEmbed: it has no parts. Add at least one part, such as [embed.*.words]"
        )
    layers: list[Model] = [*parts, *([phrases] if phrases is not None else [])]
    model: Model[InT, OutT] = Model(
        NAME,
        forward,
        init=init,
        layers=layers,
        dims={"nO": None},
        attrs={"n_parts": len(parts)},
    )
    if all(layer.has_dim("nO") for layer in layers):
        model.set_dim("nO", sum(layer.get_dim("nO") for layer in layers))
    return model


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    lexemes = None if X is None else distinct_lexemes(X)
    parts, phrases = _split_layers(model)
    for part in parts:
        part.initialize(X=lexemes)
    if phrases is not None:
        phrases.initialize(X=X)
    model.set_dim("nO", sum(layer.get_dim("nO") for layer in model.layers))


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> tuple[OutT, Callable]:
    xp = model.ops.xp
    parts, phrases = _split_layers(model)
    lexemes = distinct_lexemes(docs)
    inverse = model.ops.asarray1i(lexemes.inverse)
    outputs, backprops = zip(*(part(lexemes, is_train) for part in parts), strict=True)
    by_lexeme = xp.concatenate(outputs, axis=1)
    by_token = by_lexeme[inverse]
    if phrases is not None:
        by_phrase, backprop_phrases = phrases(docs, is_train)
        by_token = xp.concatenate([by_token, _flatten(model, by_phrase, phrases)], axis=1)

    def backprop(dYs: OutT) -> InT:
        if not dYs:
            return []
        dY = model.ops.flatten(dYs)
        width = by_lexeme.shape[1]
        if phrases is not None:
            backprop_phrases(_unflatten(xp.ascontiguousarray(dY[:, width:]), lexemes.lengths))
        d_lexemes = model.ops.alloc2f(*by_lexeme.shape)
        model.ops.scatter_add(d_lexemes, inverse, xp.ascontiguousarray(dY[:, :width]))
        end = 0
        for output, backprop_part in zip(outputs, backprops, strict=True):
            start, end = end, end + output.shape[1]
            backprop_part(xp.ascontiguousarray(d_lexemes[:, start:end]))
        return []

    return _unflatten(by_token, lexemes.lengths), backprop


def embed_lexemes(model: Model[InT, OutT], lexemes: Lexemes) -> tuple[Floats2d, Ints1d]:
    """Predict the columns that depend on the lexeme alone.

    lexemes (Lexemes): The lexemes.
    RETURNS (tuple[Floats2d, Ints1d]): (nU, width of all parts) vectors without the phrase columns;
        and the (nU,) word numbers that embed_phrases needs.
    """
    parts, phrases = _split_layers(model)
    Y = model.ops.xp.concatenate([part.predict(lexemes) for part in parts], axis=1)
    if phrases is not None and (phrase_part := get_phrase_part(phrases)):
        return Y, phrase_part.number_words(phrases, lexemes)
    return Y, numpy.zeros(len(lexemes.texts), dtype="int64")


def group_equivalent(model: Model[InT, OutT], lexemes: Lexemes) -> dict[int, Hashable]:
    """Group user names and URLs for which embed_lexemes returns the same.

    lexemes (Lexemes): The lexemes.
    RETURNS (dict[int, Hashable]): A key for each index of a user name or URL, equal for equivalent
        ones. Empty if a part doesn't define name_keys.
    """
    parts, _ = _split_layers(model)
    placeholders = {i: form for i, text in enumerate(lexemes.texts) if (form := placeholder(text))}
    if not placeholders:
        return {}
    names = lexemes.select(placeholders)
    keys = []
    for layer in parts:
        part = get_embed_part(layer)
        if part is None or part.name_keys is None:
            return {}
        keys.append(part.name_keys(layer, names))
    return dict(zip(placeholders, zip(placeholders.values(), *keys, strict=True), strict=True))


def embed_phrases(
    model: Model[InT, OutT], docs: InT, words: Ints1d, lengths: Sequence[int]
) -> tuple[Ints1d, Floats2d]:
    """Predict the columns that depend on neighboring tokens.

    docs (list[Doc]): The docs.
    words (Ints1d): (N,) the word number of each token's lexeme, from embed_lexemes.
    lengths (Sequence[int]): The docs' lengths.
    RETURNS (tuple[Ints1d, Floats2d]): (k,) the tokens with non-zero phrase columns, in order; and
        these columns, (k, width). They are the last ones.
    """
    _, phrases = _split_layers(model)
    if phrases is None:
        return numpy.zeros(0, dtype="int64"), model.ops.alloc2f(0, 0)
    if part := get_phrase_part(phrases):
        return part.embed_words(phrases, words, lengths)
    dense = _flatten(model, phrases.predict(docs), phrases)
    tokens = numpy.flatnonzero(dense.any(axis=1))
    return tokens, dense[tokens]


def feature_columns(model: Model[InT, OutT]) -> dict[str, slice]:
    """Locate the features in a token's vector.

    RETURNS (dict[str, slice]): The columns by name: each feature of LexemeFeatures, and each other
        part, such as "char" or "gazetteer". Further ones of the same name end in "-2", "-3", ...
    """
    columns: dict[str, slice] = {}
    end = 0
    for part in model.layers:
        is_features = part.name == "lexeme_features"
        names = part.param_names if is_features else (part.name.removesuffix("_embed"),)
        for name in names:
            start, end = end, end + part.get_dim(f"nO_{name}" if is_features else "nO")
            candidates = (name if n == 1 else f"{name}-{n}" for n in count(1))
            columns[next(each for each in candidates if each not in columns)] = slice(start, end)
    return columns


def _split_layers(model: Model[InT, OutT]) -> tuple[list[Model], Model | None]:
    n_parts = model.attrs["n_parts"]
    return model.layers[:n_parts], next(iter(model.layers[n_parts:]), None)


def _flatten(model: Model[InT, OutT], Xs: OutT, layer: Model) -> Floats2d:
    """Like ops.flatten, but with the right width if there are no docs."""
    return model.ops.flatten(Xs) if Xs else model.ops.alloc2f(0, layer.get_dim("nO"))


def _unflatten(Y: Floats2d, lengths: Sequence[int]) -> OutT:
    ends = numpy.cumsum(lengths).tolist()
    return [Y[end - length : end] for end, length in zip(ends, lengths, strict=True)]
