"""Read token/tag files: one token and its tag per line, a blank line between tweets.

Columns are separated by tabs or by runs of spaces and tabs, and lines by line feeds. Other
whitespace is part of tokens. By default, the first column is the token and the last one the tag
(see layout.py). Lines that start with -DOCSTART- are skipped.

Problems are collected with their lines, and repaired where possible. The caller decides whether to
raise an error (see check_problems).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..iob import (
    OUTSIDE,
    SCHEMES,
    Scheme,
    TokenSpan,
    detect_scheme,
    spans_to_bio,
    tags_to_spans,
)
from ..util import plural
from .layout import (
    SEPARATORS,
    FileFormat,
    Layout,
    Line,
    comment_prefix,
    find_layout,
    full_tag,
    has_several_labels,
    is_comment,
    is_no_token,
    split_row,
    tag_error,
)
from .repair import certain_tags, drop_rows, read_tags, strip_whitespace

AUTO = "auto"
PROBLEMS_SHOWN = 20
DEFAULT_FORMAT = FileFormat()

MISSING_TAG = "missing tag"
MISSING_TOKEN = "missing token"  # noqa: S105 (not a password)
UNKNOWN_TAG = "unknown tag"
INVALID_SEQUENCE = "invalid sequence"
UNKNOWN_START = "unknown entity start"
UNDECODABLE = "undecodable bytes"
WHITESPACE = "whitespace at an entity's edge"
NEW_TYPE = "entity type not in the training split"
NO_TWEETS = "no tweets"
COLUMN_COUNT = "number of columns"
COLUMN_CHOICE = "choice of columns"
COMMENT = "comment line"
SEVERAL_LABELS = "several labels in one tag"

_DOCSTART = "-DOCSTART-"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SCHEME_NAMES: dict[str, Scheme] = {
    **{name: name for name in SCHEMES},
    "IOB2": "BIO",
    "IO": "IOB1",
    **dict.fromkeys(("IOBES", "BIOES", "BILOU", "BIOUL", "BMES", "BMEWO"), "BILUO"),
}


@dataclass(frozen=True)
class Problem:
    """A problem in a file. `repair` says how it was repaired; None if it can't be."""

    path: Path
    line: int
    kind: str
    message: str
    repair: str | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass
class TaggedTweet:
    """An annotated tweet. `tags` is a valid BIO sequence, with None where labels are missing.
    `line` is the line of the first token, `lines` has that of each token."""

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
    """The contents of a token/tag file. `scheme` is the file's tag scheme. `notes` describe how the
    file was read where that isn't obvious."""

    path: Path
    tweets: list[TaggedTweet]
    problems: list[Problem]
    scheme: Scheme
    notes: list[str] = field(default_factory=list)


class CorpusError(ValueError):
    """Raised for files with problems, which are listed in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        title = f"{plural(len(self.problems), 'problem')} in the corpus"
        super().__init__("\n".join([title, *summarize_problems(self.problems)]))


class _Row(NamedTuple):
    token: str | None
    tag: str | None
    line: int


_Report = Callable[..., None]


def read_tag_file(
    path: Path, *, scheme: str = AUTO, file_format: FileFormat = DEFAULT_FORMAT
) -> TagFile:
    """Read a token/tag file.

    path (Path): The file, in UTF-8.
    scheme (str): Tag scheme of the file: BIO, IOB1, BILUO or IO; or "auto" to recognize it.
    file_format (FileFormat): Its columns and comments.
    RETURNS (TagFile): The tweets, repaired, and all problems.
    RAISES (FileNotFoundError): If there is no such file.
    RAISES (ValueError): If the scheme is unknown.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(_missing_file_message(path)) from None
    if content.startswith(_UTF16_BOMS):
        message = "the file is in UTF-16: save it as UTF-8"
        return TagFile(path, [], [Problem(path, 1, UNDECODABLE, message)], resolve_scheme(scheme))
    lines = content.split(b"\n")
    return parse_tag_lines(lines, path=path, scheme=scheme, file_format=file_format)


