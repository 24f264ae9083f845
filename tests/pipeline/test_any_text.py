"""Any text through a trained pipeline."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training.iob_utils import biluo_tags_to_spans, doc_to_biluo_tags
from spacy.util import load_model_from_config

from spacy_twitter_ner.iob import bio_tags, tags_to_spans, to_bio

from ..tweets import TEXTS, without_surrogates
from .legality import assert_legal
from .util import NAME, entities

NAMES = ["Drake", "Chicago", "in Chicago", "Justin Bieber", "#Arsenal", "iPhone", "Obama"]
# Names of the kind that the pipeline knows among what else stands in tweets.
NAMED = st.lists(TEXTS | st.sampled_from(NAMES)).map(" ".join)


@pytest.fixture(scope="module")
def loaded(tweet_nlp, tmp_path_factory):
    """The pipeline, from its bytes and from the disk."""
    path = tmp_path_factory.mktemp("any") / "pipeline"
    tweet_nlp.to_disk(path)
    from_bytes = load_model_from_config(tweet_nlp.config).from_bytes(tweet_nlp.to_bytes())
    return [from_bytes, spacy.load(path)]


@given(NAMED)
@settings(max_examples=200)
def test_entities_are_legal(tweet_nlp, text):
    doc = tweet_nlp(text)
    assert doc.text == without_surrogates(text)
    assert_legal(doc, tweet_nlp.get_pipe(NAME).labels)


@given(NAMED)
@settings(max_examples=100)
def test_tags_and_entities_say_the_same(tweet_nlp, text):
    """From the entities to tags, to those of other schemes, and back."""
    doc = tweet_nlp(text)
    (tags,) = tweet_nlp.get_pipe(NAME).predict([tweet_nlp.make_doc(text)])
    bio = [bio_tags(tweet_nlp.get_pipe(NAME).labels)[tag] for tag in tags]
    biluo = doc_to_biluo_tags(doc)
    assert to_bio(biluo) == bio
    expected = entities([doc])[0]
    assert tags_to_spans(bio) == tags_to_spans(biluo) == expected
    assert entities([_with_ents(doc, biluo_tags_to_spans(doc, biluo))]) == [expected]


def _with_ents(doc, spans):
    copied = doc.copy()
    copied.set_ents(spans)
    return copied


# Always the same examples: where two analyses are all but equally probable, the order of a sum
# decides, and that may depend on the batch.
@given(st.lists(NAMED, max_size=6), st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=60, derandomize=True)
def test_neither_batch_size_nor_order_matters(tweet_nlp, texts, batch_size, random):
    expected = entities(tweet_nlp(text) for text in texts)
    assert entities(tweet_nlp.pipe(texts, batch_size=batch_size)) == expected
    order = list(range(len(texts)))
    random.shuffle(order)
    found = entities(tweet_nlp.pipe([texts[index] for index in order]))
    assert found == [expected[index] for index in order]


@given(NAMED)
@settings(max_examples=60)
def test_neither_bytes_nor_the_disk_matter(tweet_nlp, loaded, text):
    expected = tweet_nlp(text)
    for nlp in loaded:
        doc = nlp(text)
        assert [token.text for token in doc] == [token.text for token in expected]
        assert entities([doc]) == entities([expected])
        for ours, theirs in zip(
            *(_posteriors(each, text) for each in (nlp, tweet_nlp)), strict=True
        ):
            # Where an array lies in memory may decide the order of a sum.
            numpy.testing.assert_allclose(ours, theirs, atol=1e-6)


def _posteriors(nlp, text):
    return nlp.get_pipe(NAME).predict_proba([nlp.make_doc(text)])


def test_the_number_of_processes_does_not_matter(tweet_nlp, safe_start_method):
    texts = [" ".join([*NAMES[number % 4 :], "so 😂"]) for number in range(23)]
    expected = entities(tweet_nlp.pipe(texts))
    assert any(expected)
    assert entities(tweet_nlp.pipe(texts, n_process=2, batch_size=4)) == expected
