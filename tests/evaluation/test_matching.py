import pytest
from hypothesis import example, given
from nervaluate import Evaluator

from spacy_twitter_ner.evaluation.matching import (
    SCHEMAS,
    count_categories,
    match_spans,
    score_schema,
)

from .spans import LABELS, span_pairs, tagged_tweets

NERVALUATE = {"strict": "strict", "exact": "exact", "partial": "partial", "type": "ent_type"}

# The first prediction overlaps two entities and is closer to the second.
CLOSER_TO_SECOND = (
    [["B-movie", "B-movie", "I-movie", "I-movie", "I-movie"]],
    [["B-movie", "I-movie", "I-movie", "I-movie", "B-movie"]],
)


@given(tweets=tagged_tweets())
@example(tweets=CLOSER_TO_SECOND)
def test_score_schema_equals_nervaluate(tweets):
    gold, predicted = tweets
    pairs = span_pairs(gold, predicted)
    expected = Evaluator(gold, predicted, tags=list(LABELS), loader="list").evaluate()["overall"]
    for schema in SCHEMAS:
        theirs = expected[NERVALUATE[schema]]
        ours = score_schema(pairs, schema)
        assert ours[:5] == (
            theirs.correct,
            theirs.incorrect,
            theirs.partial,
            theirs.missed,
            theirs.spurious,
        ), schema
        assert (ours.p, ours.r) == (theirs.precision, theirs.recall)
        assert ours.f == pytest.approx(theirs.f1)


@given(tweets=tagged_tweets())
def test_count_categories_adds_up_to_nervaluate(tweets):
    gold, predicted = tweets
    matches = [match for pair in span_pairs(gold, predicted) for match in match_spans(*pair)]
    counts = count_categories(matches)
    theirs = Evaluator(gold, predicted, tags=list(LABELS), loader="list").evaluate()["overall"]
    overlaps = counts["wrong boundary"] + counts["wrong type and boundary"]
    assert counts["correct"] == theirs["strict"].correct
    assert counts["wrong type"] == theirs["exact"].correct - theirs["strict"].correct
    assert overlaps == theirs["partial"].partial
    assert counts["wrong type"] + overlaps == theirs["strict"].incorrect
    assert counts["missed"] == theirs["strict"].missed
    assert counts["spurious"] == theirs["strict"].spurious


@pytest.mark.parametrize(
    ("gold", "predicted", "categories"),
    [
        ([(0, 2, "person")], [(0, 2, "person")], ["correct"]),
        ([(0, 2, "person")], [(0, 2, "movie")], ["wrong type"]),
        ([(0, 2, "person")], [(1, 2, "person")], ["wrong boundary"]),
        ([(0, 2, "person")], [(1, 3, "movie")], ["wrong type and boundary"]),
        ([(0, 2, "person")], [], ["missed"]),
        ([], [(0, 2, "person")], ["spurious"]),
        ([(0, 1, "person")], [(1, 2, "person")], ["missed", "spurious"]),
        # A prediction over two entities is paired with the first.
        ([(0, 1, "person"), (1, 2, "person")], [(0, 2, "person")], ["wrong boundary", "missed"]),
        # Of two predictions in one entity, the second is spurious.
        ([(0, 2, "person")], [(0, 1, "person"), (1, 2, "person")], ["wrong boundary", "spurious"]),
        ([], [], []),
    ],
)
def test_match_spans_category(gold, predicted, categories):
    assert [match.category for match in match_spans(gold, predicted)] == categories


@given(tweets=tagged_tweets())
def test_match_spans_contains_each_span_once(tweets):
    for gold, predicted in span_pairs(*tweets):
        matches = match_spans(gold, predicted)
        assert sorted(match.gold for match in matches if match.gold) == gold
        assert sorted(match.predicted for match in matches if match.predicted) == predicted
        assert all(match.gold or match.predicted for match in matches)
