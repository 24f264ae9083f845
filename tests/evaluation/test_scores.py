import warnings

import numpy
import pytest
from hypothesis import given
from seqeval.metrics import accuracy_score, classification_report
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

from spacy_twitter_ner.evaluation.scores import (
    count_boundaries,
    count_groups,
    count_spans,
    prf,
    to_scores,
    token_accuracy,
    with_total,
)
from spacy_twitter_ner.iob import to_bio

from .spans import LABELS, span_pairs, tagged_tweets


@given(tweets=tagged_tweets())
def test_scores_equal_seqevals_to_the_last_digit(tweets):
    gold, predicted = tweets
    counts = count_spans(span_pairs(gold, predicted), LABELS).sum(0)
    ours = [to_scores(row) for row in with_total(counts)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns of ratios of nothing
        theirs = classification_report(gold, predicted, output_dict=True)
        *micro, _ = precision_recall_fscore_support(gold, predicted, average="micro")
    assert ours[0][:3] == pytest.approx(tuple(micro), rel=1e-15, abs=0)
    for label, row in zip(LABELS, ours[1:], strict=True):
        expected = theirs.get(label, {"precision": 0, "recall": 0, "f1-score": 0, "support": 0})
        assert row[:3] == pytest.approx(
            (expected["precision"], expected["recall"], expected["f1-score"]), rel=1e-15, abs=0
        )
        assert row.n_gold == expected["support"]


@given(tweets=tagged_tweets())
def test_accuracy_equals_seqevals(tweets):
    """Conlleval and seqeval compare tags as they are written; so do we, of valid sequences."""
    gold, predicted = ([to_bio(tags) for tags in side] for side in tweets)
    ours = token_accuracy(span_pairs(gold, predicted), map(len, gold))
    assert ours == accuracy_score(gold, predicted)


@given(tweets=tagged_tweets())
def test_boundaries_are_scored_as_if_all_types_were_one(tweets):
    pairs = span_pairs(*tweets)
    bare = [tuple([(*span[:2], "x") for span in spans] for spans in pair) for pair in pairs]
    assert (count_boundaries(pairs) == count_spans(bare, ["x"])[:, 0]).all()


def test_groups_take_spans_apart():
    pairs = [([(0, 1, "a"), (2, 4, "a")], [(0, 1, "a")]), ([], [(0, 2, "b")])]
    groups = count_groups(pairs, lambda i, span: f"{i} {span[1] - span[0]}")
    assert {name: counts.tolist() for name, counts in groups.items()} == {
        "0 1": [[1, 0, 0], [0, 0, 0]],
        "0 2": [[0, 0, 1], [0, 0, 0]],
        "1 2": [[0, 0, 0], [0, 1, 0]],
    }


def test_unknown_type_is_named():
    with pytest.raises(ValueError, match="'b'"):
        count_spans([([(0, 1, "b")], [])], ["a"])


def test_ratios_of_nothing_are_zero():
    assert prf(numpy.zeros((2, 3), dtype="int64")).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert token_accuracy([], []) == 0.0
    assert count_spans([], ["a"]).shape == (0, 1, 3)
