from collections import Counter
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Model

from spacy_twitter_ner.models import hashtag_embed
from spacy_twitter_ner.models.hashtag_embed import HashtagEmbed, HashtagSegmenter, fit_vocabulary
from spacy_twitter_ner.models.lexemes import distinct_lexemes
from spacy_twitter_ner.normalization import token_kind

from .docs import lexemes, make_docs

TRAIN = make_docs(
    "super news of the bowl game and of the final final world",
    "a super bowl of the world news",
    "#SuperBowl #WorldNews #superbowl #WorldCup",
    "#Zork #WorldCup2014 @bob #tvd",
)


def make_model(train: list[Doc] = TRAIN, **settings: Any) -> Model:
    model = HashtagEmbed(4, **settings)
    fit_vocabulary(model, iter(train))
    model.initialize(X=distinct_lexemes(train[:1]))
    return model


def known(model: Model) -> set[str]:
    return set(model.attrs["vocabulary"].keys)


def mean(model: Model, *words: str) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): The mean of the vectors of words; unknown ones are "?"."""
    rows = [model.attrs["vocabulary"].row(word) for word in words]
    assert [row == 0 for row in rows] == [word == "?" for word in words]
    return model.get_param("E")[rows].mean(axis=0)


def make_segmenter(*texts: str) -> HashtagSegmenter:
    return HashtagSegmenter.from_texts(Counter(word for text in texts for word in text.split()))


def test_hashtag_vector_is_the_mean_of_its_words() -> None:
    model = make_model()
    # "news" and "zorro" are not frequent in hashtags.
    texts = ["#WorldCup", "#superbowl", "#NewsSuperCup", "#Zorro", "#WorldZorro", "＃world"]
    expected = [
        mean(model, "world", "cup"),
        mean(model, "super", "bowl"),
        mean(model, "?", "super", "cup"),
        mean(model, "?"),
        mean(model, "world", "?"),
        mean(model, "world"),
    ]
    Y = model.predict(lexemes(*texts))
    assert Y.shape == (6, 4) == (6, model.get_dim("nO"))
    assert Y.dtype == "float32"
    numpy.testing.assert_allclose(Y, expected, rtol=0, atol=1e-6)


def test_other_lexemes_are_zero() -> None:
    model = make_model()
    Y = model.predict(lexemes("world", "@bob", "#", "##", "#1", "", "#world", "http://t.co/#world"))
    assert (Y.any(axis=1) == [False] * 6 + [True, False]).all()


def test_words_of_hashtags_have_vectors_if_frequent_enough() -> None:
    assert known(make_model()) == {"super", "bowl", "world", "cup"}
    everything = {"super", "bowl", "world", "cup", "news", "0000", "zork", "tvd"}
    assert known(make_model(min_freq=1)) == everything
    assert known(make_model(min_freq=3)) == {"world"}
    assert len(make_model().get_param("E")) == 5


@pytest.mark.parametrize("texts", [[], ["the", "@bob"]])
def test_batches_without_hashtags(texts: list[str]) -> None:
    model = make_model()
    batch = lexemes(*texts)
    Y, backprop = model(batch, is_train=True)
    assert Y.shape == (len(texts), 4)
    assert Y.dtype == "float32"
    assert not Y.any()
    assert backprop(numpy.ones_like(Y)) is batch
    assert not model.has_grad("E")


@pytest.mark.parametrize("docs", [[], make_docs("no tags here")])
def test_training_data_without_hashtags(docs: list[Doc]) -> None:
    model = make_model(docs)
    assert known(model) == set()
    assert model.predict(lexemes("#unseen", "no")).any(axis=1).tolist() == [True, False]


def test_is_registered() -> None:
    make = registry.architectures.get("spacy-twitter-ner.HashtagEmbed.v1")
    assert make(width=4).get_dim("nO") == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#superbowl", "super bowl"),
        ("#SUPERBOWL", "super bowl"),
        ("#Superbowl", "super bowl"),
        ("#newsoftheworld", "news of the world"),
        ("#SuperBowl", "super bowl"),
        ("#NewsoftheWorld", "news of the world"),
        ("#superbowl2014final", "super bowl 0000 final"),
        ("#super_bowl", "super bowl"),
        ("#super-bowl", "super bowl"),
        ("#Super&amp;Bowl", "super bowl"),
        ("#Bowl's", "bowl s"),
        # Neither unknown words nor short ones are split.
        ("#superbowls", "superbowls"),
        ("#footgolf", "footgolf"),
        ("#isis", "isis"),
        ("#ofthe", "ofthe"),
        # A capital before a known word belongs to the previous word.
        ("#BBCnews", "bbc news"),
        ("#USArmy", "us army"),
        ("#BBCNews", "bbc news"),
        ("#UCLfinalNews", "ucl final news"),
        ("#AGame", "a game"),
        ("#TVAnews", "tva news"),
        ("#BBCAgame", "bbca game"),
        ("#BBCTable", "bbc table"),
        ("#BBCZork", "bbc zork"),
        ("#BBC_ANEWS", "bbc anews"),
        # No hashtags.
        ("superbowl", ""),
        ("#", ""),
        ("#2014", ""),
        ("", ""),
    ],
)
def test_words(text: str, words: str) -> None:
    segmenter = make_segmenter(
        "super super bowl bowl bowl of of of of the the the the news news world world final",
        "game army table able is is is is",
    )
    assert segmenter.words(text) == tuple(words.split())
    assert segmenter.words(text) == tuple(words.split())


def test_frequent_whole_word_is_not_split() -> None:
    plain = "super bowl the cat"
    assert make_segmenter(plain, "superbowl").words("#superbowl") == ("superbowl",)
    many = " ".join(["super bowl"] * 50)
    assert make_segmenter(many, "superbowl").words("#superbowl") == ("super", "bowl")


def test_counts_include_plain_words_and_mixed_case_hashtags() -> None:
    segmenter = make_segmenter(
        "House of cards of COURSE sooooo 12 12th @bob http://t.co/cards don't",
        "#HouseofCards #Houseof #thehouse #NBA #World_Cup2014 #houseofcards",
    )
    assert segmenter.counts == {
        "house": 3,
        "of": 4,
        "cards": 2,
        "course": 1,
        "soo": 1,
        "world": 1,
        "cup": 1,
    }


@pytest.mark.parametrize(("n_others", "is_split"), [(900, True), (1100, False)])
def test_parts_of_two_letters_must_be_frequent(n_others: int, is_split: bool) -> None:
    segmenter = HashtagSegmenter({"go": 1, "arsenal": 1, "x": n_others - 2})
    assert segmenter.words("#goarsenal") == (("go", "arsenal") if is_split else ("goarsenal",))


def test_single_letters_are_not_words() -> None:
    segmenter = HashtagSegmenter({"a": 500, "arsenal": 500})
    assert segmenter.words("#aarsenal") == ("aarsenal",)


def test_long_unknown_words_are_split_more_readily() -> None:
    # Both are of two parts that are equally rare.
    segmenter = HashtagSegmenter({"foot": 1, "golf": 1, "federation": 1, "the": 10**8})
    assert segmenter.words("#footgolf") == ("footgolf",)
    assert segmenter.words("#golffederation") == ("golf", "federation")


@pytest.mark.parametrize(("n_once", "is_split"), [(0, True), (1, True), (1000, False)])
def test_many_rare_words_make_splits_less_likely(n_once: int, is_split: bool) -> None:
    rare = {f"rare{i}": 1 for i in range(n_once)}
    segmenter = HashtagSegmenter({"foot": 2, "golf": 2, "the": 10**6, **rare})
    assert segmenter.words("#footgolf") == (("foot", "golf") if is_split else ("footgolf",))


def test_segmenter_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashtag_embed, "CACHE_SIZE", 3)
    segmenter = make_segmenter("super bowl")
    for i in range(10):
        assert segmenter.words(f"#SuperBowl{i}") == ("super", "bowl", "0")
        assert 1 <= len(segmenter._cache) <= 3
    n_calls = Counter[str]()
    monkeypatch.setattr(segmenter, "_segment", lambda text: n_calls.update([text]) or ["x"])
    for _ in range(3):
        segmenter.words("#new")
    assert n_calls == {"#new": 1}


@given(st.text(st.characters(categories=["L"]), min_size=1))
def test_hash_sign_and_letters_are_a_hashtag(letters: str) -> None:
    """The segmenter relies on this."""
    assert token_kind(f"#{letters}") == token_kind(f"＃{letters}") == "hashtag"
