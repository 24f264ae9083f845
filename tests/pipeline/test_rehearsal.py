import numpy
import pytest
import spacy
from numpy.testing import assert_allclose

from .util import (
    NAME,
    TEXTS,
    add_small_ner,
    assert_same_arrays,
    clear_gradients,
    gradients,
    make_examples,
    params,
    predicted_entities,
    train,
)


@pytest.mark.slow
def test_rehearse(trained, small):
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp, **small)
    nlp.from_bytes(trained.to_bytes())
    optimizer = nlp.resume_training()
    before = params(ner.model)
    # The gradient of an unchanged model is zero, but its loss is an entropy.
    assert nlp.rehearse(make_examples(nlp))[NAME] >= 0.0
    for gradient in gradients(ner.model).values():
        assert_allclose(gradient, 0.0, atol=1e-6)
    clear_gradients(ner.model)
    ner.add_label("TEAM")
    # An update without entities makes the model forget, ...
    new = make_examples(nlp, [(text, {"entities": []}) for text in TEXTS])
    train(nlp, new, optimizer, steps=20)
    assert not any(predicted_entities(nlp, TEXTS))
    # ... and rehearsal restores its predictions.
    losses = []
    for _ in range(40):
        losses.append(nlp.rehearse(make_examples(nlp), sgd=optimizer, losses={})[NAME])
    assert losses[-1] < losses[0]
    assert predicted_entities(nlp, TEXTS) == predicted_entities(trained, TEXTS)
    assert_same_arrays(before, params(ner._rehearsal_model))


def test_rehearsal_gradient(trained, small):
    """Central differences, with a label that the rehearsal model doesn't have."""
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
            analytic = analytic / 3  # gradients of three calls so far
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(analytic[index], abs=1e-3)


def test_rehearse_without_model_or_tokens(nlp, small):
    ner = add_small_ner(nlp, **small)
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    before = params(ner.model)
    assert ner.rehearse(make_examples(nlp), sgd=optimizer) == {NAME: 0.0}
    assert_same_arrays(before, params(ner.model))
    optimizer = nlp.resume_training()
    empty = make_examples(nlp, [("", {"entities": []})])
    assert ner.rehearse(empty, sgd=optimizer, losses={NAME: 1.0}) == {NAME: 1.0}
    assert_same_arrays(before, params(ner.model))
