"""Pretrained word vectors, projected to the tagger's width by a dense layer."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy
from spacy.vectors import Mode
from spacy.vocab import Vocab
from thinc.api import Model, get_array_module, glorot_uniform_init
from thinc.types import Floats2d

from ..normalization import normal_form
from .interface import EmbedPart
from .lexemes import SHARE_VOCAB, Lexemes, lookup, texts_by_vocab

InT: TypeAlias = Lexemes
OutT: TypeAlias = Floats2d
Bools1d: TypeAlias = numpy.ndarray

_NO_ROW = -1


def VectorEmbed(
    width: int, *, dropout: float = 0.0, normalize: bool = True, vector_dropout: float = 0.0
) -> Model[InT, OutT]:
    """Embed each distinct lexeme as W v + b, where v is its static vector. Lexemes without a static
    vector share a learned one. The static vectors are in the vocab, as loaded by [initialize]
    vectors. They aren't trained, and are saved with the pipeline instead of the model.

    A lexeme is looked up by its text, the lower-cased text, the normal form and, for hashtags, the
    normal form with the "#". Floret vectors have a vector for every normal form.

    width (int): Width of the output.
    dropout (float): Dropout rate on the entries of the static vectors. Overwritten by spaCy's
        [training] dropout.
    normalize (bool): Whether to scale the static vectors to length sqrt(3). The length of trained
        vectors depends on word frequency and on the training method. With this length, the initial
        outputs have a scale similar to learned embeddings.
    vector_dropout (float): Probability, in training, of ignoring a lexeme's static vector, so that
        the shared vector is learned and the tagger doesn't rely on static vectors alone. Not
        overwritten by [training] dropout.
    RETURNS (Model[Lexemes, Floats2d]): nU lexemes -> (nU, width)
    """
    return Model(
        "vector_embed",
        forward,
        init=init,
        dims={"nO": width, "nV": None},
        params={"W": None, "b": None, "unknown": None},
        attrs={
            "dropout_rate": dropout,
            "normalize": normalize,
            "vector_dropout": vector_dropout,
            "part": EmbedPart(name_keys=name_keys),
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Glorot-uniform weights, zero biases, and the shared vector from N(0, 1 / width)."""
    if X is not None and X.vocabs:
        model.set_dim("nV", _vectors_width(X.vocabs[0]))
    if not model.has_dim("nV"):
        raise ValueError(
            "VectorEmbed: the width of the vectors is unknown. Initialize the model with a sample "
            "of docs that have words"
        )
    nO, nV = model.get_dim("nO"), model.get_dim("nV")
    unknown = numpy.random.normal(scale=nO**-0.5, size=nO)
    model.set_param("W", glorot_uniform_init(model.ops, (nO, nV)))
    model.set_param("b", model.ops.alloc1f(nO))
    model.set_param("unknown", model.ops.asarray1f(unknown.astype("float32")))


def forward(model: Model[InT, OutT], lexemes: InT, is_train: bool) -> tuple[OutT, Callable]:
    ops = model.ops
    W, b, unknown = (model.get_param(name) for name in ("W", "b", "unknown"))
    V, known = _static_vectors(model, lexemes)
    if is_train:
        V = V * ops.get_dropout_mask(V.shape, model.attrs["dropout_rate"])
        known = known & (numpy.random.uniform(size=len(known)) >= model.attrs["vector_dropout"])
    is_known = ops.asarray(known)[:, None]
    Y = ops.xp.where(is_known, ops.gemm(V, W, trans2=True) + b, unknown)

    def backprop(dY: OutT) -> InT:
        d_known = ops.xp.where(is_known, dY, 0)
        model.inc_grad("W", ops.gemm(d_known, V, trans1=True))
        model.inc_grad("b", d_known.sum(axis=0))
        model.inc_grad("unknown", (dY - d_known).sum(axis=0))
        return lexemes

    return Y, backprop


def name_keys(model: Model[InT, OutT], lexemes: InT) -> list[int]:
    """RETURNS (list[int]): The vectors' rows. Some user names have their own, except in floret
    vectors, which are computed from normal forms."""
    rows = numpy.full(len(lexemes.texts), _NO_ROW)
    for vocab, indices, texts in texts_by_vocab(lexemes):
        if vocab.vectors.mode != Mode.floret:
            rows[indices] = _rows(vocab, texts)
    return rows.tolist()


def _vectors_width(vocab: Vocab) -> int:
    vectors = vocab.vectors
    if vectors.n_keys == 0 or 0 in vectors.shape:
        raise ValueError(
            f"VectorEmbed: the vocab has no vectors. {SHARE_VOCAB}. For a new component, set "
            "[initialize] vectors in the config to the folder `vectors` that `spacy-twitter-ner "
            "train-vectors` writes, or to any pipeline with vectors"
        )
    return vectors.shape[1]


def _static_vectors(model: Model[InT, OutT], lexemes: InT) -> tuple[Floats2d, Bools1d]:
    """Look up the static vectors.

    RETURNS (tuple[Floats2d, Bools1d]): (nU, nV) the vectors, zeros if a lexeme has none; and (nU,)
        a mask of lexemes that have one, on the CPU.
    """
    V = model.ops.alloc2f(len(lexemes.texts), model.get_dim("nV"))
    known = numpy.zeros(len(lexemes.texts), dtype=bool)
    for vocab, indices, texts in texts_by_vocab(lexemes):
        _validate_width(model, vocab)
        if vocab.vectors.mode == Mode.floret:
            found = vocab.vectors.get_batch([normal_form(text) for text in texts])
        else:
            rows = _rows(vocab, texts)
            indices, rows = indices[rows != _NO_ROW], rows[rows != _NO_ROW]
            data = vocab.vectors.data
            found = data[get_array_module(data).asarray(rows)]
        # Vectors may be stored as float16; V is float32.
        V[model.ops.asarray1i(indices)] = model.ops.asarray(found)
        known[indices] = True
    return _normalize(model, V) if model.attrs["normalize"] else V, known


def _validate_width(model: Model[InT, OutT], vocab: Vocab) -> None:
    width = _vectors_width(vocab)
    if width != model.get_dim("nV"):
        raise ValueError(
            f"VectorEmbed: the vocab's vectors have {width} dimensions, but the model was trained "
            f"with {model.get_dim('nV')}. {SHARE_VOCAB}. To use other vectors, initialize and "
            "train the component again"
        )


def _rows(vocab: Vocab, texts: Sequence[str]) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): (n,) rows of the vectors table; -1 if there is none."""
    found = (lookup(vocab.vectors.key2row, text) for text in texts)
    return numpy.asarray([_NO_ROW if row is None else row for row in found], dtype="int64")


def _normalize(model: Model[InT, OutT], V: Floats2d) -> Floats2d:
    norms = model.ops.xp.linalg.norm(V, axis=1, keepdims=True)
    norms[norms == 0] = 1.0
    return V * (3**0.5 / norms)
