import pytest

from spacy_twitter_ner.corpus.repair import Reading, drop_rows, strip_whitespace


@pytest.mark.parametrize(
    ("keep", "spans", "missing"),
    [
        ([1, 1, 1, 1, 1], [(0, 2, "x"), (2, 4, "y")], {4}),
        ([0, 1, 1, 1, 1], [(0, 1, "x"), (1, 3, "y")], {3}),
        ([1, 1, 1, 0, 0], [(0, 2, "x"), (2, 3, "y")], set()),
        ([0, 0, 1, 1, 1], [(0, 2, "y")], {2}),
        ([0, 0, 0, 0, 0], [], set()),
    ],
)
def test_drop_rows(keep, spans, missing):
    reading = Reading([(0, 2, "x"), (2, 4, "y")], {4}, [], [])
    assert drop_rows(reading, [bool(kept) for kept in keep]) == (spans, missing)


@pytest.mark.parametrize(
    ("tokens", "spans", "stripped"),
    [
        (["a", "\u00a0", "b"], [(0, 3, "x")], []),
        (["\u00a0", "a", "\u2028"], [(1, 2, "x")], [0, 2]),
        (["\u00a0", "\x0b", "\u2028"], [], [0, 1, 2]),
        # Zero-width characters aren't whitespace.
        (["\u200b", "a", "\ufeff"], [(0, 3, "x")], []),
    ],
)
def test_strip_whitespace(tokens, spans, stripped):
    assert strip_whitespace([(0, 3, "x")], tokens) == (spans, stripped)
