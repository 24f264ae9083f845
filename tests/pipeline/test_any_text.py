"""Property tests of a trained pipeline with generated texts."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training.iob_utils import biluo_tags_to_spans, doc_to_biluo_tags
from spacy.util import load_model_from_config

from spacy_twitter_ner.iob import tags_to_spans, to_bio

from ..tweets import TEXTS, without_surrogates
from .util import NAME, entities, predicted_spans
from .validity import assert_valid

NAMES = ["Drake", "Chicago", "in Chicago", "Justin Bieber", "#Arsenal", "iPhone", "Obama"]
# Generated texts with names that the pipeline may recognize.
NAMED = st.lists(TEXTS | st.sampled_from(NAMES)).map(" ".join)


@pytest.fixture(scope="module")
def loaded(tweet_nlp, tmp_path_factory):
    """The pipeline, loaded from bytes and from disk."""
    path = tmp_path_factory.mktemp("any") / "pipeline"
    tweet_nlp.to_disk(path)
    from_bytes = load_model_from_config(tweet_nlp.config).from_bytes(tweet_nlp.to_bytes())
    return [from_bytes, spacy.load(path)]


@given(NAMED)
@settings(max_examples=200)
@pytest.mark.slow
def test_entities_of_any_text_are_valid(tweet_nlp, text):
    doc = tweet_nlp(text)
    assert doc.text == without_surrogates(text)
    assert_valid(doc, tweet_nlp.get_pipe(NAME).labels)


@given(NAMED)
@settings(max_examples=100)
@pytest.mark.slow
def test_entities_round_trip_through_tags(tweet_nlp, text):
    doc = tweet_nlp(text)
    expected = predicted_spans(tweet_nlp.get_pipe(NAME), [tweet_nlp.make_doc(text)])
    biluo = doc_to_biluo_tags(doc)
    assert tags_to_spans(to_bio(biluo)) == tags_to_spans(biluo) == expected
    assert entities([_with_ents(doc, biluo_tags_to_spans(doc, biluo))]) == [expected]


def _with_ents(doc, spans):
    copied = doc.copy()
    copied.set_ents(spans)
    return copied


# Derandomized: nearly equally probable predictions may depend on the order of a sum in the batch.
@given(st.lists(NAMED, max_size=6), st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=60, derandomize=True)
@pytest.mark.slow
def test_entities_do_not_depend_on_batches(tweet_nlp, texts, batch_size, random):
    expected = entities(tweet_nlp(text) for text in texts)
    assert entities(tweet_nlp.pipe(texts, batch_size=batch_size)) == expected
    order = list(range(len(texts)))
    random.shuffle(order)
    found = entities(tweet_nlp.pipe([texts[index] for index in order]))
    assert found == [expected[index] for index in order]


@given(NAMED)
@settings(max_examples=60)
@pytest.mark.slow
def test_loaded_pipeline_predicts_the_same(tweet_nlp, loaded, text):
    expected = tweet_nlp(text)
    for nlp in loaded:
        doc = nlp(text)
        assert [token.text for token in doc] == [token.text for token in expected]
        assert entities([doc]) == entities([expected])
        for ours, theirs in zip(
            *(_posteriors(each, text) for each in (nlp, tweet_nlp)), strict=True
        ):
            # Memory alignment can change the order of a sum.
            numpy.testing.assert_allclose(ours, theirs, atol=1e-5)


def _posteriors(nlp, text):
    return nlp.get_pipe(NAME).predict_proba([nlp.make_doc(text)])


@pytest.mark.slow
def test_entities_do_not_depend_on_n_process(tweet_nlp, safe_start_method):
    texts = [" ".join([*NAMES[number % 4 :], "so 😂"]) for number in range(23)]
    expected = entities(tweet_nlp.pipe(texts))
    assert any(expected)
    assert entities(tweet_nlp.pipe(texts, n_process=2, batch_size=4)) == expected
