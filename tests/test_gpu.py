"""On a GPU the default pipeline learns and predicts what it does on the CPU.

The test with the CPU twice shows that nothing else than the device makes a difference.
"""

from pathlib import Path
from typing import NamedTuple

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import SGD, fix_random_seed
from thinc.types import Floats2d

from .pipeline.util import (
    NAME,
    NEW_DATA,
    TEST_TEXTS,
    gradients,
    make_examples,
    params,
    predicted_entities,
)

CONFIG = Path(__file__).parents[1] / "configs" / "bilstm_crf.cfg"
MODEL = f"components.{NAME}.model"
EMBED = f"{MODEL}.tok2vec.embed"
# Small, and without anything that is drawn at random: each device draws its own.
SETTINGS = {
    "nlp.lang": "xx",
    "training.dropout": 0.0,
    f"{EMBED}.*.words.widths": [16, 4, 4, 4],
    f"{EMBED}.*.words.unknown_rate": 0.0,
    f"{EMBED}.*.characters.width": 8,
    f"{EMBED}.*.characters.char_width": 6,
    f"{EMBED}.*.characters.min_freq": 1,
    f"{EMBED}.*.hashtags.width": 6,
    f"{EMBED}.*.hashtags.min_freq": 1,
    f"{EMBED}.phrases.width": 4,
    f"{MODEL}.tok2vec.encode.hidden_width": 8,
}
DATA = [*NEW_DATA, ("#LondonCalling in Berlin", {"entities": [(18, 24, "LOC")]})]
N_STEPS = 20
TOLERANCE = 1e-4


class Learned(NamedTuple):
    """What a pipeline has learned on a device: the losses of its steps, its last gradients, its
    weights, its posteriors and the entities it finds."""

    ops: str
    losses: list[float]
    gradients: dict[tuple[int, str], Floats2d]
    weights: dict[tuple[int, str], Floats2d]
    posteriors: list[Floats2d]
    entities: list


def make_pipeline() -> tuple[Language, list[Example]]:
    nlp = load_model_from_config(load_config(CONFIG, SETTINGS), auto_fill=True)
    return nlp, make_examples(nlp, DATA)


@pytest.fixture
def initial() -> bytes:
    """A pipeline initialised on the CPU."""
    fix_random_seed(0)
    nlp, examples = make_pipeline()
    nlp.initialize(lambda: examples)
    return nlp.to_bytes()


def learn(initial: bytes) -> Learned:
    """Train a pipeline on the device that is set."""
    nlp, examples = make_pipeline()
    nlp.from_bytes(initial)
    ner = nlp.get_pipe(NAME)
    # Adam divides gradients by their size: where they are but rounding errors it would still
    # take whole steps.
    optimizer = SGD(0.5, grad_clip=0.0)
    losses = []
    for _ in range(N_STEPS):
        losses.append(nlp.update(examples, drop=0.0, sgd=False)[NAME])
        last = gradients(ner.model)
        ner.finish_update(optimizer)
    posteriors = ner.predict_proba([nlp.make_doc(text) for text in TEST_TEXTS])
    return Learned(
        ner.model.ops.name,
        losses,
        last,
        params(ner.model),
        [ner.model.ops.to_numpy(array) for array in posteriors],
        predicted_entities(nlp),
    )


def assert_close(first: dict, second: dict) -> None:
    assert first
    assert first.keys() == second.keys()
    for key, array in first.items():
        numpy.testing.assert_allclose(array, second[key], atol=TOLERANCE, err_msg=str(key))


def assert_same(first: Learned, second: Learned) -> None:
    numpy.testing.assert_allclose(first.losses, second.losses, atol=TOLERANCE)
    assert_close(first.gradients, second.gradients)
    assert_close(first.weights, second.weights)
    for ours, theirs in zip(first.posteriors, second.posteriors, strict=True):
        numpy.testing.assert_allclose(ours, theirs, atol=TOLERANCE)
    assert first.entities == second.entities


def test_the_same_is_learned_on_one_device(initial: bytes) -> None:
    first, second = learn(initial), learn(initial)
    assert_same(first, second)
    assert first.losses[-1] < 0.5 * first.losses[0]
    assert any(first.entities)


def test_gpu_agrees_with_cpu(initial: bytes) -> None:
    pytest.importorskip("cupy", reason="needs CuPy, of the extra cuda12x")
    on_cpu = learn(initial)
    if not spacy.prefer_gpu():
        pytest.skip("needs a GPU; CuPy is installed and finds none")
    try:
        on_gpu = learn(initial)
    finally:
        spacy.require_cpu()
    assert (on_cpu.ops, on_gpu.ops) == ("numpy", "cupy")
    assert_same(on_cpu, on_gpu)
