import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.strings import get_string_id
from spacy.vocab import Vocab

from spacy_twitter_ner.models.lexemes import (
    FEATURES,
    distinct_lexemes,
    lexeme_features,
    lookup,
    validate_features,
)

from .docs import make_doc, make_docs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "#Arsenal",
            {
                "orth": "#Arsenal",
                "masked": "#Arsenal",
                "norm": "arsenal",
                "shape": "#Xxxxx",
                "prefix1": "a",
                "prefix2": "ar",
                "prefix3": "ars",
                "prefix4": "arse",
                "suffix1": "l",
                "suffix2": "al",
                "suffix3": "nal",
                "suffix4": "enal",
            },
        ),
        ("@Bob", {"orth": "@Bob", "masked": "<USR>", "norm": "<USR>", "shape": "@Xxx"}),
        ("http://t.co/1", {"orth": "http://t.co/1", "masked": "<URL>", "norm": "<URL>"}),
        # How a user or a URL is written is hidden.
        ("@Bob-1", {"kind": "word", "flags": "word title digit hyphen"}),
        ("@Bob1", {"kind": "user", "flags": "user"}),
        ("http://t.co/1", {"kind": "url", "flags": "url"}),
        ("#Arsenal", {"kind": "hashtag", "flags": "hashtag title", "emoji": ""}),
        ("U.S.-led", {"flags": "word mixed hyphen dot"}),
        ("👍🏽", {"kind": "emoji", "flags": "emoji none", "emoji": "👍"}),
        ("It", {"norm": "it", "prefix3": "it", "suffix3": "it", "prefix1": "i"}),
        ("2012", {"norm": "0000", "suffix2": "00", "shape": "dddd"}),
    ],
)
def test_feature_values(text: str, expected: dict[str, str]) -> None:
    assert lexeme_features(text, tuple(expected)) == tuple(expected.values())


@given(st.text(min_size=1))
def test_every_text_has_every_feature(text: str) -> None:
    values = lexeme_features(text, tuple(FEATURES))
    assert len(values) == len(FEATURES)
    for name, value in zip(FEATURES, values, strict=True):
        assert isinstance(value, str)
        assert value or name == "emoji"


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([], "features is empty. Choose from: orth, masked"),
        (["norm", "cluster"], "unknown feature 'cluster'. Choose from: orth"),
        (["norm", "shape", "norm"], "'norm' is repeated"),
    ],
)
def test_invalid_features(features: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        validate_features(features)


def test_all_features_are_valid() -> None:
    validate_features(list(FEATURES))


@given(st.lists(st.lists(st.sampled_from(["a", "A", "bb", "é", "😀"]), max_size=5), max_size=5))
def test_distinct_lexemes_cover_all_tokens(words: list[list[str]]) -> None:
    lexemes = distinct_lexemes(make_docs(*(" ".join(doc_words) for doc_words in words)))
    tokens = [word for doc_words in words for word in doc_words]
    assert sorted(lexemes.texts) == sorted(set(tokens))
    assert [lexemes.texts[i] for i in lexemes.inverse] == tokens
    assert lexemes.lengths == [len(doc_words) for doc_words in words]


def test_docs_with_different_vocabs() -> None:
    # Each text is in a single vocab.
    docs = [
        make_doc("", Vocab()),
        make_doc("onlyhere", Vocab()),
        make_doc("", Vocab()),
        make_doc("onlythere onlyhere", Vocab()),
    ]
    lexemes = distinct_lexemes(docs)
    assert [lexemes.texts[i] for i in lexemes.inverse] == ["onlyhere", "onlythere", "onlyhere"]


LOOKUP_KEYS = ["london", "lol", "Apple", "apple", "arsenal", "#friday", "<USR>", "0:00"]


def lookup_in(keys, text):
    return lookup({get_string_id(key): key for key in keys}, text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Apple", "Apple"),  # the text first
        ("APPLE", "apple"),
        ("London", "london"),
        ("@someone", "<USR>"),
        ("7:45", "0:00"),
        ("#Arsenal", "arsenal"),
        ("#FRIDAY", "#friday"),
        ("＃Friday", "#friday"),
        ("#fridayyyyy", None),
        ("friday", None),
        ("lolll", None),
        ("#", None),
        ("unseen", None),
    ],
)
def test_lookup(text, key):
    """Of pretrained clusters and vectors."""
    assert lookup_in(LOOKUP_KEYS, text) == key


@pytest.mark.parametrize(
    ("text", "keys", "key"),
    [
        ("#ARSENAL", ["arsenal", "#arsenal"], "#arsenal"),
        ("#Lol7", ["lol0", "#lol0"], "lol0"),
        ("#Lol7", ["#lol0"], "#lol0"),
    ],
)
def test_lookup_of_hashtags(text, keys, key):
    """By the lower-cased text, the normal form, and the normal form with the sign."""
    assert lookup_in(keys, text) == key
