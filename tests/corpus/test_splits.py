from pathlib import Path

import pytest

from spacy_twitter_ner.corpus.check import check_corpus
from spacy_twitter_ner.corpus.convert import convert
from spacy_twitter_ner.corpus.splits import split_name, training_first


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


def test_check_corpus_finds_training_split_in_any_order(tmp_path):
    (tmp_path / "test.txt").write_text("Paris B-geo-loc\n", encoding="utf8")
    (tmp_path / "train.txt").write_text("Drake B-person\n", encoding="utf8")
    check = check_corpus([tmp_path / "test.txt", tmp_path / "train.txt"])
    assert [problem.path.name for problem in check.problems] == ["test.txt"]


@pytest.mark.parametrize(
    ("training", "others"),
    [
        ("wnut17train.conll", ["emerging.dev.conll", "emerging.test.annotated"]),
        ("eng.train", ["eng.testa", "eng.testb"]),
        ("btc.train", ["btc.dev", "btc.test"]),
        ("NER-de-train.tsv", ["NER-de-dev.tsv", "NER-de-test.tsv"]),
        ("tweets_TRAIN_v2.txt", ["tweets_DEV_v2.txt", "tweets_VAL_v2.txt"]),
        ("trainingSet.conll", ["developmentSet.conll", "validationSet.conll", "testSet.conll"]),
        ("en-ud-trn.conllu", ["en-ud-tst.conllu", "en-ud-devel.conllu"]),
        ("mytrain.txt", ["my.txt", "heldout.txt"]),
        # Names that contain similar words.
        ("train.txt", ["constrained.txt", "contest-train-dev.txt"]),
        ("latest.train.txt", ["latest.valid.txt", "train_test.txt"]),
    ],
)
def test_training_first_recognizes_names(training, others):
    for paths in ([*others, training], [training, *others], [others[-1], training, *others[:-1]]):
        assert training_first([Path(path) for path in paths])[0] == Path(training)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("dev.txt", "dev"),
        ("a/btc.dev", "btc.dev"),
        ("eng.testa", "eng.testa"),
        ("eng.train.txt", "eng.train"),
        ("emerging.test.annotated", "emerging.test"),
        ("validation.spacy", "validation"),
        ("contest", "contest"),
    ],
)
def test_split_name(file, name):
    assert split_name(Path(file)) == name


def test_convert_keeps_suffixes_that_name_splits(tmp_path):
    paths = [tmp_path / f"eng.{split}" for split in ("testa", "testb", "train")]
    for path in paths:
        path.write_text("Drake B-person\n", encoding="utf8")
    conversion = convert(paths, tmp_path / "out", raw=True)
    assert [path.name for path in conversion.outputs + conversion.raw_outputs] == [
        *("eng.train.spacy", "eng.testa.spacy", "eng.testb.spacy"),
        *("eng.train_raw.spacy", "eng.testa_raw.spacy", "eng.testb_raw.spacy"),
    ]


def test_convert_notes_unnamed_training_split(tmp_path):
    for name in ("dev.txt", "tweets.txt"):
        (tmp_path / name).write_text("Drake B-person\n", encoding="utf8")
    paths = [tmp_path / "dev.txt", tmp_path / "tweets.txt"]
    (note,) = convert(paths, tmp_path / "out").notes
    assert note.startswith(f"{paths[0]}, the first file, is used as the training split")
