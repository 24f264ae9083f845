import json

import pytest
from hypothesis import given

from spacy_twitter_ner.evaluation.metrics import (
    ALL,
    collect_surfaces,
    compute_metrics,
    metrics_to_dict,
    score_slices,
    seen_group,
)
from spacy_twitter_ner.evaluation.predictions import Predictions, Tweet

from .spans import span_pairs, tagged_tweets


def make_predictions(gold, predicted, name="test"):
    pairs = span_pairs(gold, predicted)
    words = [tuple(f"w{i}" for i in range(len(tags))) for tags in gold]
    return Predictions(
        name, [Tweet(w, *pair) for w, pair in zip(words, pairs, strict=True)], tags=()
    )


GOLD = [["B-person", "I-person", "O", "B-movie"], ["O", "B-geo-loc"]]
FOUND = [["B-person", "I-person", "O", "B-person"], ["B-movie", "O"]]


def test_confusion_matrix():
    metrics = compute_metrics(make_predictions(GOLD, FOUND))
    assert metrics.labels == ("geo-loc", "movie", "person")
    assert metrics.confusion.tolist() == [
        [0, 0, 0, 1],  # missed
        [0, 0, 1, 0],  # predicted as person
        [0, 0, 1, 0],
        [0, 1, 0, 0],  # spurious
    ]


@given(tweets=tagged_tweets())
def test_compute_metrics_parts_agree(tweets):
    metrics = compute_metrics(make_predictions(*tweets))
    n_labels = len(metrics.labels)
    total = metrics.overall
    per_type = list(metrics.per_type.values())
    assert total[3:6] == tuple(
        map(sum, zip(*(s[3:6] for s in per_type), strict=True)) if per_type else (0, 0, 0)
    )
    assert metrics.confusion[:n_labels].sum() == total.n_gold
    assert metrics.confusion[:, :n_labels].sum() == total.n_predicted
    assert metrics.categories[ALL]["correct"] == total.n_correct
    assert metrics.schemas["strict"].correct == total.n_correct
    assert metrics.span_only.n_correct == metrics.schemas["exact"].correct
    for category, count in metrics.categories[ALL].items():
        assert count == sum(metrics.categories[label][category] for label in metrics.labels)
    for groups in metrics.slices[1:]:
        assert sum(scores.n_gold for scores in groups.values()) == total.n_gold


def test_compute_metrics_difference_to_other_model():
    model, other = make_predictions(GOLD * 20, GOLD * 20), make_predictions(GOLD * 20, FOUND * 20)
    metrics = compute_metrics(model, others={"old": other})
    difference = metrics.differences["old"][ALL]
    assert (difference.f, difference.other) == pytest.approx((1.0, 1 / 3))
    assert 0 < difference.low <= 2 / 3 <= difference.high
    assert difference.p_value < 0.01
    assert set(metrics.differences["old"]) == {ALL, "geo-loc", "movie", "person"}


def test_compute_metrics_rejects_predictions_for_another_corpus():
    with pytest.raises(ValueError, match=r"'old' on 'test'.*another corpus"):
        compute_metrics(make_predictions(GOLD, GOLD), others={"old": make_predictions(FOUND, GOLD)})


def test_metrics_to_dict_follows_documented_format():
    predictions = make_predictions(GOLD, FOUND)
    metrics = compute_metrics(predictions, surfaces={}, others={"old": predictions})
    data = json.loads(json.dumps(metrics_to_dict(metrics)))
    assert (data["tweets"], data["tokens"], data["labels"]) == (
        2,
        6,
        ["geo-loc", "movie", "person"],
    )
    assert set(data["overall"]) == {
        *("p", "r", "f", "n_gold", "n_predicted", "n_correct"),
        *("low", "high"),
    }
    assert data["per_type"]["person"]["r"] == 1.0
    assert data["categories"][ALL]["wrong type"] == 1
    assert data["schemas"]["partial"]["correct"] == 2
    assert data["slices"]["seen"]["unseen"]["n_gold"] == 3
    assert data["differences"]["old"]["movie"]["p_value"] == 1.0


def test_compute_metrics_without_tweets():
    metrics = compute_metrics(Predictions("empty", []))
    assert metrics.overall == (0.0, 0.0, 0.0, 0, 0, 0, 0.0, 0.0)
    assert metrics.per_type == {}
    assert metrics.confusion.tolist() == [[0]]


SURFACES = collect_surfaces(
    [
        (("New", "York", "and", "Drake"), [(0, 2, "geo-loc"), (3, 4, "musicartist")]),
        (("drake",), [(0, 1, "person")]),
    ]
)


def test_collect_surfaces_by_lowercase_words():
    assert {
        "new york": frozenset({"geo-loc"}),
        "drake": frozenset({"musicartist", "person"}),
    } == SURFACES


def test_seen_group():
    words = ("NEW", "YORK", "Drake", "York")
    assert seen_group(words, (0, 2, "geo-loc"), SURFACES) == "seen"
    assert seen_group(words, (0, 2, "movie"), SURFACES) == "seen with another type"
    assert seen_group(words, (2, 3, "person"), SURFACES) == "seen"
    assert seen_group(words, (3, 4, "geo-loc"), SURFACES) == "unseen"


def test_score_slices():
    tweets = [
        Tweet(
            ("new", "york", "loves", "Bob"),
            gold=[(0, 2, "geo-loc"), (3, 4, "person")],
            predicted=[(0, 2, "geo-loc"), (3, 4, "movie")],
        ),
        Tweet(("x",) * 12, gold=[(0, 5, "movie")], predicted=[]),
    ]
    slices = score_slices(tweets, SURFACES)
    assert slices.seen is not None
    assert {name: scores[3:] for name, scores in slices.seen.items()} == {
        "seen": (1, 1, 1),
        "unseen": (2, 1, 0),
    }
    assert {name: scores[3:] for name, scores in slices.entity_length.items()} == {
        "1 token": (1, 1, 0),
        "2 tokens": (1, 1, 1),
        "4 and more tokens": (1, 0, 0),
    }
    assert {name: scores.r for name, scores in slices.tweet_length.items()} == {
        "under 10 tokens": 0.5,
        "10 to 19 tokens": 0.0,
    }


def test_score_slices_without_training_data():
    assert score_slices([Tweet(("a",), [], [])], None).seen is None
