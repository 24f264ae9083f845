import bz2
import gzip
import lzma
import re

import pytest

from spacy_twitter_ner.corpus.tweets import (
    interleave_tweets,
    normal_words,
    read_tweets,
    tweet_files,
)


def test_read_tweets_skips_blank_lines(tmp_path):
    path = tmp_path / "tweets.txt"
    path.write_text("one\n\n  \ntwo\u2028three\r\nfour", encoding="utf-8")
    assert list(read_tweets([path, path])) == ["one", "two\u2028three", "four"] * 2


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", '{"text": "hi Mia"}\n{"delete": {}}\n{"text": "so\\ntired"}\n'),
        ("a.json", '[{"text": "hi Mia"}, {"text": "so\\r\\ntired"}]'),
        ("a.csv", 'id,text\n1,hi Mia\n2,"so\ntired"\n'),
        ("a.TSV", "id\ttext\n1\thi Mia\n2\tso tired\n"),
        ("a.dat", "hi Mia\nso tired\n"),
        ("a.txt", "\ufeffhi Mia\nso tired\n"),
    ],
)
@pytest.mark.parametrize("compress", [None, bz2, lzma])
def test_read_tweets_formats(tmp_path, name, data, compress):
    suffix = {None: "", bz2: ".bz2", lzma: ".xz"}[compress]
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(compress.compress(data.encode()) if compress else data.encode())
    assert list(read_tweets([path])) == ["hi Mia", "so tired"]


@pytest.mark.parametrize("name", ["a.txt", "a.dat", "a.txt.gz"])
@pytest.mark.parametrize("data", ['{"text": "hi Mia"}\n', '[\n {"text": "hi Mia"}\n]'])
def test_read_tweets_raises_error_on_json_as_text(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(gzip.compress(data.encode()) if name.endswith(".gz") else data.encode())
    with pytest.raises(ValueError, match="looks like JSON, not text: name it"):
        list(read_tweets([path]))


@pytest.mark.parametrize(
    ("name", "data"), [("a.jsonl", '{"text": "hi"}\n{"no": 1}\n'), ("a.csv", 'text,id\n"hi\nx,1\n')]
)
def test_read_tweets_raises_error_on_bad_records(tmp_path, name, data):
    path = tmp_path / name
    path.write_text(data)
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: ")):
        list(read_tweets([path]))


@pytest.mark.parametrize("damage", [lambda data: b"plain text\n", lambda data: data[:-20]])
def test_read_tweets_raises_error_on_damaged_gzip(tmp_path, damage):
    path = tmp_path / "tweets.txt.gz"
    path.write_bytes(damage(gzip.compress(bytes(range(32, 127)) * 9)))
    with pytest.raises(ValueError, match=r"tweets.txt.gz:\d+: not gzipped, or truncated"):
        list(read_tweets([path]))


def test_tweet_files_raises_error_if_missing(tmp_path):
    path = tmp_path / "none.txt"
    with pytest.raises(FileNotFoundError, match=re.escape(f"{path}: no such file of tweets")):
        tweet_files([path])


@pytest.mark.parametrize(
    ("tweet", "words"),
    [
        ("RT @Bob: I'm at O'Neill's", ["rt", "<USR>", ":", "i'm", "at", "o'neill's"]),
        ("see http://t.co/x1, www.a.b/c t.co/Ab", ["see", "<URL>", "<URL>", "<URL>"]),
        ("#Arsenal2 $TSLA #", ["arsenal0", "$tsla", "#"]),
        ("Tom &amp; Jerry AT&T a&nbsp;b", ["tom", "&", "jerry", "at&t", "a", "b"]),
        (":) :-D <3 :'( -_- (: word:D", [":)", ":-d", "<0", ":'(", "-_-", "(:", "word", ":d"]),
        ("U.S. state-of-the-art don’t", ["u.s.", "state-of-the-art", "don’t"]),
        ("10:30pm 3,000.50 2nd", ["00:00pm", "0,000.00", "0nd"]),
        ("so goooood!!!! ok?!", ["so", "good", "!!", "ok", "?", "!"]),
        ("(see: this)", ["(", "see", ":", "this", ")"]),
        ("😂😂😂❤️👍🏽no", ["😂😂", "❤️", "👍🏽", "no"]),
        ("a\x00b\x07", ["a", "b"]),
        ("Zoe\u0308 in #Ma\u0301laga", ["zoë", "in", "málaga"]),
        ("𝗭𝗼𝗲\u0308 in ＃Ｍálaga", ["zoë", "in", "málaga"]),
        ("\u2066@kim\u2069 s\u0336o\u0336 fi\u00adne \u200bok", ["<USR>", "so", "fine", "ok"]),
        ("", []),
    ],
)
def test_normal_words(tweet, words):
    assert normal_words(tweet) == words


def test_interleave_tweets(tmp_path):
    paths = []
    for name, tweets in {"one": "a\nb\nc\nd\n", "two": "1 e\n", "three": "f\ng\n"}.items():
        paths.append(tmp_path / name)
        paths[-1].write_text(tweets)
    assert list(interleave_tweets(paths)) == ["a", "1 e", "f", "b", "g", "c", "d"]


def test_interleave_tweets_skips_near_duplicates(tmp_path):
    path = tmp_path / "tweets.txt"
    path.write_text("RT @kim: 5 new cars http://t.co/a\nrt @lee: 7 NEW cars\nnew bikes\n")
    assert list(interleave_tweets([path])) == ["RT @kim: 5 new cars http://t.co/a", "new bikes"]


def test_normal_words_contain_no_whitespace():
    tweet = "a&#10;b &#x2028; &nbsp;&emsp; \x85 \u2029 c"
    assert normal_words(tweet) == ["a", "b", "c"]
