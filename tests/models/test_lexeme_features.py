from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from thinc.api import SGD, Model

from spacy_twitter_ner.models.lexeme_features import LexemeFeatures, fit_vocabulary
from spacy_twitter_ner.models.lexemes import Lexemes, distinct_lexemes

from ..layers.gradients import central_differences, relative_error
from .docs import TWEETS, fit_and_initialize, make_docs, make_lexemes

FEATURES, WIDTHS = ["norm", "suffix2", "shape"], [3, 2, 2]


def make_model(
    features: Sequence[str] = FEATURES, widths: Sequence[int] = WIDTHS, **settings: Any
) -> Model:
    model = LexemeFeatures(list(features), list(widths), **settings)
    return fit_and_initialize(model, TWEETS)


def make_word_model(**settings: Any) -> Model:
    return make_model(["masked"], [4], **settings)


def row(model: Model, word: str, feature: str = "masked") -> int:
    return model.attrs[f"vocabulary_{feature}"].row(word)


def vectors_by_text(model: Model, lexemes: Lexemes) -> dict[str, numpy.ndarray]:
    return dict(zip(lexemes.texts, model.predict(lexemes), strict=True))


def table_gradient(model: Model, lexemes: Lexemes, name: str = "masked") -> numpy.ndarray:
    """The gradient of the sum of all outputs."""
    Y, backprop = model(lexemes, is_train=True)
    assert backprop(numpy.ones_like(Y)) is lexemes
    return model.get_grad(name)


def test_vectors_are_rows_of_the_table() -> None:
    model = make_word_model()
    table = model.get_param("masked")
    assert table.shape == (len({"the", "cat", "saw", "dog", "a", "it", "@", "http"}) + 1, 4)
    lexemes = make_lexemes("cat dog", "", "cat")
    vectors = model.predict(lexemes)
    assert vectors.shape == (2, 4)
    assert vectors.dtype == "float32"
    assert (vectors == table[[row(model, text) for text in lexemes.texts]]).all()


def test_features_are_concatenated() -> None:
    model = make_model()
    Y = model.predict(make_lexemes("Dog"))
    assert Y.shape == (1, 7) == (1, model.get_dim("nO"))
    parts = [
        model.get_param(feature)[row(model, value, feature)]
        for feature, value in (("norm", "dog"), ("suffix2", "og"), ("shape", "Xxx"))
    ]
    assert (Y[0] == numpy.concatenate(parts)).all()
    assert row(model, "Xxx", "shape") == 0
    assert row(model, "dog", "norm") > 0


def test_width_is_known_at_construction() -> None:
    assert LexemeFeatures(FEATURES, WIDTHS).get_dim("nO") == 7


def test_user_names_urls_and_unknown_words_share_a_row_each() -> None:
    model = make_word_model()
    words = ["@new", "@bob", "http://t.co/1", "https://new", "unseen", "Dog"]
    vectors = vectors_by_text(model, make_lexemes(" ".join(words)))
    table = model.get_param("masked")
    user, url = row(model, "<USR>"), row(model, "<URL>")
    assert 0 != user != url != 0
    for word, expected in zip(words, [user, user, url, url, 0, 0], strict=True):
        assert (vectors[word] == table[expected]).all()


def test_words_below_min_freq_are_unknown() -> None:
    model = make_word_model(min_freq=2)
    assert model.attrs["vocabulary_masked"].keys == ["the", "<USR>", "cat", "saw"]
    vectors = vectors_by_text(model, make_lexemes("dog it cat"))
    unknown = model.get_param("masked")[0]
    assert (vectors["dog"] == unknown).all()
    assert (vectors["it"] == unknown).all()
    assert (vectors["cat"] != unknown).all()


def test_initial_vectors_have_variance_of_one_over_width() -> None:
    numpy.random.seed(0)
    model = LexemeFeatures(["orth"], [50])
    fit_and_initialize(model, make_docs(" ".join(f"w{i}" for i in range(400))))
    table = model.get_param("orth")
    assert table.shape == (401, 50)
    assert table.dtype == "float32"
    assert abs(table.mean()) < 0.01
    assert table.std() == pytest.approx(50**-0.5, rel=0.05)


