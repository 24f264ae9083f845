"""Partial annotation: docs from corpora that annotate only some entity types, or coarser ones.

The reference doc of an example has a span group under PARTIAL_KEY. Its spans are entities with
several possible types, one span per type; their tokens are unannotated in doc.ents. Its attrs name
the types that are not annotated in the doc: a token outside of entities may be part of an entity of
such a type. Span groups are saved in DocBin files, so partial annotation is as well. Other
components only see doc.ents.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from spacy.tokens import Doc, Span, SpanGroup

PARTIAL_KEY = "partial_ents"
_UNANNOTATED = "unannotated"


class PartialAnnotation(NamedTuple):
    """What is known about a doc's entities besides doc.ents.

    spans (list[Span]): Entities with several possible types, one span per type.
    unannotated (list[str]): The types that aren't annotated.
    """

    spans: list[Span]
    unannotated: list[str]


COMPLETE = PartialAnnotation([], [])


def get_partial(doc: Doc) -> PartialAnnotation:
    """Get the partial annotation of a doc.

    doc (Doc): The reference doc of an example.
    RETURNS (PartialAnnotation): The annotation, empty if all types are annotated.
    """
    if PARTIAL_KEY not in doc.spans:
        return COMPLETE
    group = doc.spans[PARTIAL_KEY]
    return PartialAnnotation(list(group), list(group.attrs[_UNANNOTATED]))


def find_labels(docs: Iterable[Doc]) -> list[str]:
    """Find the entity types that docs are annotated with.

    docs (Iterable[Doc]): Reference docs, which may be partially annotated.
    RETURNS (list[str]): The types, sorted.
    """
    return sorted({ent.label_ for doc in docs for ent in [*doc.ents, *get_partial(doc).spans]})


def map_entities(
    doc: Doc, labels: Mapping[str, Sequence[str]], unannotated: Iterable[str] = ()
) -> None:
    """Replace the types of a doc's entities, in place.

    doc (Doc): The doc.
    labels (Mapping[str, Sequence[str]]): The possible types for each type. An entity without
        any is removed.
    unannotated (Iterable[str]): The types that aren't annotated in the doc.
    RAISES (KeyError): If a type of the doc is not mapped.
    """
    certain, possible, unknown = [], [], []
    for entity in doc.ents:
        names = labels[entity.label_]
        spans = [Span(doc, entity.start, entity.end, label=name) for name in names]
        if len(names) == 1:
            certain += spans
        elif names:
            possible += spans
            unknown.append(entity)
    removed = [entity for entity in doc.ents if not labels[entity.label_]]
    doc.set_ents(certain, missing=unknown, outside=removed, default="unmodified")
    unannotated = list(unannotated)
    if possible or unannotated:
        attrs = {_UNANNOTATED: unannotated}
        doc.spans[PARTIAL_KEY] = SpanGroup(doc, name=PARTIAL_KEY, spans=possible, attrs=attrs)
