from pathlib import Path
from typing import Any

import numpy
import pytest
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Adam, Config, Model, fix_random_seed
from thinc.types import Ragged

from spacy_twitter_ner.models.char_embed import CharEmbed, fit_vocabulary
from spacy_twitter_ner.models.lexemes import Lexemes, distinct_lexemes

from .docs import lexemes, make_doc, make_docs

TRAIN = make_docs("the cat saw the dog", "a cat saw it", "@qqq the http://t.co/zz @x")
# The characters that occur more than once there.
KNOWN = set("thecasw<USR>")


def make_model(train: list[Doc] = TRAIN, **settings: Any) -> Model:
    # With a few filters, drawn unluckily, different words may have the same maxima.
    fix_random_seed(0)
    model = CharEmbed(6, char_width=4, **settings)
    fit_vocabulary(model, iter(train))
    model.initialize(X=distinct_lexemes(train[:1]))
    return model


def known(model: Model) -> set[str]:
    return set(model.attrs["vocabulary"].keys)


def alike(*rows: numpy.ndarray) -> bool:
    """Check that vectors are equal up to rounding."""
    return all(numpy.allclose(rows[0], row, rtol=0.0, atol=1e-6) for row in rows[1:])


def gradient(model: Model, batch: Lexemes) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): (nV,) whether the character had a gradient."""
    Y, backprop = model(batch, is_train=True)
    assert backprop(numpy.ones_like(Y)) is batch
    return model.layers[0].get_grad("E").any(axis=1)


def test_alphabet_is_built_from_all_training_data() -> None:
    assert known(make_model()) == KNOWN
    counts = {"a": 2, "b": 1, "A": 1}
    model = make_model(make_docs("a b", "A a"), min_freq=1)
    assert model.attrs["vocabulary"].keys == sorted(counts, key=lambda c: (-counts[c], c))
    assert model.attrs["vocabulary"].n_frequent == 1
    assert known(make_model(make_docs("ab ab", "Cd"))) == {"a", "b"}
    assert known(make_model(make_docs("ab ab", "ab Cd"), min_freq=3)) == {"a", "b"}


def test_letters_of_user_names_and_urls_are_not_counted() -> None:
    model = make_model(min_freq=1)
    assert not known(model) & set("qxz@:/")
    assert set("<USRL>") <= known(model)
    Y = model.predict(lexemes("@qqq", "@other", "<USR>", "http://t.co/zz", "https://else", "@"))
    assert alike(Y[0], Y[1], Y[2])
    assert alike(Y[3], Y[4])
    assert not alike(Y[3], Y[0])
    assert not alike(Y[5], Y[0])


def test_output_is_the_convolution_of_the_characters() -> None:
    model = make_model()
    row = model.attrs["vocabulary"].row
    Y = model.predict(lexemes("cat", "", "saw!"))
    ids = [row("c"), row("a"), row("t"), row("s"), row("a"), row("w"), 0]
    assert all(ids[:-1])
    assert row("!") == 0
    lengths = numpy.asarray([3, 0, 4], dtype="int32")
    expected = model.layers[0].predict(Ragged(numpy.asarray(ids, dtype="int32"), lengths))
    assert alike(Y, expected)
    assert Y.shape == (3, 6) == (3, model.get_dim("nO"))
    assert Y.dtype == "float32"


def test_case_is_preserved_and_unknown_characters_share_a_vector() -> None:
    model = make_model(make_docs("cat cat Cat Cat"))
    lower, upper, unknown, too, emoji = model.predict(lexemes("cat", "Cat", "?at", "!at", "😀at"))
    assert not alike(lower, upper)
    assert alike(unknown, too, emoji)
    assert not alike(unknown, lower)


@pytest.mark.parametrize(
    ("max_length", "same", "other"),
    [
        (5, ["abcyz", "abc-yz", "abcdefghyz"], ["ab-yz", "abczy", "abcdyzx"]),
        (4, ["abyz", "abcyz"], ["abcz", "abzy"]),
        (1, ["a", "abc"], ["b", "ba"]),
    ],
)
def test_middle_of_long_words_is_skipped(
    max_length: int, same: list[str], other: list[str]
) -> None:
    alphabet = "abcdefghijklmnopqrstuvwxyz -"
    model = make_model(make_docs(*alphabet), max_length=max_length, min_freq=1)
    Y = model.predict(lexemes(*same, *other))
    assert alike(*Y[: len(same)])
    assert not any(alike(Y[0], row) for row in Y[len(same) :])


def test_middle_of_a_long_word_is_not_counted() -> None:
    assert known(make_model(make_docs("abxyz"), max_length=4, min_freq=1)) == set("abyz")


def test_only_characters_of_the_batch_get_a_gradient() -> None:
    model = make_model(window=0)
    vocabulary = model.attrs["vocabulary"]
    expected = {vocabulary.row("a"), 0}
    assert set(numpy.flatnonzero(gradient(model, lexemes("a", "!"))).tolist()) == expected


def test_unknown_vector_learns_from_rare_characters_only() -> None:
    model = make_model(make_docs("a a b"), min_freq=1, unknown_rate=1.0)
    frequent, unknown, rare = model.predict(lexemes("a", "?", "b"))
    assert not alike(rare, unknown)
    Y, _ = model(lexemes("a", "b"), is_train=True)
    assert alike(Y[0], frequent)
    assert alike(Y[1], unknown)
    expected = [0, model.attrs["vocabulary"].row("a")]
    assert numpy.flatnonzero(gradient(model, lexemes("a", "b"))).tolist() == expected


def test_rare_characters_are_dropped_at_the_rate() -> None:
    model = make_model(make_docs("a a b"), min_freq=1, unknown_rate=0.3)
    numpy.random.seed(0)
    Y, _ = model(lexemes(*["b"] * 1000), is_train=True)
    (unknown,) = model.predict(lexemes("?"))
    assert sum(alike(row, unknown) for row in Y) == pytest.approx(300, abs=50)


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_batches_without_characters(texts: list[str]) -> None:
    model = make_model(unknown_rate=0.5)
    batch = lexemes(*texts)
    Y, backprop = model(batch, is_train=True)
    assert Y.shape == (len(texts), 6)
    assert backprop(Y) is batch


def test_another_alphabet_reinitializes_weights() -> None:
    model = make_model(window=2)
    cnn = model.layers[0]
    cnn.attrs["dropout_rate"] = 0.25
    # After a step of training there is a gradient of the old shape.
    gradient(model, lexemes("cat"))
    model.finish_update(Adam(0.1))
    old = cnn.get_param("W").copy()
    fit_vocabulary(model, make_docs("ÄÖÜ ÄÖÜ"))
    assert known(model) == set("ÄÖÜ")
    assert (model.layers[0].get_param("W") != old).all()
    assert model.layers[0].attrs == {"window": 2, "dropout_rate": 0.25}
    assert gradient(model, lexemes("ÄÖÜ", "cat")).all()
    model.finish_update(Adam(0.1))


def test_model_from_config_loads_saved_model(tmp_path: Path) -> None:
    config = Config().from_str(
        """
        [part]
        @architectures = "spacy-twitter-ner.CharEmbed.v1"
        width = 8
        char_width = 5
        window = 2
        min_freq = 1
        unknown_rate = 0.1
        max_length = 7
        """
    )
    model, *fresh = (registry.resolve(config)["part"] for _ in range(3))
    assert model.get_dim("nO") == 8
    fit_vocabulary(model, TRAIN)
    model.initialize()
    model.to_disk(tmp_path / "model")
    batch = lexemes("cat", "@bob", "unseen", "", "uncharacteristically")
    expected = model.predict(batch)
    from_bytes = fresh[0].from_bytes(model.to_bytes())
    from_disk = fresh[1].from_disk(tmp_path / "model")
    for loaded in (from_bytes, from_disk):
        assert known(loaded) == known(model)
        assert loaded.attrs["max_length"] == 7
        assert loaded.layers[0].get_dim("nV") == len(known(model)) + 1
        assert (loaded.predict(batch) == expected).all()
        assert gradient(loaded, batch).any()


@pytest.mark.parametrize("other", [make_docs("xyz xyz"), make_docs("all of " * 2, "the " * 2)])
def test_load_over_another_alphabet(other: list[Doc]) -> None:
    """A smaller one or a larger one; and it can be trained from there on."""
    model, loaded = make_model(), make_model(other)
    assert len(known(model)) != len(known(loaded))
    batch = lexemes("cat", "the", "xyz", "dog")
    gradient(loaded, batch)
    loaded.from_bytes(model.to_bytes())
    assert known(loaded) == KNOWN
    assert (loaded.predict(batch) == model.predict(batch)).all()
    assert gradient(loaded, batch).tolist() == gradient(model, batch).tolist()
    loaded.finish_update(Adam(0.1))


def test_load_over_another_width_raises() -> None:
    with pytest.raises(ValueError, match=r"'char_width'.*from 5 to 4"):
        CharEmbed(6, char_width=5).from_bytes(make_model().to_bytes())


def test_learns_endings() -> None:
    numpy.random.seed(0)
    train = lexemes("walking", "talking", "running", "walks", "talks", "runs")
    model = make_model([make_doc(" ".join(train.texts))], window=1)
    target = numpy.repeat([[1.0, 0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0]], 3, axis=0).astype("f")
    optimizer = Adam(0.05)
    for _ in range(60):
        Y, backprop = model(train, is_train=True)
        backprop(Y - target)
        model.finish_update(optimizer)
    Y = model.predict(lexemes("nutting", "nuts", "lurking", "lurks"))
    assert Y[:, :2].argmax(axis=1).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": 0}, "max_length must be at least 1, not 0"),
        ({"window": -1}, "window must be at least 0"),
        ({"char_width": 0}, "char_width must be at least 1"),
    ],
)
def test_invalid_settings(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CharEmbed(6, **settings)
