"""Train a pipeline on answers, with rehearsal of what it predicted before."""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import filter_spans, load_model_from_config, registry
from thinc.api import Model, fix_random_seed

from ..corpus.spanfile import CharSpan, expand_span
from ..partial import map_entities
from ..training.configs import make_config
from ..util import batched, get_ner

BATCH_SIZE = 32
_DROPOUT = 0.5
_SILVER_BATCH = 256
_REHEARSAL_SIZE = 1500
BLANK_STEPS = 500
# Share of the new weights in those of a pipeline that was taught. The others are its old weights.
_NEW_SHARE = 0.8
# Limits of training time.
_MIN_STEPS, _MAX_STEPS = 150, 400


class Gold(NamedTuple):
    """The annotation of a tweet.

    text (str): The tweet.
    spans (Sequence[CharSpan]): The entities.
    unsure (Sequence[tuple[int, int]]): Characters that may or may not be part of entities.
    labels (Sequence[str] | None): The annotated types. None means all.
    """

    text: str
    spans: Sequence[CharSpan]
    unsure: Sequence[tuple[int, int]] = ()
    labels: Sequence[str] | None = None


def make_examples(nlp: Language, golds: Iterable[Gold]) -> list[Example]:
    """Make training examples from answers. Types of the pipeline that weren't annotated, and spans
    that the annotator wasn't sure of, don't contribute to the loss.

    nlp (Language): The pipeline, which has all types.
    golds (Iterable[Gold]): The answers.
    RETURNS (list[Example]): One example per answer.
    """
    labels = get_ner(nlp).labels
    examples = []
    for gold in golds:
        reference = nlp.make_doc(gold.text)
        # Spans that overlap once they are widened to tokens: the longest is kept.
        entities = filter_spans([expand_span(reference, span) for span in gold.spans])
        taken = {token.i for entity in entities for token in entity}
        unsure = {
            token.i for span in gold.unsure for token in expand_span(reference, CharSpan(*span, ""))
        } - taken
        missing = [reference[index : index + 1] for index in sorted(unsure)]
        reference.set_ents(entities, missing=missing, default="outside")
        unannotated = [] if gold.labels is None else sorted(set(labels) - set(gold.labels))
        _set_unannotated(reference, unannotated)
        examples.append(Example(nlp.make_doc(gold.text), reference))
    return examples


def fill_types(nlp: Language, golds: Sequence[Gold]) -> list[Gold]:
    """Add a pipeline's predictions of types that weren't annotated, so that training keeps them.
    Predictions that overlap the annotation are dropped.

    nlp (Language): The pipeline before training.
    golds (Sequence[Gold]): The answers.
    RETURNS (list[Gold]): The answers, annotated with the pipeline's types as well.
    """
    known = get_ner(nlp).labels
    filled = []
    for gold, doc in zip(golds, nlp.pipe([gold.text for gold in golds]), strict=True):
        missing = set(known) - set(known if gold.labels is None else gold.labels)
        taken = [*((start, end) for start, end, _ in gold.spans), *gold.unsure]
        added = [
            CharSpan(ent.start_char, ent.end_char, ent.label_)
            for ent in doc.ents
            if ent.label_ in missing
            and not any(ent.start_char < end and start < ent.end_char for start, end in taken)
        ]
        labels = None if gold.labels is None else [*gold.labels, *sorted(missing)]
        filled.append(gold._replace(spans=[*gold.spans, *added], labels=labels))
    return filled


def make_rehearsal(nlp: Language, texts: Sequence[str], new_labels: Sequence[str]) -> list[Example]:
    """Make examples from a pipeline's own predictions: silver annotation, so that training on new
    answers keeps what the pipeline knows.

    nlp (Language): The pipeline before training.
    texts (Sequence[str]): Tweets.
    new_labels (Sequence[str]): Types it doesn't predict yet: any token may be part of one, unless
        it's part of a predicted entity.
    RETURNS (list[Example]): One example per tweet.
    """
    examples = []
    for batch in batched(texts, _SILVER_BATCH):
        for doc in nlp.pipe(batch):
            entities = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
            reference = nlp.make_doc(doc.text)
            reference.set_ents([Span(reference, *one) for one in entities], default="outside")
            _set_unannotated(reference, new_labels)
            examples.append(Example(nlp.make_doc(doc.text), reference))
    return examples


def make_blank(golds: Sequence[Gold], labels: Sequence[str], *, seed: int = 0) -> Language:
    """Make an untrained pipeline with the lexical knowledge of the pretrained one: its vectors,
    clusters and phrase lists, not its weights.

    golds (Sequence[Gold]): Answers, which the vocabulary is built from.
    labels (Sequence[str]): The types.
    seed (int): Random seed of the weights.
    RETURNS (Language): The initialized pipeline.
    """
    config = make_config("bilstm_crf_lexical")
    config["training"]["before_to_disk"] = None  # Calibration needs a development corpus.
    fix_random_seed(seed)
    nlp = load_model_from_config(config.interpolate(), auto_fill=True)
    for label in labels:
        get_ner(nlp).add_label(label)
    examples = make_examples(nlp, golds)
    nlp.initialize(lambda: examples)
    return nlp


