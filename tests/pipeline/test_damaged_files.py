"""Saved pipelines that are damaged, and configs that do not fit: an error when they are loaded,
which says what is wrong, and never one later, or none."""

import json
import shutil
from pathlib import Path

import pytest
import spacy
import srsly
from confection import ConfigValidationError
from spacy.util import load_model_from_config
from spacy.vocab import Vocab

from spacy_twitter_ner import __version__
from spacy_twitter_ner.pipeline.serialization import MANIFEST
from spacy_twitter_ner.tokenizer import TweetTokenizer

from .util import NAME, SMALL_CRF, add_small_ner, make_examples, predicted_entities

ROOT = Path(__file__).parents[2]
FILES = [f"{NAME}/cfg", f"{NAME}/model", f"{NAME}/{MANIFEST}", "tokenizer"]
# What can happen to a file's bytes. None of them is what they were.
DAMAGES = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "but the last byte": lambda data: data[:-1],
    "a bit flipped": lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
    "other bytes": lambda data: b"\x00\xff" * 20,
    "a web page": lambda data: b"<html><body>404 Not Found</body></html>",
}


@pytest.fixture(scope="module")
def saved(tweet_nlp, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "pipeline"
    tweet_nlp.to_disk(path)
    return path


@pytest.fixture
def copied(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "pipeline"))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_damaged_files(copied, file, damage):
    path = copied / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ValueError, match="cannot be loaded") as error:
        spacy.load(copied)
    assert str(path) in str(error.value)
    assert file == "tokenizer" or f"component {NAME!r}" in str(error.value)


@pytest.mark.parametrize("file", [f"{NAME}/cfg", f"{NAME}/model", "tokenizer"])
def test_missing_files(copied, file):
    (copied / file).unlink()
    with pytest.raises(FileNotFoundError) as error:
        spacy.load(copied)
    assert str(copied / file) in str(error.value)


def test_every_bit_of_the_model_counts(copied):
    """Also one in the middle of a weight, which would load like any other."""
    path = copied / NAME / "model"
    data = bytearray(path.read_bytes())
    for place in range(1000, len(data), len(data) // 5):
        data[place] ^= 4
        path.write_bytes(data)
        with pytest.raises(ValueError, match=f"{path} is not the file that was saved"):
            spacy.load(copied)
        data[place] ^= 4


def test_a_pipeline_without_a_manifest(copied, tweet_nlp):
    """As earlier versions wrote them. What can be found out without it is."""
    (copied / NAME / MANIFEST).unlink()
    texts = ["RT @kim: saw Drake in Chicago last nite lol"]
    assert predicted_entities(spacy.load(copied), texts) == predicted_entities(tweet_nlp, texts)
    (copied / NAME / "cfg").write_text("{}")
    with pytest.raises(ValueError, match="the 0 labels of cfg make 1 tags, but the model has 21"):
        spacy.load(copied)
    (copied / NAME / "cfg").unlink()
    with pytest.raises(ValueError, match=f"component '{NAME}'.* 0 labels of cfg"):
        spacy.load(copied)


def test_a_wrong_number_of_labels(copied):
    (copied / NAME / MANIFEST).unlink()
    cfg = srsly.read_json(copied / NAME / "cfg")
    srsly.write_json(copied / NAME / "cfg", {**cfg, "labels": cfg["labels"][:-1]})
    with pytest.raises(ValueError, match="the 9 labels of cfg make 19 tags, but the model has 21"):
        spacy.load(copied)


def test_a_model_of_another_config(copied):
    config = copied / "config.cfg"
    for old, new in [("depth = 1", "depth = 2"), ("hidden_width = 16", "hidden_width = 24")]:
        before = config.read_text(encoding="utf8")
        assert old in before
        config.write_text(before.replace(old, new), encoding="utf8")
        with pytest.raises(ValueError, match=f"component '{NAME}' cannot be loaded .* config"):
            spacy.load(copied)
        config.write_text(before, encoding="utf8")


def test_another_version(copied):
    """It may well fit; where it does not, the versions are told."""
    path = copied / NAME / MANIFEST
    manifest = json.loads(path.read_text())
    assert manifest["version"] == __version__
    path.write_text(json.dumps({**manifest, "version": "9.9.9"}))
    assert spacy.load(copied).pipe_names == [NAME]
    config = copied / "config.cfg"
    config.write_text(config.read_text(encoding="utf8").replace("depth = 1", "depth = 2"))
    with pytest.raises(
        ValueError, match=f"saved by version 9.9.9, and this is {__version__}|9.9.9"
    ):
        spacy.load(copied)


def test_damaged_bytes(tweet_nlp):
    data = tweet_nlp.get_pipe(NAME).to_bytes(exclude=["vocab"])
    for damaged in (b"", data[: len(data) // 2], data[:-1], b"\x00" * 50):
        ner = load_model_from_config(tweet_nlp.config).get_pipe(NAME)
        with pytest.raises(ValueError, match=f"component '{NAME}' cannot be loaded from these"):
            ner.from_bytes(damaged)
    tokenizer = tweet_nlp.tokenizer.to_bytes(exclude=["vocab"])
    for damaged in (b"", tokenizer[:-1]):
        with pytest.raises(ValueError, match="Unpack failed"):
            TweetTokenizer(Vocab()).from_bytes(damaged)


def test_excluded_files_are_not_looked_at(tweet_nlp, copied):
    (copied / NAME / "model").write_bytes(b"")
    ner = load_model_from_config(tweet_nlp.config).get_pipe(NAME)
    assert ner.from_disk(copied / NAME, exclude=["model", "vocab"]).labels
    tweet_nlp.get_pipe(NAME).to_disk(copied / "other", exclude=["model", "vocab"])
    assert set(srsly.read_json(copied / "other" / MANIFEST)["sha256"]) == {"cfg"}


def test_weights_that_are_not_numbers(nlp):
    """They are the model's own, checksums and all; and predictions of them are none."""
    ner = add_small_ner(nlp, **SMALL_CRF)
    nlp.initialize(lambda: make_examples(nlp))
    ner.model.get_ref("output_layer").get_param("b")[:] = float("nan")
    loaded = load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    with pytest.raises(ValueError, match="NaN or infinite"):
        loaded("in London")


@pytest.mark.parametrize(
    ("section", "setting"),
    [
        (f"components.{NAME}", "hidden = 3"),
        (f"components.{NAME}.model", "hidden = 3"),
        (f"components.{NAME}.model.tok2vec.embed.*.words", "width = 3"),
        (f"components.{NAME}.model.tok2vec.embed.*.characters", "depth = 3"),
        (f"components.{NAME}.model.tok2vec.embed.phrases", "lower = true"),
        (f"components.{NAME}.model.tok2vec.encode", "width = 3"),
        (f"components.{NAME}.scorer", "by = 3"),
        ("nlp.tokenizer", "lower = true"),
    ],
)
def test_settings_that_there_are_not(section, setting):
    """A misspelt setting is no setting that does nothing."""
    text = (ROOT / "configs" / "bilstm_crf.cfg").read_text(encoding="utf8")
    config = spacy.util.load_config_from_str(
        text.replace(f"[{section}]\n", f"[{section}]\n{setting}\n"), interpolate=False
    )
    assert setting in config.to_str()
    with pytest.raises(ConfigValidationError, match=setting.split()[0]):
        load_model_from_config(config, auto_fill=True)
