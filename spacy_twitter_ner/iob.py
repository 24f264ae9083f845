"""Tag schemes: entity types to tags, tags to spans and back, validity and repair.

Pure functions over strings. A tag is "O" or a prefix, a hyphen and an entity type
("B-geo-loc"). A span is (start, end, type) in tokens, the end exclusive.

Three schemes are known (https://en.wikipedia.org/wiki/Inside-outside-beginning_(tagging)):
BIO (also called IOB2) opens every entity with B; IOB1 opens one with B only where it follows
an entity of its own type; BILUO also marks an entity's last token (L) and one-token entities
(U). Other letters for BILUO are read as well: IOBES (E, S) and BMES or BMEWO (M for I, W for U).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

Scheme = Literal["BIO", "IOB1", "BILUO"]
SCHEMES: tuple[Scheme, ...] = ("BIO", "IOB1", "BILUO")
TokenSpan = tuple[int, int, str]

OUTSIDE = "O"
_PREFIX_ALIASES = {
    **{"B": "B", "I": "I", "L": "L", "E": "L", "U": "U", "S": "U"},
    **{"M": "I", "W": "U"},
}
PREFIXES = frozenset(_PREFIX_ALIASES)
# Letters that occur in no other scheme.
_BILUO_LETTERS = PREFIXES - {"B", "I"}


class Violation(NamedTuple):
    """A tag that its scheme does not allow where it stands: the token's index and why."""

    token: int
    reason: str


def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag into prefix and entity type.

    tag (str): "O", or a prefix of any known scheme, a hyphen and a type.
    RETURNS (tuple[str, str]): The prefix in BILUO letters and the type; ("O", "") for "O".
    RAISES (ValueError): If the tag is of no known scheme.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, hyphen, entity_type = tag.partition("-")
    if not hyphen or not entity_type or prefix not in _PREFIX_ALIASES:
        raise ValueError(
            f"unknown tag {tag!r}: expected O, or one of the prefixes B, I, L, U, E, S, M, W "
            "followed by a hyphen and an entity type, as in B-person"
        )
    return _PREFIX_ALIASES[prefix], entity_type


def bio_tags(entity_types: Sequence[str]) -> list[str]:
    """List the BIO tags of some entity types: O first, then B and I of each type in order.

    entity_types (Sequence[str]): n distinct types.
    RETURNS (list[str]): The 2n + 1 tags. Types that are appended append their tags.
    """
    return [OUTSIDE, *(f"{prefix}-{label}" for label in entity_types for prefix in "BI")]


def tags_to_spans(tags: Sequence[str]) -> list[TokenSpan]:
    """Read the entity spans off tags of any scheme, with conlleval's rules for invalid ones:
    a tag that cannot continue the open entity opens a new one, nothing is dropped.

    tags (Sequence[str]): One tag a token.
    RETURNS (list[TokenSpan]): The spans, in order.
    RAISES (ValueError): If a tag is of no known scheme.
    """
    spans: list[TokenSpan] = []
    start, open_type = 0, ""
    for index, tag in enumerate(tags):
        prefix, entity_type = split_tag(tag)
        if open_type and (prefix in ("O", "B", "U") or entity_type != open_type):
            spans.append((start, index, open_type))
            open_type = ""
        if entity_type and not open_type:
            start, open_type = index, entity_type
        if prefix in ("L", "U"):
            spans.append((start, index + 1, open_type))
            open_type = ""
    if open_type:
        spans.append((start, len(tags), open_type))
    return spans


def spans_to_bio(spans: Iterable[TokenSpan], length: int) -> list[str]:
    """Write spans that do not overlap as BIO tags.

    spans (Iterable[TokenSpan]): The spans.
    length (int): How many tokens the tags cover.
    RETURNS (list[str]): One BIO tag a token.
    """
    tags = [OUTSIDE] * length
    for start, end, entity_type in spans:
        tags[start:end] = [f"I-{entity_type}"] * (end - start)
        tags[start] = f"B-{entity_type}"
    return tags


