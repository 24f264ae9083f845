"""Reads token/tag files: a token and its tag a line, a blank line between tweets.

Columns are separated by spaces and tabs and by nothing else, lines by line feeds: white space
of other kinds occurs inside the tokens of tweets. With more columns than two, the first is the
token and the last the tag. Rows that begin with -DOCSTART- are skipped.

All problems of a file are collected, each with its line, and mended as far as they can be;
whether they stop anything is the caller's choice (see check_problems).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..iob import (
    OUTSIDE,
    SCHEMES,
    Scheme,
    TokenSpan,
    detect_scheme,
    spans_to_bio,
    split_tag,
    tags_to_spans,
)
from .mending import certain_tags, drop_rows, read_tags, trim_white_space

AUTO = "auto"
PROBLEMS_SHOWN = 20

MISSING_TAG = "missing tag"
MISSING_TOKEN = "missing token"  # noqa: S105 (no password)
UNKNOWN_TAG = "unknown tag"
INVALID_SEQUENCE = "invalid sequence"
UNKNOWN_START = "unknown entity start"
UNDECODABLE = "undecodable bytes"
WHITE_SPACE = "white space at an entity's edge"
NEW_TYPE = "entity type not in the training split"
NO_TWEETS = "no tweets"

_DOCSTART = "-DOCSTART-"
_SEPARATORS = " \t"
_SEPARATOR = re.compile(f"[{_SEPARATORS}]+")
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SCHEME_NAMES: dict[str, Scheme] = {
    **{name: name for name in SCHEMES},
    "IOB2": "BIO",
    "IOBES": "BILUO",
    "BIOES": "BILUO",
}


@dataclass(frozen=True)
class Problem:
    """Something wrong in a file. `repair` says how it was mended, None that it cannot be."""

    path: Path
    line: int
    kind: str
    message: str
    repair: str | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass
class TaggedTweet:
    """A tweet as a corpus has it. `tags` are always a valid BIO sequence, with None where the
    label is missing. `line` is the line of the first token, `lines` that of each token."""

    tokens: list[str]
    tags: list[str | None]
    line: int = 1
    lines: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.lines:
            self.lines = list(range(self.line, self.line + len(self.tokens)))

    def spans(self) -> list[TokenSpan]:
        """RETURNS (list[TokenSpan]): The entities, in order."""
        return tags_to_spans([tag or OUTSIDE for tag in self.tags])


@dataclass
class TagFile:
    """A token/tag file, read. `scheme` is the one that its tags are written in."""

    path: Path
    tweets: list[TaggedTweet]
    problems: list[Problem]
    scheme: Scheme


class CorpusError(ValueError):
    """Raised for files that cannot be used as they are; `problems` lists all that was wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        title = f"{count} problem{'s' if count != 1 else ''} in the corpus"
        super().__init__("\n".join([title, *summarize_problems(self.problems)]))


class _Row(NamedTuple):
    token: str | None
    tag: str | None
    line: int


_Report = Callable[..., None]


