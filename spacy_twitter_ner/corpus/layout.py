"""Detect the layout of a token/tag file: its separator, columns, comments and style of tags.

Columns are separated by tabs, or by runs of spaces and tabs if that makes the number of columns
more uniform. So tokens may contain spaces in files separated by tabs. The most frequent number of
columns is the file's.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

from ..iob import OUTSIDE, PREFIXES, split_tag

DEFAULT_LABEL = "entity"

SEPARATORS = " \t"
_SEPARATOR = re.compile(f"[{SEPARATORS}]+")
# Comments in CoNLL-U and GermEval, and image and tweet IDs in other corpora.
_COMMENT = re.compile(r"(#+)[ \t]+\S|((?:img|image|tweet|doc|sent|text)?_?id ?[:=])", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,9}")
# Multiword tokens and empty nodes in CoNLL-U.
_NO_TOKEN = re.compile(r"\d+[-.]\d+")
_SEVERAL_LABELS = re.compile(r"[,;|]|[^\w-](?:[BILUESMW]-|O\Z)")
_BARE_TYPE = re.compile(r"[^\W\d_][\w.+/-]+")

TagStyle = Literal["typed", "untyped", "bare"]
Line = tuple[int, str]


@dataclass(frozen=True)
class FileFormat:
    """The user's settings for the format of token/tag files.

    token_column (int | None): The column of the tokens, counting from 1, or from -1 for the last.
        Defaults to the first, or to the second if the first one numbers the tokens.
    tag_column (int | None): The column of the tags, counted in the same way. Defaults to the last.
    comments (Sequence[str]): Prefixes of comment lines. Complete rows are never comments, since "#"
        and hashtags are tokens.
    label (str): The entity type for tags without one, such as B and I.
    """

    token_column: int | None = None
    tag_column: int | None = None
    comments: Sequence[str] = ()
    label: str = DEFAULT_LABEL

    def __post_init__(self) -> None:
        if 0 in (self.token_column, self.tag_column):
            raise ValueError("columns are counted from 1, or from -1 for the last; there is no 0")
        if self.token_column is not None and self.token_column == self.tag_column:
            raise ValueError(f"column {self.token_column} can't hold both the tokens and the tags")
        if "" in self.comments:
            raise ValueError("the prefix of comment lines is empty")
        error = tag_error(f"B-{self.label}", "typed")
        if error:
            raise ValueError(f"the label {self.label!r} can't be used: {error}")


@dataclass
class Layout:
    """The layout of one file. Columns count from 0.

    tabbed (bool): Whether only tabs separate columns.
    width (int): The number of columns.
    token, tag (int): The columns to read.
    number (bool): Whether the first column numbers the tokens.
    style (TagStyle): Whether tags have a prefix and a type, just a prefix, or just a type.
    error (str): Why the columns can't be read, or an empty string.
    """

    tabbed: bool = False
    width: int = 2
    token: int = 0
    tag: int = 1
    number: bool = False
    style: TagStyle = "typed"
    error: str = ""
    notes: list[str] = field(default_factory=list)

    def split(self, text: str) -> list[str]:
        """Split a row into columns. Empty columns beyond the file's width are dropped."""
        columns = split_row(text, self.tabbed)
        return columns[: max(_count(columns), min(len(columns), self.width))]

    def is_mixed(self, text: str) -> bool:
        """RETURNS (bool): Whether a row's columns are separated by both tabs and spaces."""
        return not self.tabbed and _is_mixed(text)


def find_layout(
    groups: Sequence[Sequence[Line]], file_format: FileFormat, *, bare: bool = False
) -> Layout:
    """Detect the layout of a file.

    groups (Sequence[Sequence[Line]]): The numbered lines of each tweet.
    file_format (FileFormat): The user's settings.
    bare (bool): Whether tags are entity types without a prefix, as in the IO scheme.
    RETURNS (Layout): The layout.
    """
    tweets = [
        [text for _, text in lines if not may_be_comment(text, file_format.comments)]
        for lines in groups
    ]
    texts = [text for tweet in tweets for text in tweet]
    in_tabs = any("\t" in text.rstrip(SEPARATORS) for text in texts)
    options = [_measure(texts, tabbed) for tabbed in ([True, False] if in_tabs else [False])]
    tabbed, width, _ = min(options, key=lambda option: option[2])
    layout = Layout(tabbed, width)
    rows = [[layout.split(text) for text in tweet] for tweet in tweets]
    rows = [[row for row in tweet if len(row) == width] for tweet in rows]
    _choose_columns(layout, rows, file_format)
    if not layout.error:
        layout.style = _find_style((row[layout.tag] for tweet in rows for row in tweet), bare)
        layout.notes += _describe_style(layout.style, file_format.label)
    return layout


