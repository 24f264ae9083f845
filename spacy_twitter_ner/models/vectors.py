"""Word vectors made of other texts, brought to the tagger's width by a learned dense layer."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy
from spacy.vectors import Mode
from spacy.vocab import Vocab
from thinc.api import Model, get_array_module, glorot_uniform_init
from thinc.types import Floats2d

from ..normalization import normal_form
from .features import Lexemes
from .lookup import SHARE_VOCAB, look_up, texts_by_vocab

InT: TypeAlias = Lexemes
OutT: TypeAlias = Floats2d
Bools1d: TypeAlias = numpy.ndarray

_NO_ROW = -1


def VectorEmbed(
    width: int, *, dropout: float = 0.0, normalize: bool = True, vector_dropout: float = 0.0
) -> Model[InT, OutT]:
    """Embed each distinct lexeme by its static vector v, as W v + b; those that have none share a
    learned vector. The static vectors are those of the vocab, which [initialize] vectors names;
    they are not trained and are stored with the pipeline, not with the model.

    A lexeme is looked up by its text, lower-cased, by its normal form, and by that with the "#"
    if it is a hashtag. In a table of floret vectors the normal form has a vector always.

    width (int): The width of the output.
    dropout (float): Rate on the entries of the static vectors. spaCy's training loop overwrites
        it with its own [training] dropout.
    normalize (bool): Whether to bring the static vectors to the length of sqrt(3). The scale of
        trained vectors tells how frequent a word is, and differs from one training to another;
        with this length, the outputs' first scale is close to that of learned embeddings.
    vector_dropout (float): How often, in training, a lexeme is taken for one without a static
        vector: the shared vector is learned, and the tagger does not lean on vectors alone. The
        training loop leaves it alone.
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
            "see_names": see_names,
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Glorot-uniform weights, no bias, the shared vector from N(0, 1 / width)."""
    if X is not None and X.vocabs:
        model.set_dim("nV", _vectors_width(X.vocabs[0]))
    if not model.has_dim("nV"):
        raise ValueError(
            "VectorEmbed: the width of the vectors is not known; initialize it with a sample of "
            "docs that have words"
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


def see_names(model: Model[InT, OutT], lexemes: InT) -> list[int]:
    """RETURNS (list[int]): What the model sees of user names and of URLs, for each: known ones have
    vectors of their own, but for those of floret, which are made of normal forms."""
    rows = numpy.full(len(lexemes.texts), _NO_ROW)
    for vocab, indices, texts in texts_by_vocab(lexemes):
        if vocab.vectors.mode != Mode.floret:
            rows[indices] = _rows(vocab, texts)
    return rows.tolist()


def _vectors_width(vocab: Vocab) -> int:
    vectors = vocab.vectors
    if vectors.n_keys == 0 or 0 in vectors.shape:
        raise ValueError(
            f"The vocab has no vectors. {SHARE_VOCAB}. For a new component, name vectors in the "
            "config, in [initialize] vectors: the folder `vectors` that `spacy-twitter-ner "
            "lexical` writes, or any pipeline with vectors"
        )
    return vectors.shape[1]


def _static_vectors(model: Model[InT, OutT], lexemes: InT) -> tuple[Floats2d, Bools1d]:
    """Look the lexemes up.

    RETURNS (tuple[Floats2d, Bools1d]): (nU, nV) the static vectors, zeros where there is none;
        and (nU,) where there is one, on the CPU.
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
            f"The vocab's vectors have {width} dimensions, but the model was made for "
            f"{model.get_dim('nV')}. {SHARE_VOCAB}. To use other vectors, initialize and train "
            "the component again"
        )


def _rows(vocab: Vocab, texts: Sequence[str]) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): (n,) rows of the table of vectors; -1 where there is none."""
    found = (look_up(vocab.vectors.key2row, text) for text in texts)
    return numpy.asarray([_NO_ROW if row is None else row for row in found], dtype="int64")


def _normalize(model: Model[InT, OutT], V: Floats2d) -> Floats2d:
    norms = model.ops.xp.linalg.norm(V, axis=1, keepdims=True)
    # A vector of zeros stays one.
    norms[norms == 0] = 1.0
    return V * (3**0.5 / norms)
