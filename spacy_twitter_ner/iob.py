"""Tag schemes: convert between tags and spans, detect schemes and find violations.

A tag is "O", or a prefix, a hyphen and an entity type ("B-geo-loc"). A span is (start, end, type)
in tokens, with an exclusive end.

Three schemes are supported (https://en.wikipedia.org/wiki/Inside-outside-beginning_(tagging)). BIO
(IOB2) starts every entity with B. IOB1 starts entities with B only if they follow an entity of the
same type. BILUO also marks last tokens (L) and single-token entities (U). Its other letters are
supported as well: IOBES (E, S), BMES and BMEWO (M for I, W for U).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

Scheme = Literal["BIO", "IOB1", "BILUO"]
SCHEMES: tuple[Scheme, ...] = ("BIO", "IOB1", "BILUO")
TokenSpan = tuple[int, int, str]

OUTSIDE = "O"
_PREFIX_ALIASES = {
    **{"B": "B", "I": "I", "L": "L", "E": "L", "U": "U", "S": "U"},
    **{"M": "I", "W": "U"},
}
PREFIXES = frozenset(_PREFIX_ALIASES)
# Letters that only occur in BILUO.
_BILUO_LETTERS = PREFIXES - {"B", "I"}


class Violation(NamedTuple):
    """A tag that violates the scheme: the token's index and the reason."""

    token: int
    reason: str


def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag into prefix and entity type.

    tag (str): "O", or a prefix of any scheme, a hyphen and a type.
    RETURNS (tuple[str, str]): The prefix in BILUO letters and the type; ("O", "") for "O".
    RAISES (ValueError): If the tag doesn't belong to any scheme.
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
    """List the BIO tags for entity types: O, then B and I for each type in order.

    entity_types (Sequence[str]): n distinct types.
    RETURNS (list[str]): The 2n + 1 tags. Appending types appends tags.
    """
    return [OUTSIDE, *(f"{prefix}-{label}" for label in entity_types for prefix in "BI")]


def tags_to_spans(tags: Sequence[str]) -> list[TokenSpan]:
    """Convert tags in any scheme to spans. Invalid tags follow conlleval's rules: a tag that can't
    continue the open entity starts a new one.

    tags (Sequence[str]): One tag per token.
    RETURNS (list[TokenSpan]): The spans, in order.
    RAISES (ValueError): If a tag doesn't belong to any scheme.
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
    """Convert spans to BIO tags.

    spans (Iterable[TokenSpan]): The spans. They don't overlap.
    length (int): The number of tokens.
    RETURNS (list[str]): One BIO tag per token.
    """
    tags = [OUTSIDE] * length
    for start, end, entity_type in spans:
        tags[start:end] = [f"I-{entity_type}"] * (end - start)
        tags[start] = f"B-{entity_type}"
    return tags


def to_bio(tags: Sequence[str]) -> list[str]:
    """Convert tags in any scheme to BIO. Invalid tags are repaired by conlleval's rules.

    tags (Sequence[str]): One tag per token.
    RETURNS (list[str]): A valid sequence of BIO tags.
    RAISES (ValueError): If a tag doesn't belong to any scheme.
    """
    return spans_to_bio(tags_to_spans(tags), len(tags))


def detect_scheme(sequences: Iterable[Sequence[str]]) -> Scheme:
    """Detect the tag scheme of a corpus.

    BILUO is recognized by its own letters, unless there are more violations of BILUO than of BIO: a
    single L-x among BIO tags is a mistake. IOB1 is recognized by an I that starts an entity, if no
    B violates IOB1. Otherwise, the scheme is BIO, valid or not.

    sequences (Iterable[Sequence[str]]): The tags of each tweet.
    RETURNS (Scheme): The scheme.
    RAISES (ValueError): If a tag doesn't belong to any scheme.
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
    """Find tags that violate a scheme.

    tags (Sequence[str]): One tag per token.
    scheme (Scheme): The scheme.
    RETURNS (list[Violation]): The violations, in order.
    RAISES (ValueError): If a tag doesn't belong to any scheme.
    """
    return list(_biluo_violations(tags) if scheme == "BILUO" else _iob_violations(tags, scheme))


def _with_previous(tags: Sequence[str]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    previous = (OUTSIDE, "")
    for tag in tags:
        current = split_tag(tag)
        yield previous, current
        previous = current


def _iob_violations(tags: Sequence[str], scheme: Scheme) -> Iterator[Violation]:
    for index, ((_, previous_type), (prefix, entity_type)) in enumerate(_with_previous(tags)):
        if tags[index][:1] in _BILUO_LETTERS:
            article = "a" if scheme == "BIO" else "an"
            yield Violation(index, f"{tags[index]} is not {article} {scheme} tag")
        elif entity_type == previous_type:
            continue
        elif scheme == "BIO" and prefix == "I":
            yield Violation(index, f"I-{entity_type} without its B-{entity_type}")
        elif scheme == "IOB1" and prefix == "B":
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


# Tag indices, in the order of bio_tags: O is 0, type k has B at 2k + 1 and I at 2k + 2.
OUTSIDE_TAG = 0
BEGIN_TAGS = slice(1, None, 2)
INSIDE_TAGS = slice(2, None, 2)


def begin_tag(entity_type: Any) -> Any:
    """RETURNS (Any): The index of a type's B tag. Also accepts arrays."""
    return 2 * entity_type + 1


def inside_tag(entity_type: Any) -> Any:
    """RETURNS (Any): The index of a type's I tag. Also accepts arrays."""
    return 2 * entity_type + 2
