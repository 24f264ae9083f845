from pathlib import Path

import pytest

from spacy_twitter_ner.corpus.checking import check_corpus
from spacy_twitter_ner.corpus.splits import training_first


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["test.txt", "train.txt", "validation.txt"], ["train.txt", "test.txt", "validation.txt"]),
        (["b/dev.txt", "a/train-1.txt"], ["a/train-1.txt", "b/dev.txt"]),
        (["b.txt", "a.txt"], ["b.txt", "a.txt"]),
        (["train/test.txt", "other.txt"], ["train/test.txt", "other.txt"]),
        ([], []),
    ],
)
def test_training_first(given, expected):
    assert training_first([Path(path) for path in given]) == [Path(path) for path in expected]


def test_check_compares_with_the_training_split_in_any_order(tmp_path):
    (tmp_path / "test.txt").write_text("Paris B-geo-loc\n", encoding="utf8")
    (tmp_path / "train.txt").write_text("Drake B-person\n", encoding="utf8")
    check = check_corpus([tmp_path / "test.txt", tmp_path / "train.txt"])
    assert [problem.path.name for problem in check.problems] == ["test.txt"]
