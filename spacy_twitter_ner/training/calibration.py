"""Calibrate confidence: find the temperature at which confidence matches precision.

The scores of all tag sequences are divided by the temperature. This keeps their order, so the same
entities are predicted. The temperature minimizes the log loss of predicted entities on held-out
data (temperature scaling, Guo et al. 2017).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from spacy.language import Language
from spacy.training import Example
from thinc.types import Floats1d

from ..corpus.reader import read_examples
from ..corpus.splits import split_name
from ..evaluation.calibration import Reliability, SplitReliability, measure_split
from ..evaluation.scorer import is_correct
from ..layers.spans import TypedSpans
from ..pipeline.bilstm_ner import TwitterBiLSTMNER
from ..pipeline.constraints import spans_to_entities, tags_to_spans
from ..pipeline.distribution import TagDistribution, entity_confidences
from ..util import apply_preceding_pipes, batched, find_ners, get_ner

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 10.0
_GRID = 13
_TOLERANCE = 1e-3
_BATCH_SIZE = 256


@dataclass(frozen=True)
class ScoredEntities:
    """Predicted entities, their distributions and whether they are correct.

    batches (list[tuple[TagDistribution, TypedSpans]]): Docs with entities, and their spans.
    is_known (numpy.ndarray): (S,) whether gold annotation is available for each entity.
    is_correct (numpy.ndarray): (S,) whether each entity is correct.
    n_gold (int): The number of gold entities.
    """

    batches: list[tuple[TagDistribution, TypedSpans]]
    is_known: numpy.ndarray
    is_correct: numpy.ndarray
    n_gold: int

    def confidences(self, temperature: float) -> Floats1d:
        """RETURNS (Floats1d): (n_known,) the confidences of entities with gold annotation."""
        found = [
            entity_confidences(distribution.apply_temperature(temperature), spans)
            for distribution, spans in self.batches
        ]
        return numpy.concatenate([numpy.zeros(0), *found])[self.is_known]

    @property
    def known_correct(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): (n_known,) whether each of those is correct."""
        return self.is_correct[self.is_known]


def score_entities(
    nlp: Language, component: TwitterBiLSTMNER, examples: Iterable[Example]
) -> ScoredEntities:
    """Predict entities, without a threshold, and compare them to gold ones.

    nlp (Language): The pipeline. Components before this one are applied first.
    component (TwitterBiLSTMNER): The component.
    examples (Iterable[Example]): Unannotated docs and their gold annotation.
    RETURNS (ScoredEntities): The entities.
    """
    batches: list[tuple[TagDistribution, TypedSpans]] = []
    correct: list[bool | None] = []
    n_gold = 0
    for batch in batched(examples, _BATCH_SIZE):
        n_gold += sum(len(example.reference.ents) for example in batch)
        docs = apply_preceding_pipes(nlp, component, [example.predicted for example in batch])
        if not any(len(doc) for doc in docs):
            continue
        distribution = component.get_distribution(docs)
        spans = tags_to_spans(distribution.decode())
        found = spans_to_entities(docs, spans, component.labels)
        for example, entities in zip(batch, found, strict=True):
            correct += is_correct(example.reference, entities)
        batches.append(distribution.drop_docs_without(spans))
    return ScoredEntities(
        batches,
        numpy.asarray([value is not None for value in correct], dtype=bool),
        numpy.asarray([bool(value) for value in correct], dtype=bool),
        n_gold,
    )


