from collections.abc import Callable

import numpy
import pytest
from spacy.ml.models.tok2vec import MultiHashEmbed, build_Tok2Vec_model
from thinc.api import Model

from spacy_twitter_ner.models.embed import WordEmbed
from spacy_twitter_ner.models.encoder import BiGRUEncoder, BiLSTMEncoder

from ..layers.gradients import gradient_errors, randomize
from .docs import make_docs

DOCS = make_docs("the cat saw the dog", "", "a cat", "cats")

both_encoders = pytest.mark.parametrize("make_encoder", [BiLSTMEncoder, BiGRUEncoder])


def make_arrays(lengths: list[int], width: int = 3, dtype: str = "float32") -> list:
    random = numpy.random.RandomState(0)
    return [random.normal(size=(length, width)).astype(dtype) for length in lengths]


@both_encoders
@pytest.mark.parametrize("depth", [1, 2])
def test_gradients_through_lists(make_encoder: Callable, depth: int) -> None:
    model = make_encoder(2, depth=depth, recurrent_dropout=0.3)
    Xs = make_arrays([3, 0, 1, 2], dtype="float64")
    model.initialize(X=make_arrays([2]))
    randomize(model)

    def split(rows: numpy.ndarray, Ys: list) -> list:
        return numpy.split(rows, numpy.cumsum([len(Y) for Y in Ys])[:-1])

    errors = gradient_errors(
        model, Xs, rows=numpy.concatenate, wrap=split, inputs=lambda arrays: arrays
    )
    assert max(errors.values()) < 1e-7, errors


@both_encoders
@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [2, 0, 1]], ids=str)
@pytest.mark.parametrize("depth", [1, 2])
def test_lengths_are_preserved(make_encoder: Callable, lengths: list[int], depth: int) -> None:
    model = make_encoder(2, depth=depth, dropout=0.5, recurrent_dropout=0.5)
    model.initialize(X=make_arrays([2]))
    Ys, backprop = model(make_arrays(lengths), is_train=True)
    assert [Y.shape for Y in Ys] == [(length, 4) for length in lengths]
    dXs = backprop(Ys)
    assert [dX.shape for dX in dXs] == [(length, 3) for length in lengths]
    assert [Y.shape for Y in model.predict(make_arrays(lengths))] == [Y.shape for Y in Ys]


@both_encoders
@pytest.mark.parametrize("depth", [1, 2])
def test_widths(make_encoder: Callable, depth: int) -> None:
    model = make_encoder(5, depth=depth)
    assert model.get_dim("nO") == 10
    assert model.maybe_get_dim("nI") is None
    model.initialize(X=make_arrays([2], width=7), Y=make_arrays([2], width=10))
    assert (model.get_dim("nO"), model.get_dim("nI")) == (10, 7)


@both_encoders
@pytest.mark.parametrize("embed", ["words", "hashes"])
def test_in_tok2vec(make_encoder: Callable, embed: str) -> None:
    def make_tok2vec() -> Model:
        hashes = MultiHashEmbed(6, ["NORM", "SHAPE"], [50, 50], include_static_vectors=False)
        return build_Tok2Vec_model(hashes if embed == "hashes" else WordEmbed(6), make_encoder(4))

    model = make_tok2vec()
    assert model.get_dim("nO") == 8
    model.initialize(X=DOCS)
    for docs in (DOCS, DOCS[1:2], []):
        Ys, backprop = model(docs, is_train=True)
        assert [Y.shape for Y in Ys] == [(len(doc), 8) for doc in docs]
        # spaCy's own embedding cannot go back through a batch without tokens.
        if embed == "words" or any(len(doc) for doc in docs):
            backprop(Ys)
    loaded = make_tok2vec().from_bytes(model.to_bytes())
    for expected, vectors in zip(model.predict(DOCS), loaded.predict(DOCS), strict=True):
        assert (vectors == expected).all()


@both_encoders
def test_settings_are_passed_to_layers(make_encoder: Callable) -> None:
    model = make_encoder(4, depth=3, dropout=0.25, recurrent_dropout=0.75)
    layers = [node for node in model.walk() if "recurrent_dropout_rate" in node.attrs]
    assert len(layers) == 3
    assert {node.attrs["dropout_rate"] for node in layers} == {0.25}
    assert {node.attrs["recurrent_dropout_rate"] for node in layers} == {0.75}
    assert {node.get_dim("nO") for node in layers} == {8}


@both_encoders
@pytest.mark.parametrize(("width", "depth"), [(0, 1), (4, 0)])
def test_invalid_settings(make_encoder: Callable, width: int, depth: int) -> None:
    with pytest.raises(ValueError, match=r"must be even|depth"):
        make_encoder(width, depth=depth)
