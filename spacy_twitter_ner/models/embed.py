"""Embeddings of tokens: what is known of each distinct lexeme, side by side, and of the phrase a
token stands in."""

from collections.abc import Callable, Hashable, Sequence

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from ..normalization import placeholder
from .features import Lexemes, distinct_lexemes
from .lexeme_features import LexemeFeatures

InT = list[Doc]
OutT = list[Floats2d]


def WordEmbed(width: int, *, min_freq: int = 1, unknown_rate: float = 0.0) -> Model[InT, OutT]:
    """Embed words as the article does: each word of the training data has a learned vector of
    its own, user names share one, URLs share one, and all other words share that of <UNK>.

    width (int): The vectors' width.
    min_freq (int): Words that occur less often in the training data are unknown.
    unknown_rate (float): How often, in training, a word that occurs once is taken for unknown,
        so that <UNK> is learned.
    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, width) array a doc.
    """
    return FeatureEmbed(["masked"], [width], min_freq=min_freq, unknown_rate=unknown_rate)


def FeatureEmbed(
    features: list[str], widths: list[int], *, min_freq: int = 1, unknown_rate: float = 0.0
) -> Model[InT, OutT]:
    """Embed several features of each token and put their vectors side by side: a TweetEmbed of
    LexemeFeatures alone, with the same settings.

    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, sum(widths)) array a doc.
    """
    return TweetEmbed(
        LexemeFeatures(features, widths, min_freq=min_freq, unknown_rate=unknown_rate)
    )


def TweetEmbed(
    *parts: Model[Lexemes, Floats2d], phrases: Model[InT, OutT] | None = None
) -> Model[InT, OutT]:
    """Put together what is known of each token. The parts that depend on the lexeme alone are
    computed once for each distinct lexeme of a batch.

    *parts (Model[Lexemes, Floats2d]): Each gives nU lexemes an (nU, width) array.
    phrases (Optional[Model[list[Doc], list[Floats2d]]]): What depends on a token's neighbours,
        as spacy-twitter-ner.GazetteerEmbed.v1.
    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, sum of widths) array a doc.
    RAISES (ValueError): If there is no part.
    """
    if not parts:
        raise ValueError("TweetEmbed: name at least one part, as in [embed.*.words]")
    layers: list[Model] = [*parts, *([phrases] if phrases is not None else [])]
    model: Model[InT, OutT] = Model(
        "tweet_embed",
        forward,
        init=init,
        layers=layers,
        dims={"nO": None},
        # A number and no reference to a layer: Model.copy loses those.
        attrs={
            "n_parts": len(parts),
            "embed_lexemes": embed_lexemes,
            "embed_phrases": embed_phrases,
            "find_alike": find_alike,
            "feature_columns": feature_columns,
        },
    )
    if all(layer.has_dim("nO") for layer in layers):
        model.set_dim("nO", sum(layer.get_dim("nO") for layer in layers))
    return model


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    lexemes = None if X is None else distinct_lexemes(X)
    parts, phrases = _parts(model)
    for part in parts:
        part.initialize(X=lexemes)
    if phrases is not None:
        phrases.initialize(X=X)
    model.set_dim("nO", sum(layer.get_dim("nO") for layer in model.layers))


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> tuple[OutT, Callable]:
    xp = model.ops.xp
    parts, phrases = _parts(model)
    lexemes = distinct_lexemes(docs)
    inverse = model.ops.asarray1i(lexemes.inverse)
    outputs, backprops = zip(*(part(lexemes, is_train) for part in parts), strict=True)
    by_lexeme = xp.concatenate(outputs, axis=1)
    by_token = by_lexeme[inverse]
    if phrases is not None:
        by_phrase, backprop_phrases = phrases(docs, is_train)
        by_token = xp.concatenate([by_token, _concatenate(model, by_phrase, phrases)], axis=1)

    def backprop(dYs: OutT) -> InT:
        if not dYs:
            return []
        dY = model.ops.flatten(dYs)
        width = by_lexeme.shape[1]
        if phrases is not None:
            backprop_phrases(_split(xp.ascontiguousarray(dY[:, width:]), lexemes.lengths))
        d_lexemes = model.ops.alloc2f(*by_lexeme.shape)
        model.ops.scatter_add(d_lexemes, inverse, xp.ascontiguousarray(dY[:, :width]))
        end = 0
        for output, backprop_part in zip(outputs, backprops, strict=True):
            start, end = end, end + output.shape[1]
            backprop_part(xp.ascontiguousarray(d_lexemes[:, start:end]))
        return []

    return _split(by_token, lexemes.lengths), backprop