def fit_temperature(scored: ScoredEntities) -> float:
    """Find the temperature that minimizes the entities' log loss.

    Targets are smoothed (Platt 1999), so that few examples don't make the model overconfident.

    scored (ScoredEntities): The entities predicted in held-out data.
    RETURNS (float): The temperature, between MIN_TEMPERATURE and MAX_TEMPERATURE.
    RAISES (ValueError): If there are no entities.
    """
    correct = scored.known_correct
    if not len(correct):
        raise ValueError(
            "no entities were predicted in the annotated text, so confidence can't be calibrated"
        )
    n_correct = int(correct.sum())
    n_wrong = len(correct) - n_correct
    targets = numpy.where(correct, (n_correct + 1) / (n_correct + 2), 1 / (n_wrong + 2))

    def log_loss(log_temperature: float) -> float:
        confidences = scored.confidences(math.exp(log_temperature))
        tiny = numpy.finfo("float64").eps
        confidences = numpy.clip(confidences, tiny, 1.0 - tiny)
        losses = targets * numpy.log(confidences) + (1.0 - targets) * numpy.log1p(-confidences)
        return -float(losses.mean())

    lowest, highest = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    return math.exp(minimize(log_loss, lowest, highest))


def minimize(function: Callable[[float], float], lowest: float, highest: float) -> float:
    """Minimize a function of one variable with a grid search, followed by a golden section search
    around the best grid point (Kiefer 1953).

    function (Callable[[float], float]): The function.
    lowest (float): The lower bound.
    highest (float): The upper bound.
    RETURNS (float): The minimum, to within 1e-3.
    """
    grid = numpy.linspace(lowest, highest, _GRID)
    best = int(numpy.argmin([function(float(x)) for x in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)])
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > _TOLERANCE:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2.0


def _get_components(nlp: Language) -> list[TwitterBiLSTMNER]:
    get_ner(nlp)  # raises an error if there is none
    return find_ners(nlp)


def calibrate(nlp: Language, examples: Sequence[Example]) -> list[SplitReliability]:
    """Fit and set the temperature of a pipeline's twitter_bilstm_ner components.

    nlp (Language): The pipeline. It is modified.
    examples (Sequence[Example]): Held-out unannotated docs and gold annotation, such as the
        validation split.
    RETURNS (list[SplitReliability]): The reliability of each component on them.
    RAISES (ValueError): If there is no component, or it predicts no entities.
    """
    measured = []
    for component in _get_components(nlp):
        scored = score_entities(nlp, component, examples)
        temperature = fit_temperature(scored)
        component.cfg["temperature"] = temperature
        measured.append(_measure(scored, temperature))
    return measured


def measure_reliability(nlp: Language, paths: Iterable[Path]) -> Reliability:
    """Measure the calibration of a pipeline's confidence, before and after temperature scaling.

    nlp (Language): The pipeline. Its first twitter_bilstm_ner is measured.
    paths (Iterable[Path]): Annotated splits as .spacy or token/tag files, named by file name.
    RETURNS (Reliability): The reliability.
    RAISES (ValueError): If there is no component.
    """
    component = get_ner(nlp)
    temperature = component.settings["temperature"]
    splits = {}
    for path in paths:
        scored = score_entities(nlp, component, read_examples(path, nlp))
        splits[split_name(path)] = _measure(scored, temperature)
    return Reliability(temperature, splits)


def _measure(scored: ScoredEntities, temperature: float) -> SplitReliability:
    return measure_split(
        scored.confidences(1.0),
        scored.confidences(temperature),
        scored.known_correct,
        scored.n_gold,
    )


def create_calibrator(path: Path | None) -> Callable[[Language], Language]:
    """Create a callback for [training.before_to_disk] that calibrates the pipeline to be saved:
    "spacy-twitter-ner.calibrate.v1". As long as no entities are predicted, the temperature isn't
    changed.

    path (Optional[Path]): An annotated split, such as the validation split: a .spacy file, a folder
        of them, or a token/tag file. It may be None in the config of a saved pipeline, which then
        can't be used for training.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (ValueError): If the path is None.
    """
    if path is None:
        raise ValueError(
            "[training.before_to_disk] spacy-twitter-ner.calibrate.v1 has no path. Set it to the "
            "validation data, e.g. with --paths.dev dev.spacy, or set before_to_disk to null"
        )

    def calibrate_pipeline(nlp: Language) -> Language:
        for component in _get_components(nlp):
            scored = score_entities(nlp, component, read_examples(path, nlp))
            if len(scored.known_correct):
                component.cfg["temperature"] = fit_temperature(scored)
        return nlp

    return calibrate_pipeline
