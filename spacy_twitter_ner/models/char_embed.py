"""Character embeddings of lexemes: vectors for unseen words and misspellings."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.model import deserialize_attr
from thinc.types import Floats2d, Ints1d, Ragged

from ..layers.char_cnn import CharCNN
from ..normalization import mask_user_and_url
from .interface import EmbedPart, no_name_keys
from .lexemes import Lexemes, count_orths
from .tables import N_SPARE, UNKNOWN, Vocabulary

InT: TypeAlias = Lexemes
OutT: TypeAlias = Floats2d


def CharEmbed(
    width: int = 50,
    *,
    char_width: int = 25,
    window: int = 1,
    min_freq: int = 2,
    unknown_rate: float = 0.0,
    max_length: int = 30,
) -> Model[InT, OutT]:
    """Embed each distinct lexeme with a convolution over its characters (Ma & Hovy 2016).

    Case is preserved. User names and URLs are replaced by placeholders. The alphabet is built at
    initialization from the training data and stored with the model. Unknown characters share a
    learned vector.

    width (int): Width of the lexemes' vectors, equal to the number of filters.
    char_width (int): Width of the characters' vectors.
    window (int): Number of characters on either side of the middle one in a filter.
    min_freq (int): Characters that are less frequent in the training data are unknown.
    unknown_rate (float): Probability, in training, of replacing a character that occurs once by the
        unknown character. Has no effect if min_freq is above 1.
    max_length (int): Maximum number of characters. The middle of longer lexemes is skipped.
    RETURNS (Model[Lexemes, Floats2d]): nU lexemes -> (nU, width)
    RAISES (ValueError): If char_width, window or max_length is too small.
    """
    if max_length < 1:
        raise ValueError(f"CharEmbed: max_length must be at least 1, not {max_length}")
    return Model(
        "char_embed",
        forward,
        init=init,
        layers=[CharCNN(width, char_width=char_width, window=window)],
        dims={"nO": width},
        attrs={
            "min_freq": min_freq,
            "unknown_rate": unknown_rate,
            "max_length": max_length,
            "part": EmbedPart(fit_vocabulary, no_name_keys),
            "vocabulary": Alphabet(n_spare=N_SPARE),
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Initialize the weights for the current alphabet."""
    cnn = model.layers[0]
    cnn.set_dim("nV", len(model.attrs["vocabulary"]))
    cnn.initialize()


def fit_vocabulary(model: Model[InT, OutT], docs: Iterable[Doc], *, n_spare: int = 0) -> None:
    """Build the alphabet from the training data. Existing weights are reinitialized.

    docs (Iterable[Doc]): All docs of the training data. Iterated once.
    n_spare (int): The number of rows for characters that are first seen in training.
    """
    counts: Counter[str] = Counter()
    for word, count in count_orths(docs).items():
        for char in _clip(word, model.attrs["max_length"]):
            counts[char] += count
    is_initialized = model.layers[0].has_param("E")
    alphabet = Alphabet.from_counts(counts, min_freq=model.attrs["min_freq"], n_spare=n_spare)
    model.attrs["vocabulary"] = alphabet
    model.layers[0] = _replace_cnn(model.layers[0], len(alphabet))
    if is_initialized:
        init(model)


def forward(model: Model[InT, OutT], lexemes: InT, is_train: bool) -> tuple[OutT, Callable]:
    words = [_clip(text, model.attrs["max_length"]) for text in lexemes.texts]
    # User names have the same placeholder, and so do URLs: half of the rare lexemes of tweets. In
    # training, each one has its own dropout.
    distinct = words if is_train else list(dict.fromkeys(words))
    if is_train:
        model.attrs["vocabulary"].learn(char for word in distinct for char in word)
    rows = _rows(model.attrs["vocabulary"], distinct)
    if is_train:
        rows = _drop_rare(model, rows)
    lengths = model.ops.asarray1i([len(word) for word in distinct])
    Y, backprop_cnn = model.layers[0](Ragged(model.ops.asarray1i(rows), lengths), is_train)

    def backprop(dY: OutT) -> InT:
        backprop_cnn(dY)
        return lexemes

    if len(distinct) < len(words):
        index = {word: number for number, word in enumerate(distinct)}
        Y = Y[model.ops.asarray1i([index[word] for word in words])]
    return Y, backprop


def _clip(text: str, max_length: int) -> str:
    """RETURNS (str): The masked text, or its first and last characters if it is too long."""
    text = mask_user_and_url(text)
    n_dropped = len(text) - max_length
    if n_dropped <= 0:
        return text
    n_first = max_length - max_length // 2
    return text[:n_first] + text[n_first + n_dropped :]


def _replace_cnn(cnn: Model[Ragged, OutT], nV: int) -> Model[Ragged, OutT]:
    """RETURNS (Model): A new layer for another number of characters. In Thinc, a layer with weights
    can't change its dimensions, and its gradients would have the wrong shape."""
    model = CharCNN(
        cnn.get_dim("nO"),
        nV,
        char_width=cnn.get_dim("char_width"),
        window=cnn.attrs["window"],
        dropout=cnn.attrs["dropout_rate"],
    )
    model.ops = cnn.ops
    return model


def _rows(vocabulary: Vocabulary, words: list[str]) -> Ints1d:
    """RETURNS (Ints1d): The rows of the characters of all words, concatenated."""
    text = "".join(words)
    codes = numpy.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    row_of_code = numpy.zeros(codes.max(initial=0) + 1, dtype="int32")
    for char in set(text):
        row_of_code[ord(char)] = vocabulary.row(char)
    return row_of_code[codes]


def _drop_rare(model: Model[InT, OutT], rows: Ints1d) -> Ints1d:
    rate = model.attrs["unknown_rate"]
    if rate <= 0:
        return rows
    is_rare = rows > model.attrs["vocabulary"].n_frequent
    return numpy.where(is_rare & (numpy.random.uniform(size=rows.shape) < rate), UNKNOWN, rows)


class Alphabet(Vocabulary):
    """The known characters. Loading an alphabet resizes the layer."""


@deserialize_attr.register(Alphabet)
def _deserialize_alphabet(_: Any, value: bytes, name: str, model: Any) -> Vocabulary:
    alphabet = Alphabet.from_bytes(value)
    _resize(model.layers[0], len(alphabet))
    return alphabet


def _resize(cnn: Model[Ragged, OutT], nV: int) -> None:
    """Remove a layer's weights so that Thinc can load those for another number of characters."""
    if not cnn.has_dim("nV") or cnn.get_dim("nV") == nV:
        return
    for name in cnn.param_names:
        cnn.set_param(name, None)
    cnn.set_dim("nV", nV, force=True)
    if cnn.has_grad("E"):
        cnn.set_grad("E", cnn.ops.alloc2f(nV, cnn.get_dim("char_width")))
