from collections.abc import Callable

import numpy
import pytest
from spacy.ml.models.tok2vec import build_Tok2Vec_model
from thinc.api import Adam, Model, fix_random_seed, set_dropout_rate

from spacy_twitter_ner.layers.forward_backward import gold_mask, marginals
from spacy_twitter_ner.layers.heads import CRFHead, SoftmaxHead
from spacy_twitter_ner.models.embed import WordEmbed
from spacy_twitter_ner.models.encoder import BiLSTMEncoder
from spacy_twitter_ner.models.tagger import (
    BiLSTMCRFTagger,
    BiLSTMTagger,
    resize_output,
    select_tags,
)

from .docs import fit_and_initialize, make_docs

DOCS = make_docs("the cat saw the dog", "", "a cat", "cats")
N_TOKENS = sum(len(doc) for doc in DOCS)


BOTH = pytest.mark.parametrize("architecture", [BiLSTMTagger, BiLSTMCRFTagger])


def make_tagger(
    nO: int | None = None,
    *,
    architecture: Callable[..., Model] = BiLSTMTagger,
    initialize: bool = True,
    dropout: float = 0.0,
) -> Model:
    fix_random_seed(0)
    model = architecture(build_Tok2Vec_model(WordEmbed(6), BiLSTMEncoder(4)), nO, dropout=dropout)
    if initialize:
        embed = model.get_ref("tok2vec").get_ref("embed")
        fit_and_initialize(embed, DOCS)
        model.initialize(X=DOCS, Y=[numpy.zeros((len(doc), nO or 3), "float32") for doc in DOCS])
    return model


def known(model: Model, tags: list[int]) -> numpy.ndarray:
    return gold_mask(numpy.asarray(tags), model.get_ref("output_layer").get_dim("nO"))


def train(model: Model, optimizer: Adam, tags: list[int], n_steps: int) -> None:
    head = model.attrs["head"]
    for _ in range(n_steps):
        scores, backprop = model(DOCS, is_train=True)
        _, gradient = head.get_loss(scores, known(model, tags))
        backprop(head.scale(gradient, 1 / len(tags)))
        model.finish_update(optimizer)


def predict(model: Model) -> numpy.ndarray:
    """Each token's distribution over the tags."""
    scores = model.predict(DOCS)
    is_crf = isinstance(model.attrs["head"], CRFHead)
    return marginals(scores)[1].emissions if is_crf else numpy.concatenate(scores)


def decode(model: Model) -> list[int]:
    nowhere = numpy.zeros(N_TOKENS, dtype=bool)
    return model.attrs["head"].decode(model.predict(DOCS), nowhere, nowhere).tolist()


@pytest.mark.parametrize("nO", [None, 5])
def test_softmax_output_is_a_distribution_per_token(nO: int | None) -> None:
    model = make_tagger(nO)
    Ys = model.predict(DOCS)
    assert [Y.shape for Y in Ys] == [(len(doc), nO or 3) for doc in DOCS]
    assert predict(model).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert [Y.shape for Y in model.predict(DOCS[1:2])] == [(0, nO or 3)]


@pytest.mark.parametrize("nO", [None, 5])
def test_crf_output_is_a_lattice(nO: int | None) -> None:
    model = make_tagger(nO, architecture=BiLSTMCRFTagger)
    scores = model.predict(DOCS)
    assert scores.lengths == [len(doc) for doc in DOCS]
    assert scores.emissions.shape == (N_TOKENS, nO or 3)
    assert scores.transitions.shape == (nO or 3, nO or 3)
    assert predict(model).sum(axis=1) == pytest.approx(1.0)
    nothing = model.predict(DOCS[1:2])
    assert (nothing.emissions.shape, nothing.lengths) == ((0, nO or 3), [0])


def test_heads() -> None:
    assert isinstance(make_tagger().attrs["head"], SoftmaxHead)
    assert isinstance(make_tagger(architecture=BiLSTMCRFTagger).attrs["head"], CRFHead)


@BOTH
def test_refs(architecture: Callable[..., Model]) -> None:
    model = make_tagger(architecture=architecture)
    assert model.get_ref("tok2vec").get_dim("nO") == 8
    assert model.get_ref("output_layer").get_dim("nO") == 3
    assert model.attrs["resize_output"] is resize_output
    assert model.has_ref("crf") == (architecture is BiLSTMCRFTagger)
    assert not model.has_ref("crf") or model.get_ref("crf").get_dim("nO") == 3


@BOTH
def test_output_weights_are_initialized(architecture: Callable[..., Model]) -> None:
    # Thinc's own start at zero, so that token vectors would get no gradient at first.
    assert output_weights(make_tagger(architecture=architecture)).all()


def output_weights(model: Model) -> numpy.ndarray:
    return model.get_ref("output_layer").get_param("W")


@BOTH
def test_gradient_is_that_of_the_loss(architecture: Callable[..., Model]) -> None:
    """With respect to the output layer's bias and the CRF's transitions."""
    model = make_tagger(architecture=architecture)
    head, gold = model.attrs["head"], known(model, [0, 1, 2, 0, 1, 1, 0, 1])
    scores, backprop = model(DOCS, is_train=True)
    backprop(head.get_loss(scores, gold)[1])
    step = 1e-2
    layers = [model.get_ref(name) for name in ("output_layer", "crf") if model.has_ref(name)]
    checked = [(layer, name) for layer in layers for name in layer.param_names if name != "W"]
    for node, name in checked:
        param = node.get_param(name)
        for index in numpy.ndindex(*param.shape):
            losses = []
            for sign in (1, -1):
                param[index] += sign * step
                losses.append(head.get_loss(model.predict(DOCS), gold)[0])
                param[index] -= sign * step
            expected = (losses[0] - losses[1]) / (2 * step)
            assert node.get_grad(name)[index] == pytest.approx(expected, abs=1e-2)


