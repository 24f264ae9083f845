from collections.abc import Iterable
from typing import Any

import numpy
import pytest
from spacy.tokens import Doc
from thinc.api import SGD, Model

from spacy_twitter_ner.models.embed import TweetEmbed
from spacy_twitter_ner.models.gazetteer import GazetteerEmbed, fit_gazetteer
from spacy_twitter_ner.models.lexeme_features import LexemeFeatures

from ..layers.gradients import central_differences, relative_error
from .docs import make_doc, make_docs
from .phrases import LISTS, TRAIN, found, gold_doc


def make_model(docs: Iterable[Doc] = TRAIN, lists: Any = None, **kwargs: Any) -> Model:
    model = GazetteerEmbed(4, **kwargs)
    fit_gazetteer(model, docs, lists)
    model.initialize()
    return model


def test_vectors_are_sums_over_features() -> None:
    model = make_model(lists=LISTS)
    docs = make_docs("new york", "", "nothing", "in paris")
    E, Ys = model.get_param("E"), model.predict(docs)
    assert E.shape == (model.attrs["gazetteer"].n_features, 4) == (2 * 3 * 9, 4)
    expected = numpy.zeros((5, 4), dtype="float32")
    for token, row in zip(*model.attrs["gazetteer"].features(docs, hold_out=False), strict=True):
        expected[token] += E[row]
    assert [Y.shape for Y in Ys] == [(2, 4), (0, 4), (1, 4), (2, 4)]
    assert numpy.concatenate(Ys) == pytest.approx(expected)
    assert Ys[0].any(axis=1).all()
    assert not Ys[2].any()
    assert Ys[0].dtype == "float32"


def test_only_training_holds_out() -> None:
    model = make_model()
    doc = [make_doc("Bob may go")]
    assert model.predict(doc)[0][0].any()
    assert model(doc, is_train=False)[0][0].any()
    assert not model(doc, is_train=True)[0][0].any()


def test_gradient() -> None:
    model = make_model(lists=LISTS)
    docs = make_docs("new york new york", "", "nothing", "in paris hilton", "apple , Paris")
    model.set_param("E", model.get_param("E").astype("float64"))

    def loss() -> float:
        Ys, _ = model(docs, is_train=True)
        return sum(float((Y * dY).sum()) for Y, dY in zip(Ys, dYs, strict=True))

    Ys, backprop = model(docs, is_train=True)
    random = numpy.random.RandomState(0)
    dYs = [random.normal(size=Y.shape) for Y in Ys]
    assert backprop(dYs) == []
    expected = central_differences(loss, model.get_param("E"))
    assert expected.any()
    # The gradient's buffer is float32.
    assert relative_error(model.get_grad("E"), expected) < 1e-6


def test_gradients_of_batches_add_up() -> None:
    model = make_model()
    for _ in range(2):
        Ys, backprop = model(make_docs("new york"), is_train=True)
        backprop([numpy.ones_like(Y) for Y in Ys])
    assert model.get_grad("E").sum() == 2 * 2 * 4


def test_vectors_are_trained() -> None:
    model = make_model()
    before = model.get_param("E").copy()
    Ys, backprop = model(make_docs("new york"), is_train=True)
    backprop([numpy.ones_like(Y) for Y in Ys])
    model.finish_update(SGD(0.1, grad_clip=0.0))
    changed = (model.get_param("E") != before).any(axis=1)
    _, rows = model.attrs["gazetteer"].features(make_docs("new york"), hold_out=False)
    assert numpy.flatnonzero(changed).tolist() == sorted(set(rows.tolist()))


def test_initial_vectors_have_variance_of_one_over_width() -> None:
    numpy.random.seed(0)
    model = GazetteerEmbed(50)
    fit_gazetteer(model, TRAIN)
    model.initialize()
    E = model.get_param("E")
    assert E.dtype == "float32"
    assert E.std() == pytest.approx(50**-0.5, rel=0.05)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["nothing"]])