@pytest.mark.parametrize("make", [make_word_model, make_model])
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_gradients(make: Any, rate: float) -> None:
    model = make(unknown_rate=rate)
    lexemes = make_lexemes("the cat the dog", "", "unseen the Dog 12", "@x @y")
    for name in model.param_names:
        model.set_param(name, model.get_param(name).astype("float64"))

    def forward() -> tuple:
        numpy.random.seed(4)
        return model(lexemes, is_train=True)

    def loss() -> float:
        return float((forward()[0] * dY).sum())

    Y, backprop = forward()
    dY = numpy.random.RandomState(0).normal(size=Y.shape)
    backprop(dY)
    for name in model.param_names:
        expected = central_differences(loss, model.get_param(name))
        # The gradient's buffer is float32.
        assert relative_error(model.get_grad(name), expected) < 1e-6


def test_only_rows_of_the_batch_get_a_gradient() -> None:
    model = make_word_model()
    gradient = table_gradient(model, make_lexemes("the cat @x @y", "", "unseen"))
    expected = numpy.zeros_like(gradient)
    expected[[0, row(model, "the"), row(model, "cat")]] = 1.0
    expected[row(model, "<USR>")] = 2.0
    assert (gradient == expected).all()


def test_gradients_add_up() -> None:
    model = make_word_model()
    first = table_gradient(model, make_lexemes("the cat")).copy()
    assert (table_gradient(model, make_lexemes("the cat")) == 2 * first).all()


@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_unknown_vector_learns_from_rare_words_only(rate: float) -> None:
    n = 400
    docs = make_docs(" ".join(f"w{i}" for i in range(n)), "the the")
    rare = distinct_lexemes(docs)
    model = fit_and_initialize(LexemeFeatures(["masked"], [4], unknown_rate=rate), docs)
    numpy.random.seed(0)
    gradient = table_gradient(model, rare)[:, 0]
    assert gradient[row(model, "the")] == 1
    assert gradient[0] == n - gradient[row(model, "the") + 1 :].sum()
    assert gradient[0] == pytest.approx(rate * n, abs=40 * (rate < 1))


def test_frequent_words_are_never_replaced() -> None:
    model = make_word_model(unknown_rate=1.0)
    gradient = table_gradient(model, make_lexemes("the cat saw @new"))
    assert not gradient[0].any()


def test_unknown_vector_is_trained_by_an_update() -> None:
    model = make_word_model(unknown_rate=1.0)
    before = model.get_param("masked").copy()
    table_gradient(model, make_lexemes("dog the"))
    model.finish_update(SGD(0.1, grad_clip=0.0))
    changed = (model.get_param("masked") != before).any(axis=1)
    assert numpy.flatnonzero(changed).tolist() == sorted([0, row(model, "the")])


def test_features_are_dropped_independently() -> None:
    # "dog" is rare as a word, but its shape is frequent: that stays.
    model = make_model(unknown_rate=1.0)
    Y, _ = model(make_lexemes("dog"), is_train=True)
    tables = [model.get_param(feature) for feature in FEATURES]
    expected = [tables[0][0], tables[1][0], tables[2][row(model, "xxx", "shape")]]
    assert (Y[0] == numpy.concatenate(expected)).all()


@pytest.mark.parametrize(("rate", "expected"), [(0.25, 100), (0.75, 300), (1.0, 400)])
def test_any_value_may_be_dropped(rate: float, expected: int) -> None:
    """Frequent ones too, each feature by itself."""
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]
    docs = make_docs(" ".join(words), " ".join(words))
    lexemes = distinct_lexemes(docs)
    model = LexemeFeatures(["norm", "orth"], [2, 2], feature_dropout=rate)
    fit_and_initialize(model, docs)
    numpy.random.seed(0)
    Y, _ = model(lexemes, is_train=True)
    tables = [model.get_param(name) for name in ("norm", "orth")]
    columns = [Y[:, :2], Y[:, 2:]]
    dropped = [(column == E[0]).all(axis=1) for column, E in zip(columns, tables, strict=True)]
    for is_dropped in dropped:
        assert is_dropped.sum() == pytest.approx(expected, abs=40 * (rate < 1))
    assert (dropped[0] != dropped[1]).any() == (rate < 1)


