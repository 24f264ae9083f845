"""Calibration: the temperature at which a component's confidence is what precision is.

The scores of all sequences of tags are divided by the temperature, which keeps their order: the
entities stay. It is chosen such that the log loss of the predicted entities is least: confidence is
then as probable as it can be given which of them are right (temperature scaling, Guo et al. 2017).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy
from spacy.language import Language
from spacy.training import Example
from thinc.types import Floats1d, Ints1d

from ..corpus.readers import read_examples
from ..corpus.splits import split_name
from ..evaluation.reliability import Reliability, SplitReliability, measure_split
from ..evaluation.scorer import judge_spans
from ..pipeline.annotation import tags_to_entities
from ..pipeline.bilstm_ner import TwitterBiLSTMNER
from ..pipeline.confidence import DocLattice, entity_confidences

# Between which a temperature is looked for.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 10.0
_GRID = 13
_TOLERANCE = 1e-3
_BATCH_SIZE = 256


@dataclass(frozen=True)
class JudgedEntities:
    """The entities that a component finds, whether they are right, and where they are from.

    batches (list[tuple[DocLattice, Ints1d]]): The distributions of batches of docs, and the tags
        that were decoded.
    is_known (numpy.ndarray): (S,) where gold annotation tells whether an entity is right.
    is_right (numpy.ndarray): (S,) whether it is.
    n_gold (int): How many entities the gold annotation has.
    """

    batches: list[tuple[DocLattice, Ints1d]]
    is_known: numpy.ndarray
    is_right: numpy.ndarray
    n_gold: int

    def confidences(self, temperature: float) -> Floats1d:
        """RETURNS (Floats1d): (known,) how sure the component is of each entity that is known to
        be right or wrong."""
        found = [
            entity_confidences(lattice.tempered(temperature), tags)
            for lattice, tags in self.batches
        ]
        return numpy.concatenate([numpy.zeros(0), *found])[self.is_known]

    @property
    def judgements(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): (known,) whether each of those is right."""
        return self.is_right[self.is_known]


def judge_entities(
    nlp: Language, component: TwitterBiLSTMNER, examples: Iterable[Example]
) -> JudgedEntities:
    """Let a component find entities, whatever their probability, and compare with gold ones.

    nlp (Language): The pipeline; what stands before the component is applied first.
    component (TwitterBiLSTMNER): The component.
    examples (Iterable[Example]): Unannotated docs and their gold annotation.
    RETURNS (JudgedEntities): The entities.
    """
    batches: list[tuple[DocLattice, Ints1d]] = []
    judgements: list[bool | None] = []
    n_gold = 0
    iterator = iter(examples)
    while batch := list(islice(iterator, _BATCH_SIZE)):
        n_gold += sum(len(example.reference.ents) for example in batch)
        docs = [example.predicted for example in batch]
        for _, other in nlp.pipeline:
            if other is component:
                break
            docs = [other(doc) for doc in docs]
        if not any(len(doc) for doc in docs):
            continue
        lattice = component.predict_lattice(docs)
        tags = lattice.decode()
        found = tags_to_entities(
            docs, numpy.split(tags, numpy.cumsum(lattice.lattice.lengths)[:-1]), component.labels
        )
        for example, entities in zip(batch, found, strict=True):
            judgements += judge_spans(example.reference, entities)
        some, rows = lattice.select(numpy.asarray([len(entities) > 0 for entities in found]))
        batches.append((some, tags[rows]))
    return JudgedEntities(
        batches,
        numpy.asarray([judgement is not None for judgement in judgements], dtype=bool),
        numpy.asarray([bool(judgement) for judgement in judgements], dtype=bool),
        n_gold,
    )