def read_tag_file(path: Path, *, scheme: str = AUTO) -> TagFile:
    """Read a token/tag file.

    path (Path): The file, in UTF-8.
    scheme (str): Tag scheme of the file: BIO, IOB1 or BILUO; or "auto" to recognise it.
    RETURNS (TagFile): The tweets, mended, and all problems.
    RAISES (FileNotFoundError): If there is no such file.
    RAISES (ValueError): If the scheme is not known.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(_missing_file_message(path)) from None
    if content.startswith(_UTF16_BOMS):
        message = "the file is in UTF-16: save it as UTF-8"
        return TagFile(path, [], [Problem(path, 1, UNDECODABLE, message)], resolve_scheme(scheme))
    return parse_tag_lines(content.split(b"\n"), path=path, scheme=scheme)


def parse_tag_lines(
    lines: Iterable[bytes], *, path: Path = Path("<lines>"), scheme: str = AUTO
) -> TagFile:
    """Read the lines of a token/tag file.

    lines (Iterable[bytes]): The lines, with or without their line feeds.
    path (Path): The file that problems are said to be in.
    scheme (str): Tag scheme of the lines: BIO, IOB1 or BILUO; or "auto" to recognise it.
    RETURNS (TagFile): The tweets, mended, and all problems in the order of their lines.
    RAISES (ValueError): If the scheme is not known.
    """
    forced = None if scheme.lower() == AUTO else resolve_scheme(scheme)
    problems: list[Problem] = []

    def report(line: int, kind: str, message: str, repair: str | None = None) -> None:
        problems.append(Problem(path, line, kind, message, repair))

    groups = list(_read_groups(lines, report))
    found = forced or detect_scheme(
        part for rows in groups for part in certain_tags([row.tag for row in rows])
    )
    tweets = [_make_tweet(rows, found, report) for rows in groups]
    tweets = [tweet for tweet in tweets if tweet.tokens]
    if not tweets:
        report(1, NO_TWEETS, "the file has no tweets" if groups else "the file is empty")
    problems.sort(key=lambda problem: problem.line)
    return TagFile(path, tweets, problems, found)


def resolve_scheme(name: str) -> Scheme:
    """Find the tag scheme that a setting names.

    name (str): BIO, IOB1 or BILUO, or another name of one, in any case; "auto" is read as BIO.
    RETURNS (Scheme): The scheme.
    RAISES (ValueError): If the name is not known.
    """
    if name.lower() == AUTO:
        return "BIO"
    try:
        return _SCHEME_NAMES[name.upper()]
    except KeyError:
        raise ValueError(
            f"unknown tag scheme {name!r}: expected one of auto, BIO (IOB2), IOB1, BILUO (IOBES)"
        ) from None


def check_problems(problems: Sequence[Problem], *, repair: bool) -> None:
    """Stop if problems are in the way.

    problems (Sequence[Problem]): The problems of all files.
    repair (bool): Whether mended problems may pass. Those that cannot be mended never do.
    RAISES (CorpusError): If there are any, with all that stop.
    """
    stopping = [problem for problem in problems if not repair or problem.repair is None]
    if stopping:
        raise CorpusError(stopping)


def summarize_problems(problems: Sequence[Problem], shown: int = PROBLEMS_SHOWN) -> list[str]:
    """Describe problems in few lines: the first in full, the rest counted by kind.

    problems (Sequence[Problem]): The problems.
    shown (int): How many to describe in full.
    RETURNS (list[str]): The lines.
    """
    lines = [str(problem) for problem in problems[:shown]]
    rest = Counter(problem.kind for problem in problems[shown:])
    if rest:
        counts = ", ".join(f"{count} {kind}" for kind, count in rest.most_common())
        lines.append(f"and {rest.total()} more: {counts}")
    return lines


def _read_groups(lines: Iterable[bytes], report: _Report) -> Iterator[list[_Row]]:
    """Yield the rows between two blank lines."""
    rows: list[_Row] = []
    for number, line in enumerate(lines, 1):
        text = _decode(line, number, report)
        if not text or text.isspace() or _is_docstart(text):
            if rows:
                yield rows
                rows = []
        else:
            rows.append(_read_row(text, number, report))
    if rows:
        yield rows


def _is_docstart(text: str) -> bool:
    return text.startswith(_DOCSTART) and text[len(_DOCSTART) :][:1] in ("", *_SEPARATORS)


def _decode(line: bytes, number: int, report: _Report) -> str:
    if number == 1:
        line = line.removeprefix(_UTF8_BOM)
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"byte {line[error.start : error.start + 1].hex()} is not UTF-8"
        report(number, UNDECODABLE, message, "replaced by U+FFFD")
        return line.decode("utf-8", errors="replace")


def _read_row(text: str, number: int, report: _Report) -> _Row:
    columns = _SEPARATOR.split(text.rstrip(_SEPARATORS))
    token, tag = columns[0], columns[-1]
    if not token:
        report(number, MISSING_TOKEN, f"no token before {tag!r}", "row left out")
        return _Row(None, None if _tag_error(tag) else tag, number)
    if len(columns) == 1:
        report(number, MISSING_TAG, f"no tag after the token {token!r}", "label left missing")
        return _Row(token, None, number)
    error = _tag_error(tag)
    if any("\r" in column for column in columns[1:]):
        error = "carriage returns after the token: end the lines of the file with line feeds"
    if error:
        report(number, UNKNOWN_TAG, error, "label left missing")
        return _Row(token, None, number)
    return _Row(token, tag, number)


@lru_cache(maxsize=1024)
def _tag_error(tag: str) -> str:
    """Say what is wrong with a tag; nothing, if its scheme is known."""
    if not tag.isprintable():
        return f"the tag {tag!r} has characters that cannot be seen"
    try:
        split_tag(tag)
    except ValueError as error:
        return str(error)
    return ""


def _make_tweet(rows: Sequence[_Row], scheme: Scheme, report: _Report) -> TaggedTweet:
    """Make a tweet of its rows; it has no tokens if none of the rows has one."""
    reading = read_tags([row.tag for row in rows], scheme)
    for kind, findings in (
        (INVALID_SEQUENCE, reading.violations),
        (UNKNOWN_START, reading.unknown_starts),
    ):
        for index, reason, repair in findings:
            report(rows[index].line, kind, reason, repair)
    # Only now, so that a row left out breaks no entity and makes no second problem.
    spans, missing = drop_rows(reading, [row.token is not None for row in rows])
    tokens = [row.token for row in rows if row.token is not None]
    lines = [row.line for row in rows if row.token is not None]
    spans, trimmed = trim_white_space(spans, tokens)
    for index in trimmed:
        message = f"the token {tokens[index]!r} at an entity's edge is only white space"
        report(lines[index], WHITE_SPACE, message, "label trimmed off")
    tags: list[str | None] = [*spans_to_bio(spans, len(tokens))]
    for index in missing:
        tags[index] = None
    return TaggedTweet(tokens, tags, lines[0] if lines else rows[0].line, lines)


def _missing_file_message(path: Path) -> str:
    message = f"no such file: {path}"
    if "assets" in path.absolute().parts:
        message += ". Fetch the project's assets with: python -m spacy project assets"
    return message
