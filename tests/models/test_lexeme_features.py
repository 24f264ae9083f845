from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from thinc.api import Model

from spacy_twitter_ner.models.lexeme_features import LexemeFeatures
from spacy_twitter_ner.models.lexemes import Lexemes, distinct_lexemes

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


def test_only_rows_of_the_batch_get_a_gradient() -> None:
    model = make_word_model()
    gradient = table_gradient(model, make_lexemes("the cat @x @y", "", "unseen"))
    expected = numpy.zeros_like(gradient)
    expected[[0, row(model, "the"), row(model, "cat")]] = 1.0
    expected[row(model, "<USR>")] = 2.0
    assert (gradient == expected).all()


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


@pytest.mark.parametrize(
    ("features", "widths", "message"),
    [
        (["norm", "shape"], [10], "2 features, but 1 widths"),
        (["norm"], [], "1 features, but 0 widths"),
        ([], [], "features is empty"),
        (["cluster"], [10], "unknown feature 'cluster'"),
        (["norm", "norm"], [10, 10], "repeated"),
    ],
)
def test_invalid_settings(features: list[str], widths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LexemeFeatures(features, widths)
