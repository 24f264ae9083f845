"""Convert between docs and tags: constraints on entities, predicted entities and gold tags.

Tags are integers: 0 is O, and entity type k has B at 2k + 1 and I at 2k + 2.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy
from spacy.attrs import ENT_IOB, IS_SPACE, ORTH, SENT_START
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import logger
from thinc.types import ArrayXd, Ints1d

from ..iob import split_tag
from ..layers.forward_backward import MISSING, gold_mask
from ..layers.spans import TypedSpans
from ..layers.types import Bools1d, Bools2d
from ..partial import get_partial

OUTSIDE = 0

# The codes of Token.ent_iob.
IOB_INSIDE, IOB_OUTSIDE, IOB_BEGIN = 1, 2, 3

# Maximum number of entities listed in a warning, and of characters shown around each.
N_LISTED = 10
N_AROUND = 20


def entity_constraints(
    docs: Sequence[Doc], *, keep_ents: bool = True
) -> tuple[Bools1d, Bools1d, Bools1d]:
    """Compute where entities are not allowed: on preset entities and blocked tokens, at whitespace
    on either end, and across a sentence start that is set.

    docs (Sequence[Doc]): The batch.
    keep_ents (bool): Whether to respect preset entities and blocked tokens.
    RETURNS (tuple[Bools1d, Bools1d, Bools1d]): Three (N,) masks over all tokens: where no entity
        may begin, where none may continue, and which tokens are whitespace.
    """
    rows = [doc.to_array([ENT_IOB, SENT_START, IS_SPACE]).reshape(len(doc), 3) for doc in docs]
    iob, sent_start, is_space = numpy.concatenate([numpy.zeros((0, 3), "uint64"), *rows]).T
    is_space = is_space == 1
    is_preset = ((iob == IOB_BEGIN) | (iob == IOB_INSIDE)) & keep_ents
    return is_preset | is_space, is_preset | (sent_start == 1), is_space


def strip_whitespace(tags: Ints1d, is_space: Bools1d) -> Ints1d:
    """Strip trailing whitespace from entities.

    tags (Ints1d): (N,) valid tags without an entity that begins on whitespace. Modified in place.
    is_space (Bools1d): (N,) mask of whitespace tokens.
    RETURNS (Ints1d): The same array.
    """
    candidates = numpy.flatnonzero(is_space & (tags != OUTSIDE))
    # From right to left, so that each of several trailing spaces becomes the last token in turn.
    for index in candidates[::-1]:
        if index + 1 == len(tags) or tags[index + 1] != tags[index]:
            tags[index] = OUTSIDE
    return tags


def tags_to_spans(tags: Ints1d) -> TypedSpans:
    """Convert the tags of a batch to spans.

    tags (Ints1d): (N,) valid BIO tags. No doc may begin with an I.
    RETURNS (TypedSpans): The spans, in order.
    """
    is_begin = tags % 2 == 1
    starts = numpy.flatnonzero(is_begin)
    # An entity ends before the next O or B, or with the batch.
    boundaries = numpy.append(numpy.flatnonzero(is_begin | (tags == OUTSIDE)), len(tags))
    ends = boundaries[numpy.searchsorted(boundaries, starts, side="right")]
    return TypedSpans(starts, ends, tags[starts] // 2)


def spans_to_entities(
    docs: Sequence[Doc], spans: TypedSpans, labels: Sequence[str]
) -> list[list[Span]]:
    """Convert the spans of a batch to entities.

    docs (Sequence[Doc]): The batch.
    spans (TypedSpans): Spans over all tokens of the batch, in order.
    labels (Sequence[str]): The entity types.
    RETURNS (list[list[Span]]): One list of entities per doc.
    """
    if not len(spans.starts):
        return [[] for _ in docs]
    doc_ends = numpy.cumsum([len(doc) for doc in docs])
    owners = numpy.searchsorted(doc_ends, spans.starts, side="right")
    entities: list[list[Span]] = [[] for _ in docs]
    columns = (column.tolist() for column in (*spans, owners))
    for start, end, type_index, owner in zip(*columns, strict=True):
        doc = docs[owner]
        offset = int(doc_ends[owner]) - len(doc)
        entity = Span(doc, start - offset, end - offset, label=labels[type_index])
        entities[owner].append(entity)
    return entities


def split_rows(rows: ArrayXd, lengths: Sequence[int]) -> list[ArrayXd]:
    """Split an array by doc. Faster than numpy.split for many short docs.

    rows (ArrayXd): (N, ...) rows of the batch.
    lengths (Sequence[int]): Number of rows per doc.
    RETURNS (list[ArrayXd]): One view per doc.
    """
    ends = numpy.cumsum(lengths).tolist()
    return [rows[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def set_entities(doc: Doc, entities: list[Span]) -> None:
    """Add entities to a doc. Existing annotation is kept, and unannotated tokens become O.

    doc (Doc): The doc.
    entities (list[Span]): New entities that don't overlap with existing ones or blocked tokens.
    """
    if not doc.has_annotation("ENT_IOB"):
        doc.set_ents(entities, default="outside")
        return
    is_missing = doc.to_array(ENT_IOB) == 0
    for entity in entities:
        is_missing[entity.start : entity.end] = False
    outside = [doc[index : index + 1] for index in numpy.flatnonzero(is_missing).tolist()]
    doc.set_ents(entities, outside=outside, default="unmodified")


def get_aligned_tags(example: Example, type_index: Mapping[str, int]) -> Ints1d:
    """Get the gold tag of each predicted token.

    Tags of unannotated tokens and of tokens that can't be aligned are missing and don't contribute
    to the loss. As elsewhere in spaCy, whitespace is always outside of entities.

    example (Example): The predicted doc and its reference.
    type_index (Mapping[str, int]): The index k of each entity type.
    RETURNS (Ints1d): (nT,) one tag per predicted token, -1 if it is missing.
    RAISES (KeyError): If the reference has an entity type that isn't in type_index.
    """
    if _has_same_tokens(example):
        return _get_reference_tags(example.reference, type_index)
    tags = [_parse_tag(tag, type_index) for tag in example.get_aligned_ner()]
    return numpy.asarray(tags, dtype="int64")


def get_possible_tags(example: Example, type_index: Mapping[str, int], nO: int) -> Bools2d:
    """Get the tags that are possible for each predicted token, given the gold annotation.

    example (Example): The predicted doc and its reference, which may be partially annotated (see
        partial.py).
    type_index (Mapping[str, int]): The index k of each entity type.
    nO (int): Number of tags.
    RETURNS (Bools2d): (nT, nO) whether each tag is possible.
    RAISES (KeyError): If the reference has an entity type that isn't in type_index.
    """
    tags = get_aligned_tags(example, type_index)
    possible = gold_mask(tags, nO)
    spans, unannotated = get_partial(example.reference)
    if unannotated:
        is_space = example.predicted.to_array(IS_SPACE).astype(bool)
        types = [type_index[label] for label in unannotated if label in type_index]
        for index in types:
            possible[(tags == OUTSIDE) & ~is_space, 2 * index + 1 : 2 * index + 3] = True
    if not spans:
        return possible
    if not _has_same_tokens(example):
        spans = example.get_aligned_spans_y2x(spans, allow_overlap=True)
    for span in spans:
        possible[span.start : span.end] = False
    for span in spans:
        begin = 2 * type_index[span.label_] + 1
        possible[span.start, begin] = True
        possible[span.start + 1 : span.end, begin + 1] = True
    return possible


def find_misaligned_entities(example: Example) -> list[Span]:
    """Find gold entities whose boundaries aren't token boundaries of the predicted doc.

    example (Example): The predicted doc and its reference.
    RETURNS (list[Span]): Entities of the reference, whose tags get_aligned_tags leaves missing.
    """
    reference = example.reference
    possible = get_partial(reference).spans
    entities = [*reference.ents, *possible]
    if not entities or _has_same_tokens(example):
        return []
    spans = example.get_aligned_spans_y2x(reference.ents, allow_overlap=False)
    spans += example.get_aligned_spans_y2x(possible, allow_overlap=True)
    aligned = {(span.start, span.end, span.label) for span in spans}
    misaligned = []
    for entity in entities:
        tokens = example.alignment.y2x[entity.start : entity.end].tolist()
        if not tokens or (tokens[0], tokens[-1] + 1, entity.label) not in aligned:
            misaligned.append(entity)
    return misaligned


def warn_misaligned_entities(name: str, examples: Iterable[Example]) -> None:
    """Log misaligned entities: the first ones as a warning, and all of them at debug level, which
    `spacy train --verbose` shows.

    name (str): The component's name.
    examples (Iterable[Example]): The training data.
    """
    n_entities, misaligned = 0, []
    for example in examples:
        n_entities += len(example.reference.ents)
        misaligned += [_describe_entity(entity) for entity in find_misaligned_entities(example)]
    if not misaligned:
        return
    for line in misaligned:
        logger.debug("%s: misaligned entity: %s", name, line)
    listed = misaligned[:N_LISTED]
    if len(misaligned) > N_LISTED:
        listed.append(f"and {len(misaligned) - N_LISTED} more: `spacy train --verbose` lists all")
    logger.warning(
        "%s: %d of %d entities in the training data are misaligned with the pipeline's tokens. "
        "They are treated as missing annotation:\n  %s",
        name,
        len(misaligned),
        n_entities,
        "\n  ".join(listed),
    )


def _describe_entity(entity: Span) -> str:
    start, end = max(entity.start_char - N_AROUND, 0), entity.end_char + N_AROUND
    return f"{entity.text!r} ({entity.label_}) in {entity.doc.text[start:end]!r}"


def _has_same_tokens(example: Example) -> bool:
    predicted, reference = example.predicted, example.reference
    return len(predicted) == len(reference) and numpy.array_equal(
        predicted.to_array(ORTH), reference.to_array(ORTH)
    )


def _get_reference_tags(reference: Doc, type_index: Mapping[str, int]) -> Ints1d:
    """Equivalent to get_aligned_ner if predicted and reference have the same tokens, but faster."""
    annotation = reference.to_array([ENT_IOB, IS_SPACE]).astype("int64", copy=False)
    iob, is_space = annotation.reshape(len(reference), 2).T
    tags = numpy.full(len(reference), MISSING, dtype="int64")
    if not iob.any():
        return tags
    tags[(iob == IOB_OUTSIDE) | (is_space == 1)] = OUTSIDE
    for entity in reference.ents:
        begin = 2 * type_index[entity.label_] + 1
        tags[entity.start] = begin
        tags[entity.start + 1 : entity.end] = begin + 1
    return tags


def _parse_tag(tag: str | None, type_index: Mapping[str, int]) -> int:
    """Convert a BILUO tag to the index of a BIO tag."""
    if tag is None or tag == "-":
        return MISSING
    prefix, entity_type = split_tag(tag)
    if not entity_type:
        return OUTSIDE
    return 2 * type_index[entity_type] + (1 if prefix in ("B", "U") else 2)
