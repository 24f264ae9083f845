"""Vectors made of a lexeme's characters, so that unseen words and misspellings have one as well."""

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
from .features import Lexemes, count_texts, see_no_names
from .vocabulary import N_SPARE, UNKNOWN, Vocabulary

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
    """Embed each distinct lexeme by a convolution over its characters (Ma & Hovy 2016).

    Case is kept. A user name or a URL is read as its placeholder: its letters say nothing. The
    known characters are found at initialisation in the training data and stored with the model;
    all others share a learned vector.

    width (int): The lexemes' vectors' width, which is the number of filters.
    char_width (int): The width of the characters' vectors.
    window (int): How many characters a filter sees on either side of the middle one.
    min_freq (int): Characters that occur less often in the training data are unknown.
    unknown_rate (float): How often, in training, a character that occurs once in the training
        data is taken for unknown. It acts only if min_freq is 1: otherwise these are unknown.
    max_length (int): Of a longer lexeme only so many characters are read, half of them from its
        beginning and half from its end.
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
            "fit_vocabulary": fit_vocabulary,
            "see_names": see_no_names,
            "vocabulary": Alphabet(n_spare=N_SPARE),
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Draw the weights."""
    cnn = model.layers[0]
    cnn.set_dim("nV", len(model.attrs["vocabulary"]))
    cnn.initialize()


def fit_vocabulary(model: Model[InT, OutT], docs: Iterable[Doc], *, n_spare: int = 0) -> None:
    """Find the characters of the training data. If there are weights, they are drawn again.

    docs (Iterable[Doc]): All docs of the training data, read once.
    n_spare (int): The number of rows for characters that are first seen in training.
    """
    counts: Counter[str] = Counter()
    for word, count in count_texts(docs).items():
        for char in _read(word, model.attrs["max_length"]):
            counts[char] += count
    is_initialized = model.layers[0].has_param("E")
    alphabet = Alphabet.from_counts(counts, min_freq=model.attrs["min_freq"], n_spare=n_spare)
    model.attrs["vocabulary"] = alphabet
    model.layers[0] = _with_characters(model.layers[0], len(alphabet))
    if is_initialized:
        init(model)


def forward(model: Model[InT, OutT], lexemes: InT, is_train: bool) -> tuple[OutT, Callable]:
    words = [_read(text, model.attrs["max_length"]) for text in lexemes.texts]
    # User names are read alike, and so are URLs: in tweets, half of all lexemes that occur once.
    # While training each is dropped in its own way.
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
        place = {word: number for number, word in enumerate(distinct)}
        Y = Y[model.ops.asarray1i([place[word] for word in words])]
    return Y, backprop


def _read(text: str, max_length: int) -> str:
    """RETURNS (str): The characters that count, max_length at most."""
    text = mask_user_and_url(text)
    n_dropped = len(text) - max_length
    if n_dropped <= 0:
        return text
    n_first = max_length - max_length // 2
    return text[:n_first] + text[n_first + n_dropped :]


def _with_characters(cnn: Model[Ragged, OutT], nV: int) -> Model[Ragged, OutT]:
    """RETURNS (Model): The layer for another number of characters. It is a new one: Thinc changes
    no dimension of a layer that has weights, nor would their gradients fit any more."""
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
    """Look up the characters of all words, one after another; each distinct one once."""
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
    """The characters that have a vector. When it is loaded, the layer makes room for them."""


@deserialize_attr.register(Alphabet)
def _deserialize_alphabet(_: Any, value: bytes, name: str, model: Any) -> Vocabulary:
    alphabet = Alphabet.from_bytes(value)
    _make_room(model.layers[0], len(alphabet))
    return alphabet


def _make_room(cnn: Model[Ragged, OutT], nV: int) -> None:
    """Prepare a layer for weights of another number of characters. Thinc loads them next, but
    changes no dimension of a layer that has weights: it gives up those that it has."""
    if not cnn.has_dim("nV") or cnn.get_dim("nV") == nV:
        return
    for name in cnn.param_names:
        cnn.set_param(name, None)
    cnn.set_dim("nV", nV, force=True)
    if cnn.has_grad("E"):
        cnn.set_grad("E", cnn.ops.alloc2f(nV, cnn.get_dim("char_width")))
