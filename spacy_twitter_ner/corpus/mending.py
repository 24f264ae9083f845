"""What the tags of one tweet mean when some of them are missing or do not fit their scheme.

A missing label (None) stands for a tag that nobody knows, which is not the same as O. So an
I-x right after it may be the middle of an entity or the start of one, and in which token that
entity begins is not known either. The rule: labels that continue an entity across a missing
label are missing too, up to the last of them. Labels before the missing one stay, as what they
say of their own token is certain; so does a B-x after it.
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
    """Something wrong with one tag: the token's index, what is wrong and how it was mended."""

    token: int
    reason: str
    repair: str


class Reading(NamedTuple):
    """The tags of one tweet, read: its entities, the tokens whose label is missing (None in the
    file or not to be trusted because of one), and what was wrong."""

    spans: list[TokenSpan]
    missing: set[int]
    violations: list[Finding]
    unknown_starts: list[Finding]


def read_tags(tags: Sequence[str | None], scheme: Scheme) -> Reading:
    """Read the entities off the tags of a tweet, some of which may be missing.

    tags (Sequence[str | None]): One tag a token, of the known schemes; None is a missing label.
    scheme (Scheme): The scheme that the tags should follow.
    RETURNS (Reading): The spans by conlleval's rules, and all that was wrong.
    RAISES (ValueError): If a tag is of no known scheme.
    """
    reading = Reading([], {i for i, tag in enumerate(tags) if tag is None}, [], [])
    for start, stretch in _stretches(tags):
        # After a missing label, the tags that continue an entity have no known beginning.
        lost = _count_continuing(stretch, scheme) if start else 0
        if lost:
            reading.missing.update(range(start, start + lost))
            reading.unknown_starts.append(_unknown_start(stretch, start, lost))
        spans = tags_to_spans(stretch[lost:])
        reading.spans.extend((start + lost + a, start + lost + b, label) for a, b, label in spans)
        checked = list(stretch)
        if scheme == "BILUO" and start + len(stretch) < len(tags):
            # The missing label that follows may well be the end that the open entity lacks.
            prefix, entity_type = split_tag(stretch[-1])
            checked += [f"L-{entity_type}"] if prefix in ("B", "I") else []
        bio = spans_to_bio([(a + lost, b + lost, label) for a, b, label in spans], len(stretch))
        for index, reason in find_violations(checked, scheme):
            if index >= lost:
                repair = f"read as {bio[index]}" if bio[index] != OUTSIDE else "entity ends before"
                reading.violations.append(Finding(start + index, reason, repair))
    return reading


def drop_rows(reading: Reading, keep: Sequence[bool]) -> tuple[list[TokenSpan], set[int]]:
    """Leave rows out of a tweet without breaking or joining its entities.

    reading (Reading): The tweet's entities and missing labels.
    keep (Sequence[bool]): For each row, whether it stays.
    RETURNS (tuple[list[TokenSpan], set[int]]): The spans and the missing labels, counted in the
        rows that stay. An entity of which no row stays is gone.
    """
    position = [0]
    for stays in keep:
        position.append(position[-1] + stays)
    spans = [(position[start], position[end], label) for start, end, label in reading.spans]
    missing = {position[index] for index in reading.missing if keep[index]}
    return [span for span in spans if span[0] < span[1]], missing


def trim_white_space(
    spans: Sequence[TokenSpan], tokens: Sequence[str]
) -> tuple[list[TokenSpan], list[int]]:
    """Trim tokens that are only white space off both ends of entities, as spaCy allows no entity
    to start or end with one.

    spans (Sequence[TokenSpan]): The entities of a tweet.
    tokens (Sequence[str]): The tweet's tokens.
    RETURNS (tuple[list[TokenSpan], list[int]]): What remains of the spans, and the indices of
        the tokens trimmed off, in order.
    """
    trimmed_spans: list[TokenSpan] = []
    trimmed: list[int] = []
    for start, end, label in spans:
        first, last = start, end
        while first < last and tokens[first].isspace():
            first += 1
        while first < last and tokens[last - 1].isspace():
            last -= 1
        trimmed.extend([*range(start, first), *range(last, end)])
        if first < last:
            trimmed_spans.append((first, last, label))
    return trimmed_spans, trimmed


def certain_tags(tags: Sequence[str | None]) -> Iterator[list[str]]:
    """Yield the parts of a tweet's tags that show which scheme they are written in: all but the
    tags between a missing label and the next O, where what went before is not known.

    tags (Sequence[str | None]): One tag a token; None is a missing label.
    YIELDS (list[str]): Tags that follow one another.
    """
    for start, stretch in _stretches(tags):
        if start:
            skipped = next((i for i, tag in enumerate(stretch) if tag == OUTSIDE), len(stretch))
            # The letters L and U speak for themselves.
            yield [tag for tag in stretch[:skipped] if split_tag(tag)[0] in ("L", "U")]
            yield stretch[skipped:]
        else:
            yield stretch


def _stretches(tags: Sequence[str | None]) -> Iterator[tuple[int, list[str]]]:
    """Yield the runs of tags without a missing one, each with the index of its first tag."""
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
    """Count the tags at the start of a stretch that continue one entity, begun before it."""
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
    reason = f"{stretch[0]} follows a missing label, so where its entity begins is not known"
    repair = "label left missing" if lost == 1 else f"labels of {lost} tokens left missing"
    return Finding(start, reason, repair)