def test_batches_without_matches(texts: list[str]) -> None:
    docs = make_docs(*texts)
    for model in (make_model(), make_model([], {}), make_model([], LISTS)):
        Ys, backprop = model(docs, is_train=True)
        assert [Y.shape for Y in Ys] == [(len(doc), 4) for doc in docs]
        assert not any(Y.any() for Y in Ys)
        assert backprop(Ys) == []
        assert not model.has_grad("E")


def test_without_fit_there_are_no_phrases() -> None:
    model = GazetteerEmbed(4)
    assert model.get_dim("nO") == 4
    model.initialize(X=TRAIN)
    assert model.get_param("E").shape == (0, 4)
    assert not model.predict(TRAIN)[0].any()
    loaded = GazetteerEmbed(4).from_bytes(model.to_bytes())
    assert not loaded.predict(TRAIN)[0].any()


def test_lists_without_training_phrases() -> None:
    model = make_model(lists=LISTS, from_training=False)
    gazetteer = model.attrs["gazetteer"]
    assert gazetteer.types == ["geo", "person"]
    assert len(model.get_param("E")) == 2 * 2
    assert {f[3] for f in found(gazetteer, *TRAIN)} == {"list"}
    assert not model.predict(make_docs("Bob"))[0].any()


def test_docs_are_iterated_once() -> None:
    model = make_model(iter(TRAIN))
    assert model.predict(make_docs("Bob"))[0].any()


def test_another_gazetteer_reinitializes_vectors() -> None:
    model = make_model()
    before = model.get_param("E").copy()
    fit_gazetteer(model, [gold_doc("Ann", (0, 1, "person"))])
    after = model.get_param("E")
    assert after.shape == (2 * 9, 4)
    assert (after != before[: len(after)]).all()
    assert not model.predict(make_docs("Bob"))[0].any()
    assert model.predict(make_docs("Ann"))[0].any()


@pytest.mark.parametrize("lists", [None, LISTS])
@pytest.mark.parametrize("from_training", [False, True])
def test_bytes_round_trip(lists: Any, from_training: bool) -> None:
    def make() -> Model:
        return GazetteerEmbed(4, from_training=from_training, min_count=1, max_length=3)

    model = make()
    fit_gazetteer(model, TRAIN, lists)
    model.initialize()
    loaded = make().from_bytes(model.to_bytes())
    docs = [*TRAIN, *make_docs("paris hilton , new york", "")]
    assert loaded.get_param("E").shape == model.get_param("E").shape
    # Hold-out counts are serialized, so that training can continue.
    for is_train in (False, True):
        Ys, loaded_Ys = model(docs, is_train)[0], loaded(docs, is_train)[0]
        assert (numpy.concatenate(Ys) == numpy.concatenate(loaded_Ys)).all()
    assert not loaded([TRAIN[7]], is_train=True)[0][0].any()


def test_copy_is_independent() -> None:
    model = make_model()
    copy = model.copy()
    fit_gazetteer(copy, [])
    assert model.predict(make_docs("Bob"))[0].any()
    assert not copy.predict(make_docs("Bob"))[0].any()


def test_as_phrases_of_tweet_embed() -> None:
    phrases = GazetteerEmbed(4)
    model = TweetEmbed(LexemeFeatures(["norm"], [3]), phrases=phrases)
    assert model.get_dim("nO") == 7
    fit_gazetteer(phrases, TRAIN)
    model.initialize(X=TRAIN)
    docs = make_docs("Bob !", "")
    Ys, backprop = model(docs, is_train=True)
    assert [Y.shape for Y in Ys] == [(2, 7), (0, 7)]
    assert (Ys[0][:, 3:] == phrases.predict(docs)[0]).all()
    backprop([numpy.ones_like(Y) for Y in Ys])
    assert phrases.get_grad("E").sum() == 4


@pytest.mark.parametrize("name", ["width", "min_count", "max_length"])
def test_invalid_settings(name: str) -> None:
    settings: dict[str, Any] = {"width": 4, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        GazetteerEmbed(**settings)
