"""Concatenation of parts. For lexeme features, see test_lexeme_features.py."""

from typing import Any

import numpy
import pytest
from spacy.tokens import Doc
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Adam, Config, Model

from spacy_twitter_ner.models.char_embed import CharEmbed
from spacy_twitter_ner.models.embed import FeatureEmbed, TweetEmbed, WordEmbed, feature_columns
from spacy_twitter_ner.models.gazetteer import GazetteerEmbed, fit_gazetteer
from spacy_twitter_ner.models.hashtag_embed import HashtagEmbed
from spacy_twitter_ner.models.lexeme_features import LexemeFeatures

from ..layers.gradients import gradient_errors, randomize
from .docs import TWEETS, fit_and_initialize, make_doc, make_docs


class FakePart:
    """A part that gives each lexeme its text's length, times 1, 2, … in each column. It keeps
    what it is called with."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.model: Any = Model("fake", self.forward, init=self.init, dims={"nO": width})
        self.initialised_with: Any = None
        self.calls: list[tuple[Any, bool]] = []
        self.gradients: list[Any] = []

    def init(self, model: Model, X: Any = None, Y: Any = None) -> None:
        self.initialised_with = X
        model.set_dim("nO", self.width, force=True)

    def forward(self, model: Model, lexemes: Any, is_train: bool) -> tuple:
        self.calls.append((lexemes, is_train))

        def backprop(dY: Any) -> Any:
            self.gradients.append(dY)
            return lexemes

        return self.rows(lexemes.texts), backprop

    def rows(self, texts: list[str]) -> numpy.ndarray:
        lengths = numpy.asarray([len(text) for text in texts], dtype="float32")
        return lengths.reshape(-1, 1) * numpy.arange(1, self.width + 1, dtype="float32")


class FakePhrases(FakePart):
    """The same of docs: a token's place in its doc."""

    def forward(self, model: Model, docs: Any, is_train: bool) -> tuple:
        self.calls.append((docs, is_train))

        def backprop(dYs: list) -> list:
            self.gradients.append(dYs)
            return []

        return [self.rows(["x" * token.i for token in doc]) for doc in docs], backprop


def test_parts_are_concatenated() -> None:
    first, second, phrases = FakePart(2), FakePart(1), FakePhrases(2)
    model = TweetEmbed(first.model, second.model, phrases=phrases.model)
    assert model.get_dim("nO") == 5
    Ys = model.predict(make_docs("a bcd", "", "bcd"))
    expected = [[[1, 2, 1, 0, 0], [3, 6, 3, 1, 2]], [], [[3, 6, 3, 0, 0]]]
    assert [Y.tolist() for Y in Ys] == expected
    assert [Y.shape for Y in Ys] == [(2, 5), (0, 5), (1, 5)]
    assert {Y.dtype.name for Y in Ys} == {"float32"}


def test_each_distinct_lexeme_is_computed_once() -> None:
    part, phrases = FakePart(2), FakePhrases(2)
    model = TweetEmbed(part.model, phrases=phrases.model)
    docs = make_docs("a b a", "b a c")
    model.predict(docs)
    model(docs, is_train=True)
    for lexemes, _ in part.calls:
        assert sorted(lexemes.texts) == ["a", "b", "c"]
    assert [is_train for _, is_train in part.calls] == [False, True]
    assert phrases.calls == [(docs, False), (docs, True)]


def test_gradients_are_summed_per_lexeme() -> None:
    first, second, phrases = FakePart(2), FakePart(1), FakePhrases(2)
    model = TweetEmbed(first.model, second.model, phrases=phrases.model)
    Ys, backprop = model(make_docs("a b", "", "b a b"), is_train=True)
    dYs = [numpy.arange(Y.size, dtype="float32").reshape(Y.shape) ** 2 for Y in Ys]
    assert backprop(dYs) == []
    by_text = {
        "a": dYs[0][0] + dYs[2][1],
        "b": dYs[0][1] + dYs[2][0] + dYs[2][2],
    }
    texts = first.calls[0][0].texts
    expected = numpy.asarray([by_text[text] for text in texts])
    for part, columns in ((first, slice(0, 2)), (second, slice(2, 3))):
        (gradient,) = part.gradients
        assert (gradient == expected[:, columns]).all()
        assert gradient.flags["C_CONTIGUOUS"]
    (d_phrases,) = phrases.gradients
    assert [d.tolist() for d in d_phrases] == [dY[:, 3:].tolist() for dY in dYs]
    assert all(d.flags["C_CONTIGUOUS"] for d in d_phrases)


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
@pytest.mark.parametrize("has_phrases", [False, True])
def test_batches_without_tokens(texts: list[str], has_phrases: bool) -> None:
    phrases = FakePhrases(2).model if has_phrases else None
    features = LexemeFeatures(["norm"], [5], unknown_rate=0.5)
    model = TweetEmbed(features, FakePart(2).model, phrases=phrases)
    model.initialize(X=TWEETS)
    Ys, backprop = model(make_docs(*texts), is_train=True)
    assert [Y.shape for Y in Ys] == [(0, 7 + 2 * has_phrases)] * len(texts)
    assert backprop(Ys) == []
    assert not features.has_grad("norm") or not features.get_grad("norm").any()


