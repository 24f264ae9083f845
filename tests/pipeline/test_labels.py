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
    TEST_TEXTS,
    TRAIN_DATA,
    add_small_ner,
    fake_model,
    gold_entities,
    make_examples,
    predicted_entities,
    train,
)


def test_labels_are_types(nlp):
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
def test_label_types(nlp, label):
    ner = add_small_ner(nlp)
    with pytest.raises(ValueError, match="E187"):
        ner.add_label(label)
    assert ner.labels == ()


def test_an_empty_label(nlp):
    with pytest.raises(ValueError, match="empty string"):
        add_small_ner(nlp).add_label("")


def test_implicit_labels(nlp, small):
    ner = add_small_ner(nlp, **small)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.labels == ("LOC", "PERSON")
    assert ner.model.get_ref("output_layer").get_dim("nO") == 5


def test_explicit_labels(nlp, small):
    ner = add_small_ner(nlp, **small)
    ner.add_label("TEAM")
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.labels == ("TEAM", "LOC", "PERSON")
    assert ner.model.get_ref("output_layer").get_dim("nO") == 7


def test_labels_without_data(nlp, small):
    ner = add_small_ner(nlp, **small)
    ner.add_label("LOC")
    nlp.initialize()
    assert ner.labels == ("LOC",)
    nlp("so tired")


def test_no_label(nlp):
    add_small_ner(nlp)
    with pytest.raises(ValueError, match=f"E143.*{NAME}"):
        nlp.initialize()
    examples = make_examples(nlp, [("so tired", {"entities": []})])
    with pytest.raises(ValueError, match=f"E143.*{NAME}"):
        nlp.initialize(lambda: examples)


def test_given_labels_are_not_read_off_the_data(nlp):
    """In this order, although the data has another label: `spacy train` may see but a sample."""
    ner = add_small_ner(nlp)
    nlp.config["initialize"]["components"][NAME] = {"labels": ["TEAM", "LOC"]}
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.labels == ("TEAM", "LOC")
    assert ner.model.get_ref("output_layer").get_dim("nO") == 5


def test_init_labels(nlp, tmp_path):
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
    # Not trained to the end: where nothing is sure, a new label could take what it should not.
    for seed in range(10):
        fix_random_seed(seed)
        nlp = spacy.blank("xx")
        ner = add_small_ner(nlp, **small)
        train(nlp, make_examples(nlp), steps=5)
        before = [tags.tolist() for tags in ner.predict(list(nlp.tokenizer.pipe(TEST_TEXTS)))]
        assert ner.add_label("NEW") == 1
        assert ner.add_label("NEW") == 0
        assert ner.add_label("OTHER") == 1
        assert ner.model.get_ref("output_layer").get_dim("nO") == 9
        after = [tags.tolist() for tags in ner.predict(list(nlp.tokenizer.pipe(TEST_TEXTS)))]
        assert after == before


@pytest.mark.parametrize("use_averages", [False, True])
def test_add_label_and_go_on_with_the_same_optimizer(nlp, use_averages, small):
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


def test_a_model_that_cannot_be_resized(nlp):
    rows = fake_model(lambda doc: numpy.full((len(doc), 5), 0.2), nO=5)
    ner = TwitterBiLSTMNER(nlp.vocab, rows)
    assert ner.add_label("LOC") == 1
    assert ner.add_label("PERSON") == 1
    with pytest.raises(ValueError, match=f"'TEAM'.*'{NAME}'.*5 outputs and cannot be resized"):
        ner.add_label("TEAM")
    assert ner.labels == ("LOC", "PERSON")


def test_a_number_of_tags_in_the_config(nlp):
    ner = add_small_ner(nlp, model={**SMALL["model"], "nO": 3})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.model.get_ref("output_layer").get_dim("nO") == len(ner.tags) == 5
