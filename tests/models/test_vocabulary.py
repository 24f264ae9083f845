from collections import Counter

import pytest
import srsly
from thinc.api import Model

from spacy_twitter_ner.models.tables import UNKNOWN, Vocabulary

COUNTS = Counter({"rare": 1, "also": 1, "b": 2, "a": 2, "the": 9})


@pytest.mark.parametrize(
    ("min_freq", "keys", "n_frequent"),
    [
        (0, ["the", "a", "b", "also", "rare"], 3),
        (1, ["the", "a", "b", "also", "rare"], 3),
        (2, ["the", "a", "b"], 3),
        (3, ["the"], 1),
        (10, [], 0),
    ],
)
def test_from_counts(min_freq: int, keys: list[str], n_frequent: int) -> None:
    vocabulary = Vocabulary.from_counts(COUNTS, min_freq=min_freq)
    assert vocabulary.keys == keys
    assert vocabulary.n_frequent == n_frequent
    assert len(vocabulary) == len(keys) + 1


def test_rows_count_from_one_in_order() -> None:
    vocabulary = Vocabulary.from_counts(COUNTS)
    assert [vocabulary.row(key) for key in vocabulary.keys] == [1, 2, 3, 4, 5]
    assert vocabulary.row("The") == vocabulary.row("") == UNKNOWN == 0


def test_order_does_not_depend_on_the_order_of_counting() -> None:
    reverse = Counter(dict(reversed(COUNTS.items())))
    assert Vocabulary.from_counts(reverse).keys == Vocabulary.from_counts(COUNTS).keys


def test_empty_vocabulary() -> None:
    vocabulary = Vocabulary()
    assert len(vocabulary) == 1
    assert vocabulary.row("a") == UNKNOWN


def test_bytes_round_trip() -> None:
    vocabulary = Vocabulary(["é", "😀", ""], n_frequent=2)
    copy = Vocabulary.from_bytes(vocabulary.to_bytes())
    assert copy.keys == ["é", "😀", ""]
    assert copy.n_frequent == 2
    assert [copy.row(key) for key in vocabulary.keys] == [1, 2, 3]


def test_vocabulary_is_serialized_with_the_model() -> None:
    def make_model(vocabulary: Vocabulary) -> Model:
        return Model("test", lambda model, X, is_train: (X, None), attrs={"v": vocabulary})

    data = make_model(Vocabulary(["a", "b"], n_frequent=1)).to_bytes()
    loaded = make_model(Vocabulary()).from_bytes(data).attrs["v"]
    assert isinstance(loaded, Vocabulary)
    assert (loaded.keys, loaded.n_frequent) == (["a", "b"], 1)


def test_learn_assigns_spare_rows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vocabulary = Vocabulary.from_counts(COUNTS, min_freq=2, n_spare=3)
    assert len(vocabulary) == 3 + 1 + 3
    vocabulary.learn(["the", "new", "new", "a", "newer"])
    assert vocabulary.keys == ["the", "a", "b", "new", "newer"]
    assert (vocabulary.row("newer"), vocabulary.n_frequent, vocabulary.n_spare) == (5, 3, 1)
    copy = Vocabulary.from_bytes(vocabulary.to_bytes())
    assert (copy.row("newer"), copy.n_spare, len(copy)) == (5, 1, 7)
    assert not caplog.text
    vocabulary.learn(["x", "y"])
    assert (vocabulary.row("x"), vocabulary.row("y"), len(vocabulary)) == (6, UNKNOWN, 7)
    assert "is full" in caplog.text
    assert "nlp.initialize(lambda: examples)" in caplog.text
    caplog.clear()
    vocabulary.learn(["z"])
    assert not caplog.text


def test_learn_without_spare_rows() -> None:
    vocabulary = Vocabulary.from_counts(COUNTS)
    before = vocabulary.to_bytes()
    vocabulary.learn(["new"])
    assert vocabulary.row("new") == UNKNOWN
    assert vocabulary.to_bytes() == before
    # The format of saved pipelines.
    assert set(srsly.msgpack_loads(before)) == {"keys", "n_frequent"}
