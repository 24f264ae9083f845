"""The taggers: token vectors to a distribution over tags, each token's or the sequence's."""

from collections.abc import Callable
from typing import Any

import numpy
from spacy.tokens import Doc
from thinc.api import (
    Dropout,
    Linear,
    Model,
    Ops,
    Softmax_v2,
    chain,
    glorot_uniform_init,
    with_array,
)
from thinc.layers.chain import forward as forward_chain
from thinc.types import Floats1d, Floats2d

from ..layers import crf
from ..layers.heads import CRFHead, SoftmaxHead
from .lexeme_cache import LexemeCache
from .prediction import can_predict_by_lexeme, predict_by_lexeme

InT = list[Doc]
OutT = list[Floats2d]

# How many lexemes a tagger remembers: those that make up nine of ten tokens of tweets. Each takes
# 8 * hidden_width numbers, 64 MB in all with 100 hidden units.
CACHE_SIZE = 20_000
# How much smaller than that of O the logit of a new tag is.
NEW_TAG_MARGIN = 5.0
# The initial bias of O. It exceeds the differences of untrained logits, which are below 1.
OUTSIDE_MARGIN = 2.0


def BiLSTMTagger(
    tok2vec: Model[InT, OutT],
    nO: int | None = None,
    *,
    dropout: float = 0.0,
    cache_size: int = CACHE_SIZE,
) -> Model[InT, OutT]:
    """Tag each token: token vectors, a dense layer, a softmax over the tags.

    tok2vec (Model[list[Doc], list[Floats2d]]): The token vectors, as of spacy.Tok2Vec.v2 with
        spacy-twitter-ner.BiLSTMEncoder.v1, or a spacy.Tok2VecListener.v1.
    nO (Optional[int]): The number of tags. Found from the labels at initialisation if not given.
    dropout (float): Rate on the token vectors; spaCy's [training] dropout overwrites it.
    cache_size (int): Of how many lexemes prediction remembers what it computed; 0 for none.
    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, nO) array of probabilities a doc. Its
        backpropagation expects the gradient of the softmax's input.
    """
    width = tok2vec.maybe_get_dim("nO")
    output_layer = Softmax_v2(nO, width, init_W=glorot_uniform_init, init_b=favor_outside)
    model = chain(tok2vec, with_array(chain(Dropout(dropout), output_layer)))
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.attrs["head"] = SoftmaxHead()
    return _finish(model, cache_size)


def BiLSTMCRFTagger(
    tok2vec: Model[InT, OutT],
    nO: int | None = None,
    *,
    dropout: float = 0.0,
    cache_size: int = CACHE_SIZE,
) -> Model[InT, crf.Lattice]:
    """Tag each sequence: token vectors, a dense layer, a conditional random field over BIO tags
    (Huang, Xu & Yu 2015). Invalid sequences of tags have probability zero.

    tok2vec (Model[list[Doc], list[Floats2d]]): The token vectors, as of spacy.Tok2Vec.v2 with
        spacy-twitter-ner.BiLSTMEncoder.v1, or a spacy.Tok2VecListener.v1.
    nO (Optional[int]): The number of tags. Found from the labels at initialisation if not given.
    dropout (float): Rate on the token vectors; spaCy's [training] dropout overwrites it.
    cache_size (int): Of how many lexemes prediction remembers what it computed; 0 for none.
    RETURNS (Model[list[Doc], Lattice]): The scores of all tag sequences. Its backpropagation
        expects a Lattice of gradients.
    """
    width = tok2vec.maybe_get_dim("nO")
    output_layer = Linear(nO, width, init_W=glorot_uniform_init, init_b=favor_outside)
    crf_layer = crf.CRF(nO)
    emit = with_array(chain(Dropout(dropout), output_layer))
    model: Model[InT, crf.Lattice] = chain(tok2vec, emit, crf_layer)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.set_ref("crf", crf_layer)
    model.attrs["head"] = CRFHead()
    return _finish(model, cache_size)


def favor_outside(ops: Ops, shape: tuple[int, ...]) -> Floats1d:
    """Initialize the biases of the tags such that an untrained tagger predicts O everywhere."""
    b = ops.alloc1f(*shape)
    b[0] = OUTSIDE_MARGIN
    return b


def _finish(model: Model, cache_size: int) -> Model:
    model.attrs["resize_output"] = resize_output
    model.attrs["lexeme_cache"] = LexemeCache(cache_size)
    model.replace_callbacks(forward, init=model.init)
    return model


def forward(model: Model, docs: InT, is_train: bool) -> tuple[Any, Callable]:
    """The layers one after another; but prediction takes a shorter way to the same scores, if
    the layers allow it."""
    tok2vec, emit, *crf_layers = model.layers
    if is_train or not can_predict_by_lexeme(tok2vec, docs):
        return forward_chain(model, docs, is_train)
    output_layer = emit.layers[0].layers[-1]
    readout = output_layer.get_param("W").T
    emissions = predict_by_lexeme(tok2vec, docs, model.attrs["lexeme_cache"], readout)
    emissions += output_layer.get_param("b")
    if output_layer.name == "softmax":
        emissions = output_layer.ops.softmax(emissions, inplace=True)
    lengths = [len(doc) for doc in docs]
    if crf_layers:
        return crf.score_sequences(crf_layers[0], emissions, lengths), _no_backprop
    return numpy.split(emissions, numpy.cumsum(lengths)[:-1]), _no_backprop


def _no_backprop(d_scores: Any) -> InT:
    raise RuntimeError("a prediction has no gradient: call the model with is_train=True")


def resize_output(model: Model, nO: int) -> Model:
    """Make room for more tags. What is known of the first ones stays, and so do predictions.

    nO (int): The new number of tags.
    RETURNS (Model): The same model.
    """
    smaller = model.get_ref("output_layer")
    # New layers rather than larger arrays in the old ones: an optimizer keeps its averages by
    # layer, and those of the old ones would not fit.
    make_layer = Softmax_v2 if smaller.name == "softmax" else Linear
    larger = make_layer(nO, smaller.maybe_get_dim("nI"), init_W=glorot_uniform_init)
    if smaller.has_dim("nO") and smaller.has_param("W"):
        n_known = smaller.get_dim("nO")
        larger.initialize()
        for name in larger.param_names:
            param = larger.get_param(name)
            param[:n_known] = smaller.get_param(name)
            # Random weights would take tokens from the known tags. As a rarer O a new tag is
            # never the best one until it is learned.
            param[n_known:] = param[0]
            larger.set_param(name, param)
        larger.get_param("b")[n_known:] -= NEW_TAG_MARGIN
    _replace(model, smaller, larger, nO)
    if model.has_ref("crf"):
        crf_layer = model.get_ref("crf")
        _replace(model, crf_layer, crf.resize(crf_layer, nO, NEW_TAG_MARGIN), nO)
    return model


def _replace(model: Model, old: Model, new: Model, nO: int) -> None:
    model.replace_node(old, new)
    for node in model.walk():
        if node is not new and node.has_dim("nO") is not False and _ends_in(node, new):
            node.set_dim("nO", nO, force=True)


def _ends_in(node: Model, last: Model) -> bool:
    """Whether a node's output is that of the given layer."""
    while node is not last and node.layers:
        node = node.layers[-1]
    return node is last
