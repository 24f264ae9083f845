"""Repair tag sequences in which labels are missing or violate the tag scheme.

A missing label (None) is an unknown tag, which isn't the same as O. An I-x right after it may be
inside an entity or start one, so it's unknown where that entity starts. Therefore labels that
continue an entity across a missing label become missing too, up to the last of them. Labels before
the missing one are kept, since they are certain for their own tokens. So is a B-x after it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..iob import (
    OUTSIDE,
    Scheme,
    TokenSpan,
    find_violations,
    spans_to_bio,
    split_tag,
    tags_to_spans,
)


class Finding(NamedTuple):
    """A problem with one tag: the token's index, the reason and how it was repaired."""

    token: int
    reason: str
    repair: str


class Reading(NamedTuple):
    """The entities of one tweet, the tokens whose label is missing (None in the file, or unknown
    because of one that is), and the problems that were found."""

    spans: list[TokenSpan]
    missing: set[int]
    violations: list[Finding]
    unknown_starts: list[Finding]


def read_tags(tags: Sequence[str | None], scheme: Scheme) -> Reading:
    """Convert the tags of a tweet to spans. Some tags may be missing.

    tags (Sequence[str | None]): One tag per token, in any scheme; None is a missing label.
    scheme (Scheme): The tag scheme.
    RETURNS (Reading): The spans by conlleval's rules, and the problems.
    RAISES (ValueError): If a tag doesn't belong to any scheme.
    """
    reading = Reading([], {i for i, tag in enumerate(tags) if tag is None}, [], [])
    for start, stretch in _stretches(tags):
        # After a missing label, it's unknown where an entity that continues has started.
        lost = _count_continuing(stretch, scheme) if start else 0
        if lost:
            reading.missing.update(range(start, start + lost))
            reading.unknown_starts.append(_unknown_start(stretch, start, lost))
        spans = tags_to_spans(stretch[lost:])
        reading.spans.extend((start + lost + a, start + lost + b, label) for a, b, label in spans)
        checked = list(stretch)
        if scheme == "BILUO" and start + len(stretch) < len(tags):
            # The next label, which is missing, may be the last one of the open entity.
            prefix, entity_type = split_tag(stretch[-1])
            checked += [f"L-{entity_type}"] if prefix in ("B", "I") else []
        bio = spans_to_bio([(a + lost, b + lost, label) for a, b, label in spans], len(stretch))
        for index, reason in find_violations(checked, scheme):
            if index >= lost:
                repair = f"read as {bio[index]}" if bio[index] != OUTSIDE else "entity ends before"
                reading.violations.append(Finding(start + index, reason, repair))
    return reading


def drop_rows(reading: Reading, keep: Sequence[bool]) -> tuple[list[TokenSpan], set[int]]:
    """Drop rows of a tweet without splitting or merging its entities.

    reading (Reading): The tweet's entities and missing labels.
    keep (Sequence[bool]): Whether to keep each row.
    RETURNS (tuple[list[TokenSpan], set[int]]): The spans and the missing labels, as indices of
        the remaining rows. Entities without any remaining row are dropped.
    """
    position = [0]
    for kept in keep:
        position.append(position[-1] + kept)
    spans = [(position[start], position[end], label) for start, end, label in reading.spans]
    missing = {position[index] for index in reading.missing if keep[index]}
    return [span for span in spans if span[0] < span[1]], missing


def strip_whitespace(
    spans: Sequence[TokenSpan], tokens: Sequence[str]
) -> tuple[list[TokenSpan], list[int]]:
    """Strip whitespace tokens from both ends of entities. In spaCy, entities can't start or end
    with whitespace.

    spans (Sequence[TokenSpan]): The entities of a tweet.
    tokens (Sequence[str]): The tweet's tokens.
    RETURNS (tuple[list[TokenSpan], list[int]]): The remaining spans, and the indices of the
        stripped tokens, in order.
    """
    stripped_spans: list[TokenSpan] = []
    stripped: list[int] = []
    for start, end, label in spans:
        first, last = start, end
        while first < last and tokens[first].isspace():
            first += 1
        while first < last and tokens[last - 1].isspace():
            last -= 1
        stripped.extend([*range(start, first), *range(last, end)])
        if first < last:
            stripped_spans.append((first, last, label))
    return stripped_spans, stripped


def certain_tags(tags: Sequence[str | None]) -> Iterator[list[str]]:
    """Yield the parts of a tweet's tags from which its scheme can be detected. Tags between a
    missing label and the next O are left out, since the tag before them is unknown.

    tags (Sequence[str | None]): One tag per token; None is a missing label.
    YIELDS (list[str]): Consecutive tags.
    """
    for start, stretch in _stretches(tags):
        if start:
            skipped = next((i for i, tag in enumerate(stretch) if tag == OUTSIDE), len(stretch))
            # L and U only occur in BILUO.
            yield [tag for tag in stretch[:skipped] if split_tag(tag)[0] in ("L", "U")]
            yield stretch[skipped:]
        else:
            yield stretch


def _stretches(tags: Sequence[str | None]) -> Iterator[tuple[int, list[str]]]:
    """Yield the runs of tags between missing ones, each with the index of its first tag."""
    stretch: list[str] = []
    for index, tag in enumerate(tags):
        if tag is not None:
            stretch.append(tag)
        elif stretch:
            yield index - len(stretch), stretch
            stretch = []
    if stretch:
        yield len(tags) - len(stretch), stretch


def _count_continuing(stretch: Sequence[str], scheme: Scheme) -> int:
    """Count the tags that continue an entity which started before the stretch."""
    continuing = ("I", "L") if scheme == "BILUO" else ("I",)
    first_type = split_tag(stretch[0])[1]
    for count, tag in enumerate(stretch):
        prefix, entity_type = split_tag(tag)
        if prefix not in continuing or entity_type != first_type:
            return count
        if prefix == "L":
            return count + 1
    return len(stretch)


def _unknown_start(stretch: Sequence[str], start: int, lost: int) -> Finding:
    reason = f"{stretch[0]} follows a missing label, so the start of its entity is unknown"
    repair = "label left missing" if lost == 1 else f"labels of {lost} tokens left missing"
    return Finding(start, reason, repair)
