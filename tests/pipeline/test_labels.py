import json
import subprocess
import sys

import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from thinc.api import Adam, fix_random_seed

from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER

from .util import (
    NAME,
    NEW_DATA,
    SMALL,
    SMALL_CRF,
    TEST_TEXTS,
    TRAIN_DATA,
    add_small_ner,
    fake_model,
    gold_entities,
    make_examples,
    predicted_entities,
    predicted_spans,
    train,
    trained_ner,
)


def test_labels_and_tags(nlp):
    ner = add_small_ner(nlp)
    assert (ner.labels, ner.label_data, ner.tags) == ((), (), ("O",))
    assert ner.add_label("LOC") == 1
    assert ner.add_label("geo-loc") == 1
    assert ner.add_label("LOC") == 0
    assert ner.labels == ner.label_data == ("LOC", "geo-loc")
    assert ner.tags == ("O", "B-LOC", "I-LOC", "B-geo-loc", "I-geo-loc")
    assert "geo-loc" in nlp.vocab.strings
    assert nlp.pipe_labels[NAME] == ["LOC", "geo-loc"]


@pytest.mark.parametrize("label", [9, None, b"LOC", ["LOC"]])
def test_add_label_of_wrong_type(nlp, label):
    ner = add_small_ner(nlp)
    with pytest.raises(ValueError, match="E187"):
        ner.add_label(label)
    assert ner.labels == ()


def test_add_empty_label(nlp):
    with pytest.raises(ValueError, match="empty string"):
        add_small_ner(nlp).add_label("")


def test_labels_from_examples(nlp, small):
    ner = add_small_ner(nlp, **small)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.labels == ("LOC", "PERSON")
    assert ner.model.get_ref("output_layer").get_dim("nO") == 5


def test_labels_added_before_initialize(nlp, small):
    ner = add_small_ner(nlp, **small)
    ner.add_label("TEAM")
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.labels == ("TEAM", "LOC", "PERSON")
    assert ner.model.get_ref("output_layer").get_dim("nO") == 7


def test_initialize_without_examples(nlp, small):
    ner = add_small_ner(nlp, **small)
    ner.add_label("LOC")
    nlp.initialize()
    assert ner.labels == ("LOC",)
    nlp("so tired")


def test_initialize_without_labels_is_error(nlp):
    add_small_ner(nlp)
    with pytest.raises(ValueError, match=f"E143.*{NAME}"):
        nlp.initialize()
    examples = make_examples(nlp, [("so tired", {"entities": []})])
    with pytest.raises(ValueError, match=f"E143.*{NAME}"):
        nlp.initialize(lambda: examples)


def test_labels_in_config(nlp):
    """Labels in the config are used in their order instead of those in the examples."""
    ner = add_small_ner(nlp)
    nlp.config["initialize"]["components"][NAME] = {"labels": ["TEAM", "LOC"]}
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.labels == ("TEAM", "LOC")
    assert ner.model.get_ref("output_layer").get_dim("nO") == 5


