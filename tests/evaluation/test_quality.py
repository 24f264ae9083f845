import json

import pytest
from hypothesis import given

from spacy_twitter_ner.evaluation.predictions import Predictions, Tweet
from spacy_twitter_ner.evaluation.quality import ALL, measure_quality, quality_to_dict

from .spans import span_pairs, tagged_tweets


def make_predictions(gold, predicted, name="test"):
    pairs = span_pairs(gold, predicted)
    words = [tuple(f"w{i}" for i in range(len(tags))) for tags in gold]
    return Predictions(
        name, [Tweet(w, *pair) for w, pair in zip(words, pairs, strict=True)], tags=()
    )


GOLD = [["B-person", "I-person", "O", "B-movie"], ["O", "B-geo-loc"]]
FOUND = [["B-person", "I-person", "O", "B-person"], ["B-movie", "O"]]


def test_confusion_matrix_counts_gold_by_predicted():
    quality = measure_quality(make_predictions(GOLD, FOUND))
    assert quality.labels == ("geo-loc", "movie", "person")
    assert quality.confusion.tolist() == [
        [0, 0, 0, 1],  # the geo-loc was missed
        [0, 0, 1, 0],  # the movie was taken for a person
        [0, 0, 1, 0],
        [0, 1, 0, 0],  # the second movie is spurious
    ]


@given(tweets=tagged_tweets())
def test_parts_of_a_report_agree(tweets):
    quality = measure_quality(make_predictions(*tweets))
    n_labels = len(quality.labels)
    total = quality.scores[ALL]
    per_type = [quality.scores[label] for label in quality.labels]
    assert total[3:] == tuple(
        map(sum, zip(*(s[3:] for s in per_type), strict=True)) if per_type else (0, 0, 0)
    )
    assert quality.confusion[:n_labels].sum() == total.n_gold
    assert quality.confusion[:, :n_labels].sum() == total.n_predicted
    assert quality.categories[ALL]["correct"] == total.n_correct
    assert quality.schemas["strict"].correct == total.n_correct
    assert quality.span_only.n_correct == quality.schemas["exact"].correct
    for category, count in quality.categories[ALL].items():
        assert count == sum(quality.categories[label][category] for label in quality.labels)
    for groups in quality.slices[1:]:
        assert sum(scores.n_gold for scores in groups.values()) == total.n_gold


def test_difference_to_another_model():
    model, other = make_predictions(GOLD * 20, GOLD * 20), make_predictions(GOLD * 20, FOUND * 20)
    quality = measure_quality(model, others={"old": other})
    difference = quality.differences["old"][ALL]
    assert (difference.f, difference.other) == pytest.approx((1.0, 1 / 3))
    assert 0 < difference.low <= 2 / 3 <= difference.high
    assert difference.p_value < 0.01
    assert set(quality.differences["old"]) == {ALL, "geo-loc", "movie", "person"}


def test_predictions_of_another_corpus_are_refused():
    with pytest.raises(ValueError, match=r"'old' on 'test'.*another corpus"):
        measure_quality(make_predictions(GOLD, GOLD), others={"old": make_predictions(FOUND, GOLD)})


def test_dict_is_json_and_follows_documented_schema():
    predictions = make_predictions(GOLD, FOUND)
    quality = measure_quality(predictions, surfaces={}, others={"old": predictions})
    data = json.loads(json.dumps(quality_to_dict(quality)))
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


def test_no_tweets():
    quality = measure_quality(Predictions("empty", []))
    assert quality.scores == {ALL: (0.0, 0.0, 0.0, 0, 0, 0)}
    assert quality.confusion.tolist() == [[0]]
