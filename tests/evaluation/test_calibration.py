import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.evaluation.calibration import (
    Reliability,
    measure_calibration,
    measure_point,
    measure_split,
    read_reliability,
)
from spacy_twitter_ner.evaluation.scores import asdict

CONFIDENCES = numpy.asarray([0.05, 0.62, 0.68, 0.66, 1.0, 0.95])
IS_RIGHT = numpy.asarray([False, True, False, False, True, True])


def make_reliability() -> Reliability:
    split = measure_split(CONFIDENCES, CONFIDENCES**2, IS_RIGHT, 10)
    nothing = measure_split(numpy.zeros(0), numpy.zeros(0), numpy.zeros(0, dtype=bool), 0)
    return Reliability(1.5, {"validation": split, "empty": nothing})


def test_measure_calibration_by_hand():
    found = measure_calibration(CONFIDENCES, IS_RIGHT)
    assert [each.n for each in found.bins] == [1, 0, 0, 0, 0, 0, 3, 0, 0, 2]
    assert found.bins[1].precision is None
    assert found.bins[6].precision == pytest.approx(1 / 3)
    assert found.bins[6].confidence == pytest.approx(1.96 / 3)
    # |0.05 - 0| + |1.96 - 1| + |1.95 - 2| over six entities
    assert found.ece == pytest.approx((0.05 + 0.96 + 0.05) / 6)
    assert found.entities == 6


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_measure_calibration_bins_contain_all_entities(pairs):
    confidences, is_right = (numpy.asarray(column) for column in zip(*pairs, strict=True))
    found = measure_calibration(confidences, is_right)
    assert sum(each.n for each in found.bins) == len(pairs)
    assert 0.0 <= found.ece <= 1.0
    for each in found.bins:
        if each.n:
            assert each.low - 1e-9 <= each.confidence <= each.high + 1e-9
            assert 0.0 <= each.precision <= 1.0


def test_measure_calibration_ece_and_chance():
    random = numpy.random.RandomState(1)
    confidences = random.uniform(size=400)
    true = measure_calibration(confidences, random.uniform(size=400) < confidences)
    assert true.ece == pytest.approx(true.chance, rel=0.5)
    assert 0.02 < true.chance < 0.06
    overconfident = measure_calibration(confidences**0.2, random.uniform(size=400) < confidences)
    assert overconfident.ece > 4 * overconfident.chance
    many = measure_calibration(numpy.tile(confidences, 100), numpy.zeros(40_000, dtype=bool))
    assert many.chance < 0.005


def test_measure_point():
    point = measure_point(CONFIDENCES, IS_RIGHT, 10, 0.65)
    assert (point.n, point.coverage, point.precision, point.recall) == (4, 4 / 6, 0.5, 0.2)
    assert point.f == pytest.approx(2 * 0.5 * 0.2 / 0.7)
    assert measure_point(CONFIDENCES, IS_RIGHT, 10, 0.95).n == 2
    nothing = measure_point(numpy.zeros(0), numpy.zeros(0, dtype=bool), 0, 0.5)
    assert nothing[1:] == (0, None, None, None, None)


def test_reliability_round_trip(tmp_path):
    path = tmp_path / "confidence.json"
    path.write_text(json.dumps(asdict(make_reliability())), encoding="utf8")
    assert read_reliability(path) == make_reliability()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"temperature": 1, "splits": {"test": {}}}'])
def test_read_reliability_rejects_other_formats(tmp_path, text):
    path = tmp_path / "confidence.json"
    path.write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match=r"confidence\.json isn't a reliability file"):
        read_reliability(path)
