"""Hypothesis strategy for tagged tweets, which may contain invalid BIO sequences."""

from collections.abc import Sequence

from hypothesis import strategies as st

from spacy_twitter_ner.iob import TokenSpan, tags_to_spans

LABELS = ("geo-loc", "movie", "person")
TAGS = ("O", "O", *(f"{prefix}-{label}" for label in LABELS for prefix in "BI"))

SpanPair = tuple[list[TokenSpan], list[TokenSpan]]


@st.composite
def tagged_tweets(draw, min_tweets: int = 1):
    """Draw gold and predicted tags of some tweets. Predictions are modified gold tags."""
    gold, predicted = [], []
    for _ in range(draw(st.integers(min_tweets, 5))):
        tags = draw(st.lists(st.sampled_from(TAGS), min_size=1, max_size=9))
        changes = draw(st.lists(st.sampled_from([*TAGS, None, None]), min_size=9, max_size=9))
        gold.append(tags)
        predicted.append([new or old for old, new in zip(tags, changes, strict=False)])
    return gold, predicted


def span_pairs(gold: Sequence[list[str]], predicted: Sequence[list[str]]) -> list[SpanPair]:
    return [(tags_to_spans(g), tags_to_spans(p)) for g, p in zip(gold, predicted, strict=True)]
