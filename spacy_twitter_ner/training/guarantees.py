"""Guarantee the precision or recall of a pipeline: choose its thresholds on labelled tweets, store
them as the component's setting, and check them on other tweets.

A tweet that occurs more than once counts once, as copies and retweets aren't further evidence.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy
from spacy.language import Language
from spacy.training import Example
from thinc.types import Floats2d, Ints1d

from ..evaluation.guarantees import (
    DELTA,
    Check,
    Counts,
    Guarantee,
    GuaranteeError,
    ScoredTweets,
    check_levels,
    choose_threshold,
)
from ..evaluation.scorer import is_correct
from ..evaluation.scores import asdict
from ..normalization import normalize_word
from ..pipeline.bilstm_ner import TwitterBiLSTMNER
from ..pipeline.constraints import spans_to_entities
from ..util import apply_preceding_pipes, batched, get_ner

# The name of the guarantee in the pipeline's meta.
META = "guarantee"
# The name for all types together.
ALL = "all types"
# Settings of the component that change confidences or entities.
_SETTINGS = ("temperature", "outside_bias", "fold", "window_length")
_BATCH_SIZE = 256
# What differs between copies of a tweet.
_VARIABLE = re.compile(r"\bRT\b|@\w+|https?://\S+")
_SEPARATOR = re.compile(r"[\W_]+")


def text_key(text: str) -> str:
    """RETURNS (str): The text without what differs between copies of a tweet: case, mentions, URLs,
    punctuation and a leading RT. The text itself if nothing else is left."""
    kept = _VARIABLE.sub(" ", normalize_word(text))
    return _SEPARATOR.sub(" ", kept).strip().casefold() or text


def drop_copies(examples: Iterable[Example]) -> list[Example]:
    """RETURNS (list[Example]): The examples without copies of earlier ones."""
    distinct: dict[str, Example] = {}
    for example in examples:
        distinct.setdefault(text_key(example.reference.text), example)
    return list(distinct.values())


def score_tweets(
    nlp: Language, component: TwitterBiLSTMNER, examples: Iterable[Example]
) -> dict[str, ScoredTweets]:
    """Predict entities with their confidences, without a threshold, and compare them to gold ones.

    nlp (Language): The pipeline. Components before this one are applied first.
    component (TwitterBiLSTMNER): The component.
    examples (Iterable[Example]): Unannotated docs and their gold annotation.
    RETURNS (dict[str, ScoredTweets]): The entities of `ALL` types, then by type.
    """
    labels = component.output_labels
    rows: list[tuple[int, int, float, bool]] = []
    gold: list[list[int]] = []
    threshold, component.cfg["threshold"] = component.cfg["threshold"], 0.0
    try:
        for batch in batched(examples, _BATCH_SIZE):
            for example, entities in zip(batch, _predict(nlp, component, batch), strict=True):
                rows += [(len(gold), *entity) for entity in entities]
                names = [ent.label_ for ent in example.reference.ents]
                gold.append([names.count(label) for label in labels])
    finally:
        component.cfg["threshold"] = threshold
    n_gold = numpy.asarray(gold, dtype="int64").reshape(-1, len(labels))
    table = numpy.asarray(rows, dtype="float64").reshape(-1, 4)
    scored = {ALL: _make_scored(table, n_gold.sum(axis=1))}
    for k, label in enumerate(labels):
        scored[label] = _make_scored(table[table[:, 1] == k], n_gold[:, k])
    return scored


def _predict(
    nlp: Language, component: TwitterBiLSTMNER, examples: list[Example]
) -> Iterator[list[tuple[int, float, bool]]]:
    """Yield the entities of each example: type, confidence, and whether they are correct. Entities
    for which that isn't annotated are left out."""
    docs = apply_preceding_pipes(nlp, component, [each.predicted for each in examples])
    predictions = component.predict(docs, with_scores=True)
    scores = iter(numpy.asarray(predictions.scores).tolist())
    found = spans_to_entities(docs, predictions.spans, component.output_labels)
    for example, entities in zip(examples, found, strict=True):
        yield [
            (component.output_labels.index(entity.label_), score, is_right)
            for entity, score, is_right in zip(
                entities,
                # Not strict, since the scores of the next docs follow.
                scores,
                is_correct(example.reference, entities),
                strict=False,
            )
            if is_right is not None
        ]


def _make_scored(table: Floats2d, n_gold: Ints1d) -> ScoredTweets:
    owners, _, confidences, is_right = table.T
    return ScoredTweets(owners.astype("int64"), confidences, is_right.astype(bool), n_gold)


