import json
import multiprocessing
import subprocess
import sys

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.util import load_model_from_config, registry
from thinc.api import Adam, Config, fix_random_seed

from spacy_twitter_ner.iob import bio_tags, find_violations
from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER

from .util import (
    NAME,
    NEW_DATA,
    SMALL,
    TEST_TEXTS,
    TEXTS,
    TRAIN_DATA,
    add_fake_ner,
    add_shared_tok2vec,
    add_small_ner,
    assert_same_arrays,
    clear_gradients,
    entities,
    fake_model,
    gold_entities,
    make_examples,
    params,
    predicted_entities,
    tagged_example,
    train,
    trained_ner,
)

VOCAB = spacy.blank("xx").vocab


# Labels


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


# Initialisation


def test_initialize_examples(nlp, small):
    ner = add_small_ner(nlp, **small)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    # Not what one should do, but it has to work; a vocabulary may have another size then.
    nlp.initialize(lambda: examples[:1])
    assert ner.labels == ("LOC", "PERSON")
    nlp("Who is Shaka Khan ?")
    for wrong in (lambda: None, lambda: examples[0], lambda: [], examples):
        with pytest.raises(TypeError, match=r"E9(30|78)"):
            nlp.initialize(wrong)
        with pytest.raises(TypeError, match=r"E9(30|78).*TwitterBiLSTMNER\.initialize"):
            ner.initialize(wrong)


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("n_empty", [1, 12])
def test_empty_docs_in_the_sample(nlp, n_empty, is_shared):
    if is_shared:
        add_shared_tok2vec(nlp, NAME)
    else:
        add_small_ner(nlp)
    data = [*[("", {"entities": []})] * n_empty, *TRAIN_DATA]
    examples = make_examples(nlp, data)
    train(nlp, examples)
    assert predicted_entities(nlp, [text for text, _ in data]) == gold_entities(examples)


def test_nothing_but_empty_docs(nlp):
    add_small_ner(nlp).add_label("LOC")
    examples = make_examples(nlp, [("", {"entities": []})] * 3)
    with pytest.raises(ValueError, match=f"E923.*{NAME}"):
        nlp.initialize(lambda: examples)


def test_the_vocabulary_is_that_of_all_examples(nlp):
    ner = add_small_ner(nlp)
    examples = make_examples(nlp, [*TRAIN_DATA * 5, ("zebra", {"entities": []})])
    nlp.initialize(lambda: iter(examples))
    embed = next(node for node in ner.model.walk() if node.name == "lexeme_features")
    assert embed.attrs["vocabulary_norm"].row("zebra") != 0
    assert len(embed.get_param("norm")) == len(embed.attrs["vocabulary_norm"])


def test_phrases_need_a_gazetteer(nlp, small):
    add_small_ner(nlp, **small)
    nlp.config["initialize"]["components"][NAME] = {"phrases": {"LOC": ["New York"]}}
    examples = make_examples(nlp)
    with pytest.raises(ValueError, match=rf"{NAME}\.phrases.*has no gazetteer"):
        nlp.initialize(lambda: examples)


def test_not_initialised(nlp):
    ner = add_small_ner(nlp)
    ner.add_label("LOC")
    with pytest.raises(ValueError, match=f"E109.*{NAME}"):
        nlp("so tired")


def test_the_same_seed_gives_the_same_model():
    models = []
    for _ in range(2):
        fix_random_seed(7)
        nlp = spacy.blank("xx")
        embed = {"widths": [16, 4, 4, 4], "unknown_rate": 0.5}
        model = {"tok2vec": {"embed": embed, "encode": {"hidden_width": 8}}}
        ner = nlp.add_pipe(NAME, config={"model": model})
        losses = train(nlp, make_examples(nlp), steps=5, drop=0.3)
        models.append((params(ner.model), losses))
    assert_same_arrays(models[0][0], models[1][0])
    assert models[0][1] == models[1][1]
    fix_random_seed(8)
    other = add_small_ner(spacy.blank("xx"))
    other.initialize(lambda: make_examples(spacy.blank("xx")))
    assert not all(
        numpy.array_equal(array, models[0][0][key]) for key, array in params(other.model).items()
    )


# Prediction


def test_predict_does_not_modify(trained):
    ner = trained.get_pipe(NAME)
    docs = list(trained.tokenizer.pipe(TEST_TEXTS))
    tags = ner.predict(docs)
    assert [len(doc_tags) for doc_tags in tags] == [len(doc) for doc in docs]
    assert not any(doc.ents for doc in docs)
    ner.set_annotations(docs, tags)
    assert entities(docs) == predicted_entities(trained)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["", "London", ""], ["London", "", ""]])
def test_empty_docs(trained, texts):
    ner = trained.get_pipe(NAME)
    docs = list(trained.tokenizer.pipe(texts))
    assert [len(tags) for tags in ner.predict(docs)] == [len(doc) for doc in docs]
    assert [doc.text for doc in trained.pipe(texts)] == texts
    assert entities(trained.pipe(texts)) == [[(0, 1, "LOC")] if text else [] for text in texts]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_batches_do_not_matter(trained, batch_size):
    texts = [*TEST_TEXTS * 3, *TEXTS]
    docs = trained.pipe(texts, batch_size=batch_size)
    assert entities(docs) == predicted_entities(trained, texts)


def test_generators(trained):
    ner = trained.get_pipe(NAME)
    docs = list(trained.tokenizer.pipe(TEXTS))
    ner.set_annotations(iter(docs), ner.predict(doc for doc in docs))
    assert entities(docs) == predicted_entities(trained, TEXTS)
    assert ner.update(iter(make_examples(trained)))[NAME] > 0.0
    clear_gradients(ner.model)