def fit_temperature(judged: JudgedEntities) -> float:
    """Find the temperature at which the entities' log loss is least.

    Right and wrong are softened as if there were one more of each (Platt 1999), so that few
    examples do not make the model certain.

    judged (JudgedEntities): The entities of a split that the model did not learn from.
    RETURNS (float): The temperature, between MIN_TEMPERATURE and MAX_TEMPERATURE.
    RAISES (ValueError): If there are none.
    """
    is_right = judged.judgements
    if not len(is_right):
        raise ValueError(
            "no entity was found in the text that is annotated: there is nothing to calibrate by"
        )
    n_right = int(is_right.sum())
    n_wrong = len(is_right) - n_right
    targets = numpy.where(is_right, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))

    def log_loss(log_temperature: float) -> float:
        confidences = judged.confidences(math.exp(log_temperature))
        tiny = numpy.finfo("float64").eps
        confidences = numpy.clip(confidences, tiny, 1.0 - tiny)
        losses = targets * numpy.log(confidences) + (1.0 - targets) * numpy.log1p(-confidences)
        return -float(losses.mean())

    lowest, highest = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    return math.exp(minimize(log_loss, lowest, highest))


def minimize(function: Callable[[float], float], lowest: float, highest: float) -> float:
    """Find the least value of a function of one variable: the best of a grid, then a golden
    section search between its neighbours (Kiefer 1953).

    function (Callable[[float], float]): The function.
    lowest (float): Where to begin.
    highest (float): Where to end.
    RETURNS (float): Where it is least, to within 1e-3.
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


def find_components(nlp: Language) -> list[TwitterBiLSTMNER]:
    """RETURNS (list[TwitterBiLSTMNER]): The pipeline's components whose confidence is meant.

    RAISES (ValueError): If there is none.
    """
    found = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, TwitterBiLSTMNER)]
    if not found:
        raise ValueError(
            f"the pipeline has no component twitter_bilstm_ner; it has: "
            f"{', '.join(nlp.pipe_names) or 'none'}"
        )
    return found


def calibrate(nlp: Language, examples: Sequence[Example]) -> list[SplitReliability]:
    """Fit the temperature of a pipeline's components and set it.

    nlp (Language): The pipeline; its components are modified.
    examples (Sequence[Example]): Unannotated docs and gold annotation that the pipeline was not
        trained on, as of the validation split.
    RETURNS (list[SplitReliability]): Each component's reliability on them.
    RAISES (ValueError): If there is no component, or it finds no entity.
    """
    measured = []
    for component in find_components(nlp):
        judged = judge_entities(nlp, component, examples)
        temperature = fit_temperature(judged)
        component.cfg["temperature"] = temperature
        measured.append(_measure(judged, temperature))
    return measured


def measure_reliability(nlp: Language, paths: Iterable[Path]) -> Reliability:
    """Measure how far a pipeline's confidence can be trusted, with its temperature and without.

    nlp (Language): The pipeline; its first twitter_bilstm_ner is measured.
    paths (Iterable[Path]): Annotated splits: .spacy or token/tag files. Their names are the files'.
    RETURNS (Reliability): The figures.
    RAISES (ValueError): If there is no component.
    """
    component = find_components(nlp)[0]
    temperature = component.settings["temperature"]
    splits = {}
    for path in paths:
        judged = judge_entities(nlp, component, read_examples(path, nlp))
        splits[split_name(path)] = _measure(judged, temperature)
    return Reliability(temperature, splits)


def _measure(judged: JudgedEntities, temperature: float) -> SplitReliability:
    return measure_split(
        judged.confidences(1.0), judged.confidences(temperature), judged.judgements, judged.n_gold
    )


def create_calibrator(path: Path | None) -> Callable[[Language], Language]:
    """Make a callback for [training.before_to_disk] that calibrates what is about to be saved.
    Early in training, when no entity is found yet, the temperature stays as it is.

    path (Optional[Path]): An annotated split, such as validation: a .spacy file, a folder of them,
        or a token/tag file. The config of a saved pipeline may have lost it; then it is an error to
        train with it.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (ValueError): If there is no path.
    """
    if path is None:
        raise ValueError(
            "[training.before_to_disk] spacy-twitter-ner.calibrate.v1 has no path. Set it to the "
            "validation data, as in --paths.dev dev.spacy, or set before_to_disk to null"
        )

    def calibrate_pipeline(nlp: Language) -> Language:
        for component in find_components(nlp):
            judged = judge_entities(nlp, component, read_examples(path, nlp))
            if len(judged.judgements):
                component.cfg["temperature"] = fit_temperature(judged)
        return nlp

    return calibrate_pipeline
