import json
from pathlib import Path

import pytest

from gazetteer import Gazetteer, gazetteer_cli

from .util import make_doc, run_command, write_docs


def annotate(train: list[str], text: str, min_ratio: float = 0.3) -> list[tuple[str, str]]:
    predicted = Gazetteer([make_doc(doc) for doc in train], min_ratio).annotate(make_doc(text))
    assert [token.text for token in predicted] == text.split()
    return [(ent.text, ent.label_) for ent in predicted.ents]


NEW_YORK = "new/B-geo-loc york/I-geo-loc"


@pytest.mark.parametrize(
    ("train", "text", "expected"),
    [
        (["Leeds/B-geo-loc"], "in LEEDS", [("LEEDS", "geo-loc")]),
        # The longest phrase wins, and the shorter one where that goes no further.
        (
            [NEW_YORK, "new/B-company york/I-company times/I-company"],
            "new york times new york time",
            [("new york times", "company"), ("new york", "geo-loc")],
        ),
        # A walk beyond the last phrase falls back to it.
        (
            [NEW_YORK, "new/B-facility york/I-facility city/I-facility hall/I-facility"],
            "new york city",
            [("new york", "geo-loc")],
        ),
        # From the left: "a b" takes b from "b c d", though that is longer.
        (
            ["a/B-x b/I-x", "b/B-y c/I-y d/I-y", "d/B-z"],
            "a b c d",
            [("a b", "x"), ("d", "z")],
        ),
        # The most frequent type.
        (["may/B-person", "may/B-other", "may/B-other"], "may", [("may", "other")]),
        # Two in a row stay two.
        (["leeds/B-geo-loc"], "leeds leeds", [("leeds", "geo-loc"), ("leeds", "geo-loc")]),
    ],
)
def test_matching(train: list[str], text: str, expected: list[tuple[str, str]]) -> None:
    assert annotate(train, text) == expected


@pytest.mark.parametrize(("n_others", "kept"), [(7, True), (8, False)])
def test_phrase_is_kept_from_the_ratio_on(n_others: int, kept: bool) -> None:
    train = ["now may/B-person " * 3, *["It May rain"] * n_others]
    assert bool(annotate(train, "may", min_ratio=0.3)) is kept


def test_occurrences_inside_other_entities_count_against_a_phrase() -> None:
    train = ["york/B-geo-loc", *[NEW_YORK] * 3]
    assert annotate(train, "york", min_ratio=0.3) == []
    assert annotate(train, "york", min_ratio=0.25) == [("york", "geo-loc")]


def test_prefix_of_a_phrase_is_no_phrase_at_ratio_zero() -> None:
    assert annotate([NEW_YORK], "new year", min_ratio=0.0) == []


def test_occurrence_before_the_first_entity_counts() -> None:
    assert annotate(["may", "may/B-person"], "may", min_ratio=0.6) == []


def test_cli_prints_and_writes_scores_as_spacy_evaluate(tmp_path: Path) -> None:
    train = write_docs(tmp_path / "train.spacy", "in Leeds/B-geo-loc", "Ann/B-person")
    test = write_docs(tmp_path / "test.spacy", "leeds/B-geo-loc and Bob/B-person", "Ann")
    empty = write_docs(tmp_path / "empty.spacy", "nothing here")
    options = ("--json", tmp_path / "all.json", "--output-dir", tmp_path / "metrics")
    result = run_command(gazetteer_cli, train, test, empty, *options)
    assert result.exit_code == 0, result.output
    assert ["all", "50.00", "50.00", "50.00"] in [
        line.split() for line in result.output.split("\n")
    ]
    scores = json.loads((tmp_path / "metrics" / "test.json").read_text())
    assert scores == {
        "ents_p": 0.5,
        "ents_r": 0.5,
        "ents_f": 0.5,
        "ents_per_type": {
            "geo-loc": {"p": 1.0, "r": 1.0, "f": 1.0},
            "person": {"p": 0.0, "r": 0.0, "f": 0.0},
        },
    }
    nothing = json.loads((tmp_path / "metrics" / "empty.json").read_text())
    assert nothing["ents_f"] is None
    assert json.loads((tmp_path / "all.json").read_text()) == {"test": scores, "empty": nothing}


def test_cli_rejects_corpora_of_one_name(tmp_path: Path) -> None:
    train = write_docs(tmp_path / "train.spacy", "Ann/B-person")
    assert run_command(gazetteer_cli, train, train, train).exit_code == 2


def test_cli_rejects_training_corpus_without_entities(tmp_path: Path) -> None:
    train = write_docs(tmp_path / "train.spacy", "no entity")
    result = run_command(gazetteer_cli, train, train)
    assert result.exit_code == 2
    assert "no entities" in result.output