def guarantee(
    nlp: Language,
    examples: Iterable[Example],
    *,
    precision: float | None = None,
    recall: float | None = None,
    delta: float = DELTA,
    per_type: bool = False,
    drop_types: bool = False,
) -> dict[str, Guarantee]:
    """Set the threshold of a pipeline's component so that precision or recall is guaranteed, and
    write the guarantee to the pipeline's meta.

    nlp (Language): The pipeline. It is modified.
    examples (Iterable[Example]): Random tweets, labelled, that it wasn't trained on.
    precision (Optional[float]): The precision to guarantee.
    recall (Optional[float]): The recall to guarantee.
    delta (float): The probability that it doesn't hold, for all types together.
    per_type (bool): Whether each type gets its own threshold and guarantee.
    drop_types (bool): Whether to leave out types that can't be guaranteed, with per_type.
    RETURNS (dict[str, Guarantee]): The guarantee, by type with per_type.
    RAISES (GuaranteeError): If it can't be given, and for which types.
    """
    component = get_ner(nlp)
    scored = score_tweets(nlp, component, drop_copies(examples))
    total = scored.pop(ALL)
    levels = {"precision": precision, "recall": recall}
    if not per_type:
        chosen = {ALL: choose_threshold(total, delta=delta, **levels)}
        component.cfg["threshold"] = chosen[ALL].threshold
    else:
        chosen, failures = _choose_per_type(scored, delta, levels)
        if failures and not (drop_types and chosen):
            lines = [f"{label}: {error}" for label, error in failures.items()]
            raise GuaranteeError("\n".join(lines))
        component.cfg["threshold"] = {
            label: chosen[label].threshold if label in chosen else None for label in scored
        }
    _describe_in_meta(nlp, component, chosen)
    return chosen


def _choose_per_type(
    scored: Mapping[str, ScoredTweets], delta: float, levels: Mapping[str, float | None]
) -> tuple[dict[str, Guarantee], dict[str, GuaranteeError]]:
    """All guarantees hold together, as each gets an equal share of delta."""
    chosen: dict[str, Guarantee] = {}
    failures: dict[str, GuaranteeError] = {}
    for label, tweets in scored.items():
        try:
            chosen[label] = choose_threshold(tweets, delta=delta / len(scored), **levels)
        except GuaranteeError as error:
            failures[label] = error
    return chosen, failures


def _describe_in_meta(
    nlp: Language, component: TwitterBiLSTMNER, chosen: Mapping[str, Guarantee]
) -> None:
    sentences = [describe_guarantee(label, each) for label, each in chosen.items()]
    previous = nlp.meta.get(META, {}).get("text", "")
    # spaCy shows notes in the package's model card.
    notes = str(nlp.meta.get("notes") or "").replace(previous, "").strip()
    text = " ".join(sentences)
    nlp.meta["notes"] = f"{notes}\n\n{text}".strip()
    nlp.meta[META] = {
        "text": text,
        "component": component.name,
        "settings": _settings(component),
        "types": asdict(dict(chosen)),
    }


def describe_guarantee(label: str, each: Guarantee) -> str:
    """RETURNS (str): The guarantee in a sentence."""
    levels = [
        f"{name} of at least {level:g}"
        for name, level in (("precision", each.precision), ("recall", each.recall))
        if level is not None
    ]
    return (
        f"{label[0].upper()}{label[1:]}: {' and '.join(levels)} with probability "
        f"{1 - each.delta:.3g}, from {each.counts.tweets:,} labelled tweets, for tweets drawn like "
        f"them (threshold {each.threshold:.3g})."
    )


def _settings(component: TwitterBiLSTMNER) -> dict[str, Any]:
    return {name: component.cfg[name] for name in _SETTINGS}


def check_guarantee(
    nlp: Language, examples: Iterable[Example], delta: float = DELTA
) -> dict[str, list[Check]]:
    """Check a pipeline's guarantee on new labelled tweets.

    nlp (Language): A pipeline with a guarantee.
    examples (Iterable[Example]): Labelled tweets that neither training nor the guarantee has used.
    delta (float): The intervals have the confidence 1 - delta.
    RETURNS (dict[str, list[Check]]): The checks, by type.
    RAISES (ValueError): If the pipeline has no guarantee, or its settings have changed since.
    """
    promise = nlp.meta.get(META)
    if not promise:
        raise ValueError(
            f"the pipeline {nlp.meta['lang']}_{nlp.meta['name']} has no guarantee. Create one with "
            "`spacy-twitter-ner guarantee`"
        )
    component = get_ner(nlp, promise["component"])
    changed = {
        name: value
        for name, value in _settings(component).items()
        if value != promise["settings"][name]
    }
    if changed:
        raise ValueError(
            f"the guarantee doesn't apply: {', '.join(changed)} of the component "
            f"{component.name!r} changed after it was given. Run `guarantee` again"
        )
    scored = score_tweets(nlp, component, drop_copies(examples))
    return dict(_check_types(promise["types"], scored, delta))


def _check_types(
    types: Mapping[str, Mapping[str, Any]], scored: Mapping[str, ScoredTweets], delta: float
) -> Iterator[tuple[str, list[Check]]]:
    for label, given in types.items():
        counts: Counts = scored[label].at_threshold(given["threshold"])
        yield label, list(check_levels(counts, given["precision"], given["recall"], delta))