def test_initialization() -> None:
    part, phrases = FakePart(2), FakePhrases(3)
    model = TweetEmbed(part.model, phrases=phrases.model)
    model.initialize(X=TWEETS)
    assert sorted(part.initialised_with.texts) == sorted(
        {token.text for doc in TWEETS for token in doc}
    )
    assert phrases.initialised_with is TWEETS
    model.initialize()
    assert part.initialised_with is phrases.initialised_with is None


def test_width_of_phrases_is_inferred() -> None:
    phrases = FakePhrases(3)
    phrases.model.set_dim("nO", None, force=True)
    model = TweetEmbed(FakePart(2).model, phrases=phrases.model)
    assert not model.has_dim("nO")
    model.initialize(X=TWEETS)
    assert model.get_dim("nO") == 5


def test_no_parts_raises() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        TweetEmbed()
    with pytest.raises(ValueError, match="at least one part"):
        TweetEmbed(phrases=FakePhrases(2).model)


@pytest.mark.parametrize("has_phrases", [False, True])
def test_copy_keeps_phrases(has_phrases: bool) -> None:
    """Model.copy, which spaCy's replace_listeners calls, keeps no references to layers."""
    phrases = FakePhrases(2).model if has_phrases else None
    model = TweetEmbed(LexemeFeatures(["norm"], [3]), phrases=phrases)
    model.initialize(X=TWEETS)
    docs = make_docs("the cat", "")
    for copied, expected in zip(model.copy().predict(docs), model.predict(docs), strict=True):
        assert (copied == expected).all()


@pytest.mark.parametrize("has_phrases", [False, True])
def test_replace_node(has_phrases: bool) -> None:
    """As in a tagger whose output is resized: Thinc looks through the references of all layers."""
    part, phrases = FakePart(2).model, FakePhrases(2).model
    model = TweetEmbed(part, phrases=phrases if has_phrases else None)
    assert model.replace_node(part, FakePart(2).model)
    assert model.predict(make_docs("abc"))[0].tolist() == [[3, 6, 0, 0][: 2 + 2 * has_phrases]]


def test_docs_of_different_vocabs() -> None:
    model = WordEmbed(4).initialize(X=TWEETS)
    (expected,) = model.predict(make_docs("the cat"))
    first, second = model.predict([make_doc("the", Vocab()), make_doc("cat", Vocab())])
    assert (numpy.concatenate([first, second]) == expected).all()


def test_word_embed_masks_user_names_and_urls() -> None:
    model = WordEmbed(4, min_freq=2, unknown_rate=0.5)
    assert model.get_dim("nO") == 4
    fit_and_initialize(model, TWEETS)
    (features,) = model.layers
    assert features.param_names == ("masked",)
    assert (features.attrs["min_freq"], features.attrs["unknown_rate"]) == (2, 0.5)
    assert features.attrs["vocabulary_masked"].keys == ["the", "<USR>", "cat", "saw"]
    (Y,) = model.predict(make_docs("cat @new dog unseen cat"))
    assert (Y[0] == Y[4]).all()
    assert (Y[1] == features.get_param("masked")[2]).all()
    assert (Y[2:4] == features.get_param("masked")[0]).all()


