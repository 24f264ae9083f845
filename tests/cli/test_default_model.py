"""Commands that take the pretrained pipeline where none is named."""

import json

import pytest
import spacy

from spacy_twitter_ner.cli._util import is_pipeline, split_model

from .util import run

TWEET = "saw Drake in Chicago last nite"
PRETRAINED_NAME = "en_tweet_ner"


@pytest.fixture
def model(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "mine", "pattern": "Chicago"}])
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


def test_is_pipeline(model, tmp_path):
    assert is_pipeline(str(model))
    assert is_pipeline("spacy")  # any package may be one
    for name in (str(tmp_path), TWEET, "", "\0", "tweets.txt", "x" * 10_000):
        assert not is_pipeline(name)


def test_split_model(model):
    name, others = split_model([str(model), TWEET])
    assert (name, others) == (str(model), [TWEET])
    name, others = split_model([TWEET])
    assert name.endswith(PRETRAINED_NAME)
    assert others == [TWEET]
    assert split_model(["any", "out.png"], n_others=1) == ("any", ["out.png"])
    assert split_model(["out.png"], n_others=1)[1] == ["out.png"]


def test_show(model):
    result = run("show", TWEET)
    assert result.exit_code == 0, result.output
    assert "[Chicago geo-loc" in result.output
    assert "[Chicago mine]" in run("show", model, TWEET).output
    result = run("show", "no-such-model")
    assert result.exit_code == 1
    assert "no-such-model is not a pipeline" in " ".join(result.output.split())


def test_explain():
    result = run("explain", TWEET, "--json")
    assert result.exit_code == 0, result.output
    assert "Chicago" in result.output
    result = run("explain", "a", "b", "c")
    assert result.exit_code == 1
    assert "give a pipeline and one tweet" in " ".join(result.output.split())


def test_annotate(model, tmp_path):
    tweets = tmp_path / "tweets.txt"
    tweets.write_text(f"{TWEET}\n", encoding="utf-8")
    result = run("annotate", tweets, "--output", tmp_path / "out", "--workers", 1)
    assert result.exit_code == 0, result.output
    (path,) = (tmp_path / "out").glob("*.jsonl")
    record = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert "Chicago" in [entity["text"] for entity in record["entities"]]
    result = run("annotate", model)
    assert result.exit_code == 1
    assert "pass files to annotate" in result.output
    result = run("annotate", "no-such-model", tweets)
    assert result.exit_code == 1
    assert "no-such-model" in result.output


def test_draw(tmp_path):
    pytest.importorskip("matplotlib")
    result = run("render", tmp_path / "tweet.svg", "--text", TWEET)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "tweet.svg").stat().st_size > 1000
    assert run("render", "a", "b", "c", "--text", TWEET).exit_code == 1
