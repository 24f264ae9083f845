import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Adam, fix_random_seed

from .util import (
    NAME,
    WORDS,
    add_small_ner,
    assert_same_arrays,
    clear_gradients,
    gradients,
    make_examples,
    parameter_gradients,
    params,
    predicted_entities,
    tagged_example,
    train,
)


def test_use_averaged_params(nlp, small):
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
def test_update_without_tokens(nlp, data, small):
    ner = add_small_ner(nlp, **small)
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    before = params(ner.model)
    losses = {"other": 1.0, NAME: 2.0}
    examples = make_examples(nlp, data)
    assert ner.update(examples, sgd=optimizer, losses=losses) is losses
    assert losses == {"other": 1.0, NAME: 2.0}
    assert ner.update(examples) == {NAME: 0.0}
    assert_same_arrays(before, params(ner.model))


def test_update_with_empty_docs(nlp, small):
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


def test_update_without_optimizer(nlp, small):
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


def test_update_with_optimizer(nlp, small):
    """nlp.update() calls finish_update() instead."""
    ner = add_small_ner(nlp, **small)
    nlp.initialize(lambda: make_examples(nlp))
    first = ner.update(make_examples(nlp), sgd=Adam(0.02))[NAME]
    assert all((gradient == 0.0).all() for gradient in gradients(ner.model).values())
    assert ner.update(make_examples(nlp))[NAME] < first


@pytest.mark.parametrize("factor", [1.0, 20.0])
def test_learn_rate_factor(nlp, small, factor):
    """The first step of Adam is as long as the learning rate."""
    ner = add_small_ner(nlp, **small, learn_rate_factor=factor)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    before = params(ner.model)
    ner.update(examples, sgd=Adam(1e-4, use_averages=False))
    after = params(ner.model)
    steps = [abs(after[key] - before[key]).max() for key in before]
    assert max(steps) == pytest.approx(1e-4 * factor, rel=0.05)


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_invalid_learn_rate_factor(nlp, factor):
    with pytest.raises(ValueError, match="learn_rate_factor must be above 0"):
        nlp.add_pipe(NAME, config={"learn_rate_factor": factor})


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


def test_examples_of_wrong_type(nlp):
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
        # Misaligned tokens
        {"words": ["Iam", "in", "London"], "entities": ["O", "O", "U-CITY"]},
    ],
)
def test_update_with_unknown_label_is_error(nlp, annotation, small):
    ner = add_small_ner(nlp, **small)
    nlp.initialize(lambda: make_examples(nlp))
    examples = make_examples(nlp, [("I am in London", annotation)])
    with pytest.raises(ValueError, match=rf"{NAME}.*'CITY'.*London.*LOC, PERSON.*add_label"):
        nlp.update(examples)
    ner.add_label("CITY")
    nlp.update(examples)


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


def test_loss_reduction_over_batch(nlp):
    """Tokens have equal weight in short and long docs."""
    ner = add_small_ner(nlp)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    _, gradient = ner.get_loss(examples, ner.model.predict([eg.predicted for eg in examples]))
    n_tokens = sum(len(example.predicted) for example in examples)
    scores = numpy.concatenate(ner.model.predict([eg.predicted for eg in examples]))
    gold = numpy.concatenate(gradient) * n_tokens - scores
    assert_allclose(sorted(gold.sum(axis=1)), -numpy.ones(n_tokens), atol=1e-5)


def test_nan_loss_is_error(nlp, small):
    ner = add_small_ner(nlp, **small)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    ner.model.get_ref("output_layer").get_param("W")[1, 0] = numpy.nan
    with pytest.raises(ValueError, match="E940"):
        nlp.update(examples)


@pytest.mark.slow
def test_gradient_of_loss(nlp, small):
    """Central differences through the whole model, with missing tags."""
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
        ner.clear_cache()  # weights are modified in place
        return ner.get_loss(examples, ner.model.predict(docs))[0]

    analytic = parameter_gradients(ner, examples)
    random = numpy.random.RandomState(0)
    step = 1e-2
    for place, node in enumerate(ner.model.walk()):
        for name in node.param_names:
            param = node.get_param(name)
            gradient = analytic[place, name]
            # Along the gradient, and along a random direction that changes all weights.
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