def embed_lexemes(model: Model[InT, OutT], lexemes: Lexemes) -> tuple[Floats2d, Ints1d]:
    """Predict what depends on the lexeme alone.

    lexemes (Lexemes): The lexemes.
    RETURNS (tuple[Floats2d, Ints1d]): (nU, width of all parts) the lexemes' vectors, without the
        columns of phrases; and (nU,) what embed_phrases has to know of each.
    """
    parts, phrases = _parts(model)
    Y = model.ops.xp.concatenate([part.predict(lexemes) for part in parts], axis=1)
    if phrases is not None and "number_words" in phrases.attrs:
        return Y, phrases.attrs["number_words"](phrases, lexemes)
    return Y, numpy.zeros(len(lexemes.texts), dtype="int64")


def find_alike(model: Model[InT, OutT], lexemes: Lexemes) -> dict[int, Hashable]:
    """Find user names and URLs that embed_lexemes cannot tell apart.

    lexemes (Lexemes): The lexemes.
    RETURNS (dict[int, Hashable]): By index, of all user names and URLs, what embed_lexemes sees of
        them; none if a part does not say so.
    """
    parts, phrases = _parts(model)
    readers = parts if phrases is None or "number_words" not in phrases.attrs else model.layers
    if any("see_names" not in reader.attrs for reader in readers):
        return {}
    places = {i: form for i, text in enumerate(lexemes.texts) if (form := placeholder(text))}
    names = lexemes.select(places)
    seen = [reader.attrs["see_names"](reader, names) for reader in readers]
    return dict(zip(places, zip(places.values(), *seen, strict=True), strict=True))


def embed_phrases(
    model: Model[InT, OutT], docs: InT, words: Ints1d, lengths: Sequence[int]
) -> tuple[Ints1d, Floats2d]:
    """Predict what depends on a token's neighbours.

    docs (list[Doc]): The docs.
    words (Ints1d): (N,) what embed_lexemes has found of each token's lexeme.
    lengths (Sequence[int]): How many tokens each doc has.
    RETURNS (tuple[Ints1d, Floats2d]): (k,) the tokens that have something in the columns of
        phrases, in order; and (k, width) the contents of these columns, the last ones.
    """
    _, phrases = _parts(model)
    if phrases is None:
        return numpy.zeros(0, dtype="int64"), model.ops.alloc2f(0, 0)
    if "embed_words" in phrases.attrs:
        return phrases.attrs["embed_words"](phrases, words, lengths)
    dense = _concatenate(model, phrases.predict(docs), phrases)
    tokens = numpy.flatnonzero(dense.any(axis=1))
    return tokens, dense[tokens]


def feature_columns(model: Model[InT, OutT]) -> dict[str, slice]:
    """Find which columns of a token's vector tell what of it.

    RETURNS (dict[str, slice]): The columns by name: each feature of LexemeFeatures, and each other
        part, as "char" or "gazetteer"; a second one of the same name ends in "-2".
    """
    columns: dict[str, slice] = {}
    end = 0
    for part in model.layers:
        # The tables of features lie side by side, as the parts do.
        is_features = part.name == "lexeme_features"
        names = part.param_names if is_features else (part.name.removesuffix("_embed"),)
        for name in names:
            start, end = end, end + part.get_dim(f"nO_{name}" if is_features else "nO")
            alike = [f"{name}-{number}" for number in range(2, len(model.layers) + 1)]
            free = next(each for each in (name, *alike) if each not in columns)
            columns[free] = slice(start, end)
    return columns


def _parts(model: Model[InT, OutT]) -> tuple[list[Model], Model | None]:
    n_parts = model.attrs["n_parts"]
    return model.layers[:n_parts], next(iter(model.layers[n_parts:]), None)


def _concatenate(model: Model[InT, OutT], Xs: OutT, layer: Model) -> Floats2d:
    """As ops.flatten, but with the right width where there are no tokens."""
    return model.ops.flatten(Xs) if Xs else model.ops.alloc2f(0, layer.get_dim("nO"))


def _split(Y: Floats2d, lengths: Sequence[int]) -> OutT:
    ends = numpy.cumsum(lengths).tolist()
    return [Y[end - length : end] for end, length in zip(ends, lengths, strict=True)]