@BOTH
def test_dropout_is_for_training_only(architecture: Callable[..., Model]) -> None:
    model = make_tagger(architecture=architecture, dropout=0.5)

    def loss(is_train: bool) -> float:
        scores, _ = model(DOCS, is_train=is_train)
        return model.attrs["head"].get_loss(scores, known(model, [0] * N_TOKENS))[0]

    before = loss(False)
    assert loss(False) == before
    assert loss(True) != before
    set_dropout_rate(model, 0.0)
    # Prediction sums in another order.
    assert loss(True) == pytest.approx(before, abs=1e-5)


def test_resize_keeps_weights_and_predictions() -> None:
    model = make_tagger()
    train(model, Adam(0.01), [0, 1, 2, 0, 1, 2, 0, 1], 30)
    before = predict(model)
    assert resize_output(model, 7) is model
    after = predict(model)
    assert after.shape == (N_TOKENS, 7)
    assert after.sum(axis=1) == pytest.approx(1.0, abs=1e-5)

    # Probabilities determine logits up to a constant per token.
    def logits(probabilities: numpy.ndarray) -> numpy.ndarray:
        logs = numpy.log(probabilities[:, :3])
        return logs - logs[:, :1]

    assert logits(after) == pytest.approx(logits(before), abs=1e-4)
    assert model.get_ref("output_layer").get_dim("nO") == 7
    # New tags are improbable, but can be learned.
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
    assert (after[:, 3:] > 0).all()
    assert (output_weights(model)[3:] != 0).all()


@pytest.mark.parametrize("n_steps", [0, 5, 30])
def test_resize_keeps_the_probabilities_of_a_crf(n_steps: int) -> None:
    model = make_tagger(architecture=BiLSTMCRFTagger)
    train(model, Adam(0.01), [0, 1, 2, 0, 1, 1, 0, 1], n_steps)
    before, tags = predict(model), decode(model)
    assert resize_output(model, 7) is model
    after = predict(model)
    assert after.shape == (N_TOKENS, 7)
    assert abs(after[:, :3] - before).max() < 0.02
    assert decode(model) == tags
    # A new type is improbable, but can be learned.
    assert (after[:, [3, 5]] > 1e-8).all()
    assert (output_weights(model)[3:] != 0).all()


@BOTH
def test_resize_replaces_the_width_everywhere(architecture: Callable[..., Model]) -> None:
    model = make_tagger(architecture=architecture)
    resize_output(model, 7)
    assert model.get_dim("nO") == 7
    widths = [node.maybe_get_dim(dim) for node in model.walk() for dim in ("nO", "nI")]
    assert 3 not in widths
    assert model.get_ref("tok2vec").get_dim("nO") == 8
    loaded = make_tagger(7, architecture=architecture).from_bytes(model.to_bytes())
    assert predict(loaded).shape == (N_TOKENS, 7)


@pytest.mark.slow
@BOTH
def test_training_after_resizing(architecture: Callable[..., Model]) -> None:
    model, optimizer = make_tagger(architecture=architecture), Adam(0.02)
    # The docs have 5, 0, 2 and 1 tokens.
    train(model, optimizer, [0, 1, 2, 0, 1, 1, 2, 1], 5)
    resize_output(model, 5)
    tags = [0, 3, 4, 0, 1, 3, 4, 3]
    train(model, optimizer, tags, 120)
    assert decode(model) == tags
    resize_output(model, 7)
    with model.use_params(optimizer.averages):
        assert predict(model).shape == (N_TOKENS, 7)
    train(model, optimizer, [5, *tags[1:]], 60)
    assert decode(model) == [5, *tags[1:]]


@BOTH
def test_select_tags_keeps_weights(architecture: Callable[..., Model]) -> None:
    model = make_tagger(5, architecture=architecture)
    before = output_weights(model).copy()
    assert select_tags(model, [0, 3, 4, None, None]) is model
    after = output_weights(model)
    assert (after[:3] == before[[0, 3, 4]]).all()
    assert (after[3:] == before[0]).all()
    assert model.get_dim("nO") == 5
    select_tags(model, [0, 1, 2])
    assert predict(model).shape == (N_TOKENS, 3)


@BOTH
@pytest.mark.parametrize("nO", [None, 3])
def test_resize_before_initialization(architecture: Callable[..., Model], nO: int | None) -> None:
    model = make_tagger(nO, architecture=architecture, initialize=False)
    resize_output(model, 7)
    assert model.get_ref("output_layer").get_dim("nO") == 7
    model.initialize(X=DOCS)
    assert predict(model).shape == (N_TOKENS, 7)


@BOTH
def test_bytes_round_trip(architecture: Callable[..., Model]) -> None:
    model = make_tagger(architecture=architecture)
    train(model, Adam(0.01), [0, 1, 2, 0, 1, 1, 0, 1], 3)
    loaded = make_tagger(architecture=architecture, initialize=False).from_bytes(model.to_bytes())
    assert (predict(loaded) == predict(model)).all()