def parse_tag_lines(
    lines: Iterable[bytes],
    *,
    path: Path = Path("<lines>"),
    scheme: str = AUTO,
    file_format: FileFormat = DEFAULT_FORMAT,
) -> TagFile:
    """Parse the lines of a token/tag file.

    lines (Iterable[bytes]): The lines, with or without their line feeds.
    path (Path): The file name for problems.
    scheme (str): Tag scheme of the lines: BIO, IOB1, BILUO or IO; or "auto" to recognize it.
    file_format (FileFormat): The columns and comments of the lines.
    RETURNS (TagFile): The tweets, repaired, and all problems by line.
    RAISES (ValueError): If the scheme is unknown.
    """
    forced = None if scheme.lower() == AUTO else resolve_scheme(scheme)
    problems: list[Problem] = []

    def report(line: int, kind: str, message: str, repair: str | None = None) -> None:
        problems.append(Problem(path, line, kind, message, repair))

    lines_of_tweets = list(_read_groups(lines, report))
    layout = find_layout(lines_of_tweets, file_format, bare=scheme.upper() == "IO")
    if layout.error:
        report(lines_of_tweets[0][0][0], COLUMN_CHOICE, layout.error)
        return TagFile(path, [], problems, forced or "BIO")
    reader = _RowReader(layout, file_format, report)
    groups = [rows for each in lines_of_tweets if (rows := reader.read(each))]
    found = forced or detect_scheme(
        part for rows in groups for part in certain_tags([row.tag for row in rows])
    )
    tweets = [_make_tweet(rows, found, report) for rows in groups]
    tweets = [tweet for tweet in tweets if tweet.tokens]
    if not tweets:
        report(1, NO_TWEETS, "the file has no tweets" if lines_of_tweets else "the file is empty")
    problems.sort(key=lambda problem: problem.line)
    notes = [f"{path}: {note}" for note in [*layout.notes, *reader.notes()]]
    return TagFile(path, tweets, problems, found, notes)


def resolve_scheme(name: str) -> Scheme:
    """Look up a tag scheme by name.

    name (str): BIO, IOB1, BILUO, IO or another name of these, in any case. "auto" means BIO.
    RETURNS (Scheme): The scheme.
    RAISES (ValueError): If the name is unknown.
    """
    if name.lower() == AUTO:
        return "BIO"
    try:
        return _SCHEME_NAMES[name.upper()]
    except KeyError:
        raise ValueError(
            f"unknown tag scheme {name!r}: expected one of auto, BIO (IOB2), IOB1, BILUO (IOBES, "
            "BMES), IO"
        ) from None


def check_problems(problems: Sequence[Problem], *, repair: bool) -> None:
    """Raise an error if there are problems.

    problems (Sequence[Problem]): The problems of all files.
    repair (bool): Ignore problems that were repaired.
    RAISES (CorpusError): If there are any, listing all of them.
    """
    stopping = [problem for problem in problems if not repair or problem.repair is None]
    if stopping:
        raise CorpusError(stopping)


def summarize_problems(problems: Sequence[Problem], shown: int = PROBLEMS_SHOWN) -> list[str]:
    """Summarize problems: list the first ones and count the rest by kind.

    problems (Sequence[Problem]): The problems.
    shown (int): Maximum number of problems to list.
    RETURNS (list[str]): The lines.
    """
    lines = [str(problem) for problem in problems[:shown]]
    rest = Counter(problem.kind for problem in problems[shown:])
    if rest:
        counts = ", ".join(f"{count} {kind}" for kind, count in rest.most_common())
        lines.append(f"and {rest.total()} more: {counts}")
    return lines


def _read_groups(lines: Iterable[bytes], report: _Report) -> Iterator[list[Line]]:
    """Yield groups of lines separated by blank lines."""
    group: list[Line] = []
    for number, line in enumerate(lines, 1):
        text = _decode(line, number, report)
        if text and not text.isspace() and not _is_docstart(text):
            group.append((number, text))
        elif group:
            yield group
            group = []
    if group:
        yield group


def _is_docstart(text: str) -> bool:
    return text.startswith(_DOCSTART) and text[len(_DOCSTART) :][:1] in ("", *SEPARATORS)


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


