import copy
import json
import multiprocessing
import subprocess
import sys

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import load_model_from_config, registry
from thinc.api import Adam, Config, fix_random_seed

from spacy_twitter_ner.iob import bio_tags, find_violations
from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER
from spacy_twitter_ner.pipeline.gold import MISSING, gold_tags

from .util import (
    LISTENER,
    NAME,
    SMALL,
    TEST_TEXTS,
    TEXTS,
    TOK2VEC,
    TRAIN_DATA,
    add_fake_ner,
    add_shared_tok2vec,
    add_small_ner,
    assert_same_arrays,
    clear_gradients,
    entities,
    fake_model,
    gold_entities,
    gradients,
    make_examples,
    params,
    predicted_entities,
    tagged_example,
    train,
    trained_ner,
)

VOCAB = spacy.blank("xx").vocab
NEW_DATA = [*TRAIN_DATA, ("they play Arsenal", {"entities": [(10, 17, "TEAM")]})]


@pytest.fixture(scope="module")
def trained() -> Language:
    """A trained pipeline. Tests only read it."""
    fix_random_seed(0)
    return trained_ner()


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


def test_implicit_labels(nlp):
    ner = add_small_ner(nlp)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.labels == ("LOC", "PERSON")
    assert ner.model.get_ref("output_layer").get_dim("nO") == 5


def test_explicit_labels(nlp):
    ner = add_small_ner(nlp)
    ner.add_label("TEAM")
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert ner.labels == ("TEAM", "LOC", "PERSON")
    assert ner.model.get_ref("output_layer").get_dim("nO") == 7


def test_labels_without_data(nlp):
    ner = add_small_ner(nlp)
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


def test_add_label_keeps_predictions():
    # Not trained to the end: where nothing is sure, a new label could take what it should not.
    for seed in range(10):
        fix_random_seed(seed)
        nlp = spacy.blank("xx")
        ner = add_small_ner(nlp)
        train(nlp, make_examples(nlp), steps=5)
        before = [tags.tolist() for tags in ner.predict(list(nlp.tokenizer.pipe(TEST_TEXTS)))]
        assert ner.add_label("NEW") == 1
        assert ner.add_label("NEW") == 0
        assert ner.add_label("OTHER") == 1
        assert ner.model.get_ref("output_layer").get_dim("nO") == 9
        after = [tags.tolist() for tags in ner.predict(list(nlp.tokenizer.pipe(TEST_TEXTS)))]
        assert after == before


@pytest.mark.parametrize("use_averages", [False, True])
def test_add_label_and_go_on_with_the_same_optimizer(nlp, use_averages):
    ner = add_small_ner(nlp)
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


def test_add_label_after_loading(trained):
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp)
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


def test_initialize_examples(nlp):
    ner = add_small_ner(nlp)
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
    embed = next(node for node in ner.model.walk() if node.name == "feature_embed")
    assert embed.attrs["vocabulary_norm"].row("zebra") != 0
    assert len(embed.get_param("norm")) == len(embed.attrs["vocabulary_norm"])


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


# Training


def test_overfitting_and_io(nlp, tmp_path):
    add_small_ner(nlp)
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


def component_like(nlp: Language) -> TwitterBiLSTMNER:
    return add_small_ner(spacy.blank("xx"), loss_reduction="sum")


@pytest.mark.parametrize("exclude", [[], ["vocab"]])
def test_component_io(trained, tmp_path, exclude):
    ner = trained.get_pipe(NAME)
    ner.to_disk(tmp_path, exclude=exclude)
    assert (tmp_path / "vocab").exists() == (not exclude)
    from_disk = component_like(trained).from_disk(tmp_path, exclude=exclude)
    from_bytes = component_like(trained).from_bytes(ner.to_bytes(exclude=exclude), exclude=exclude)
    for loaded in (from_disk, from_bytes):
        assert loaded.labels == ner.labels
        # What is trained is what is loaded, not what the config of the new one says.
        assert loaded.cfg == ner.cfg
        assert_same_arrays(params(loaded.model), params(ner.model))
        docs = list(spacy.blank("xx").tokenizer.pipe(TEST_TEXTS))
        for loaded_tags, tags in zip(loaded.predict(docs), ner.predict(docs), strict=True):
            assert loaded_tags.tolist() == tags.tolist()