def may_be_comment(text: str, prefixes: Sequence[str]) -> bool:
    """RETURNS (bool): Whether a line is a comment if it isn't a complete row."""
    return text.startswith(tuple(prefixes)) or bool(comment_prefix(text))


def comment_prefix(text: str) -> str:
    """RETURNS (str): The prefix of a line that looks like a comment, or an empty string."""
    found = _COMMENT.match(text)
    return (found.group(1) or found.group(2)) if found else ""


def is_comment(text: str, prefixes: Sequence[str], *, fits: bool) -> bool:
    """RETURNS (bool): Whether an incomplete row is a comment with one of the user's prefixes. If
    it has the right number of columns (fits), the prefix has to be a separate word."""
    return any(
        text.startswith(prefix)
        and (not fits or text[len(prefix) : len(prefix) + 1] in ("", *SEPARATORS))
        for prefix in prefixes
    )


def is_no_token(number: str) -> bool:
    """RETURNS (bool): Whether a row's number marks a multiword token or an empty node."""
    return bool(_NO_TOKEN.fullmatch(number))


def tag_error(tag: str, style: TagStyle) -> str:
    """RETURNS (str): The error in a tag, or an empty string."""
    if not tag.isprintable():
        return f"the tag {tag!r} contains invisible characters"
    if any(char.isspace() for char in tag):
        return f"the tag {tag!r} contains whitespace"
    if has_several_labels(tag):
        return f"several labels in the tag {tag!r}: a token has one. Keep one of them"
    if tag == OUTSIDE or (style == "untyped" and tag in PREFIXES):
        return ""
    if style == "bare" and _BARE_TYPE.fullmatch(tag):
        return ""
    try:
        split_tag(tag)
    except ValueError as error:
        return str(error)
    return ""


def has_several_labels(tag: str) -> bool:
    """RETURNS (bool): Whether a tag is a list of tags or entity types."""
    return bool(_SEVERAL_LABELS.search(tag))


def full_tag(tag: str, style: TagStyle, label: str) -> str:
    """RETURNS (str): A tag in any style, completed with a prefix and a type."""
    if style == "untyped" and tag in PREFIXES:
        return f"{tag}-{label}"
    if style == "bare" and tag != OUTSIDE and not _has_prefix(tag):
        return f"I-{tag}"
    return tag


def split_row(text: str, tabbed: bool = False) -> list[str]:
    """RETURNS (list[str]): The columns of a row, split at tabs, or at runs of spaces and tabs."""
    if tabbed:
        return [column.strip(" ") for column in text.split("\t")]
    return _SEPARATOR.split(text.rstrip(SEPARATORS))


def _count(columns: Sequence[str]) -> int:
    """RETURNS (int): The number of columns, without empty ones at the end."""
    return next((i for i in range(len(columns), 0, -1) if columns[i - 1]), 1)


class _Measure(NamedTuple):
    tabbed: bool
    width: int
    deviating: int


def _measure(texts: Iterable[str], tabbed: bool) -> _Measure:
    counts: Counter[tuple[int, int]] = Counter()
    n_mixed = 0
    for text in texts:
        if not tabbed and _is_mixed(text):
            n_mixed += 1
        else:
            columns = split_row(text, tabbed)
            counts[_count(columns), len(columns)] += 1
    widths: Counter[int] = Counter()
    for (count, _), n in counts.items():
        widths[count] += n
    # A single column is a token without a tag. Ties go to the smaller width.
    width = max((w for w in widths if w > 1), key=lambda w: (widths[w], -w), default=2)
    fitting = sum(n for (count, full), n in counts.items() if count <= width <= full)
    return _Measure(tabbed, width, counts.total() - fitting + n_mixed)


