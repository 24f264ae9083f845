from spacy_twitter_ner.evaluation.metrics import compute_metrics
from spacy_twitter_ner.evaluation.tables import (
    metrics_tables,
    reliability_tables,
    tables_to_markdown,
)

from .test_calibration import make_reliability
from .test_metrics import FOUND, GOLD, make_predictions


def make_tables():
    predictions = make_predictions(GOLD, FOUND)
    others = {"old": make_predictions(GOLD, GOLD)}
    metrics = compute_metrics(predictions, surfaces={}, others=others)
    return {table.title: table for table in metrics_tables(metrics)}


def test_metrics_tables_titles_and_columns():
    tables = make_tables()
    assert list(tables) == [
        "test: scores by type",
        "test: compared with old",
        "test: errors by type",
        "test: partial matches",
        "test: seen in the training data",
        "test: by entity length",
        "test: by tweet length",
        "test: confusions",
    ]
    for table in tables.values():
        assert all(len(row) == len(table.header) for row in table.rows), table.title


def test_score_table_equals_conlleval():
    table = make_tables()["test: scores by type"]
    assert table.note == "6 tokens with 3 entities; found 3, correct 1; accuracy 50.00"
    assert table.rows[0][:7] == ("all types", "3", "3", "1", "33.33", "33.33", "33.33")
    assert table.rows[1][:7] == ("ignoring types", "3", "3", "2", "66.67", "66.67", "66.67")
    assert table.rows[4][:7] == ("person", "1", "2", "1", "50.00", "100.00", "66.67")


def test_difference_table_is_signed():
    row = make_tables()["test: compared with old"].rows[0]
    assert row[:4] == ("all types", "33.33", "100.00", "-66.67")


def test_confusion_table_shades_are_fractions_of_the_row():
    table = make_tables()["test: confusions"]
    assert table.rows[1] == ("movie", "", "", "1", "")
    assert table.shades[1] == [0, 0, 1, 0]


def test_tables_to_markdown_keeps_notes_and_escapes_labels():
    table = make_tables()["test: scores by type"]
    table = table._replace(rows=[("a|b", *table.rows[0][1:])])
    lines = tables_to_markdown([table])
    assert lines[1:4] == ["## test: scores by type", "", table.note]
    assert lines[-1].startswith("| a\\|b | 3 |")


def test_reliability_tables():
    tables = reliability_tables(make_reliability())
    titles = [table.title for table in tables]
    assert titles[0] == "Expected calibration error, temperature 1.500"
    assert "Reliability on validation" in titles
    assert "Thresholds on empty" in titles
    for table in tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.header)}
    diagram = tables[1].rows
    # Precision 1 and confidence 0.95: a full bar with the mark at 19 of 20.
    assert diagram[-1] == ("0.9–1.0", "2", "0.951", "1.000", "█" * 19 + "┃" + "·")
    assert diagram[1][1:4] == ("0", "-", "-")
