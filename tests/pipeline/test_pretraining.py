"""`spacy pretrain` and initialization from its weights."""

import logging
from pathlib import Path

import numpy
import pytest
import spacy
import srsly
from spacy.cli.init_config import fill_config
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.pretrain import pretrain
from thinc.api import Config

from .util import TRAIN_DATA, make_examples, params

CONFIG = """
[paths]
train = "train.spacy"

[nlp]
lang = "xx"
pipeline = ["twitter_bilstm_ner"]

[components]

[components.twitter_bilstm_ner]
factory = "twitter_bilstm_ner"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.pretrain]
@readers = "spacy.JsonlCorpus.v1"
path = "texts.jsonl"

[pretraining]
max_epochs = 2
component = "twitter_bilstm_ner"
layer = "tok2vec"
corpus = "corpora.pretrain"

[pretraining.objective]
@architectures = "spacy.PretrainCharacters.v1"
maxout_pieces = 2
hidden_size = 8
n_characters = 2

[initialize]
init_tok2vec = null
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    docs = [example.reference for example in make_examples(spacy.blank("xx"))]
    DocBin(docs=docs, attrs=["ENT_IOB", "ENT_TYPE"]).to_disk("train.spacy")
    srsly.write_jsonl("texts.jsonl", [{"text": text} for text, _ in TRAIN_DATA] * 20)
    Path("pretrained").mkdir()
    Path("base.cfg").write_text(CONFIG)
    fill_config(tmp_path / "config.cfg", tmp_path / "base.cfg", pretraining=True, silent=True)
    return Config().from_disk("config.cfg")


@pytest.mark.slow
def test_pretrain_initialized_pipeline(config, tmp_path):
    initialized = init_nlp(config)
    initialized.to_disk("initialized")
    before = params(initialized.get_pipe("twitter_bilstm_ner").model.get_ref("tok2vec"))
    source = config.copy()
    source["components"]["twitter_bilstm_ner"] = {"source": "initialized"}
    pretrain(source, tmp_path / "pretrained", silent=True)

    config["initialize"]["init_tok2vec"] = str(tmp_path / "pretrained" / "model-last.bin")
    nlp = init_nlp(config)
    after = params(nlp.get_pipe("twitter_bilstm_ner").model.get_ref("tok2vec"))
    assert {key: array.shape for key, array in after.items()} == {
        key: array.shape for key, array in before.items()
    }
    assert max(numpy.abs(after[key] - before[key]).max() for key in before) > 1e-3


@pytest.mark.slow
def test_pretrain_initializes_vocabulary(config, tmp_path):
    pretrain(config, tmp_path / "pretrained", silent=True)
    config["initialize"]["init_tok2vec"] = str(tmp_path / "pretrained" / "model-last.bin")
    tok2vec = init_nlp(config).get_pipe("twitter_bilstm_ner").model.get_ref("tok2vec")
    embed = next(node for node in tok2vec.walk() if node.name == "lexeme_features")
    words = {word.lower() for text, _ in TRAIN_DATA for word in text.split()}
    assert words <= set(embed.attrs["vocabulary_norm"].keys)


def test_init_nlp_does_not_warn_about_sample(config, caplog):
    with caplog.at_level(logging.WARNING, logger="spacy"):
        init_nlp(config)
    assert "without annotated examples" not in caplog.text