def test_larger_rate_applies_to_rare_values() -> None:
    n = 400
    docs = make_docs(" ".join(f"w{i}" for i in range(n)))
    rare = distinct_lexemes(docs)
    for rates in ((0.1, 0.5), (0.5, 0.1)):
        settings = dict(zip(("unknown_rate", "feature_dropout"), rates, strict=True))
        model = fit_and_initialize(LexemeFeatures(["masked"], [4], **settings), docs)
        numpy.random.seed(0)
        assert table_gradient(model, rare)[0, 0] == pytest.approx(n / 2, abs=40)


def test_nothing_is_dropped_in_prediction() -> None:
    model = make_word_model(unknown_rate=1.0, feature_dropout=1.0)
    expected = model.get_param("masked")[row(model, "dog")]
    dog = make_lexemes("dog")
    for vectors in (model.predict(dog), model(dog, is_train=False)[0]):
        assert (vectors == expected).all()


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_batches_without_tokens(texts: list[str]) -> None:
    model = make_model(unknown_rate=0.5)
    Y, backprop = model(make_lexemes(*texts), is_train=True)
    assert Y.shape == (0, 7)
    backprop(Y)
    for name in model.param_names:
        assert not model.has_grad(name) or not model.get_grad(name).any()


def test_vocabulary_is_serialized() -> None:
    model = make_model(min_freq=1)
    loaded = LexemeFeatures(FEATURES, WIDTHS).from_bytes(model.to_bytes())
    lexemes = make_lexemes("the cat unseen @bob", "")
    assert (loaded.predict(lexemes) == model.predict(lexemes)).all()
    assert row(loaded, "cat", "norm") == row(model, "cat", "norm") > 0


def test_copy_is_independent() -> None:
    model, lexemes = make_word_model(), make_lexemes("cat dog")
    copy = model.copy()
    before = model.predict(lexemes).copy()
    assert (copy.predict(lexemes) == before).all()
    fit_vocabulary(copy, make_docs("other words"))
    assert row(copy, "cat") == 0
    assert (model.predict(lexemes) == before).all()


def test_another_vocabulary_reinitializes_vectors() -> None:
    model = make_model()
    before = {name: model.get_param(name).copy() for name in FEATURES}
    fit_vocabulary(model, iter(make_docs("another corpus of other words", "and yet another")))
    assert row(model, "cat", "norm") == 0
    assert row(model, "another", "norm") == 1
    for name in FEATURES:
        table = model.get_param(name)
        assert len(table) == len(model.attrs[f"vocabulary_{name}"])
        shared = min(len(table), len(before[name]))
        assert (table[:shared] != before[name][:shared]).all()
    assert model.predict(make_lexemes("another cat")).shape == (2, 7)


def test_initialization_keeps_the_vocabularies() -> None:
    # The component fits on all docs, then initialises with a small sample of them.
    model = LexemeFeatures(["masked"], [4])
    fit_vocabulary(model, TWEETS)
    assert not model.has_param("masked")
    model.initialize(X=distinct_lexemes(TWEETS[:1]))
    assert row(model, "it") > 0
    assert len(model.get_param("masked")) == len(model.attrs["vocabulary_masked"])


def test_spare_rows_are_assigned_in_training() -> None:
    model = LexemeFeatures(["norm", "shape"], [4, 2]).initialize()
    assert model.get_param("norm").shape == (5001, 4)
    lexemes = make_lexemes("the Cat", "the dog")
    before = model.predict(lexemes)
    assert (before == before[0]).all()
    model(lexemes, is_train=True)
    assert {row(model, word, "norm") for word in ("the", "cat", "dog")} == {1, 2, 3}
    assert {row(model, shape, "shape") for shape in ("xxx", "Xxx")} == {1, 2}
    assert row(model, "bird", "norm") == 0
    after = model.predict(lexemes)
    assert len({tuple(vector) for vector in after.tolist()}) == 3
    # Prediction assigns no rows.
    model.predict(make_lexemes("bird"))
    assert row(model, "bird", "norm") == 0
    loaded = LexemeFeatures(["norm", "shape"], [4, 2]).from_bytes(model.to_bytes())
    assert (loaded.predict(lexemes) == after).all()
    loaded(make_lexemes("bird"), is_train=True)
    assert (row(loaded, "bird", "norm"), row(model, "bird", "norm")) == (4, 0)


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
def test_invalid_settings(features: list[str], widths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LexemeFeatures(features, widths)
