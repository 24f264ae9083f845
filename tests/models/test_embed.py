from typing import Any

import numpy
import pytest
from spacy.tokens import Doc
from thinc.api import SGD, Model

from spacy_twitter_ner.models.embed import FeatureEmbed, WordEmbed, fit_vocabulary

from ..layers.gradients import central_differences, relative_error
from .docs import make_docs

TRAIN = make_docs("the cat saw the dog", "a cat saw it", "@bob the http://t.co/1 @ann")
FEATURES, WIDTHS = ["norm", "suffix2", "shape"], [3, 2, 2]


def make_word_embed(**settings: Any) -> Model:
    model = WordEmbed(4, **settings)
    model.initialize(X=TRAIN)
    return model


def make_feature_embed(**settings: Any) -> Model:
    model = FeatureEmbed(FEATURES, WIDTHS, **settings)
    model.initialize(X=TRAIN)
    return model


def row(model: Model, word: str, feature: str = "masked") -> int:
    return model.attrs[f"vocabulary_{feature}"].row(word)


def table_gradient(model: Model, docs: list[Doc], name: str = "masked") -> numpy.ndarray:
    """The gradient of the sum of all outputs."""
    Ys, backprop = model(docs, is_train=True)
    assert backprop([numpy.ones_like(Y) for Y in Ys]) == []
    return model.get_grad(name)


def test_vectors_are_the_rows_of_the_words() -> None:
    model = make_word_embed()
    table = model.get_param("masked")
    assert table.shape == (len({"the", "cat", "saw", "dog", "a", "it", "@", "http"}) + 1, 4)
    cat_dog, nothing, cat = model.predict(make_docs("cat dog", "", "cat"))
    assert (cat_dog == table[[row(model, "cat"), row(model, "dog")]]).all()
    assert nothing.shape == (0, 4)
    assert (cat == cat_dog[:1]).all()
    assert cat.dtype == "float32"


def test_features_stand_side_by_side() -> None:
    model = make_feature_embed()
    (Y,) = model.predict(make_docs("Dog"))
    assert Y.shape == (1, 7) == (1, model.get_dim("nO"))
    parts = [
        model.get_param(feature)[row(model, value, feature)]
        for feature, value in (("norm", "dog"), ("suffix2", "og"), ("shape", "Xxx"))
    ]
    assert (Y[0] == numpy.concatenate(parts)).all()
    assert row(model, "Xxx", "shape") == 0
    assert row(model, "dog", "norm") > 0


def test_users_urls_and_unknown_words_share_a_row_each() -> None:
    model = make_word_embed()
    (vectors,) = model.predict(make_docs("@new @bob http://t.co/1 https://new unseen Dog"))
    table = model.get_param("masked")
    user, url = row(model, "<USR>"), row(model, "<URL>")
    assert 0 != user != url != 0
    assert (vectors == table[[user, user, url, url, 0, 0]]).all()


def test_rare_words_are_unknown_below_the_least_frequency() -> None:
    model = make_word_embed(min_freq=2)
    assert model.attrs["vocabulary_masked"].keys == ["the", "<USR>", "cat", "saw"]
    (Y,) = model.predict(make_docs("dog it cat"))
    assert (Y[0] == Y[1]).all()
    assert (Y[0] == model.get_param("masked")[0]).all()
    assert (Y[2] != Y[0]).all()


def test_initial_vectors_have_variance_of_one_over_width() -> None:
    numpy.random.seed(0)
    model = FeatureEmbed(["orth"], [50])
    model.initialize(X=make_docs(" ".join(f"w{i}" for i in range(400))))
    table = model.get_param("orth")
    assert table.shape == (401, 50)
    assert table.dtype == "float32"
    assert abs(table.mean()) < 0.01
    assert table.std() == pytest.approx(50**-0.5, rel=0.05)


@pytest.mark.parametrize("make_model", [make_word_embed, make_feature_embed])
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_gradients(make_model: Any, rate: float) -> None:
    model = make_model(unknown_rate=rate)
    docs = make_docs("the cat the dog", "", "unseen the Dog 12", "@x @y")
    for name in model.param_names:
        model.set_param(name, model.get_param(name).astype("float64"))

    def forward() -> tuple:
        numpy.random.seed(4)
        return model(docs, is_train=True)

    def loss() -> float:
        return sum(float((Y * dY).sum()) for Y, dY in zip(forward()[0], dYs, strict=True))

    Ys, backprop = forward()
    random = numpy.random.RandomState(0)
    dYs = [random.normal(size=Y.shape) for Y in Ys]
    backprop(dYs)
    for name in model.param_names:
        expected = central_differences(loss, model.get_param(name))
        # The gradient's buffer is float32.
        assert relative_error(model.get_grad(name), expected) < 1e-6


def test_only_rows_of_the_batch_get_a_gradient() -> None:
    model = make_word_embed()
    gradient = table_gradient(model, make_docs("the cat the", "", "unseen"))
    expected = numpy.zeros_like(gradient)
    expected[row(model, "the")] = 2.0
    expected[row(model, "cat")] = 1.0
    expected[0] = 1.0
    assert (gradient == expected).all()


