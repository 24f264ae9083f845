"""The scorer of entities: spans are compared by the characters they cover, so that scores on gold
tokens and on a tokenizer's own can be set side by side."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
from spacy.attrs import ENT_IOB
from spacy.scorer import PRFScore
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples
from thinc.types import Ints1d

# Where an entity starts and ends, in characters that are not white space, and its type.
Place = tuple[int, int, str]


def make_entity_scorer() -> Callable[..., dict[str, Any]]:
    """Make the scorer "spacy-twitter-ner.entity_scorer.v1".

    RETURNS (Callable[..., dict[str, Any]]): The scoring method of a component.
    """
    return score_entities


def score_entities(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Score entities: right is what has the type and covers the characters of a gold entity.

    spaCy's own scorer (spacy.ner_scorer.v1) widens a predicted entity to the gold tokens that it
    touches before it compares. On gold tokens the two agree; on a tokenizer's own this one does
    not forgive an entity that is cut in the wrong place. White space counts for nothing, as the
    two texts may differ in it. Entities where gold annotation is missing count for nothing either.

    examples (Iterable[Example]): The predicted docs and their references; references without any
        annotation of entities are left out.
    RETURNS (dict[str, Any]): Fractions "ents_p", "ents_r" and "ents_f", and "ents_per_type" with
        p, r and f by type; all None if nothing could be scored.
    """
    examples = list(examples)
    validate_examples(examples, "score_entities")
    scores: dict[str, PRFScore] = defaultdict(PRFScore)
    for example in examples:
        if not example.reference.has_annotation("ENT_IOB"):
            continue
        gold = set(_places(example.reference, example.reference.ents))
        predicted = set(_places(example.predicted, example.predicted.ents))
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


def judge_spans(reference: Doc, spans: Sequence[Span]) -> list[bool | None]:
    """Tell for each of a doc's spans whether it is right, as score_entities sees it.

    reference (Doc): The gold annotation of the doc's text.
    spans (Sequence[Span]): Spans of a predicted doc.
    RETURNS (list[Optional[bool]]): True or False; None where gold annotation is missing.
    """
    if not spans:
        return []
    places = _places(spans[0].doc, spans)
    gold = set(_places(reference, reference.ents))
    unknown = _unannotated(reference, set(places) - gold)
    return [None if place in unknown else place in gold for place in places]


def _places(doc: Doc, spans: Iterable[Span]) -> list[Place]:
    spans = list(spans)
    if not spans:
        return []
    place = _count_visible(doc.text)
    return [(int(place[s.start_char]), int(place[s.end_char]), s.label_) for s in spans]


def _count_visible(text: str) -> Ints1d:
    """RETURNS (Ints1d): (len(text) + 1,) how many characters before each are not white space."""
    visible = [not char.isspace() for char in text]
    return numpy.concatenate([[0], numpy.cumsum(visible, dtype="int64")])


def _unannotated(reference: Doc, places: set[Place]) -> set[Place]:
    """RETURNS (set[Place]): Those that touch a token whose gold annotation is missing."""
    if not places:
        return set()
    missing = numpy.flatnonzero(reference.to_array(ENT_IOB) == 0).tolist()
    holes = _places(reference, [reference[index : index + 1] for index in missing])
    return {
        (start, end, label)
        for start, end, label in places
        if any(start < hole_end and hole_start < end for hole_start, hole_end, _ in holes)
    }


def _of_type(places: set[Place], label: str) -> set[Place]:
    return {place for place in places if place[2] == label}
