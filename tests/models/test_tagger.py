import numpy
import pytest
from spacy.ml.models.tok2vec import build_Tok2Vec_model
from thinc.api import Adam, Model, set_dropout_rate

from spacy_twitter_ner.models.embed import WordEmbed
from spacy_twitter_ner.models.encoder import BiLSTMEncoder
from spacy_twitter_ner.models.tagger import BiLSTMTagger, resize_output

from .docs import make_docs

DOCS = make_docs("the cat saw the dog", "", "a cat", "cats")
N_TOKENS = sum(len(doc) for doc in DOCS)


def make_tagger(nO: int | None = None, *, initialize: bool = True, dropout: float = 0.0) -> Model:
    tok2vec = build_Tok2Vec_model(WordEmbed(6), BiLSTMEncoder(4))
    model = BiLSTMTagger(tok2vec, nO, dropout=dropout)
    if initialize:
        model.initialize(X=DOCS, Y=[numpy.zeros((len(doc), nO or 3), "float32") for doc in DOCS])
    return model


def train(model: Model, optimizer: Adam, tags: list[int], n_steps: int) -> None:
    gold = numpy.eye(model.get_ref("output_layer").get_dim("nO"), dtype="float32")[tags]
    for _ in range(n_steps):
        Ys, backprop = model(DOCS, is_train=True)
        gradient = (numpy.concatenate(Ys) - gold) / len(gold)
        backprop(model.ops.unflatten(gradient, [len(doc) for doc in DOCS]))
        model.finish_update(optimizer)


def predict(model: Model) -> numpy.ndarray:
    return numpy.concatenate(model.predict(DOCS))


@pytest.mark.parametrize("nO", [None, 5])
def test_gives_a_distribution_for_each_token(nO: int | None) -> None:
    model = make_tagger(nO)
    Ys = model.predict(DOCS)
    assert [Y.shape for Y in Ys] == [(len(doc), nO or 3) for doc in DOCS]
    assert predict(model).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert [Y.shape for Y in model.predict(DOCS[1:2])] == [(0, nO or 3)]


def test_refs() -> None:
    model = make_tagger()
    assert model.get_ref("tok2vec").get_dim("nO") == 8
    assert model.get_ref("output_layer").get_dim("nO") == 3
    assert model.attrs["resize_output"] is resize_output


def test_output_weights_are_not_zero_at_first() -> None:
    # Thinc's own start at zero, from which nothing would reach the token vectors at first.
    assert model_weights(make_tagger()).all()


def model_weights(model: Model) -> numpy.ndarray:
    return model.get_ref("output_layer").get_param("W")


def test_gradient_is_that_of_the_input_of_the_softmax() -> None:
    model = make_tagger()
    output_layer = model.get_ref("output_layer")
    gold = numpy.arange(N_TOKENS) % 3
    step = 1e-2

    def loss() -> float:
        return -float(numpy.log(predict(model)[numpy.arange(N_TOKENS), gold]).sum())

    Ys, backprop = model(DOCS, is_train=True)
    gradient = numpy.concatenate(Ys) - numpy.eye(3, dtype="float32")[gold]
    backprop(model.ops.unflatten(gradient, [len(doc) for doc in DOCS]))
    b = output_layer.get_param("b")
    for tag in range(3):
        losses = []
        for sign in (1, -1):
            b[tag] += sign * step
            losses.append(loss())
            b[tag] -= sign * step
        expected = (losses[0] - losses[1]) / (2 * step)
        assert output_layer.get_grad("b")[tag] == pytest.approx(expected, abs=1e-2)


def test_dropout_is_for_training_only() -> None:
    model = make_tagger(dropout=0.5)
    before = predict(model)
    assert (predict(model) == before).all()
    assert (numpy.concatenate(model(DOCS, is_train=True)[0]) != before).any()
    set_dropout_rate(model, 0.0)
    assert (numpy.concatenate(model(DOCS, is_train=True)[0]) == before).all()


def test_resize_keeps_what_is_known_of_the_old_tags() -> None:
    model = make_tagger()
    train(model, Adam(0.01), [0, 1, 2, 0, 1, 2, 0, 1], 30)
    before = predict(model)
    assert resize_output(model, 7) is model
    after = predict(model)
    assert after.shape == (N_TOKENS, 7)
    assert after.sum(axis=1) == pytest.approx(1.0, abs=1e-5)

    # Logits are known from probabilities up to a constant for each token.
    def logits(probabilities: numpy.ndarray) -> numpy.ndarray:
        logs = numpy.log(probabilities[:, :3])
        return logs - logs[:, :1]

    assert logits(after) == pytest.approx(logits(before), abs=1e-4)
    assert model.get_ref("output_layer").get_dim("nO") == 7
    # A new tag is as yet never the best, but not so improbable that it could not be learned.
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
    assert (after[:, 3:] > 0).all()
    assert (model_weights(model)[3:] != 0).all()


def test_resize_replaces_the_width_everywhere() -> None:
    model = make_tagger()
    resize_output(model, 7)
    assert model.get_dim("nO") == 7
    assert 3 not in [node.maybe_get_dim("nO") for node in model.walk()]
    assert model.get_ref("tok2vec").get_dim("nO") == 8
    assert make_tagger(7).from_bytes(model.to_bytes()).predict(DOCS)[0].shape == (5, 7)


def test_training_goes_on_after_resizing() -> None:
    model, optimizer = make_tagger(), Adam(0.02)
    train(model, optimizer, [0, 1, 2, 0, 1, 2, 0, 1], 5)
    resize_output(model, 5)
    tags = [0, 3, 4, 0, 1, 2, 3, 4]
    train(model, optimizer, tags, 60)
    assert predict(model).argmax(axis=1).tolist() == tags
    resize_output(model, 7)
    with model.use_params(optimizer.averages):
        assert predict(model).shape == (N_TOKENS, 7)
    train(model, optimizer, [6, *tags[1:]], 60)
    assert predict(model).argmax(axis=1).tolist() == [6, *tags[1:]]


@pytest.mark.parametrize("nO", [None, 3])
def test_resize_before_initialisation(nO: int | None) -> None:
    model = make_tagger(nO, initialize=False)
    resize_output(model, 7)
    assert model.get_ref("output_layer").get_dim("nO") == 7
    model.initialize(X=DOCS)
    assert predict(model).shape == (N_TOKENS, 7)


def test_bytes_round_trip() -> None:
    model = make_tagger()
    loaded = make_tagger(initialize=False).from_bytes(model.to_bytes())
    assert (predict(loaded) == predict(model)).all()
