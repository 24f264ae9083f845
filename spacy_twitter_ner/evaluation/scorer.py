"""Entity scorer that compares spans by characters: scores on gold tokens and on raw text are
comparable."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
from spacy.attrs import ENT_IOB
from spacy.scorer import PRFScore
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples
from thinc.types import Ints1d

from ..partial import get_partial

# Start and end of an entity in non-whitespace characters, and its type.
CharSpan = tuple[int, int, str]


def make_entity_scorer() -> Callable[..., dict[str, Any]]:
    """Create the scorer "spacy-twitter-ner.entity_scorer.v1".

    RETURNS (Callable[..., dict[str, Any]]): The scoring function.
    """
    return score_entities


def score_entities(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Score entities. A prediction is correct if a gold entity has the same type and characters.

    spacy.ner_scorer.v1 expands a predicted entity to the gold tokens that it overlaps. On gold
    tokens the two scorers agree; on other tokens this one doesn't accept entities with wrong
    boundaries. Whitespace is ignored, since it may differ between the two texts. Predictions are
    also ignored where gold annotation is missing, and if their type isn't annotated in the doc. If
    a gold entity has several possible types (see partial.py), the predicted one counts as gold, or
    else the first one.

    examples (Iterable[Example]): The examples. Those without gold entity annotation are ignored.
    RETURNS (dict[str, Any]): Fractions "ents_p", "ents_r" and "ents_f", and "ents_per_type" with
        p, r and f by type; all None if nothing was scored.
    """
    examples = list(examples)
    validate_examples(examples, "score_entities")
    scores: dict[str, PRFScore] = defaultdict(PRFScore)
    for example in examples:
        if not example.reference.has_annotation("ENT_IOB"):
            continue
        predicted = set(_char_spans(example.predicted, example.predicted.ents))
        gold = _gold_spans(example.reference, predicted)
        labels = {label for _, _, label in gold | predicted}
        predicted -= _unannotated(example.reference, predicted - gold)
        for label in labels:
            scores[label].score_set(_of_type(predicted, label), _of_type(gold, label))
    total = PRFScore()
    for score in scores.values():
        total += score
    if not len(total):
        return dict.fromkeys(("ents_p", "ents_r", "ents_f", "ents_per_type"))
    return {
        "ents_p": total.precision,
        "ents_r": total.recall,
        "ents_f": total.fscore,
        "ents_per_type": {label: score.to_dict() for label, score in scores.items()},
    }


def is_correct(reference: Doc, spans: Sequence[Span]) -> list[bool | None]:
    """Check which predicted spans are correct, as defined by score_entities.

    reference (Doc): The doc with gold annotation.
    spans (Sequence[Span]): Spans of the predicted doc.
    RETURNS (list[Optional[bool]]): Whether each span is correct; None where gold annotation is
        missing.
    """
    if not spans:
        return []
    char_spans = _char_spans(spans[0].doc, spans)
    gold = _gold_spans(reference, set(char_spans))
    unknown = _unannotated(reference, set(char_spans) - gold)
    return [None if span in unknown else span in gold for span in char_spans]


def _gold_spans(reference: Doc, predicted: set[CharSpan]) -> set[CharSpan]:
    """RETURNS (set[CharSpan]): The gold entities, each with one of its possible types."""
    gold = _char_spans(reference, reference.ents)
    # The first type of an entity, unless another one is predicted.
    chosen: dict[tuple[int, int], CharSpan] = {}
    for span in _char_spans(reference, get_partial(reference).spans):
        if span in predicted:
            chosen[span[:2]] = span
        chosen.setdefault(span[:2], span)
    return {*gold, *chosen.values()}


def _char_spans(doc: Doc, spans: Iterable[Span]) -> list[CharSpan]:
    spans = list(spans)
    if not spans:
        return []
    offsets = _visible_offsets(doc.text)
    return [(int(offsets[s.start_char]), int(offsets[s.end_char]), s.label_) for s in spans]


def _visible_offsets(text: str) -> Ints1d:
    """RETURNS (Ints1d): (len(text) + 1,) number of non-whitespace characters before each offset."""
    visible = [not char.isspace() for char in text]
    return numpy.concatenate([[0], numpy.cumsum(visible, dtype="int64")])


def _unannotated(reference: Doc, spans: set[CharSpan]) -> set[CharSpan]:
    """RETURNS (set[CharSpan]): The spans that overlap tokens without gold annotation, or whose type
    isn't annotated."""
    if not spans:
        return set()
    possible, unannotated = get_partial(reference)
    is_missing = reference.to_array(ENT_IOB) == 0
    for span in possible:
        is_missing[span.start : span.end] = False
    missing = numpy.flatnonzero(is_missing).tolist()
    holes = _char_spans(reference, [reference[index : index + 1] for index in missing])
    return {
        (start, end, label)
        for start, end, label in spans
        if label in unannotated
        or any(start < hole_end and hole_start < end for hole_start, hole_end, _ in holes)
    }


def _of_type(spans: set[CharSpan], label: str) -> set[CharSpan]:
    return {span for span in spans if span[2] == label}
