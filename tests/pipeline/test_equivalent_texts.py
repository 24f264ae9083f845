"""Equivalent Unicode texts have the same entities, and doc.text isn't changed."""

import unicodedata

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spacy_twitter_ner
from spacy_twitter_ner.pipeline.explain import explain

from ..spellings import CASELESS, STYLES, inserted, spelled_otherwise, styled
from ..tweets import TEXTS
from .test_any_text import NAMES
from .util import NAME, entities

ACCENTED = [
    "Zoë",
    "Málaga",
    "#CaféRouge",
    "Beyoncé’s",
    "Ángel Di María",
    "한국",
    "Ёлкин",
    "e\u0323\u0302",
]
TWEETS = st.lists(TEXTS | st.sampled_from([*NAMES, *ACCENTED])).map(" ".join)
TWEET = "RT @kim: saw Drake in Chicago last nite, flying to New York tmrw"


@pytest.fixture(scope="module")
def pretrained():
    return spacy_twitter_ner.load()


@given(TWEETS, st.integers())
@settings(max_examples=200)
@pytest.mark.slow
def test_equivalent_texts_have_same_entities(tweet_nlp, text, seed):
    other = spelled_otherwise(text, seed)
    doc, other_doc = tweet_nlp(text), tweet_nlp(other)
    assert other_doc.text == other
    assert entities([other_doc]) == entities([doc])
    ours, theirs = (tweet_nlp.get_pipe(NAME).predict_proba([each]) for each in (doc, other_doc))
    numpy.testing.assert_allclose(ours[0], theirs[0], atol=1e-5)


@given(st.lists(TWEETS, max_size=5), st.integers())
@settings(max_examples=50, derandomize=True)
@pytest.mark.slow
def test_equivalent_texts_share_cache(tweet_nlp, texts, seed):
    """Both spellings are in the lexeme cache."""
    others = [spelled_otherwise(text, seed) for text in texts]
    expected = entities(tweet_nlp(text) for text in texts)
    assert entities(tweet_nlp.pipe([*texts, *others])) == expected * 2


@pytest.mark.parametrize(
    "text", ["saw Zoë Saldaña in Málaga", "Beyoncé at the Café Pelé in São Paulo"]
)
def test_decomposed_accents(pretrained, text):
    expected = entities([pretrained(text)])
    assert any(expected)
    for form in ("NFD", "NFKD"):
        assert entities([pretrained(unicodedata.normalize(form, text))]) == expected


@pytest.mark.parametrize("style", sorted(STYLES))
def test_styled_letters(pretrained, style):
    text = styled(TWEET, style)
    plain = TWEET.upper() if style in CASELESS else TWEET
    doc = pretrained(text)
    assert doc.text == text
    assert entities([doc]) == entities([pretrained(plain)])


@pytest.mark.parametrize("sign", ["strikethrough", "underline", "soft hyphen", "word joiner"])
def test_combining_and_invisible_characters(pretrained, sign):
    assert entities([pretrained(inserted("saw Drake in Chicago", sign))]) == entities(
        [pretrained("saw Drake in Chicago")]
    )


def test_equivalent_texts_have_same_explanations(pretrained):
    plain, other = (
        explain(pretrained, text) for text in ("saw Zoë in Málaga", "saw Zoe\u0308 in Ma\u0301laga")
    )
    assert plain
    for ours, theirs in zip(plain, other, strict=True):
        assert ours.probability == pytest.approx(theirs.probability)
        numpy.testing.assert_allclose(ours.by_token, theirs.by_token, atol=1e-5)
