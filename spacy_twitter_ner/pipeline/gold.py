"""Gold tags of the tokens a pipeline sees."""

from collections.abc import Mapping

import numpy
from spacy.attrs import ENT_IOB, IS_SPACE, ORTH
from spacy.tokens import Doc
from spacy.training import Example
from thinc.types import Ints1d

from ..iob import split_tag

MISSING = -1
OUTSIDE = 0

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
