import pytest
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from contest.scores import Difference, compare, score

from ..util import (
    DOCS,
    GOLD,
    LABELS,
    TWEETS,
    VOCAB,
    gold_spans,
    make_doc,
    make_result,
    random_predictions,
)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scores_are_those_of_spacy(seed: int) -> None:
    predictions = random_predictions(DOCS, seed)
    examples = []
    for doc, spans in zip(DOCS, predictions, strict=True):
        predicted = Doc(VOCAB, words=[token.text for token in doc])
        predicted.set_ents([Span(predicted, s, e, label=label) for s, e, label in spans])
        examples.append(Example(predicted, doc))
    expected, found = get_ner_prf(examples), score(DOCS, predictions, LABELS)
    assert 0 < expected["ents_f"] < 1
    for key in "prf":
        assert found["all"][key] == pytest.approx(expected[f"ents_{key}"])
        for label, row in expected["ents_per_type"].items():
            assert found["per_type"][label][key] == pytest.approx(row[key])
    support = {label: row["support"] for label, row in found["per_type"].items()}
    assert support == {"person": 15, "place": 10, "team": 5}
    assert found["all"]["support"] == 30
    assert found["all"]["low"] <= found["all"]["f"] <= found["all"]["high"]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 1, "team"), (3, 4, "place")], (1, 1, 1)),
        # The types do not matter, the bounds do.
        ([(0, 1, "person"), (3, 4, "team")], (1, 1, 1)),
        ([(0, 2, "team"), (3, 4, "place")], (1 / 2, 1 / 2, 1 / 2)),
        ([(0, 1, "team")], (1, 1 / 2, 2 / 3)),
        ([(0, 1, "team"), (1, 2, "team"), (2, 4, "place")], (1 / 3, 1 / 2, 2 / 5)),
        ([], (0, 0, 0)),
    ],
)
def test_span_only_scores(spans: list[tuple[int, int, str]], expected: tuple[float, ...]) -> None:
    found = score([make_doc(TWEETS[1])], [spans], LABELS)["span_only"]
    assert tuple(found[key] for key in "prf") == pytest.approx(expected)


def test_scores_where_nothing_is_found_or_sought_are_zero() -> None:
    found = score([make_doc("nothing here")], [[]], LABELS)
    assert found["all"] == {"p": 0, "r": 0, "f": 0, "low": 0, "high": 0, "support": 0}


def test_predictions_of_fewer_tweets_are_rejected() -> None:
    with pytest.raises(ValueError, match="shorter"):
        score(DOCS, [[]], LABELS)


def test_types_below_the_reference_do_not_hold() -> None:
    reference = [make_result(gold_spans(DOCS))]
    equal = compare(reference, reference * 2, GOLD)
    worse = compare(reference, [make_result(gold_spans(DOCS, without="place")) for _ in "ab"], GOLD)
    assert equal["place"] == Difference(10, 1.0, 1.0, 0.0, 0.0)
    assert [label for label, row in worse.items() if not row.holds] == ["all", "place"]
    assert worse["place"].model == 0.0


@pytest.mark.parametrize(("high", "holds"), [(-0.001, False), (0.0, True), (0.2, True)])
def test_holds_if_the_interval_reaches_zero(high: float, holds: bool) -> None:
    assert Difference(1, 0.6, 0.5, -0.3, high).holds is holds


def test_difference_is_drawn_in_pairs_and_takes_the_mean_of_the_seeds() -> None:
    one, two, three = (make_result(random_predictions(DOCS, seed)) for seed in range(3))
    rows = compare([one], [two, three], GOLD)
    means = [sum(r["scores"]["test"]["all"]["f"] for r in (two, three)) / 2]
    assert rows["all"].model == pytest.approx(means[0])
    # The same predictions on other draws of the tweets would not agree.
    same = compare([two, three], [two, three], GOLD)
    assert {(row.low, row.high) for row in same.values()} == {(0.0, 0.0)}