def test_component_io_without_the_model(trained, tmp_path):
    ner = trained.get_pipe(NAME)
    ner.to_disk(tmp_path, exclude=["model"])
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "cfg").exists()
    from_disk = component_like(trained).from_disk(tmp_path, exclude=["model"])
    from_bytes = component_like(trained).from_bytes(
        ner.to_bytes(exclude=["model"]), exclude=["model"]
    )
    for loaded in (from_disk, from_bytes):
        assert loaded.labels == ner.labels
        assert not params(loaded.model)
        # It can be trained from there on.
        examples = make_examples(spacy.blank("xx"))
        loaded.initialize(lambda: examples)  # noqa: B023
        assert loaded.model.get_ref("output_layer").get_dim("nO") == 5


def test_pipeline_io_without_the_component(trained, tmp_path):
    trained.to_disk(tmp_path, exclude=[NAME])
    assert not (tmp_path / NAME).exists()
    nlp = spacy.load(tmp_path, exclude=[NAME])
    assert nlp.pipe_names == []
    from_bytes = spacy.blank("xx").from_bytes(trained.to_bytes(exclude=[NAME]))
    assert from_bytes.pipe_names == []
    disabled = spacy.blank("xx")
    add_small_ner(disabled)
    disabled.from_bytes(trained.to_bytes(), exclude=[NAME])
    assert disabled.get_pipe(NAME).labels == ()


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda model: model.copy()])
def test_a_copy_is_a_model_of_its_own(nlp, make_copy):
    ner = add_small_ner(nlp)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    docs = [example.predicted for example in examples]
    copied = make_copy(ner.model)
    before = params(ner.model)
    expected = [scores.tolist() for scores in ner.model.predict(docs)]
    train(nlp, examples, optimizer, steps=3)
    ner.add_label("TEAM")
    fewer = make_examples(nlp, [("another text", {"entities": []})])
    nlp.initialize(lambda: fewer)
    assert_same_arrays(before, params(copied))
    assert [scores.tolist() for scores in copied.predict(docs)] == expected


def test_a_deep_copy_can_be_resized(trained):
    """As that which rehearsal keeps; Model.copy loses the references to layers."""
    model = trained.get_pipe(NAME).model
    copied = copy.deepcopy(model)
    copied.attrs["resize_output"](copied, 9)
    assert (copied.get_dim("nO"), model.get_dim("nO")) == (9, 5)
    assert copied.get_ref("output_layer").get_dim("nO") == 9


def test_the_optimizers_averages(nlp):
    ner = add_small_ner(nlp)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, use_averages=True)
    train(nlp, examples, optimizer, steps=30)
    last = params(ner.model)
    predictions = predicted_entities(nlp)
    averages = optimizer.averages
    with nlp.use_params(averages):
        averaged = params(ner.model)
        predicted_entities(nlp)
        for node in ner.model.walk():
            for name in node.param_names:
                assert_allclose(node.get_param(name), averages[(node.id, name)])
    assert not all(numpy.array_equal(last[key], averaged[key]) for key in last)
    assert_same_arrays(last, params(ner.model))
    assert predicted_entities(nlp) == predictions


@pytest.mark.parametrize("data", [[], [("", {"entities": []})], [("", {"entities": []})] * 3])
def test_update_with_nothing(nlp, data):
    ner = add_small_ner(nlp)
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    before = params(ner.model)
    losses = {"other": 1.0, NAME: 2.0}
    examples = make_examples(nlp, data)
    assert ner.update(examples, sgd=optimizer, losses=losses) is losses
    assert losses == {"other": 1.0, NAME: 2.0}
    assert ner.update(examples) == {NAME: 0.0}
    assert_same_arrays(before, params(ner.model))