def _is_mixed(text: str) -> bool:
    text = text.strip(SEPARATORS)
    # In aligned columns, a run of separators counts as one.
    return "\t" in text and len(split_row(text)) != len([c for c in split_row(text, True) if c])


def _choose_columns(
    layout: Layout, tweets: Sequence[Sequence[list[str]]], file_format: FileFormat
) -> None:
    width = layout.width
    for name, column in (("token", file_format.token_column), ("tag", file_format.tag_column)):
        if column is not None and not -width <= column <= width:
            layout.error = f"there is no column {column} for the {name}: the file has {width}"
            return
    layout.number = width > 2 and _is_numbered(tweets)
    layout.token = _index(file_format.token_column, width, 1 if layout.number else 0)
    layout.tag = _index(file_format.tag_column, width, width - 1)
    if layout.number and file_format.token_column is None:
        layout.notes.append("the first column numbers the tokens, so they are read from column 2")
    if file_format.tag_column is None:
        others = [c for c in range(width) if c not in (layout.token, layout.tag)]
        types = _entity_types(tweets, layout.tag)
        holds_tags = {c: found for c in others if (found := _entity_types(tweets, c))}
        overlapping = [c for c, found in holds_tags.items() if found & types]
        if overlapping:
            names = ", ".join(str(c + 1) for c in overlapping)
            layout.error = (
                f"columns {names} and {width} both hold tags of entities: choose one with "
                "--tag-column (in a config: tag_column)"
            )
        elif holds_tags and not types:
            names = " or ".join(f"--tag-column {c + 1}" for c in holds_tags)
            layout.error = (
                f"column {width}, the last, has no tags of entities, but another column has: "
                f"choose it with {names}, or keep the last with --tag-column {width} "
                "(in a config: tag_column)"
            )
    if layout.token == layout.tag:
        layout.error = f"column {layout.tag + 1} can't hold both the tokens and the tags"


def _index(column: int | None, width: int, default: int) -> int:
    if column is None:
        return default
    return column - 1 if column > 0 else width + column


def _is_numbered(tweets: Iterable[Sequence[list[str]]]) -> bool:
    """RETURNS (bool): Whether the first column numbers the tokens of each tweet or of the file, or
    repeats the tweet's number."""
    n_pairs = n_running = 0
    for rows in tweets:
        first = [row[0] for row in rows if not is_no_token(row[0])]
        for one, other in pairwise(first):
            n_pairs += 1
            if _NUMBER.fullmatch(one) and _NUMBER.fullmatch(other):
                n_running += int(other) - int(one) in (0, 1)
    return 2 * n_running > n_pairs


def _entity_types(tweets: Iterable[Sequence[list[str]]], column: int) -> set[str]:
    """RETURNS (set[str]): The entity types in a column, if at least half of its values are tags."""
    values = Counter(row[column] for rows in tweets for row in rows)
    tags = [value for value in values if not tag_error(value, "typed")]
    if 2 * sum(values[tag] for tag in tags) < values.total():
        return set()
    return {split_tag(tag)[1] for tag in tags} - {""}


def _find_style(tags: Iterable[str], bare: bool) -> TagStyle:
    values = Counter(tags)
    n_outside = values.pop(OUTSIDE, 0)
    if bare:
        return "bare"
    if any(_has_prefix(tag) for tag in values):
        return "typed"

    def most(fits: Callable[[str], object]) -> bool:
        return 2 * sum(n for tag, n in values.items() if fits(tag)) > values.total()

    if most(PREFIXES.__contains__):
        return "untyped"
    if most(_BARE_TYPE.fullmatch) and n_outside > values.total():
        return "bare"
    return "typed"


def _has_prefix(tag: str) -> bool:
    return tag[1:2] == "-"


def _describe_style(style: TagStyle, label: str) -> Iterator[str]:
    if style == "untyped":
        yield f"the tags have no entity types, so all entities are of the type {label!r}"
    elif style == "bare":
        yield "the tags are entity types without prefixes (IO), so adjacent entities are merged"
