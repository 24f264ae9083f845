"""Character-level CNN word representations (Ma & Hovy 2016, section 2.1).

    h_t = W [e_(t-w), ..., e_t, ..., e_(t+w)]      the window around character t, 0 outside the word
    y   = max_t h_t + b                            for each filter

The maximum is the only nonlinearity. The windows of all words are multiplied at once, without
padding.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy
from thinc.api import Model, get_width, glorot_uniform_init
from thinc.types import Floats2d, Ints1d, Ragged

from .packing import pack_sequences
from .recurrent import apply_input_dropout

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
    """Embed the characters of each word, apply a convolution and max-pool each filter.

    nO (Optional[int]): Number of filters, the output width.
    nV (Optional[int]): Number of distinct characters.
    char_width (int): Width of the character vectors.
    window (int): Number of characters on either side of the center that a filter covers.
    dropout (float): Dropout rate for the character vectors, with a new mask for each character of
        each word. spaCy's training loop overwrites it with [training] dropout.
    RETURNS (Model[Ragged, Floats2d]): (N,) character IDs of nW concatenated words -> (nW, nO).
        The output of an empty word is zero.
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
    """Initialize with vectors from N(0, 1 / char_width), Glorot-uniform filters and zero bias."""
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
    # Empty words have no maximum.
    words = ops.xp.flatnonzero(X.lengths)
    lengths = ops.asarray1i(X.lengths[words])
    if not is_train and len(ids) > len(E):
        return _predict(model, ids, words, lengths, len(X.lengths)), _no_backprop
    chars, backprop_dropout = apply_input_dropout(model, E[ids], is_train)
    windows = ops.seq2col(chars, window, lengths=lengths)
    maxima, positions = ops.reduce_max(windows @ W.T, lengths)
    Y = ops.xp.zeros((len(X.lengths), len(W)), dtype=maxima.dtype)
    Y[words] = maxima + b

    def backprop(dY: OutT) -> InT:
        d_maxima = dY[words]
        d_filtered = ops.backprop_reduce_max(d_maxima, positions, lengths)
        d_chars = ops.backprop_seq2col(d_filtered @ W, window, lengths=lengths)
        dE = ops.xp.zeros_like(E)
        ops.scatter_add(dE, ids, backprop_dropout(d_chars))
        model.inc_grad("E", dE)
        model.inc_grad("W", d_filtered.T @ windows)
        model.inc_grad("b", d_maxima.sum(axis=0))
        # IDs have no gradient.
        return Ragged(ops.xp.zeros_like(X.dataXd), X.lengths)

    return Y, backprop


def _predict(
    model: Model[InT, OutT], ids: Ints1d, words: Ints1d, lengths: Ints1d, n_words: int
) -> Floats2d:
    """Look up each character's contribution at each window offset instead of multiplying windows.
    Faster if there are more characters than distinct ones.

    ids (Ints1d): (N,) the characters of all words.
    words (Ints1d): (nW,) the indices of nonempty words.
    lengths (Ints1d): (nW,) their lengths.
    n_words (int): Number of words, including empty ones.
    RETURNS (Floats2d): (n_words, nO)
    """
    xp, window = model.ops.xp, model.attrs["window"]
    E, W, b = model.get_param("E"), model.get_param("W"), model.get_param("b")
    by_offset = W.reshape(len(W), 2 * window + 1, -1)
    contributions = xp.matmul(E, by_offset.transpose(1, 2, 0))
    packing = pack_sequences(model.ops, lengths)
    steps = [ids[packing.forward[start:end]] for start, end in packing.step_offsets]
    maxima = xp.full((packing.n_sequences, len(W)), -xp.inf, dtype=E.dtype)
    for position, chars in enumerate(steps):
        filtered = contributions[window, chars]
        for offset in range(-window, window + 1):
            if offset and 0 <= position + offset < len(steps):
                neighbors = steps[position + offset][: len(chars)]
                filtered[: len(neighbors)] += contributions[window + offset, neighbors]
        highest = maxima[: len(chars)]
        xp.maximum(highest, filtered, out=highest)
    longest_first = words[packing.owner[: packing.n_sequences]]
    Y = xp.zeros((n_words, len(W)), dtype=E.dtype)
    Y[longest_first] = maxima + b
    return Y


def _no_backprop(dY: OutT) -> InT:
    raise ValueError(
        "CharCNN: predictions can't be backpropagated. Call the layer with is_train=True"
    )