def test_update_with_empty_docs_among_others(nlp):
    ner = add_small_ner(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    ner.update(make_examples(nlp))
    expected = gradients(ner.model)
    clear_gradients(ner.model)
    empty = make_examples(nlp, [("", {"entities": []})])
    examples = make_examples(nlp)
    losses = ner.update([*empty, *examples[:2], *empty, *examples[2:], *empty])
    for key, gradient in gradients(ner.model).items():
        assert_allclose(gradient, expected[key], atol=1e-6)
    assert losses == ner.update(make_examples(nlp))


def test_update_without_an_optimizer_adds_gradients(nlp):
    ner = add_small_ner(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    before = params(ner.model)
    losses = ner.update(make_examples(nlp))
    first = gradients(ner.model)
    assert ner.update(make_examples(nlp), losses=losses)[NAME] == pytest.approx(
        2 * ner.update(make_examples(nlp))[NAME]
    )
    assert_same_arrays(before, params(ner.model))
    for key, gradient in gradients(ner.model).items():
        assert_allclose(gradient, 3 * first[key], rtol=1e-4, atol=1e-6)


def test_update_does_not_annotate(nlp):
    ner = add_small_ner(nlp)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    ner.update(examples)
    ner.predict([example.predicted for example in examples])
    assert not any(example.predicted.has_annotation("ENT_IOB") for example in examples)
    assert [e.reference.to_json() for e in examples] == [
        e.reference.to_json() for e in make_examples(nlp)
    ]


def test_wrong_examples(nlp):
    ner = add_small_ner(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    for method in (ner.update, ner.rehearse):
        with pytest.raises(TypeError, match=f"E978.*TwitterBiLSTMNER.{method.__name__}"):
            method([nlp.make_doc("so tired")])
    with pytest.raises(TypeError, match=r"E978.*TwitterBiLSTMNER\.get_loss"):
        ner.get_loss([nlp.make_doc("so tired")], [])


@pytest.mark.parametrize(
    "annotation",
    [
        {"entities": [(8, 14, "CITY")]},
        # tokens that have to be aligned
        {"words": ["Iam", "in", "London"], "entities": ["O", "O", "U-CITY"]},
    ],
)
def test_a_label_that_was_not_there_at_initialisation(nlp, annotation):
    ner = add_small_ner(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    examples = make_examples(nlp, [("I am in London", annotation)])
    with pytest.raises(ValueError, match=rf"{NAME}.*'CITY'.*London.*LOC, PERSON.*add_label"):
        nlp.update(examples)
    ner.add_label("CITY")
    nlp.update(examples)


PARTIAL_DATA = [
    ("I like London and Berlin", {"entities": ["O", "O", "U-LOC", "-", "-"]}),
    ("I like London and Berlin", {"entities": ["-", "-", "-", "O", "U-LOC"]}),
    ("Who is Shaka Khan ?", {"entities": ["O", "O", "B-PERSON", "L-PERSON", "-"]}),
    # other tokens than the pipeline's
    (
        "Shaka Khan sings in London",
        {
            "words": ["Shaka Khan", "sings", "in", "Lon", "don"],
            "entities": ["U-PERSON", "O", "-", "B-LOC", "L-LOC"],
        },
    ),
    ("so tired", {"entities": ["-", "-"]}),
]


def test_incomplete_annotation(nlp):
    ner = add_small_ner(nlp)
    examples = make_examples(nlp, PARTIAL_DATA)
    train(nlp, examples)
    type_index = {label: index for index, label in enumerate(ner.labels)}
    predicted = ner.predict([example.predicted for example in examples])
    for example, tags in zip(examples, predicted, strict=True):
        gold = gold_tags(example, type_index)
        assert tags[gold != MISSING].tolist() == gold[gold != MISSING].tolist()
    # The two halves of a text make it whole.
    assert predicted_entities(nlp, TEXTS[:1]) == gold_entities(make_examples(nlp)[:1])


WORDS = ["I", "like", "New", "York", "and", "Bob"]
TAGS = ["O", "O", "B-LOC", "I-LOC", "O", "B-PERSON"]


@pytest.mark.parametrize("loss_reduction", ["mean", "sum"])
def test_missing_tokens_have_no_gradient(nlp, loss_reduction):
    ner = add_small_ner(nlp, loss_reduction=loss_reduction)
    full = tagged_example(nlp, WORDS, TAGS)
    nlp.initialize(lambda: [full])
    partial = tagged_example(nlp, WORDS, ["O", None, *TAGS[2:4], None, None])
    scores = ner.model.predict([partial.predicted])
    loss, (gradient,) = ner.get_loss([partial], scores)
    assert (gradient[[1, 4, 5]] == 0.0).all()
    assert (gradient[[0, 2, 3]] != 0.0).all()
    gold = scores[0][[0, 2, 3], [0, 1, 2]]
    divisor = {"mean": 3, "sum": 1}[loss_reduction]
    assert loss == pytest.approx(-numpy.log(gold).sum() / divisor, rel=1e-5)
    one_hot = numpy.eye(5)[[0, 1, 2]]
    assert_allclose(gradient[[0, 2, 3]], (scores[0][[0, 2, 3]] - one_hot) / divisor, atol=1e-6)


def parameter_gradients(ner: TwitterBiLSTMNER, examples: list[Example]) -> dict:
    clear_gradients(ner.model)
    ner.update(examples)
    return gradients(ner.model)


def test_what_is_missing_here_is_taught_there(nlp):
    """The gradients of two halves of the annotation add up to that of the whole."""
    ner = add_small_ner(nlp, loss_reduction="sum")
    full = tagged_example(nlp, WORDS, TAGS)
    nlp.initialize(lambda: [full])
    halves = [
        tagged_example(nlp, WORDS, [*TAGS[:1], None, *TAGS[2:4], None, None]),
        tagged_example(nlp, WORDS, [None, TAGS[1], None, None, *TAGS[4:]]),
    ]
    whole = parameter_gradients(ner, [full])
    first, second = (parameter_gradients(ner, [half]) for half in halves)
    for key, gradient in whole.items():
        assert_allclose(first[key] + second[key], gradient, atol=1e-5)


@pytest.mark.parametrize("loss_reduction", ["mean", "sum"])
def test_nothing_but_missing(nlp, loss_reduction):
    ner = add_small_ner(nlp, loss_reduction=loss_reduction)
    nlp.initialize(lambda: make_examples(nlp))
    optimizer = Adam(0.01, L2=0.0)  # which would shrink weights without a gradient too
    before = params(ner.model)
    bare = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in TEXTS]
    assert ner.update(bare) == {NAME: 0.0}
    assert all((gradient == 0.0).all() for gradient in gradients(ner.model).values())
    ner.update(bare, sgd=optimizer)
    assert_same_arrays(before, params(ner.model))


def test_misaligned_tokens_have_no_gradient(nlp):
    ner = add_small_ner(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    words = ["She", "isinNew", "York", "now"]
    tags = ["O", "O", "O", "B-LOC", "L-LOC", "O"]
    example = Example.from_dict(
        Doc(nlp.vocab, words=words),
        {"words": ["She", "is", "in", "New", "York", "now"], "entities": tags},
    )
    _, (gradient,) = ner.get_loss([example], ner.model.predict([example.predicted]))
    assert (gradient[[1, 2]] == 0.0).all()
    assert (gradient[[0, 3]] != 0.0).all()


def test_loss_reduction(nlp):
    examples = [*make_examples(nlp), tagged_example(nlp, WORDS, ["O", None, None, None, "O", None])]
    n_known = sum(len(example.predicted) for example in examples[:-1]) + 2
    results = {}
    for reduction in ("mean", "sum"):
        fix_random_seed(0)
        ner = add_small_ner(nlp, reduction, loss_reduction=reduction)
        ner.initialize(lambda: examples)
        losses = ner.update(examples)
        assert ner.cfg["loss_reduction"] == reduction
        results[reduction] = (losses[reduction], gradients(ner.model))
    assert results["sum"][0] == pytest.approx(n_known * results["mean"][0], rel=1e-5)
    for key, gradient in results["mean"][1].items():
        assert_allclose(results["sum"][1][key], n_known * gradient, rtol=1e-3, atol=1e-5)


def test_loss_reduction_is_of_the_whole_batch(nlp):
    """Not of each doc: a token weighs the same in a short doc and in a long one."""
    ner = add_small_ner(nlp)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    _, gradient = ner.get_loss(examples, ner.model.predict([eg.predicted for eg in examples]))
    n_tokens = sum(len(example.predicted) for example in examples)
    scores = numpy.concatenate(ner.model.predict([eg.predicted for eg in examples]))
    gold = numpy.concatenate(gradient) * n_tokens - scores
    assert_allclose(sorted(gold.sum(axis=1)), -numpy.ones(n_tokens), atol=1e-5)


@pytest.mark.parametrize("wrong", ["median", "", "Mean"])
def test_an_unknown_loss_reduction(nlp, wrong):
    with pytest.raises(ValueError, match=f"'mean' or 'sum', not '{wrong}'"):
        add_small_ner(nlp, loss_reduction=wrong)


def test_not_a_number(nlp):
    ner = add_small_ner(nlp)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    ner.model.get_ref("output_layer").get_param("W")[1, 0] = numpy.nan
    with pytest.raises(ValueError, match="E940"):
        nlp.update(examples)


def test_the_gradient_is_that_of_the_loss(nlp):
    """Central differences through the whole model, some tags missing."""
    ner = add_small_ner(nlp)
    examples = [
        tagged_example(nlp, WORDS, ["O", None, "B-LOC", "I-LOC", None, "B-PERSON"]),
        tagged_example(nlp, [], []),
        tagged_example(nlp, WORDS[2:4], [None, None]),
        tagged_example(nlp, ["Bob"], ["B-PERSON"]),
    ]
    nlp.initialize(lambda: examples)
    docs = [example.predicted for example in examples]

    def loss() -> float:
        return ner.get_loss(examples, ner.model.predict(docs))[0]

    analytic = parameter_gradients(ner, examples)
    random = numpy.random.RandomState(0)
    step = 1e-2
    for place, node in enumerate(ner.model.walk()):
        for name in node.param_names:
            param = node.get_param(name)
            gradient = analytic[place, name]
            # Along the gradient, where the loss changes most, and along a random direction, in
            # which every weight has a part.
            noise = random.normal(size=param.shape)
            for direction in (gradient, noise):
                direction = direction / numpy.linalg.norm(direction)
                losses = []
                for sign in (1, -1):
                    param += (sign * step * direction).astype("float32")
                    losses.append(loss())
                    param -= (sign * step * direction).astype("float32")
                numeric = (losses[0] - losses[1]) / (2 * step)
                assert numeric == pytest.approx((gradient * direction).sum(), rel=2e-2, abs=1e-4), (
                    node.name,
                    name,
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


# Rehearsal


def test_rehearse(trained):
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp)
    nlp.from_bytes(trained.to_bytes())
    optimizer = nlp.resume_training()
    before = params(ner.model)
    # Against itself the model has nothing to learn, but the loss, an entropy, is not zero.
    assert nlp.rehearse(make_examples(nlp))[NAME] >= 0.0
    for gradient in gradients(ner.model).values():
        assert_allclose(gradient, 0.0, atol=1e-6)
    clear_gradients(ner.model)
    ner.add_label("TEAM")
    # What it is taught now contradicts all that it knew ...
    new = make_examples(nlp, [(text, {"entities": []}) for text in TEXTS])
    train(nlp, new, optimizer, steps=20)
    assert not any(predicted_entities(nlp, TEXTS))
    # ... and rehearsal brings that back.
    losses = []
    for _ in range(40):
        losses.append(nlp.rehearse(make_examples(nlp), sgd=optimizer, losses={})[NAME])
    assert losses[-1] < losses[0]
    assert predicted_entities(nlp, TEXTS) == predicted_entities(trained, TEXTS)
    assert_same_arrays(before, params(ner._rehearsal_model))


def test_rehearsal_gradient(trained):
    """By central differences; also of a label that the rehearsal model does not have."""
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp)
    nlp.from_bytes(trained.to_bytes())
    nlp.resume_training()
    ner.add_label("TEAM")
    examples = make_examples(nlp)
    bias = ner.model.get_ref("output_layer").get_param("b")
    bias += numpy.random.RandomState(0).normal(size=bias.shape).astype("float32")
    bias[5:] += 5.0
    ner.rehearse(examples)
    analytic = ner.model.get_ref("output_layer").get_grad("b")
    step = 1e-2
    for index in range(len(bias)):
        losses = []
        for sign in (1, -1):
            bias[index] += sign * step
            losses.append(ner.rehearse(examples)[NAME])
            bias[index] -= sign * step
        if index == 0:
            analytic = analytic / 3  # each call has added its gradient
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(analytic[index], abs=1e-3)


def test_nothing_to_rehearse(nlp):
    ner = add_small_ner(nlp)
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    before = params(ner.model)
    assert ner.rehearse(make_examples(nlp), sgd=optimizer) == {NAME: 0.0}
    assert_same_arrays(before, params(ner.model))
    optimizer = nlp.resume_training()
    empty = make_examples(nlp, [("", {"entities": []})])
    assert ner.rehearse(empty, sgd=optimizer, losses={NAME: 1.0}) == {NAME: 1.0}
    assert_same_arrays(before, params(ner.model))


# Token vectors shared with other components


def test_a_shared_tok2vec(nlp, tmp_path):
    add_shared_tok2vec(nlp, NAME)
    examples = make_examples(nlp)
    tok2vec = nlp.get_pipe("tok2vec")
    optimizer = nlp.initialize(lambda: examples)
    before = params(tok2vec.model)
    train(nlp, examples, optimizer)
    assert predicted_entities(nlp, TEXTS) == gold_entities(examples)
    after = params(tok2vec.model)
    assert not any(numpy.array_equal(before[key], after[key]) for key in before)
    nlp.to_disk(tmp_path)
    assert predicted_entities(spacy.load(tmp_path)) == predicted_entities(nlp)
    assert entities(nlp.pipe(TEST_TEXTS, batch_size=2)) == predicted_entities(nlp)


@pytest.mark.parametrize("names", [[NAME, "tagger"], ["tagger", NAME]])
def test_a_tok2vec_shared_with_a_tagger(nlp, names):
    add_shared_tok2vec(nlp, *names)
    examples = make_examples(
        nlp, [(text, {**gold, "tags": text.split()}) for text, gold in TRAIN_DATA]
    )
    losses = train(nlp, examples, steps=100)
    assert losses[NAME] < 0.1
    assert predicted_entities(nlp, TEXTS) == gold_entities(examples)
    assert [[token.tag_ for token in nlp(text)] for text in TEXTS] == [t.split() for t in TEXTS]


def test_the_vocabulary_of_a_shared_tok2vec(nlp):
    add_shared_tok2vec(nlp, "tagger", NAME)
    data = [*TRAIN_DATA * 5, ("zebra London", {"entities": [(6, 12, "LOC")]})]
    examples = make_examples(nlp, [(text, {**gold, "tags": text.split()}) for text, gold in data])
    nlp.initialize(lambda: iter(examples))
    embed = nlp.get_pipe("tok2vec").model.get_ref("embed")
    vocabulary = embed.attrs["vocabulary_masked"]
    assert vocabulary.keys[0] == "London"
    assert set(vocabulary.keys) == {word for text, _ in data for word in text.split()}
    assert embed.get_param("masked").shape == (len(vocabulary), 16)
    nlp.update(examples)


def test_only_the_tok2vec_that_is_listened_to(nlp):
    """A component of another name, which nobody here listens to, keeps what it has."""
    nlp.add_pipe("tok2vec", name="other", config=TOK2VEC)
    add_shared_tok2vec(nlp)
    nlp.add_pipe(NAME, config={"model": {"tok2vec": {**LISTENER, "upstream": "tok2vec"}}})
    examples = make_examples(nlp, [*TRAIN_DATA * 5, ("zebra", {"entities": []})])
    nlp.initialize(lambda: examples)

    def words(name):
        return nlp.get_pipe(name).model.get_ref("embed").attrs["vocabulary_masked"].keys

    assert "zebra" in words("tok2vec")
    assert "zebra" not in words("other")


def test_replace_listeners(nlp, tmp_path):
    add_shared_tok2vec(nlp, "tagger", NAME)
    examples = make_examples(
        nlp, [(text, {**gold, "tags": text.split()}) for text, gold in TRAIN_DATA]
    )
    optimizer = train_and_return_optimizer(nlp, examples)
    expected = predicted_entities(nlp)
    nlp.replace_listeners("tok2vec", NAME, ["model.tok2vec"])
    ner = nlp.get_pipe(NAME)
    assert ner.model.get_ref("tok2vec").name != "tok2vec-listener"
    assert predicted_entities(nlp) == expected
    nlp.to_disk(tmp_path)
    assert predicted_entities(spacy.load(tmp_path)) == expected
    # From now on it learns by itself, and can get labels as before.
    shared = params(nlp.get_pipe("tok2vec").model)
    ner.add_label("TEAM")
    new = make_examples(nlp, NEW_DATA)
    with nlp.select_pipes(enable=NAME):
        train(nlp, new, optimizer)
        assert predicted_entities(nlp, [text for text, _ in NEW_DATA]) == gold_entities(new)
    assert_same_arrays(shared, params(nlp.get_pipe("tok2vec").model))


def train_and_return_optimizer(nlp: Language, examples: list[Example]):
    optimizer = nlp.initialize(lambda: examples)
    train(nlp, examples, optimizer)
    return optimizer


def test_a_frozen_tok2vec(nlp):
    """As `spacy train` has it with frozen_components and annotating_components."""
    source = nlp
    add_shared_tok2vec(source, NAME)
    train(source, make_examples(source))
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", source=source)
    ner = nlp.add_pipe(NAME, config={"model": {"tok2vec": LISTENER}})
    examples = make_examples(nlp, NEW_DATA)
    before = params(nlp.get_pipe("tok2vec").model)
    with nlp.select_pipes(disable=["tok2vec"]):
        optimizer = nlp.initialize(lambda: examples)
    assert_same_arrays(before, params(nlp.get_pipe("tok2vec").model))
    losses = train(nlp, examples, optimizer, exclude=["tok2vec"], annotates=["tok2vec"])
    assert_same_arrays(before, params(nlp.get_pipe("tok2vec").model))
    assert losses[NAME] < 0.5
    assert ner.labels == ("LOC", "PERSON", "TEAM")
    assert predicted_entities(nlp, TEXTS) == gold_entities(examples)[: len(TEXTS)]


def test_a_sourced_component(trained):
    nlp = spacy.blank("xx")
    nlp.add_pipe(NAME, name="copied", source=trained)
    assert predicted_entities(nlp) == predicted_entities(trained)


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
        train(nlp, make_examples(nlp, PARTIAL_DATA), nlp.create_optimizer(), steps=2)
    finally:
        spacy.require_cpu()