def to_bio(tags: Sequence[str]) -> list[str]:
    """Rewrite tags of any scheme in BIO; invalid ones are repaired by conlleval's rules.

    tags (Sequence[str]): One tag a token.
    RETURNS (list[str]): As many BIO tags, always a valid sequence.
    RAISES (ValueError): If a tag is of no known scheme.
    """
    return spans_to_bio(tags_to_spans(tags), len(tags))


def detect_scheme(sequences: Iterable[Sequence[str]]) -> Scheme:
    """Recognise the scheme that a corpus is written in.

    BILUO has letters of its own, and is recognised by them unless the tags break its rules more
    often than those of BIO: a single L-x among BIO tags is a mistake. IOB1 is recognised by an I
    that opens an entity while no B stands where IOB1 would not put one; all else is BIO, valid
    or not.

    sequences (Iterable[Sequence[str]]): The tags of each tweet, all of known schemes.
    RETURNS (Scheme): The scheme.
    RAISES (ValueError): If a tag is of no known scheme.
    """
    sequences = list(sequences)
    opened_by_inside = opened_by_begin = has_own_letters = False
    for tags in sequences:
        has_own_letters |= any(tag[:1] in _BILUO_LETTERS for tag in tags)
        for (_, previous_type), (prefix, entity_type) in _with_previous(tags):
            opened_by_inside |= prefix == "I" and entity_type != previous_type
            opened_by_begin |= prefix == "B" and entity_type != previous_type
    if has_own_letters:
        in_biluo = sum(len(find_violations(tags, "BILUO")) for tags in sequences)
        if in_biluo <= sum(len(find_violations(tags, "BIO")) for tags in sequences):
            return "BILUO"
    return "IOB1" if opened_by_inside and not opened_by_begin else "BIO"


def find_violations(tags: Sequence[str], scheme: Scheme = "BIO") -> list[Violation]:
    """Find the tags that a scheme does not allow where they stand.

    tags (Sequence[str]): One tag a token.
    scheme (Scheme): The scheme that the tags should follow.
    RETURNS (list[Violation]): The violations, in order; empty for a valid sequence.
    RAISES (ValueError): If a tag is of no known scheme.
    """
    find = {"BIO": _bio_violations, "IOB1": _iob1_violations, "BILUO": _biluo_violations}[scheme]
    return list(find(tags))


def _with_previous(tags: Sequence[str]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    previous = (OUTSIDE, "")
    for tag in tags:
        current = split_tag(tag)
        yield previous, current
        previous = current


def _bio_violations(tags: Sequence[str]) -> Iterator[Violation]:
    for index, ((_, previous_type), (prefix, entity_type)) in enumerate(_with_previous(tags)):
        if tags[index][:1] in _BILUO_LETTERS:
            yield Violation(index, f"{tags[index]} is not a BIO tag")
        elif prefix == "I" and entity_type != previous_type:
            yield Violation(index, f"I-{entity_type} without its B-{entity_type}")


def _iob1_violations(tags: Sequence[str]) -> Iterator[Violation]:
    for index, ((_, previous_type), (prefix, entity_type)) in enumerate(_with_previous(tags)):
        if tags[index][:1] in _BILUO_LETTERS:
            yield Violation(index, f"{tags[index]} is not an IOB1 tag")
        elif prefix == "B" and entity_type != previous_type:
            yield Violation(index, f"B-{entity_type} does not follow an entity of its type")


def _biluo_violations(tags: Sequence[str]) -> Iterator[Violation]:
    open_type = ""
    for index, tag in enumerate(tags):
        prefix, entity_type = split_tag(tag)
        continues = prefix in ("I", "L")
        if continues and entity_type != open_type:
            yield Violation(index, f"{tag} without its B-{entity_type}")
        elif open_type and not continues:
            yield Violation(index, f"{tag} before the end of the {open_type} entity")
        open_type = entity_type if prefix in ("B", "I") else ""
    if open_type:
        yield Violation(len(tags) - 1, f"the {open_type} entity has no last tag (L or E)")