def teach_blank(
    golds: Sequence[Gold], labels: Sequence[str], *, n_steps: int = BLANK_STEPS, seed: int = 0
) -> Language:
    """Train a pipeline on answers, from lexical knowledge only.

    golds (Sequence[Gold]): The answers.
    labels (Sequence[str]): The types.
    n_steps (int): Number of updates.
    seed (int): Random seed.
    RETURNS (Language): The pipeline.
    """
    nlp = make_blank(golds, labels, seed=seed)
    train(nlp, make_examples(nlp, golds), n_steps=n_steps, seed=seed)
    return nlp


def teach(
    nlp: Language, golds: Sequence[Gold], labels: Sequence[str], texts: Sequence[str], *, seed: int
) -> None:
    """Train a pretrained pipeline on answers, in place. It keeps its other types.

    nlp (Language): The pipeline.
    golds (Sequence[Gold]): The answers.
    labels (Sequence[str]): The annotated types. New ones are added.
    texts (Sequence[str]): Tweets without answers, to rehearse.
    seed (int): Random seed.
    """
    ner = get_ner(nlp)
    weights = _copy_weights(ner.model)
    new_labels = [label for label in labels if label not in ner.labels]
    rng = random.Random(seed)  # noqa: S311 (not for cryptography)
    sample = rng.sample(texts, min(len(texts), _REHEARSAL_SIZE))
    rehearsal = make_rehearsal(nlp, sample, new_labels)
    golds = fill_types(nlp, golds)
    for label in new_labels:
        ner.add_label(label)
    n_steps = count_steps(len(golds))
    train(nlp, make_examples(nlp, golds), rehearsal, n_steps=n_steps, seed=seed)
    _mix_weights(ner.model, weights)
    ner.clear_cache()


def _copy_weights(model: Model) -> list[dict[str, Any]]:
    return [
        {name: node.get_param(name).copy() for name in node.param_names if node.has_param(name)}
        for node in model.walk()
    ]


def _mix_weights(model: Model, old: Sequence[dict[str, Any]]) -> None:
    """Move weights toward old ones, which keeps more of what the pipeline knew (Wortsman et al.,
    2022, Robust fine-tuning of zero-shot models). Weights of new types, which come last, are kept.
    """
    for node, params in zip(model.walk(), old, strict=True):
        for name, before in params.items():
            mixed = node.get_param(name).copy()
            known = tuple(map(slice, before.shape))
            mixed[known] = _NEW_SHARE * mixed[known] + (1 - _NEW_SHARE) * before
            node.set_param(name, mixed)


def train(
    nlp: Language,
    examples: Sequence[Example],
    rehearsal: Sequence[Example] = (),
    *,
    n_steps: int,
    seed: int = 0,
) -> None:
    """Train a pipeline in place. Its weights become the averages over all steps.

    nlp (Language): An initialized or trained pipeline, which has all types.
    examples (Sequence[Example]): The answers.
    rehearsal (Sequence[Example]): Silver annotation: each step also has as many of these.
    n_steps (int): Number of updates.
    seed (int): Random seed of order and dropout.
    """
    fix_random_seed(seed)
    # Not the pipeline's own optimizer: its learning rate may depend on the number of steps.
    optimizer = make_config("finetune")["training"]["optimizer"]
    sgd: Any = registry.resolve({"optimizer": optimizer})["optimizer"]
    batches = _draw(examples, seed)
    silver = _draw(rehearsal, seed + 1) if rehearsal else None
    for _ in range(n_steps):
        batch = [next(batches) for _ in range(BATCH_SIZE)]
        if silver is not None:
            batch += [next(silver) for _ in range(BATCH_SIZE)]
        nlp.update(batch, sgd=sgd, drop=_DROPOUT)
    # As in spacy train: averages depend less on the last batches.
    with nlp.use_params(sgd.averages):
        averaged = nlp.to_bytes()
    nlp.from_bytes(averaged)


def _draw(examples: Sequence[Example], seed: int) -> Iterator[Example]:
    """Yield examples forever, in a new order each time."""
    rng = random.Random(seed)  # noqa: S311 (not for cryptography)
    order = list(range(len(examples)))
    while True:
        rng.shuffle(order)
        yield from (examples[index] for index in order)


def _set_unannotated(doc: Doc, labels: Sequence[str]) -> None:
    if labels:
        own = {ent.label_: [ent.label_] for ent in doc.ents}
        map_entities(doc, own, labels)


def count_steps(n_answers: int) -> int:
    """RETURNS (int): Number of updates for a number of answers: about 20 epochs, within limits."""
    return max(_MIN_STEPS, min(_MAX_STEPS, 20 * n_answers // BATCH_SIZE))
