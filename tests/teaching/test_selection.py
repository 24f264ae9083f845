import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.teaching.selection import (
    RANDOM,
    UNCERTAIN,
    WordEntropies,
    choose,
    drop_near_duplicates,
    get_entropies,
)

ENTROPIES = [
    WordEntropies(["a"], [0.5]),
    WordEntropies(["b", "c"], [1.0, 0.2]),
    WordEntropies(["b", "c"], [1.0, 0.1]),
    WordEntropies([], []),
    WordEntropies(["d"], [0.7]),
]


def test_uncertain_and_different_tweets_come_first():
    choices = choose(range(5), ENTROPIES, 5, random_share=0.0)
    # Tweet 2 has almost the entropy of tweet 1, but of the same words.
    assert [choice.tweet for choice in choices] == [1, 4, 2, 0, 3]
    assert {choice.reason for choice in choices} == {UNCERTAIN}


def test_random_tweets_are_spread():
    entropies = [WordEntropies(["x"], [1.0])] * 100
    reasons = [one.reason for one in choose(range(100), entropies, 20, random_share=0.2)]
    assert reasons.count(RANDOM) == 4
    assert all(reasons[start : start + 5].count(RANDOM) == 1 for start in range(0, 20, 5))


def test_without_a_pipeline_all_are_random():
    choices = choose(range(50), None, 10, seed=1)
    assert {choice.reason for choice in choices} == {RANDOM}
    assert choices != choose(range(50), None, 10, seed=2)


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.01, 3)), max_size=4)),
    st.integers(0, 30),
    st.floats(0, 1),
)
def test_choices_are_distinct_candidates(tweets, n, share):
    entropies = [WordEntropies([w for w, _ in one], [v for _, v in one]) for one in tweets]
    candidates = range(0, len(tweets), 2)
    chosen = [one.tweet for one in choose(candidates, entropies, n, random_share=share)]
    assert len(chosen) == len(set(chosen)) == min(n, len(candidates))
    assert set(chosen) <= set(candidates)


def test_near_duplicates_are_dropped():
    texts = ["Saw Drake in Leeds", "saw drake in leeds http://t.co/x", "saw Adele", "in leeds 2"]
    assert drop_near_duplicates(texts, ["In Leeds"]) == [0, 2]


def test_entropies_are_those_of_the_posteriors(tweet_nlp):
    ner = tweet_nlp.get_pipe("twitter_bilstm_ner")
    texts = ["so tired", "saw Zorblax Quint in Frimblewick"]
    (known, unknown) = get_entropies(tweet_nlp, texts, ner.labels)
    assert sum(unknown.entropies) > sum(known.entropies)
    assert set(unknown.words) <= {"saw", "zorblax", "quint", "in", "frimblewick"}
    (posteriors,) = ner.predict_proba([tweet_nlp.make_doc(texts[1])])
    entropies = -(posteriors * numpy.log(numpy.maximum(posteriors, 1e-30))).sum(axis=1)
    assert max(unknown.entropies) == pytest.approx(entropies.max(), rel=1e-4)


def test_types_that_are_not_annotated_are_outside(tweet_nlp):
    """A pipeline that doesn't know whether it's a person or a company needn't ask if only places
    are annotated."""
    text = ["saw Zorblax Quint in Frimblewick"]
    (all_types,) = get_entropies(tweet_nlp, text, tweet_nlp.get_pipe("twitter_bilstm_ner").labels)
    (one_type,) = get_entropies(tweet_nlp, text, ["geo-loc"])
    assert 0 < sum(one_type.entropies) < sum(all_types.entropies)
    assert get_entropies(tweet_nlp, text, []) == [WordEntropies([], [])]
