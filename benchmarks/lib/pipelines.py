"""The pipelines whose speed and memory are measured."""

from pathlib import Path
from typing import NamedTuple

import srsly
from spacy.language import Language
from wasabi import msg

from .models import DEFAULT, EMBED, MODELS, ModelSpec, get_inputs, train
from .project import COMPONENT, ROOT

OURS, SPACY, CRFSUITE = "ours, default", "spaCy `ner`", "CRFsuite"
SMALL, PRETRAINED = "ours, small", "ours, pretrained"
SMALL_SPEC = DEFAULT._replace(
    name="small",
    overrides={f"components.{COMPONENT}.model.tok2vec.encode.hidden_width": 50},
    without=(f"{EMBED}.*.characters",),
)
SPECS = {
    OURS: DEFAULT,
    SMALL: SMALL_SPEC,
    SPACY: MODELS["spacy_ner"],
    CRFSUITE: MODELS["crfsuite"],
}


class Pipeline(NamedTuple):
    """A saved pipeline and a remark on how it was trained."""

    path: Path
    origin: str


def find_pipelines(corpus: str, *, quick: bool) -> dict[str, Pipeline]:
    """Find all pipelines. Those that the project's workflow hasn't trained are trained for a few
    steps and kept in training/speed.

    corpus (str): Name of a folder in corpus/.
    quick (bool): Train for even fewer steps, to check that everything runs.
    RETURNS (dict[str, Pipeline]): The pipelines by name.
    """
    steps = 10 if quick else 200
    pipelines = {name: find_pipeline(spec, corpus, steps) for name, spec in SPECS.items()}
    bundled = Pipeline(ROOT / "spacy_twitter_ner" / "en_tweet_ner", "bundled with the package")
    return {OURS: pipelines.pop(OURS), PRETRAINED: bundled, **pipelines}


def find_pipeline(spec: ModelSpec, corpus: str, max_steps: int) -> Pipeline:
    """Find the pipeline of a model, or train it for a few steps.

    spec (ModelSpec): The model.
    corpus (str): Name of a folder in corpus/.
    max_steps (int): Number of steps.
    RETURNS (Pipeline): The pipeline.
    """
    path = ROOT / "training" / corpus / spec.name / "model-best"
    if path.exists():
        return Pipeline(path, "trained by the project's workflow")
    output = ROOT / "training" / "speed" / corpus / spec.name
    inputs = {**get_inputs(spec, corpus), "steps": str(max_steps)}
    inputs_path = output / "inputs.json"
    if not inputs_path.exists() or srsly.read_json(inputs_path) != inputs:
        msg.text(f"{spec.name}: training for {max_steps} steps")
        train(spec, corpus, output, max_steps=max_steps)
        srsly.write_json(inputs_path, inputs)
    return Pipeline(output / "model-best", f"trained for {max_steps} steps only")


def hidden_units(nlp: Language) -> str:
    """RETURNS (str): The hidden units per direction of a pipeline's BiLSTM; "-" without one."""
    if not nlp.has_pipe(COMPONENT):
        return "-"
    config = nlp.get_pipe_config(COMPONENT)
    return str(config["model"]["tok2vec"]["encode"]["hidden_width"])
