"""Words by their characters: a convolution and its maximum (Ma & Hovy 2016, section 2.1).

    h_t = W [e_(t-w), ..., e_t, ..., e_(t+w)]      the window around character t, 0 outside the word
    y   = max_t h_t + b                            for each filter on its own

No nonlinearity but the maximum. The windows of all words are multiplied in one go; no word is
padded to the length of another.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy
from thinc.api import Model, get_width, glorot_uniform_init
from thinc.types import Floats2d, Ints1d, Ragged

from .packing import pack_sequences
from .recurrent import drop_inputs

InT: TypeAlias = Ragged
OutT: TypeAlias = Floats2d


def CharCNN(
    nO: int | None = None,
    nV: int | None = None,
    *,
    char_width: int = 25,
    window: int = 1,
    dropout: float = 0.0,
) -> Model[InT, OutT]:
    """Embed the characters of each word, convolve them and keep each filter's maximum.

    nO (Optional[int]): How many filters, the output width.
    nV (Optional[int]): How many characters have a vector.
    char_width (int): The width of the characters' vectors.
    window (int): How many characters a filter sees on either side of the middle one.
    dropout (float): Rate on the characters' vectors, a new mask for every character of every
        word. spaCy's training loop overwrites it with its own [training] dropout.
    RETURNS (Model[Ragged, Floats2d]): (N,) character ids, nW words one after another -> (nW, nO).
        A word without characters has zeros.
    RAISES (ValueError): If char_width or window is too small.
    """
    if char_width < 1:
        raise ValueError(f"CharCNN: char_width must be at least 1, not {char_width}")
    if window < 0:
        raise ValueError(f"CharCNN: window must be at least 0, not {window}")
    return Model(
        "char_cnn",
        forward,
        init=init,
        dims={"nO": nO, "nV": nV, "char_width": char_width},
        params={"E": None, "W": None, "b": None},
        attrs={"window": window, "dropout_rate": dropout},
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Vectors from N(0, 1 / char_width), Glorot-uniform filters, no bias."""
    if Y is not None:
        model.set_dim("nO", get_width(Y))
    nO, nV, width = (model.get_dim(name) for name in ("nO", "nV", "char_width"))
    E = numpy.random.normal(scale=width**-0.5, size=(nV, width))
    n_inputs = (2 * model.attrs["window"] + 1) * width
    model.set_param("E", model.ops.asarray2f(E.astype("float32")))
    model.set_param("W", glorot_uniform_init(model.ops, (nO, n_inputs)))
    model.set_param("b", model.ops.alloc1f(nO))


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> tuple[OutT, Callable]:
    ops, window = model.ops, model.attrs["window"]
    E, W, b = model.get_param("E"), model.get_param("W"), model.get_param("b")
    ids = ops.asarray1i(X.dataXd.reshape(-1))
    # Words without characters have no maximum.
    words = ops.xp.flatnonzero(X.lengths)
    lengths = ops.asarray1i(X.lengths[words])
    if not is_train and len(ids) > len(E):
        return _predict(model, ids, words, lengths, len(X.lengths)), _no_backprop
    chars, backprop_dropout = drop_inputs(model, E[ids], is_train)
    windows = ops.seq2col(chars, window, lengths=lengths)
    maxima, places = ops.reduce_max(windows @ W.T, lengths)
    Y = ops.xp.zeros((len(X.lengths), len(W)), dtype=maxima.dtype)
    Y[words] = maxima + b

    def backprop(dY: OutT) -> InT:
        d_maxima = dY[words]
        d_filtered = ops.backprop_reduce_max(d_maxima, places, lengths)
        d_chars = ops.backprop_seq2col(d_filtered @ W, window, lengths=lengths)
        dE = ops.xp.zeros_like(E)
        ops.scatter_add(dE, ids, backprop_dropout(d_chars))
        model.inc_grad("E", dE)
        model.inc_grad("W", d_filtered.T @ windows)
        model.inc_grad("b", d_maxima.sum(axis=0))
        # Ids have no gradient.
        return Ragged(ops.xp.zeros_like(X.dataXd), X.lengths)

    return Y, backprop


def _predict(
    model: Model[InT, OutT], ids: Ints1d, words: Ints1d, lengths: Ints1d, n_words: int
) -> Floats2d:
    """Where there are more characters in all than different ones, look up what each adds to the
    filters at each place of their window, rather than multiply the windows. All words are read at
    the same time, character by character.

    ids (Ints1d): (N,) the characters of all words.
    words (Ints1d): (nW,) which words have characters.
    lengths (Ints1d): (nW,) how many.
    n_words (int): How many words there are.
    RETURNS (Floats2d): (n_words, nO)
    """
    xp, window = model.ops.xp, model.attrs["window"]
    E, W, b = model.get_param("E"), model.get_param("W"), model.get_param("b")
    by_place = W.reshape(len(W), 2 * window + 1, -1)
    added = xp.matmul(E, by_place.transpose(1, 2, 0))
    packing = pack_sequences(model.ops, lengths)
    steps = [ids[packing.left_to_right[start:end]] for start, end in packing.bounds]
    maxima = xp.full((packing.first_step, len(W)), -xp.inf, dtype=E.dtype)
    for place, chars in enumerate(steps):
        filtered = added[window, chars]
        for offset in range(-window, window + 1):
            if offset and 0 <= place + offset < len(steps):
                # Fewer than here where the words are shorter than that.
                neighbours = steps[place + offset][: len(chars)]
                filtered[: len(neighbours)] += added[window + offset, neighbours]
        highest = maxima[: len(chars)]
        xp.maximum(highest, filtered, out=highest)
    longest_first = xp.repeat(words, lengths)[packing.left_to_right[: packing.first_step]]
    Y = xp.zeros((n_words, len(W)), dtype=E.dtype)
    Y[longest_first] = maxima + b
    return Y


def _no_backprop(dY: OutT) -> InT:
    raise ValueError("CharCNN: a prediction cannot be backpropagated; call it with is_train=True")
