"""Damaged or mismatched saved pipelines raise an error that names the component and the file."""

import json
import shutil
from pathlib import Path

import pytest
import spacy
import srsly
from confection import ConfigValidationError
from spacy.util import load_model_from_config
from spacy.vocab import Vocab

from spacy_twitter_ner.tokenizer import TweetTokenizer

from .util import NAME, predicted_entities

ROOT = Path(__file__).parents[2]
FILES = [f"{NAME}/cfg", f"{NAME}/model", "tokenizer"]
DAMAGES = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "last byte missing": lambda data: data[:-1],
    "other bytes": lambda data: b"\x00\xff" * 20,
    "web page": lambda data: b"<html><body>404 Not Found</body></html>",
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
def test_load_damaged_file(copied, file, damage):
    path = copied / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ValueError, match="can't be loaded") as error:
        spacy.load(copied)
    assert str(path) in str(error.value)
    assert file == "tokenizer" or f"component {NAME!r}" in str(error.value)


@pytest.mark.parametrize("file", FILES)
def test_load_missing_file(copied, file):
    (copied / file).unlink()
    with pytest.raises(FileNotFoundError) as error:
        spacy.load(copied)
    assert str(copied / file) in str(error.value)
    assert file == "tokenizer" or f"component {NAME!r}" in str(error.value)


def test_load_ignores_manifest_of_earlier_versions(copied, tweet_nlp):
    manifest = {"version": "0.1.0", "sha256": {"cfg": "", "model": "", "other": ""}}
    (copied / NAME / "manifest.json").write_text(json.dumps(manifest))
    texts = ["RT @kim: saw Drake in Chicago last nite lol"]
    assert predicted_entities(spacy.load(copied), texts) == predicted_entities(tweet_nlp, texts)


@pytest.mark.parametrize(("n_labels", "n_tags"), [(None, 1), (0, 1), (9, 19)])
def test_load_wrong_number_of_labels(copied, n_labels, n_tags):
    cfg = srsly.read_json(copied / NAME / "cfg")
    cfg = {} if n_labels is None else {**cfg, "labels": cfg["labels"][:n_labels]}
    srsly.write_json(copied / NAME / "cfg", cfg)
    message = f"the {n_labels or 0} labels in cfg require {n_tags} outputs, but the model has 21"
    with pytest.raises(ValueError, match=f"component '{NAME}'.*{message}"):
        spacy.load(copied)


@pytest.mark.parametrize("change", [("depth = 1", "depth = 2"), ("width = 16", "width = 24")])
def test_load_with_other_config(copied, change):
    config = copied / "config.cfg"
    text = config.read_text(encoding="utf8")
    assert change[0] in text
    config.write_text(text.replace(*change), encoding="utf8")
    with pytest.raises(ValueError, match=f"component '{NAME}' can't be loaded .* config"):
        spacy.load(copied)


def test_load_damaged_bytes(tweet_nlp):
    data = tweet_nlp.get_pipe(NAME).to_bytes(exclude=["vocab"])
    for damaged in (b"", data[: len(data) // 2], data[:-1], b"\x00" * 50):
        ner = load_model_from_config(tweet_nlp.config).get_pipe(NAME)
        with pytest.raises(ValueError, match=f"component '{NAME}' can't be loaded from these"):
            ner.from_bytes(damaged)
    tokenizer = tweet_nlp.tokenizer.to_bytes(exclude=["vocab"])
    for damaged in (b"", tokenizer[:-1]):
        with pytest.raises(ValueError, match="Unpack failed"):
            TweetTokenizer(Vocab()).from_bytes(damaged)


def test_load_does_not_read_excluded_files(tweet_nlp, copied):
    (copied / NAME / "model").write_bytes(b"")
    ner = load_model_from_config(tweet_nlp.config).get_pipe(NAME)
    assert ner.from_disk(copied / NAME, exclude=["model", "vocab"]).labels


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
def test_unknown_setting_is_error(section, setting):
    text = (ROOT / "configs" / "bilstm_crf.cfg").read_text(encoding="utf8")
    config = spacy.util.load_config_from_str(
        text.replace(f"[{section}]\n", f"[{section}]\n{setting}\n"), interpolate=False
    )
    assert setting in config.to_str()
    with pytest.raises(ConfigValidationError, match=setting.split()[0]):
        load_model_from_config(config, auto_fill=True)
