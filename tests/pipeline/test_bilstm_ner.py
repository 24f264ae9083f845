import pytest
import spacy
from spacy.util import load_model_from_config, registry
from thinc.api import Config, fix_random_seed

from .util import (
    NAME,
    TEXTS,
    TRAIN_DATA,
    add_small_ner,
    gold_entities,
    make_examples,
    predicted_entities,
    tagged_example,
    train,
    trained_ner,
)


def test_two_components_in_pipeline(nlp):
    add_small_ner(nlp, "first")
    add_small_ner(nlp, "second")
    examples = make_examples(nlp)
    losses = train(nlp, examples)
    assert set(losses) == {"first", "second"}
    assert predicted_entities(nlp, TEXTS) == gold_entities(examples)
    second = nlp.get_pipe("second")
    assert nlp.get_pipe("first").add_label("TEAM") == 1
    assert second.labels == ("LOC", "PERSON")
    with nlp.select_pipes(enable="second"):
        assert predicted_entities(nlp, TEXTS) == gold_entities(examples)


def test_config_round_trip(nlp):
    add_small_ner(nlp, loss_reduction="sum")
    config = Config().from_str(nlp.config.to_str())
    loaded = load_model_from_config(config, auto_fill=False)
    assert loaded.config == nlp.config.interpolate()
    assert loaded.get_pipe(NAME).cfg == nlp.get_pipe(NAME).cfg
    assert loaded.config["components"][NAME]["loss_reduction"] == "sum"
    assert loaded.get_pipe_config(NAME)["model"]["tok2vec"]["encode"]["hidden_width"] == 8


def test_factory_defaults(nlp):
    assert nlp.add_pipe(NAME).cfg["loss_reduction"] == "mean"
    auto_filled = load_model_from_config(nlp.config, auto_fill=True)
    assert auto_filled.config["components"] == nlp.config["components"]
    load_model_from_config(nlp.config, auto_fill=False)


def test_analyze_pipes(nlp):
    add_small_ner(nlp)
    analysis = nlp.analyze_pipes(keys=["assigns", "requires", "scores", "retokenizes"])
    summary = analysis["summary"][NAME]
    assert summary["assigns"] == ["doc.ents", "token.ent_iob", "token.ent_type"]
    assert set(summary["scores"]) == {"ents_f", "ents_p", "ents_r", "ents_per_type"}
    assert not summary["requires"]
    assert not summary["retokenizes"]
    assert not analysis["problems"][NAME]


def test_score_weights(nlp):
    ner_weights = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
    add_small_ner(nlp)
    assert nlp.config["training"]["score_weights"] == ner_weights
    nlp.add_pipe("tagger")
    weights = nlp.config["training"]["score_weights"]
    assert (weights["ents_f"], weights["tag_acc"]) == (0.5, 0.5)


def test_evaluate(trained):
    data = [
        *TRAIN_DATA,
        ("I like Arsenal and Berlin", {"entities": [(7, 14, "TEAM"), (19, 25, "LOC")]}),
    ]
    scores = trained.evaluate(make_examples(trained, data))
    assert set(scores["ents_per_type"]) >= {"LOC", "PERSON", "TEAM"}
    assert scores["ents_per_type"]["PERSON"] == {"p": 1.0, "r": 1.0, "f": 1.0}
    assert scores["ents_per_type"]["TEAM"]["r"] == 0.0
    assert 0.7 < scores["ents_f"] < 1.0
    perfect = trained.evaluate(make_examples(trained))
    assert (perfect["ents_p"], perfect["ents_r"], perfect["ents_f"]) == (1.0, 1.0, 1.0)


def test_custom_scorer(nlp):
    @registry.scorers("test_bilstm_ner.scorer")
    def make_scorer():
        return lambda examples, **_: {"n_examples": len(list(examples))}

    ner = add_small_ner(nlp, scorer={"@scorers": "test_bilstm_ner.scorer"})
    assert ner.score(make_examples(nlp)) == {"n_examples": len(TRAIN_DATA)}
    without = add_small_ner(nlp, "without", scorer=None)
    assert without.score(make_examples(nlp)) == {}


def test_gpu():
    pytest.importorskip("cupy", reason="needs CuPy and a GPU")
    if not spacy.prefer_gpu():
        pytest.skip("needs a GPU")
    try:
        fix_random_seed(0)
        nlp = trained_ner()
        assert nlp.get_pipe(NAME).model.ops.name == "cupy"
        examples = make_examples(nlp)
        assert predicted_entities(nlp, TEXTS) == gold_entities(examples)
        nlp.get_pipe(NAME).add_label("TEAM")
        nlp.resume_training()
        nlp.rehearse(examples)
        partial = tagged_example(nlp, ["in", "London", "?"], ["O", "B-LOC", None])
        train(nlp, [partial], nlp.create_optimizer(), steps=2)
    finally:
        spacy.require_cpu()
