import copy

import pytest
import spacy
from spacy.util import load_model_from_config

from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER

from .util import (
    NAME,
    TEST_TEXTS,
    TEXTS,
    add_small_ner,
    assert_same_arrays,
    gold_entities,
    make_examples,
    params,
    predicted_entities,
    predicted_spans,
    score_arrays,
    train,
)


def test_overfit_and_round_trip(nlp, tmp_path, small):
    add_small_ner(nlp, **small)
    examples = make_examples(nlp)
    losses = train(nlp, examples)
    assert losses[NAME] < 0.01
    assert predicted_entities(nlp, TEXTS) == gold_entities(examples)
    expected = predicted_entities(nlp)

    nlp.to_disk(tmp_path)
    from_disk = spacy.load(tmp_path)
    assert predicted_entities(from_disk) == expected
    assert from_disk.get_pipe(NAME).labels == ("LOC", "PERSON")
    assert from_disk.config.to_str() == nlp.config.to_str()
    from_bytes = load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert predicted_entities(from_bytes) == expected
    for loaded in (from_disk, from_bytes):
        assert_same_arrays(params(loaded.get_pipe(NAME).model), params(nlp.get_pipe(NAME).model))


def new_component(small: dict) -> TwitterBiLSTMNER:
    return add_small_ner(spacy.blank("xx"), **small)


@pytest.mark.parametrize("exclude", [[], ["vocab"]])
def test_component_round_trip(trained, small, tmp_path, exclude):
    ner = trained.get_pipe(NAME)
    ner.to_disk(tmp_path, exclude=exclude)
    assert (tmp_path / "vocab").exists() == (not exclude)
    from_disk = new_component(small).from_disk(tmp_path, exclude=exclude)
    from_bytes = new_component(small).from_bytes(ner.to_bytes(exclude=exclude), exclude=exclude)
    for loaded in (from_disk, from_bytes):
        assert loaded.labels == ner.labels
        assert loaded.cfg == ner.cfg
        assert_same_arrays(params(loaded.model), params(ner.model))
        docs = list(spacy.blank("xx").tokenizer.pipe(TEST_TEXTS))
        assert predicted_spans(loaded, docs) == predicted_spans(ner, docs)


def test_component_round_trip_without_model(trained, small, tmp_path):
    ner = trained.get_pipe(NAME)
    ner.to_disk(tmp_path, exclude=["model"])
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "cfg").exists()
    from_disk = new_component(small).from_disk(tmp_path, exclude=["model"])
    from_bytes = new_component(small).from_bytes(ner.to_bytes(exclude=["model"]), exclude=["model"])
    for loaded in (from_disk, from_bytes):
        assert loaded.labels == ner.labels
        assert not params(loaded.model)
        examples = make_examples(spacy.blank("xx"))
        loaded.initialize(lambda: examples)  # noqa: B023
        assert loaded.model.get_ref("output_layer").get_dim("nO") == 5


def test_pipeline_round_trip_without_component(trained, small, tmp_path):
    trained.to_disk(tmp_path, exclude=[NAME])
    assert not (tmp_path / NAME).exists()
    nlp = spacy.load(tmp_path, exclude=[NAME])
    assert nlp.pipe_names == []
    from_bytes = spacy.blank("xx").from_bytes(trained.to_bytes(exclude=[NAME]))
    assert from_bytes.pipe_names == []
    disabled = spacy.blank("xx")
    add_small_ner(disabled, **small)
    disabled.from_bytes(trained.to_bytes(), exclude=[NAME])
    assert disabled.get_pipe(NAME).labels == ()


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda model: model.copy()])
def test_copied_model_is_independent(nlp, make_copy, small):
    ner = add_small_ner(nlp, **small)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    docs = [example.predicted for example in examples]
    copied = make_copy(ner.model)
    before = params(ner.model)
    expected = [array.tolist() for array in score_arrays(ner.model.predict(docs))]
    train(nlp, examples, optimizer, steps=3)
    ner.add_label("TEAM")
    fewer = make_examples(nlp, [("another text", {"entities": []})])
    nlp.initialize(lambda: fewer)
    assert_same_arrays(before, params(copied))
    assert [array.tolist() for array in score_arrays(copied.predict(docs))] == expected


def test_deepcopied_model_can_be_resized(trained):
    """Rehearsal deep-copies models, since Model.copy drops references to layers."""
    model = trained.get_pipe(NAME).model
    copied = copy.deepcopy(model)
    copied.attrs["resize_output"](copied, 9)
    assert (copied.get_dim("nO"), model.get_dim("nO")) == (9, 5)
    assert copied.get_ref("output_layer").get_dim("nO") == 9


def test_sourced_component(trained):
    nlp = spacy.blank("xx")
    nlp.add_pipe(NAME, name="copied", source=trained)
    assert predicted_entities(nlp) == predicted_entities(trained)
