import json
from functools import partial
from pathlib import Path

import pytest

from .util import run

check = partial(run, "check", "--no-format")
TRAIN = "saw O\nDrake B-PER\n\nin O\nParis B-LOC\n\nso O\ntired O\n"
CONFIG = """
[nlp]
lang = "en"

[corpora]

[corpora.train]
@readers = "spacy-twitter-ner.MultiCorpus.v1"

[corpora.train.corpora]

[corpora.train.corpora.news]
@readers = "spacy-twitter-ner.MappedCorpus.v1"
path = "{path}"
weight = 0.5
unannotated = ["product"]

[corpora.train.corpora.news.labels]
PER = ["person", "musicartist"]
LOC = "geo-loc"
MISC = []

[corpora.dev]
@readers = "spacy-twitter-ner.MappedCorpus.v1"
path = "{path}"
"""


@pytest.fixture
def config(write) -> Path:
    return write("config.cfg", CONFIG.format(path=write("train.txt", TRAIN)))


def test_label_maps_are_shown(config):
    result = check(config)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    for row in (
        ["PER", "1", "person", "or", "musicartist"],
        ["LOC", "1", "geo-loc"],
        ["MISC", "0", "none"],
        ["Not", "annotated:", "product"],
        ["PER", "1", "PER"],
    ):
        assert row in rows
    assert "3 tweets, weight 0.5" in result.stdout


def test_likely_mistakes_are_warnings(config):
    text = " ".join(check(config).stdout.split())
    assert "train.news: no entity has the label 'MISC' of its map" in text
    assert "train.news: no corpus annotates 'product'" in text
    assert "No entity is certain to be 'musicartist'" in text
    assert "No entity is certain to be 'geo-loc'" not in text


def test_label_maps_as_json(config):
    data = json.loads(check(config, "--json", "-").stdout)
    assert [corpus["name"] for corpus in data["corpora"]] == ["train.news", "dev"]
    assert data["corpora"][0]["labels"]["PER"] == ["person", "musicartist"]
    assert data["corpora"][0]["unannotated"] == ["product"]
    assert len(data["warnings"]) == 4


def test_label_without_map_is_an_error(config):
    config.write_text(config.read_text().replace("LOC =", "LOK ="))
    result = check(config)
    assert result.exit_code == 1
    assert "has the label 'LOC'" in " ".join(result.output.split())


def test_config_without_label_maps_is_an_error(write):
    result = check(write("config.cfg", '[nlp]\nlang = "en"\n\n[corpora]\n'))
    assert result.exit_code == 1
    assert "no label maps" in " ".join(result.output.split())