def test_feature_embed_concatenates_features_in_order() -> None:
    model = FeatureEmbed(["shape", "norm"], [2, 3], min_freq=1, unknown_rate=0.25)
    assert model.get_dim("nO") == 5
    model.initialize(X=TWEETS)
    (features,) = model.layers
    assert features.param_names == ("shape", "norm")
    assert (features.attrs["min_freq"], features.attrs["unknown_rate"]) == (1, 0.25)
    shape, norm = (features.attrs[f"vocabulary_{name}"] for name in ("shape", "norm"))
    (Y,) = model.predict(make_docs("cat"))
    assert (Y[0, :2] == features.get_param("shape")[shape.row("xxx")]).all()
    assert (Y[0, 2:] == features.get_param("norm")[norm.row("cat")]).all()
    with pytest.raises(ValueError, match="2 features, but 1 widths"):
        FeatureEmbed(["shape", "norm"], [2])


def test_gradients() -> None:
    model = FeatureEmbed(["norm", "suffix2", "shape"], [3, 2, 2], unknown_rate=0.5)
    randomize(fit_and_initialize(model, TWEETS))
    errors = gradient_errors(
        model,
        make_docs("the cat the dog", "", "unseen the Dog 12", "@x @y"),
        rows=numpy.concatenate,
        wrap=lambda rows, Ys: numpy.split(rows, numpy.cumsum([len(Y) for Y in Ys])[:-1]),
        inputs=lambda docs: [],
    )
    # The gradients of tables are float32.
    assert max(errors.values()) < 1e-6, errors


def test_gradients_do_not_depend_on_doc_lengths() -> None:
    model = WordEmbed(4).initialize(X=TWEETS)
    Ys, backprop = model(make_docs("cat", "cat " * 7), is_train=True)
    backprop([numpy.ones_like(Y) for Y in Ys])
    (features,) = model.layers
    gradient = features.get_grad("masked")
    cat = features.attrs["vocabulary_masked"].row("cat")
    assert gradient.sum() == gradient[cat].sum() == 4 * 8


def make_embedding(docs: list[Doc], lists: dict[str, list[str]]) -> Model:
    """Of parts that all have a vocabulary of some kind."""
    phrases = GazetteerEmbed(2, from_training=False)
    fit_gazetteer(phrases, [], lists)
    parts = LexemeFeatures(["norm"], [3]), CharEmbed(4), HashtagEmbed(2, min_freq=1)
    return TweetEmbed(*parts, phrases=phrases).initialize(X=docs)


def train(model: Model, docs: list[Doc]) -> None:
    Ys, backprop = model(docs, is_train=True)
    backprop([numpy.ones_like(Y) for Y in Ys])
    model.finish_update(Adam(0.1))


@pytest.mark.parametrize("texts", [["the #DogCat saw New York"], ["nothing"]])
def test_load_over_a_model_of_other_texts(texts: list[str]) -> None:
    """And can be trained from there on, also by texts that some part finds nothing in."""
    few, many = make_docs("a a #Cat"), [*TWEETS, *make_docs("#DogCat #NewYork #Times")]
    model = make_embedding(few, {"thing": ["a"]})
    train(model, few)
    trained = make_embedding(many, {"place": ["new york"], "thing": ["dog"]})
    loaded = model.from_bytes(trained.to_bytes())
    docs = make_docs(*texts)
    for step in range(2):
        for found, expected in zip(loaded.predict(docs), trained.predict(docs), strict=True):
            assert found == pytest.approx(expected, abs=1e-6)
        if step == 0:
            train(loaded, docs)
            train(trained, docs)


def test_parts_from_a_config() -> None:
    config = Config().from_str(
        """
        [embed]
        @architectures = "spacy-twitter-ner.TweetEmbed.v1"

        [embed.*.words]
        @architectures = "spacy-twitter-ner.LexemeFeatures.v1"
        features = ["norm"]
        widths = [4]

        [embed.*.affixes]
        @architectures = "spacy-twitter-ner.LexemeFeatures.v1"
        features = ["suffix3"]
        widths = [2]
        """
    )
    model = registry.resolve(config)["embed"].initialize(X=TWEETS)
    assert model.get_dim("nO") == 6
    assert [layer.param_names for layer in model.layers] == [("norm",), ("suffix3",)]
    assert model.predict(make_docs("the"))[0].shape == (1, 6)


def test_feature_columns():
    words = LexemeFeatures(["norm", "shape"], [4, 2])
    model = TweetEmbed(words, CharEmbed(5), CharEmbed(3))
    assert feature_columns(model) == {
        "norm": slice(0, 4),
        "shape": slice(4, 6),
        "char": slice(6, 11),
        "char-2": slice(11, 14),
    }
