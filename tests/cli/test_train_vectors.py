import inspect
import json
import sys
from dataclasses import fields
from functools import partial

import pytest
import spacy

from spacy_twitter_ner.cli.train_vectors import train_vectors_cli
from spacy_twitter_ner.lexical.clusters import read_clusters
from spacy_twitter_ner.training.lexical import LexicalSettings

from ..training.corpora import needs_lexical, write_tweets
from .util import run

pytestmark = needs_lexical
train_vectors = partial(run, "train-vectors")


@pytest.fixture
def tweets(tmp_path):
    return write_tweets(tmp_path / "tweets.txt", n=200)


def test_vectors_and_clusters_are_written(tweets, tmp_path):
    output = tmp_path / "new" / "folder"
    options = "--width 8 -c 4 --epochs 1 --max-words 10 --min-count 2 --window 2 --seed 3 --lang xx"
    result = train_vectors(tweets, tweets, output, *options.split())
    assert result.exit_code == 0, result.output
    assert "Reading 2 files" in result.stderr
    assert "10 vectors of width 8, 4 clusters of" in " ".join(result.stdout.split())
    assert sorted(path.name for path in output.iterdir()) == [
        "clusters.tsv",
        "meta.json",
        "vectors",
    ]
    nlp = spacy.load(output / "vectors")
    assert nlp.lang == "xx"
    assert nlp.vocab.vectors.shape == (10, 8)
    assert len({word.path for word in read_clusters(output / "clusters.tsv")}) == 4
    assert json.loads((output / "meta.json").read_text())["settings"] == {
        "width": 8,
        "window": 2,
        "min_count": 2,
        "epochs": 1,
        "max_words": 10,
        "clusters": 4,
        "algorithm": "word2vec",
        "dtype": None,
        "seed": 3,
        "workers": 1,
        "lang": "xx",
    }


def test_defaults_are_those_of_the_function():
    settings = LexicalSettings()
    parameters = inspect.signature(train_vectors_cli).parameters
    expected = {field.name: getattr(settings, field.name) for field in fields(settings)}
    assert {name: parameters[name].default for name in expected} == expected
    assert set(parameters) == {"tweets", "output", *expected}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithm", "glove"], "algorithm: must be word2vec or floret, got 'glove'"),
        (["--clusters", "1"], "clusters: must be at least 2, got 1"),
        (["-a", "floret", "--dtype", "float16"], "only supports float32"),
        (["--min-count", "1000"], "lower --min-count"),
    ],
)
def test_errors_are_messages(tweets, tmp_path, options, message):
    result = train_vectors(tweets, tmp_path / "out", *options)
    assert result.exit_code == 1
    assert message in " ".join(result.stdout.split())
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_a_message(tweets, tmp_path):
    result = train_vectors(tweets, tmp_path / "none.txt", tmp_path / "out")
    assert result.exit_code == 1
    assert "no such file of tweets" in " ".join(result.stdout.split())


def test_a_missing_package_is_a_message(tweets, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim", None)
    result = train_vectors(tweets, tmp_path / "out")
    assert result.exit_code == 1
    assert 'pip install "spacy-twitter-ner[vectors]"' in " ".join(result.stdout.split())
