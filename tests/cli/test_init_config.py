import pytest
from spacy.util import load_config

from spacy_twitter_ner.training.configs import list_configs

from .util import run


@pytest.mark.parametrize("base", list_configs())
def test_config_is_complete(base, tmp_path):
    path = tmp_path / "new" / "config.cfg"
    result = run("init-config", path, "--base", base, "--lang", "de")
    assert result.exit_code == 0, result.output
    assert "--paths.train" in result.output
    config = load_config(path)
    assert config["nlp"]["lang"] == "de"
    assert (config["paths"]["train"], config["paths"]["dev"]) == (None, None)
    # en_tweet_ner trains on several corpora.
    assert base == "en_tweet_ner" or config["corpora"]["train"]["path"] == "${paths.train}"
    original = load_config(list_configs()[base])
    assert config["training"] == original["training"]
    assert config["components"] == original["components"]


def test_default_is_to_fine_tune_the_pretrained_pipeline(tmp_path):
    path = tmp_path / "config.cfg"
    assert run("init-config", path).exit_code == 0
    (component,) = load_config(path)["components"].values()
    assert component == {"source": "en_tweet_ner"}


def test_unknown_base_lists_configs(tmp_path):
    result = run("init-config", tmp_path / "config.cfg", "--base", "bert")
    assert result.exit_code == 1
    for part in ("bert", "finetune", "bilstm_crf_lexical", "article"):
        assert part in result.output


def test_existing_file_is_kept(tmp_path):
    path = tmp_path / "config.cfg"
    path.write_text("mine")
    result = run("init-config", path)
    assert (result.exit_code, path.read_text()) == (1, "mine")
    assert "--force" in result.output
    assert run("init-config", path, "--force").exit_code == 0
    assert path.read_text() != "mine"
