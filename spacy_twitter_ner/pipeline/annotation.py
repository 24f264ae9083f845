"""Between docs and tags: where entities may stand, and how tags become entities of a doc."""

from collections.abc import Sequence

import numpy
from spacy.attrs import ENT_IOB, IS_SPACE, SENT_START
from spacy.tokens import Doc, Span
from thinc.types import ArrayXd, Ints1d

from ..doc_batch import DocBatch
from ..layers.spans import TypedSpans
from .gold import IOB_BEGIN, IOB_INSIDE, OUTSIDE

Bools1d = numpy.ndarray


def entity_constraints(
    docs: Sequence[Doc], *, keep_ents: bool = True
) -> tuple[Bools1d, Bools1d, Bools1d]:
    """Find where in a batch entities may not stand.

    Entities that are there already and blocked tokens are left alone, no entity begins or ends
    on white space, and none crosses a sentence start that is set.

    docs (Sequence[Doc]): The batch.
    keep_ents (bool): Whether entities and blocked tokens are left alone, or as if there were none.
    RETURNS (tuple[Bools1d, Bools1d, Bools1d]): Three (N,) masks over all tokens: no entity may
        begin here; none may continue here; here is white space.
    """
    batch = DocBatch.of(docs)
    iob, sent_start = batch.attribute(ENT_IOB), batch.attribute(SENT_START)
    is_space = batch.attribute(IS_SPACE) == 1
    preset = ((iob == IOB_BEGIN) | (iob == IOB_INSIDE)) & keep_ents
    return preset | is_space, preset | (sent_start == 1), is_space


def trim_white_space(tags: Ints1d, is_space: Bools1d) -> Ints1d:
    """Take white space off the ends of entities.

    tags (Ints1d): (N,) valid tags, in which no entity begins on white space; overwritten.
    is_space (Bools1d): (N,) which tokens are white space.
    RETURNS (Ints1d): The same array.
    """
    candidates = numpy.flatnonzero(is_space & (tags != OUTSIDE))
    # From the right, so that of several spaces at an entity's end each becomes the last.
    for index in candidates[::-1]:
        if index + 1 == len(tags) or tags[index + 1] != tags[index]:
            tags[index] = OUTSIDE
    return tags


def tags_to_entities(
    docs: Sequence[Doc], batch_tags: Sequence[Ints1d], types: Sequence[str]
) -> list[list[Span]]:
    """Make the entities that tags stand for.

    docs (Sequence[Doc]): The batch.
    batch_tags (Sequence[Ints1d]): Each doc's valid BIO tags: 0 is O, type k has B at 2k + 1 and
        I at 2k + 2.
    types (Sequence[str]): The entity types.
    RETURNS (list[list[Span]]): Each doc's entities, in order.
    """
    spans = find_spans(numpy.concatenate([numpy.zeros(0, "int64"), *batch_tags]))
    doc_ends = numpy.cumsum([len(doc) for doc in docs])
    owners = numpy.searchsorted(doc_ends, spans.starts, side="right")
    entities: list[list[Span]] = [[] for _ in docs]
    columns = (column.tolist() for column in (*spans, owners))
    for start, end, type_index, owner in zip(*columns, strict=True):
        doc = docs[owner]
        offset = int(doc_ends[owner]) - len(doc)
        span = Span(doc, start - offset, end - offset, label=types[type_index])
        entities[owner].append(span)
    return entities


def find_spans(tags: Ints1d) -> TypedSpans:
    """Find the spans that tags of a batch stand for.

    tags (Ints1d): (N,) valid BIO tags; no sequence begins with an I.
    RETURNS (TypedSpans): The spans, in order.
    """
    is_begin = tags % 2 == 1
    starts = numpy.flatnonzero(is_begin)
    # An entity ends before the next token that does not continue one, or where the batch does.
    ends_before = numpy.append(numpy.flatnonzero(is_begin | (tags == OUTSIDE)), len(tags))
    ends = ends_before[numpy.searchsorted(ends_before, starts, side="right")]
    return TypedSpans(starts, ends, tags[starts] // 2)


def split_by_doc(rows: ArrayXd, lengths: Sequence[int]) -> list[ArrayXd]:
    """Split what a batch's tokens have, without the time that numpy.split takes for each doc.

    rows (ArrayXd): (N, ...) a row for each token.
    lengths (Sequence[int]): How many tokens each doc has.
    RETURNS (list[ArrayXd]): Each doc's rows, which are not copied.
    """
    ends = numpy.cumsum(lengths).tolist()
    return [rows[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def set_entities(doc: Doc, entities: list[Span]) -> None:
    """Add entities to a doc. What others annotated stays; tokens nobody annotated become O.

    doc (Doc): The doc.
    entities (list[Span]): New entities, none over an entity or blocked token that is there.
    """
    if not doc.has_annotation("ENT_IOB"):
        doc.set_ents(entities, default="outside")
        return
    iob = doc.to_array(ENT_IOB)
    covered = numpy.zeros(len(doc), dtype=bool)
    for entity in entities:
        covered[entity.start : entity.end] = True
    missing = numpy.flatnonzero((iob == 0) & ~covered).tolist()
    outside = [doc[index : index + 1] for index in missing]
    doc.set_ents(entities, outside=outside, default="unmodified")