class _RowReader:
    """Read the rows of a file with a known layout."""

    def __init__(self, layout: Layout, file_format: FileFormat, report: _Report) -> None:
        self.layout = layout
        self.format = file_format
        self.report = report
        self.errors: dict[str, str] = {}
        self.n_comments = self.n_no_tokens = 0

    def notes(self) -> Iterator[str]:
        """Describe the lines that were skipped."""
        if self.n_comments:
            yield f"skipped {plural(self.n_comments, 'comment line')}"
        if self.n_no_tokens:
            yield (
                f"skipped {plural(self.n_no_tokens, 'row')} of multiword tokens and empty nodes, "
                "such as 1-2 and 1.1"
            )

    def read(self, lines: Iterable[Line]) -> list[_Row]:
        """Read the rows of one tweet."""
        rows: list[_Row] = []
        for number, text in lines:
            columns = self.layout.split(text)
            fits = len(columns) == self.layout.width and not self.layout.is_mixed(text)
            is_complete = fits and not self._tag_error(columns[self.layout.tag])
            if not is_complete and is_comment(text, self.format.comments, fits=fits):
                self.n_comments += 1
            elif not is_complete and not rows and (prefix := comment_prefix(text)):
                message = (
                    f"{text[:40]!r} is a comment, not a token and its tag: skip such lines with "
                    f"--comment '{prefix}' (in a config: comments)"
                )
                self.report(number, COMMENT, message, "line skipped")
            elif self.layout.number and is_no_token(columns[0]):
                self.n_no_tokens += 1
            else:
                rows.append(self._read_row(text, columns, number))
        return rows

    def _read_row(self, text: str, columns: list[str], number: int) -> _Row:
        layout = self.layout
        token = columns[layout.token] if layout.token < len(columns) else ""
        tag = columns[layout.tag] if layout.tag < len(columns) else columns[-1]
        # A separator at the start of a line makes the first column empty.
        if not token or not columns[0]:
            message = f"no token before {tag!r}" if columns[0] == token else "no token"
            self.report(number, MISSING_TOKEN, message, "row skipped")
            return _Row(None, None if self._tag_error(tag) else self._full_tag(tag), number)
        first, *others = split_row(text.lstrip(SEPARATORS))
        if any("\r" in column for column in others):
            message = "carriage returns after the token: end the lines of the file with line feeds"
            self.report(number, UNKNOWN_TAG, message, "label left missing")
            return _Row(first, None, number)
        if len(columns) == 1 or (len(columns) == layout.width and not tag):
            where = " in a file separated by tabs" if layout.tabbed and " " in token else ""
            message = f"no tag after the token {token!r}{where}"
            self.report(number, MISSING_TAG, message, "label left missing")
            return _Row(token, None, number)
        if len(columns) != layout.width or layout.is_mixed(text):
            return self._read_odd_row(columns, token, number)
        error = self._tag_error(tag)
        if error:
            kind = SEVERAL_LABELS if has_several_labels(tag) else UNKNOWN_TAG
            self.report(number, kind, error, "label left missing")
            return _Row(token, None, number)
        return _Row(token, self._full_tag(tag), number)

    def _read_odd_row(self, columns: list[str], token: str, number: int) -> _Row:
        layout = self.layout
        separator = "tabs" if layout.tabbed else "spaces"
        message = (
            f"{len(columns)} columns separated by {separator}, where the file has {layout.width}"
            if len(columns) != layout.width
            else "both tabs and spaces between columns, in a file separated by spaces"
        )
        message += f": {' '.join(columns)[:60]!r}"
        if layout.width == 2 < len(columns) and not self._tag_error(columns[-1]):
            token, tag = " ".join(columns[:-1]), columns[-1]
            self.report(number, COLUMN_COUNT, message, f"read as the token {token!r}, {tag}")
            return _Row(token, self._full_tag(tag), number)
        self.report(number, COLUMN_COUNT, message, f"read as {token!r}, label left missing")
        return _Row(token, None, number)

    def _tag_error(self, tag: str) -> str:
        if tag not in self.errors:
            self.errors[tag] = tag_error(tag, self.layout.style)
        return self.errors[tag]

    def _full_tag(self, tag: str) -> str:
        return full_tag(tag, self.layout.style, self.format.label)


def _make_tweet(rows: Sequence[_Row], scheme: Scheme, report: _Report) -> TaggedTweet:
    """Build a tweet from its rows. It has no tokens if none of the rows has one."""
    reading = read_tags([row.tag for row in rows], scheme)
    for kind, findings in (
        (INVALID_SEQUENCE, reading.violations),
        (UNKNOWN_START, reading.unknown_starts),
    ):
        for index, reason, repair in findings:
            report(rows[index].line, kind, reason, repair)
    # Rows are dropped last, so that this doesn't split entities or cause further problems.
    spans, missing = drop_rows(reading, [row.token is not None for row in rows])
    tokens = [row.token for row in rows if row.token is not None]
    lines = [row.line for row in rows if row.token is not None]
    spans, stripped = strip_whitespace(spans, tokens)
    for index in stripped:
        message = f"the token {tokens[index]!r} at an entity's edge is whitespace"
        report(lines[index], WHITESPACE, message, "label removed")
    tags: list[str | None] = [*spans_to_bio(spans, len(tokens))]
    for index in missing:
        tags[index] = None
    return TaggedTweet(tokens, tags, lines[0] if lines else rows[0].line, lines)


def _missing_file_message(path: Path) -> str:
    message = f"no such file: {path}"
    if "assets" in path.absolute().parts:
        message += ". Fetch the project's assets with: python -m spacy project assets"
    return message
