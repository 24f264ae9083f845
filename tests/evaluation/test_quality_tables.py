from spacy_twitter_ner.evaluation.quality import measure_quality
from spacy_twitter_ner.evaluation.quality_tables import quality_tables
from spacy_twitter_ner.evaluation.tables import tables_to_markdown

from .test_quality import FOUND, GOLD, make_predictions


def make_tables():
    predictions = make_predictions(GOLD, FOUND)
    quality = measure_quality(
        predictions, surfaces={}, others={"old": make_predictions(GOLD, GOLD)}
    )
    return {table.title: table for table in quality_tables(quality)}


def test_each_part_of_the_quality_has_a_table():
    tables = make_tables()
    assert list(tables) == [
        "test: scores by type",
        "test: beside old",
        "test: what is wrong",
        "test: partial matches",
        "test: seen in the training data or not",
        "test: by length of the entity",
        "test: by length of the tweet",
        "test: confusions",
    ]
    for table in tables.values():
        assert all(len(row) == len(table.header) for row in table.rows), table.title


def test_scores_are_those_of_conlleval():
    table = make_tables()["test: scores by type"]
    assert table.note == "6 tokens with 3 entities; found 3, correct 1; accuracy 50.00"
    assert table.rows[0][:7] == ("all types", "3", "3", "1", "33.33", "33.33", "33.33")
    assert table.rows[1][:7] == ("whatever the type", "3", "3", "2", "66.67", "66.67", "66.67")
    assert table.rows[4][:7] == ("person", "1", "2", "1", "50.00", "100.00", "66.67")


def test_difference_has_its_sign():
    row = make_tables()["test: beside old"].rows[0]
    assert row[:4] == ("all types", "33.33", "100.00", "-66.67")


def test_confusions_are_shaded_by_share_of_the_row():
    table = make_tables()["test: confusions"]
    assert table.rows[1] == ("movie", "", "", "1", "")
    assert table.shades[1] == [0, 0, 1, 0]


def test_markdown_keeps_notes_and_escapes_labels():
    table = make_tables()["test: scores by type"]
    table = table._replace(rows=[("a|b", *table.rows[0][1:])])
    lines = tables_to_markdown([table])
    assert lines[1:4] == ["## test: scores by type", "", table.note]
    assert lines[-1].startswith("| a\\|b | 3 |")
