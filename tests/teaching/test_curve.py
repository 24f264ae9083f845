import numpy
import pytest

from spacy_twitter_ner.teaching.curve import (
    Counts,
    count,
    estimate_answers,
    make_curve,
    summarize,
)


def answer(n_trained: int = 0, *, right: bool = True, reason: str = "random") -> dict:
    spans = [[0, 3, "x"]]
    predicted = spans if right else [[0, 3, "y"]]
    fixed = {"kind": "answer", "action": "accept", "annotator": "ann", "unsure": [], "seconds": 4}
    return {
        **fixed,
        "spans": spans,
        "predicted": predicted,
        "reason": reason,
        "n_trained": n_trained,
    }


def test_unsure_spans_are_ignored():
    entry = {"spans": [[0, 3, "x"]], "predicted": [[0, 3, "x"], [4, 8, "y"]], "unsure": [[4, 6]]}
    assert count(entry) == Counts(1, 1, 1)


def test_curve_is_that_of_random_tweets():
    entries = [answer(0, right=False), answer(0), answer(50), answer(50, reason="uncertain")]
    entries.append({"kind": "label", "label": "z"})
    points = make_curve(entries)
    assert [(p.n_trained, p.n_answers, p.f1) for p in points] == [(0, 2, 0.5), (50, 1, 1.0)]
    assert make_curve(entries, only_random=False)[1].n_answers == 2


def test_estimate_follows_a_power_law():
    rng = numpy.random.default_rng(1)
    sizes = [50, 100, 200, 400, 800]
    entries = [answer(n, right=bool(rng.random() > 2 * n**-0.4)) for n in sizes for _ in range(400)]
    estimate = estimate_answers(entries, 0.9)
    exact = 20**2.5  # 2 n ** -0.4 = 0.1
    assert estimate.low < exact < estimate.high
    assert estimate.answers == pytest.approx(exact, rel=0.5)


def test_too_few_answers_give_no_estimate():
    assert estimate_answers([answer(n) for n in range(20)], 0.9) is None
    assert estimate_answers([answer(7)] * 100, 0.9) is None


def test_no_progress_means_the_target_is_not_reached():
    rng = numpy.random.default_rng(0)
    entries = [answer(n, right=bool(rng.random() > 0.5)) for n in (50, 100, 200) for _ in "x" * 60]
    assert estimate_answers(entries, 0.95).high is None


def test_summary():
    entries = [answer(), answer(right=False), {**answer(), "action": "skip", "spans": []}]
    assert summarize(entries) == {"answers": 3, "accepted": 2, "unchanged": 0.5, "seconds": 4}