@pytest.mark.slow
def test_spacy_init_labels(nlp, tmp_path):
    add_small_ner(nlp)
    config = nlp.config.copy()
    config["paths"] |= {"train": "train.spacy", "dev": "train.spacy"}
    config.to_disk(tmp_path / "config.cfg")
    DocBin(docs=[example.reference for example in make_examples(nlp)]).to_disk(
        tmp_path / "train.spacy"
    )
    subprocess.run(
        [sys.executable, "-m", "spacy", "init", "labels", "config.cfg", "labels"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    path = tmp_path / "labels" / f"{NAME}.json"
    assert json.loads(path.read_text(encoding="utf-8")) == ["LOC", "PERSON"]

    reader = {"@readers": "spacy.read_labels.v1", "path": str(path)}
    nlp.config["initialize"]["components"][NAME] = {"labels": reader}
    examples = make_examples(nlp, TRAIN_DATA[:1])
    nlp.initialize(lambda: examples)
    assert nlp.get_pipe(NAME).labels == ("LOC", "PERSON")


def test_add_label_keeps_predictions(small):
    # Partially trained, since new labels could change unconfident predictions.
    for seed in range(10):
        fix_random_seed(seed)
        nlp = spacy.blank("xx")
        ner = add_small_ner(nlp, **small)
        train(nlp, make_examples(nlp), steps=5)
        before = predicted_spans(ner, nlp.tokenizer.pipe(TEST_TEXTS))
        assert ner.add_label("NEW") == 1
        assert ner.add_label("NEW") == 0
        assert ner.add_label("OTHER") == 1
        assert ner.model.get_ref("output_layer").get_dim("nO") == 9
        after = predicted_spans(ner, nlp.tokenizer.pipe(TEST_TEXTS))
        assert after == before


@pytest.mark.parametrize("use_averages", [False, True])
def test_add_label_with_same_optimizer(nlp, use_averages, small):
    ner = add_small_ner(nlp, **small)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, use_averages=use_averages)
    train(nlp, examples, optimizer)
    assert ner.add_label("TEAM") == 1
    examples = make_examples(nlp, NEW_DATA)
    train(nlp, examples, optimizer)
    assert predicted_entities(nlp, [text for text, _ in NEW_DATA]) == gold_entities(examples)
    with nlp.use_params(optimizer.averages or {}):
        nlp("they play Arsenal")


def test_add_label_after_loading(trained, small):
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp, **small)
    nlp.from_bytes(trained.to_bytes())
    assert ner.add_label("LOC") == 0
    assert ner.add_label("TEAM") == 1
    examples = make_examples(nlp, NEW_DATA)
    train(nlp, examples, nlp.resume_training())
    assert predicted_entities(nlp, [text for text, _ in NEW_DATA]) == gold_entities(examples)
    assert trained.get_pipe(NAME).labels == ("LOC", "PERSON")


def test_add_label_to_model_of_fixed_size(nlp):
    rows = fake_model(lambda doc: numpy.full((len(doc), 5), 0.2), nO=5)
    ner = TwitterBiLSTMNER(nlp.vocab, rows)
    assert ner.add_label("LOC") == 1
    assert ner.add_label("PERSON") == 1
    with pytest.raises(ValueError, match=f"'TEAM'.*'{NAME}'.*5 outputs and cannot be resized"):
        ner.add_label("TEAM")
    assert ner.labels == ("LOC", "PERSON")


@pytest.mark.parametrize("config", [SMALL, SMALL_CRF])
def test_replace_labels_keeps_weights(config):
    fix_random_seed(0)
    nlp = trained_ner(**config)
    ner = nlp.get_pipe(NAME)
    ner.replace_labels({"TEAM": None, "PER": "PERSON"})
    assert ner.labels == ("TEAM", "PER")
    found = [(e.text, e.label_) for e in nlp("Shaka Khan sings in London").ents]
    assert found == [("Shaka Khan", "PER")]
    loaded = spacy.blank("xx")
    loaded.add_pipe(NAME, config=config)
    loaded.from_bytes(nlp.to_bytes())
    assert loaded.get_pipe(NAME).labels == ("TEAM", "PER")


def test_replace_labels_from_unknown_type(trained):
    ner = trained.get_pipe(NAME)
    with pytest.raises(ValueError, match=r"no entity type TEAM.*LOC, PERSON"):
        ner.replace_labels({"CLUB": "TEAM"})
    assert ner.labels == ("LOC", "PERSON")


def test_replace_labels_of_model_of_fixed_size(nlp):
    rows = fake_model(lambda doc: numpy.full((len(doc), 5), 0.2), nO=5)
    ner = TwitterBiLSTMNER(nlp.vocab, rows)
    with pytest.raises(ValueError, match="cannot replace the labels"):
        ner.replace_labels({"LOC": None})


def test_nO_in_config_is_overwritten(nlp):
    ner = add_small_ner(nlp, model={**SMALL["model"], "nO": 3})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.model.get_ref("output_layer").get_dim("nO") == len(ner.tags) == 5
