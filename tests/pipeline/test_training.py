import itertools

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_twitter_ner.iob import find_violations
from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER
from spacy_twitter_ner.pipeline.gold import MISSING, gold_tags

from .util import (
    NAME,
    SMALL_CRF,
    TEXTS,
    add_small_ner,
    assert_same_arrays,
    clear_gradients,
    gold_entities,
    gradients,
    make_examples,
    params,
    predicted_entities,
    tagged_example,
    train,
)


def test_the_optimizers_averages(nlp, small):
    ner = add_small_ner(nlp, **small)
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
def test_update_with_nothing(nlp, data, small):
    ner = add_small_ner(nlp, **small)
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    before = params(ner.model)
    losses = {"other": 1.0, NAME: 2.0}
    examples = make_examples(nlp, data)
    assert ner.update(examples, sgd=optimizer, losses=losses) is losses
    assert losses == {"other": 1.0, NAME: 2.0}
    assert ner.update(examples) == {NAME: 0.0}
    assert_same_arrays(before, params(ner.model))


def test_update_with_empty_docs_among_others(nlp, small):
    ner = add_small_ner(nlp, **small)
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


def test_update_without_an_optimizer_adds_gradients(nlp, small):
    ner = add_small_ner(nlp, **small)
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


def test_update_with_an_optimizer(nlp, small):
    """By the component itself: nlp.update() takes the step by finish_update()."""
    ner = add_small_ner(nlp, **small)
    nlp.initialize(lambda: make_examples(nlp))
    first = ner.update(make_examples(nlp), sgd=Adam(0.02))[NAME]
    assert all((gradient == 0.0).all() for gradient in gradients(ner.model).values())
    assert ner.update(make_examples(nlp))[NAME] < first


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
def test_a_label_that_was_not_there_at_initialisation(nlp, annotation, small):
    ner = add_small_ner(nlp, **small)
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


def test_incomplete_annotation(nlp, small):
    ner = add_small_ner(nlp, **small)
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


def test_a_crf_sums_over_missing_tags(nlp):
    """The loss is that of all completions of the annotation together."""
    ner = add_small_ner(nlp, loss_reduction="sum", **SMALL_CRF)
    words = WORDS[1:4]
    nlp.initialize(lambda: make_examples(nlp))

    def likelihood(tags: list[str | None]) -> float:
        example = tagged_example(nlp, words, tags)
        return numpy.exp(-ner.get_loss([example], ner.model.predict([example.predicted]))[0])

    expected = sum(
        likelihood(["O", *rest])
        for rest in itertools.product(("O", "B-LOC", "I-LOC", "B-PERSON", "I-PERSON"), repeat=2)
        if not find_violations(["O", *rest])
    )
    assert likelihood(["O", None, None]) == pytest.approx(expected)
    assert likelihood([None] * 3) == 1.0


def test_a_crf_learns_nothing_of_docs_without_annotation(nlp):
    ner = add_small_ner(nlp, loss_reduction="sum", **SMALL_CRF)
    full = tagged_example(nlp, WORDS, TAGS)
    nlp.initialize(lambda: [full])
    bare = tagged_example(nlp, WORDS[2:], [None] * 4)
    with_bare = parameter_gradients(ner, [bare, full, bare])
    for key, gradient in parameter_gradients(ner, [full]).items():
        assert_allclose(with_bare[key], gradient, atol=1e-5)


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
def test_nothing_but_missing(nlp, loss_reduction, small):
    ner = add_small_ner(nlp, loss_reduction=loss_reduction, **small)
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


def test_loss_reduction(nlp, small):
    examples = [*make_examples(nlp), tagged_example(nlp, WORDS, ["O", None, None, None, "O", None])]
    n_known = sum(len(example.predicted) for example in examples[:-1]) + 2
    results = {}
    for reduction in ("mean", "sum"):
        fix_random_seed(0)
        ner = add_small_ner(nlp, reduction, loss_reduction=reduction, **small)
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


def test_not_a_number(nlp, small):
    ner = add_small_ner(nlp, **small)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    ner.model.get_ref("output_layer").get_param("W")[1, 0] = numpy.nan
    with pytest.raises(ValueError, match="E940"):
        nlp.update(examples)


def test_the_gradient_is_that_of_the_loss(nlp, small):
    """Central differences through the whole model, some tags missing."""
    ner = add_small_ner(nlp, **small)
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


# Rehearsal


def test_rehearse(trained, small):
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp, **small)
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


def test_rehearsal_gradient(trained, small):
    """By central differences; also of a label that the rehearsal model does not have."""
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp, **small)
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


def test_nothing_to_rehearse(nlp, small):
    ner = add_small_ner(nlp, **small)
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    before = params(ner.model)
    assert ner.rehearse(make_examples(nlp), sgd=optimizer) == {NAME: 0.0}
    assert_same_arrays(before, params(ner.model))
    optimizer = nlp.resume_training()
    empty = make_examples(nlp, [("", {"entities": []})])
    assert ner.rehearse(empty, sgd=optimizer, losses={NAME: 1.0}) == {NAME: 1.0}
    assert_same_arrays(before, params(ner.model))