@pytest.fixture
def safe_start_method():
    """BLAS has threads, and a process that has some must not be forked. A fork server has none;
    it also imports spaCy but once."""
    before = multiprocessing.get_start_method(allow_none=True)
    available = multiprocessing.get_all_start_methods()
    method = "forkserver" if "forkserver" in available else "spawn"
    multiprocessing.set_start_method(method, force=True)
    multiprocessing.set_forkserver_preload(["spacy"])
    yield
    multiprocessing.set_start_method(before, force=True)


def test_two_processes(trained, safe_start_method):
    texts = [*TEST_TEXTS, *TEXTS]
    docs = trained.pipe(texts, n_process=2, batch_size=3)
    assert entities(docs) == predicted_entities(trained, texts)


def test_memory_zone(trained):
    expected = predicted_entities(trained, ["Shaka Khan in Xyzzyville", *TEXTS])
    n_strings = len(trained.vocab.strings)
    for number in range(3):
        with trained.memory_zone():
            texts = [f"Shaka Khan in Plugh{number}ville", *TEXTS]
            found = entities(trained.pipe(texts, batch_size=2))
            assert found[1:] == expected[1:]
    assert len(trained.vocab.strings) == n_strings
    assert predicted_entities(trained, ["Shaka Khan in Xyzzyville", *TEXTS]) == expected


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=5),
    st.integers(0, 2**16),
    st.sampled_from([0.1, 1.0, 10.0, 1000.0]),
)
def test_tags_are_always_valid(lengths, seed, scale):
    random = numpy.random.RandomState(seed)
    labels = ["LOC", "PERSON", "TEAM"]

    def probabilities(doc):
        logits = scale * random.normal(size=(len(doc), 7))
        exp = numpy.exp(logits - logits.max(axis=1, keepdims=True)) if len(doc) else logits
        return exp / exp.sum(axis=1, keepdims=True)

    ner = TwitterBiLSTMNER(VOCAB, fake_model(probabilities))
    for label in labels:
        ner.add_label(label)
    words = ["word", " ", "\n", "@user"]
    docs = [Doc(VOCAB, words=random.choice(words, length).tolist()) for length in lengths]
    for doc in docs:
        for token in doc[1:]:
            token.is_sent_start = bool(random.uniform() < 0.2)
        marks = random.choice(
            ["free", "preset", "blocked", "outside"], len(doc), p=[0.7, *[0.1] * 3]
        )
        slices = {
            mark: [doc[i : i + 1] for i in numpy.flatnonzero(marks == mark)] for mark in marks
        }
        preset = [Span(doc, span.start, span.end, label="X") for span in slices.get("preset", [])]
        doc.set_ents(
            preset,
            blocked=slices.get("blocked"),
            outside=slices.get("outside"),
            default="missing",
        )
    before = [[(token.ent_iob, token.ent_type_) for token in doc] for doc in docs]
    for tags in ner.predict(docs):
        assert not find_violations([bio_tags(labels)[tag] for tag in tags])
    for doc, tokens in zip(ner.pipe(iter(docs)), before, strict=True):
        assert len(doc) == 0 or "" not in {token.ent_iob_ for token in doc if token.ent_iob != 3}
        for token, (iob, label) in zip(doc, tokens, strict=True):
            if iob == 3:
                assert (token.ent_iob, token.ent_type_) == (iob, label)
        for ent in doc.ents:
            assert not ent[0].is_space or ent.label_ == "X"
            assert not ent[-1].is_space or ent.label_ == "X"
            assert not any(token.is_sent_start for token in ent[1:])


def test_the_best_tags_and_not_the_best_of_each_token(nlp):
    """I without B: that of the most probable valid tags, rather than nothing or a repair."""
    add_fake_ner(
        nlp,
        ["LOC", "PERSON"],
        lambda token: {
            "New": ["B-LOC", "O", "B-PERSON"],
            "York": ["I-PERSON", "I-LOC"],
            "Fry": ["I-PERSON", "B-PERSON"],
        }.get(token.text, []),
    )
    assert predicted_entities(nlp, ["in New York", "in Fry"]) == [
        [(1, 3, "LOC")],
        [(1, 2, "PERSON")],
    ]


def test_an_error_handler(nlp):
    def fail(doc):
        raise RuntimeError("no scores")

    ner = nlp.add_pipe(NAME)
    ner.model = fake_model(fail, nO=1)
    failed = []
    ner.set_error_handler(
        lambda name, pipe, docs, error: failed.append((name, len(docs), str(error)))
    )
    assert list(ner.pipe(nlp.make_doc(text) for text in ["a", "b", "c"])) == []
    assert failed == [(NAME, 3, "no scores")]


def test_two_components(nlp):
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


# Settings and scores


def test_config_round_trip(nlp):
    add_small_ner(nlp, loss_reduction="sum")
    config = Config().from_str(nlp.config.to_str())
    loaded = load_model_from_config(config, auto_fill=False)
    assert loaded.config == nlp.config.interpolate()
    assert loaded.get_pipe(NAME).cfg == nlp.get_pipe(NAME).cfg
    assert loaded.config["components"][NAME]["loss_reduction"] == "sum"
    assert loaded.get_pipe_config(NAME)["model"]["tok2vec"]["encode"]["hidden_width"] == 8


def test_every_setting_has_a_default(nlp):
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


def test_scores(trained):
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


def test_the_scorer_is_a_setting(nlp):
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
