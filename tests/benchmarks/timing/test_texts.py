import gzip
from itertools import islice
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from timing.texts import (
    BenchmarkError,
    Texts,
    Tweet,
    chain_words,
    count_words,
    default_corpus,
    draw_lengths,
    offsets,
    read_stream,
    read_texts,
)

TEXTS = Texts([Tweet(text, text.split()) for text in ("a b c", "d", "e f")], "three tweets")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    vocab = spacy.blank("xx").vocab
    (tmp_path / "corpus" / "sample").mkdir(parents=True)
    docs = [Doc(vocab, words=words) for words in (["so", "tired"], [], ["ok"])]
    DocBin(docs=docs).to_disk(tmp_path / "corpus" / "sample" / "train.spacy")
    return tmp_path


def test_rounds_go_through_all_tweets_and_begin_again() -> None:
    assert [TEXTS.round(number, 2) for number in range(3)] == [
        TEXTS.tweets[:2],
        [TEXTS.tweets[2], TEXTS.tweets[0]],
        TEXTS.tweets[1:],
    ]


def test_texts_are_those_of_the_corpus(root: Path) -> None:
    texts = read_texts(root, "sample", 5)
    assert texts.tweets == [Tweet("so tired", ["so", "tired"]), Tweet("ok", ["ok"])]
    assert count_words(texts.tweets) == 3
    assert list(islice(read_stream(root, texts), 5)) == ["so tired", "ok"] * 2 + ["so tired"]
    assert default_corpus(root) == "sample"


def test_unlabelled_tweets_come_first(root: Path) -> None:
    folder = root / "assets" / "unlabelled"
    folder.mkdir(parents=True)
    with gzip.open(folder / "tweets.txt.gz", "wt", encoding="utf8") as file:
        file.write("@kim: so tired!!\n\nok\n\u200b\nlast\n")
    texts = read_texts(root, "sample", 2)
    assert [tweet.text for tweet in texts.tweets] == ["@kim: so tired!!", "ok"]
    assert texts.tweets[0].words == ["@kim", ":", "so", "tired", "!!"]
    stream = list(islice(read_stream(root, texts), 8))
    assert stream.count("last") == 2


def test_missing_corpus_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"run convert \. --vars\.corpus hse"):
        read_texts(tmp_path, "hse", 1)


def test_texts_of_one_length() -> None:
    assert chain_words(TEXTS.tweets, 4, 9) == [["a", "b", "c", "d"], ["e", "f", "a", "b"]]
    assert [len(text) for text in chain_words(TEXTS.tweets, 10, 3)] == [10]


def test_lengths_are_those_of_tweets() -> None:
    lengths = draw_lengths(TEXTS, 50)
    assert lengths == draw_lengths(TEXTS, 50)
    assert set(lengths) == {1, 2, 3}
    assert offsets([3, 1, 2]) == [0, 3, 4, 6]
