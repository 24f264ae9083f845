"""Gold tags of the tokens a pipeline sees."""

from collections.abc import Iterable, Mapping

import numpy
from spacy.attrs import ENT_IOB, IS_SPACE, ORTH
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import logger
from thinc.types import Ints1d

from ..iob import split_tag

MISSING = -1
OUTSIDE = 0

# How many entities a warning lists, and how many characters of the text around each.
N_LISTED = 10
AROUND = 20

# The codes of Token.ent_iob.
IOB_INSIDE, IOB_OUTSIDE, IOB_BEGIN = 1, 2, 3


def gold_tags(example: Example, type_index: Mapping[str, int]) -> Ints1d:
    """Find the gold tag of each predicted token.

    Tokens without gold annotation, and tokens that cannot be aligned with it, are missing: they
    teach nothing. As everywhere in spaCy, white space is outside of entities even so.

    example (Example): The predicted doc and its reference.
    type_index (Mapping[str, int]): Each entity type's index k; its tags are 2k + 1 for B and
        2k + 2 for I.
    RETURNS (Ints1d): (nT,) one tag a predicted token, or -1 where it is missing.
    RAISES (KeyError): If the reference has an entity type that is not in type_index.
    """
    if _same_tokens(example.predicted, example.reference):
        return _tags_of_reference(example.reference, type_index)
    tags = [_tag_number(tag, type_index) for tag in example.get_aligned_ner()]
    return numpy.asarray(tags, dtype="int64")


def find_cut_entities(example: Example) -> list[Span]:
    """Find the gold entities that do not begin and end where predicted tokens do. gold_tags leaves
    their tokens missing.

    example (Example): The predicted doc and its reference.
    RETURNS (list[Span]): Entities of the reference.
    """
    reference = example.reference
    if not reference.ents or _same_tokens(example.predicted, reference):
        return []
    aligned = example.get_aligned_spans_y2x(reference.ents, allow_overlap=False)
    places = {(entity.start, entity.end, entity.label) for entity in aligned}
    cut = []
    for entity in reference.ents:
        tokens = example.alignment.y2x[entity.start : entity.end].tolist()
        if not tokens or (tokens[0], tokens[-1] + 1, entity.label) not in places:
            cut.append(entity)
    return cut


def warn_of_cut_entities(name: str, examples: Iterable[Example]) -> None:
    """Log how many gold entities tokenization has cut, and which: some of them as a warning, and
    all of them as debugging information, which `spacy train --verbose` shows.

    name (str): The component's name.
    examples (Iterable[Example]): The training data.
    """
    n_entities, cut = 0, []
    for example in examples:
        n_entities += len(example.reference.ents)
        cut += [_describe_entity(entity) for entity in find_cut_entities(example)]
    if not cut:
        return
    for line in cut:
        logger.debug("%s: cut by tokenization: %s", name, line)
    shown = cut[:N_LISTED]
    if len(cut) > N_LISTED:
        shown.append(f"and {len(cut) - N_LISTED} more: `spacy train --verbose` lists all")
    logger.warning(
        "%s: %d of %d entities of the training data do not begin and end where the pipeline's "
        "tokens do. They count as missing labels, from which nothing is learned:\n  %s",
        name,
        len(cut),
        n_entities,
        "\n  ".join(shown),
    )


def _describe_entity(entity: Span) -> str:
    text = entity.doc.text
    around = text[max(entity.start_char - AROUND, 0) : entity.end_char + AROUND]
    return f"{entity.text!r} ({entity.label_}) in {around!r}"


def _same_tokens(predicted: Doc, reference: Doc) -> bool:
    return len(predicted) == len(reference) and numpy.array_equal(
        predicted.to_array(ORTH), reference.to_array(ORTH)
    )


def _tags_of_reference(reference: Doc, type_index: Mapping[str, int]) -> Ints1d:
    """What get_aligned_ner gives for equal tokens, without aligning them."""
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


def _tag_number(tag: str | None, type_index: Mapping[str, int]) -> int:
    """The number of a BILUO tag in BIO."""
    if tag is None or tag == "-":
        return MISSING
    prefix, entity_type = split_tag(tag)
    if not entity_type:
        return OUTSIDE
    return 2 * type_index[entity_type] + (1 if prefix in ("B", "U") else 2)
