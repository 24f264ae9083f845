from contest.contestants import LADDER, all_contestants
from contest.scores import compare
from contest.tables import accuracy_table, type_table

from ..util import DOCS, GOLD, gold_spans, make_result


def test_table_has_means_deviations_and_remarks() -> None:
    perfect, nothing = make_result(gold_spans(DOCS)), make_result([[] for _ in DOCS])
    results = {
        "gazetteer": [{**perfect, "n_bytes": None}],
        "bilstm": [perfect, {**nothing, "processor_seconds": 20.0}],
    }
    lines = accuracy_table(results, {"bilstm_crf": "not run"}).splitlines()
    rows = {line.split("`")[1]: line.split(" | ") for line in lines[2:]}
    assert list(rows) == [contestant.name for contestant in all_contestants()]
    assert rows["gazetteer"][2:] == ["100.00", "100.00", "100.00 / 100.00", "100.00", "10", "- |"]
    mean = "50.00 ± 70.71"
    assert rows["bilstm"][2:] == [mean, mean, "50.00 / 50.00", mean, "15", "2.5 |"]
    adds = next(rung.adds for rung in LADDER if rung.name == "bilstm_crf")
    assert rows["bilstm_crf"][1:] == [f"{adds} (not run)", *["-"] * 5, "- |"]
    assert {len(row) for row in rows.values()} == {8}


def test_types_below_the_reference_are_named() -> None:
    reference, worse = (
        [make_result(gold_spans(DOCS, without=without))] for without in ("", "place")
    )
    comparisons = {
        "bilstm": compare(reference, reference, GOLD),
        "bilstm_crf": compare(reference, worse, GOLD),
    }
    text = type_table(comparisons)
    assert "| place | 10 | 100.00 | 100.00 | +0.0 [+0.0, +0.0] | yes | 0.00 | -100.0 " in text
    assert text.count("**no**") == 2
    assert "- `bilstm`, no type below `crfsuite` by more than its interval: holds for every" in text
    assert "- `bilstm_crf`, no type below `crfsuite` by more than its interval: does not" in text
    assert text.endswith("does not hold for place.")