def test_shorter_docs_add_nothing_for_padding() -> None:
    model = make_word_embed()
    gradient = table_gradient(model, make_docs("cat", "cat " * 7)).copy()
    assert gradient.sum() == gradient[row(model, "cat")].sum() == 4 * 8


@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_unknown_vector_learns_from_rare_words_only(rate: float) -> None:
    model = make_word_embed(unknown_rate=rate)
    numpy.random.seed(0)
    n = 200
    gradient = table_gradient(model, make_docs("the dog " * n))[:, 0]
    assert gradient[row(model, "the")] == n
    assert gradient[0] + gradient[row(model, "dog")] == n
    assert gradient[0] == pytest.approx(rate * n, abs=30 * (rate < 1))


def test_frequent_words_are_never_taken_for_unknown() -> None:
    model = make_word_embed(unknown_rate=1.0)
    gradient = table_gradient(model, make_docs("the cat saw @new"))
    assert not gradient[0].any()


def test_unknown_vector_is_trained_by_an_update() -> None:
    model = make_word_embed(unknown_rate=1.0)
    before = model.get_param("masked").copy()
    table_gradient(model, make_docs("dog the"))
    model.finish_update(SGD(0.1, grad_clip=0.0))
    changed = (model.get_param("masked") != before).any(axis=1)
    assert numpy.flatnonzero(changed).tolist() == sorted([0, row(model, "the")])


def test_each_feature_is_dropped_on_its_own() -> None:
    # "dog" is rare as a word, but its shape is frequent: that stays.
    model = make_feature_embed(unknown_rate=1.0)
    Ys, _ = model(make_docs("dog"), is_train=True)
    tables = [model.get_param(feature) for feature in FEATURES]
    expected = [tables[0][0], tables[1][0], tables[2][row(model, "xxx", "shape")]]
    assert (Ys[0][0] == numpy.concatenate(expected)).all()


def test_no_word_is_taken_for_unknown_in_prediction() -> None:
    model = make_word_embed(unknown_rate=1.0)
    expected = model.get_param("masked")[row(model, "dog")]
    for vectors in (model.predict(make_docs("dog")), model(make_docs("dog"), is_train=False)[0]):
        assert (vectors[0] == expected).all()


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_batches_without_tokens(texts: list[str]) -> None:
    model = make_feature_embed(unknown_rate=0.5)
    Ys, backprop = model(make_docs(*texts), is_train=True)
    assert [Y.shape for Y in Ys] == [(0, 7)] * len(texts)
    assert backprop(Ys) == []
    for name in model.param_names:
        assert not model.has_grad(name) or not model.get_grad(name).any()


def test_vocabulary_survives_bytes() -> None:
    model = make_feature_embed(min_freq=1)
    loaded = FeatureEmbed(FEATURES, WIDTHS).from_bytes(model.to_bytes())
    docs = make_docs("the cat unseen @bob", "")
    for expected, vectors in zip(model.predict(docs), loaded.predict(docs), strict=True):
        assert (vectors == expected).all()
    assert row(loaded, "cat", "norm") == row(model, "cat", "norm") > 0


def test_copy_has_a_vocabulary_of_its_own() -> None:
    model = make_word_embed()
    copy = model.copy()
    before = model.predict(make_docs("cat dog"))[0].copy()
    assert (copy.predict(make_docs("cat dog"))[0] == before).all()
    fit_vocabulary(copy, make_docs("other words"))
    assert row(copy, "cat") == 0
    assert (model.predict(make_docs("cat dog"))[0] == before).all()


def test_vocabularies_of_another_corpus_come_with_new_vectors() -> None:
    model = make_feature_embed()
    before = {name: model.get_param(name).copy() for name in FEATURES}
    fit_vocabulary(model, iter(make_docs("another corpus of other words", "and yet another")))
    assert row(model, "cat", "norm") == 0
    assert row(model, "another", "norm") == 1
    for name in FEATURES:
        table = model.get_param(name)
        assert len(table) == len(model.attrs[f"vocabulary_{name}"])
        shared = min(len(table), len(before[name]))
        assert (table[:shared] != before[name][:shared]).all()
    assert model.predict(make_docs("another cat"))[0].shape == (2, 7)


def test_vocabularies_fitted_before_are_kept_at_initialisation() -> None:
    # The component fits on all docs, then initialises with a small sample of them.
    model = WordEmbed(4)
    fit_vocabulary(model, TRAIN)
    assert not model.has_param("masked")
    model.initialize(X=TRAIN[:1])
    assert row(model, "it") > 0
    assert len(model.get_param("masked")) == len(model.attrs["vocabulary_masked"])


def test_initialisation_without_data_leaves_the_unknown_row() -> None:
    model = WordEmbed(4)
    model.initialize()
    assert model.get_param("masked").shape == (1, 4)
    assert model.predict(make_docs("the cat"))[0].shape == (2, 4)


@pytest.mark.parametrize(
    ("features", "widths", "message"),
    [
        (["norm", "shape"], [10], "2 features, but 1 widths"),
        (["norm"], [], "1 features, but 0 widths"),
        ([], [], "name at least one"),
        (["cluster"], [10], "unknown 'cluster'"),
        (["norm", "norm"], [10, 10], "named twice"),
    ],
)
def test_wrong_settings(features: list[str], widths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureEmbed(features, widths)
