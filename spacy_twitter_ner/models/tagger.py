"""Taggers: token vectors to a distribution over the tags of each token or sequence."""

from collections.abc import Callable, Sequence
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
from .inference import LexemeCache, can_predict_by_lexeme, predict_by_lexeme

InT = list[Doc]
OutT = list[Floats2d]

# Default cache size. Covers four fifths of the tokens in a tweet stream. Each lexeme takes
# 8 * hidden_width floats: 64 MB in total with 100 hidden units.
CACHE_SIZE = 20_000
# The logit of a new tag is that of O minus this margin.
NEW_TAG_MARGIN = 5.0
# Initial bias of O. Greater than the differences between untrained logits, which are below 1.
OUTSIDE_MARGIN = 2.0


def BiLSTMTagger(
    tok2vec: Model[InT, OutT],
    nO: int | None = None,
    *,
    dropout: float = 0.0,
    cache_size: int = CACHE_SIZE,
) -> Model[InT, OutT]:
    """Tag each token independently: token vectors, a dense layer and a softmax over the tags.

    tok2vec (Model[list[Doc], list[Floats2d]]): The token vectors, such as spacy.Tok2Vec.v2 with
        spacy-twitter-ner.BiLSTMEncoder.v1, or a spacy.Tok2VecListener.v1.
    nO (Optional[int]): The number of tags. Inferred from the labels if not given.
    dropout (float): Dropout rate on the token vectors. Overwritten by spaCy's [training] dropout.
    cache_size (int): Maximum number of lexemes to cache during prediction. 0 disables the cache.
    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, nO) array of probabilities per doc. Its
        backprop callback expects the gradient with respect to the softmax's input.
    """
    width = tok2vec.maybe_get_dim("nO")
    output_layer = Softmax_v2(nO, width, init_W=glorot_uniform_init, init_b=favor_outside)
    model = chain(tok2vec, with_array(chain(Dropout(dropout), output_layer)))
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.attrs["head"] = SoftmaxHead()
    return _set_attrs(model, cache_size)


def BiLSTMCRFTagger(
    tok2vec: Model[InT, OutT],
    nO: int | None = None,
    *,
    dropout: float = 0.0,
    cache_size: int = CACHE_SIZE,
) -> Model[InT, crf.Lattice]:
    """Tag each sequence: token vectors, a dense layer and a conditional random field over BIO tags
    (Huang, Xu & Yu 2015). Invalid tag sequences have probability zero.

    tok2vec (Model[list[Doc], list[Floats2d]]): The token vectors, such as spacy.Tok2Vec.v2 with
        spacy-twitter-ner.BiLSTMEncoder.v1, or a spacy.Tok2VecListener.v1.
    nO (Optional[int]): The number of tags. Inferred from the labels if not given.
    dropout (float): Dropout rate on the token vectors. Overwritten by spaCy's [training] dropout.
    cache_size (int): Maximum number of lexemes to cache during prediction. 0 disables the cache.
    RETURNS (Model[list[Doc], Lattice]): The scores of all tag sequences. Its backprop callback
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
    return _set_attrs(model, cache_size)


def favor_outside(ops: Ops, shape: tuple[int, ...]) -> Floats1d:
    """Initialize the tags' biases so that an untrained tagger predicts O everywhere."""
    b = ops.alloc1f(*shape)
    b[0] = OUTSIDE_MARGIN
    return b


def _set_attrs(model: Model, cache_size: int) -> Model:
    model.attrs["resize_output"] = resize_output
    model.attrs["select_tags"] = select_tags
    model.attrs["lexeme_cache"] = LexemeCache(cache_size)
    model.replace_callbacks(forward, init=model.init)
    return model


def forward(model: Model, docs: InT, is_train: bool) -> tuple[Any, Callable]:
    """Apply the layers one after another. Prediction computes the same scores by lexeme if the
    layers support it."""
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
    raise RuntimeError("predictions can't be backpropagated. Call the model with is_train=True")


def resize_output(model: Model, nO: int) -> Model:
    """Add tags. Existing weights and predictions stay the same.

    nO (int): The new number of tags.
    RETURNS (Model): The same model.
    """
    n_known = model.get_ref("output_layer").maybe_get_dim("nO") or 0
    return select_tags(model, [*range(n_known), *[None] * (nO - n_known)])


def select_tags(model: Model, tags: Sequence[int | None]) -> Model:
    """Replace the tags, and keep the weights of those that were there before.

    tags (Sequence[Optional[int]]): For each tag, its old index. None for a new one, which is a less
        likely O: with random weights, it could win over known ones before it is learned.
    RETURNS (Model): The same model.
    """
    old = model.get_ref("output_layer")
    # New layers instead of other arrays in the old ones: optimizers store averages by layer, and
    # those of the old layers would have the wrong shape.
    make_layer = Softmax_v2 if old.name == "softmax" else Linear
    new = make_layer(len(tags), old.maybe_get_dim("nI"), init_W=glorot_uniform_init)
    if old.has_param("W"):
        for name in old.param_names:
            new.set_param(name, old.get_param(name)[[tag or 0 for tag in tags]])
        new.get_param("b")[[tag is None for tag in tags]] -= NEW_TAG_MARGIN
    _replace(model, old, new, len(tags))
    if model.has_ref("crf"):
        crf_layer = model.get_ref("crf")
        _replace(model, crf_layer, crf.select_tags(crf_layer, tags, NEW_TAG_MARGIN), len(tags))
    return model


def _replace(model: Model, old: Model, new: Model, nO: int) -> None:
    model.replace_node(old, new)
    for node in model.walk():
        if node is not new and node.has_dim("nO") is not False and _ends_in(node, new):
            node.set_dim("nO", nO, force=True)


def _ends_in(node: Model, last: Model) -> bool:
    """RETURNS (bool): Whether the node's output is that of its descendant `last`."""
    while node is not last and node.layers:
        node = node.layers[-1]
    return node is last
