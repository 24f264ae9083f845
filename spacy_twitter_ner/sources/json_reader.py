"""Read JSON documents: arrays of tweets, pages, archives and indented objects.

Documents are read value by value, so that memory use only depends on the size of a value.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from .compression import take_damage
from .records import BLOCK, MAX_LINE, PAGE_FIELDS, RawRecord
from .text import UTF8_BOM

_STRING = r'"(?:[^"\\]|\\.)*"'
_SPACE = re.compile(r"[\s,]*")
# Text between objects: array brackets, and the start of files of a Twitter archive.
_FILLER = re.compile(r"(?:[\s,;\[\]]|(?:window|var|let|const)\b[\w$.\s]*=)*")
_NAME = re.compile(r"\s*[\w$.][\w$.\s]*")
_ASSIGNMENT = re.compile(rb"(?:window|var|let|const)\b[\w$.\s]*=")
_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*"|\[\s*\{|window\.[\w.]+\s*=)')
_FIRST_KEY = re.compile(r"\{\s*(" + _STRING + r")\s*:")
_FIRST_MEMBER = re.compile(r"\{\s*(" + _STRING + r")\s*:\s*")
_MEMBER = re.compile(r"\s*,\s*(" + _STRING + r")\s*:\s*")
_PAGE = re.compile(rb'\{\s*"(?:' + "|".join(PAGE_FIELDS).encode() + rb')"\s*:\s*\[')
_LIST_OF_OBJECTS = re.compile(r"\[\s*(?=\{)")
_END_OF_OBJECT = re.compile(r"\s*\}")
_EXCERPT = 200
# An error this close to the end may mean that the text is incomplete.
_MARGIN = 16
# Blocks grow with values longer than this.
_SHORT = 2**16
# Number of characters to keep while searching for the start of an object.
_OVERLAP = 2**12


def looks_like_json(head: bytes) -> bool:
    """Return whether the first bytes of a file look like JSON objects."""
    return _START.match(head) is not None


def is_document(head: bytes) -> bool:
    """Distinguish JSON documents from JSON lines.

    head (bytes): The first bytes of the file.
    RETURNS (bool): True for an array, an indented object, or an assignment of one. False for JSON
        lines.
    """
    text = head.removeprefix(UTF8_BOM).lstrip()
    if text.startswith(b"[") or _ASSIGNMENT.match(text):
        return True
    line, end, rest = text.partition(b"\n")
    if not text.startswith(b"{"):
        return False
    if not end:
        return _PAGE.match(text) is not None
    try:
        json.loads(line)
    except UnicodeDecodeError:
        return False
    except json.JSONDecodeError as error:
        if not rest.lstrip().startswith(b"{"):
            return True
        # A damaged line of JSON lines is followed by another object.
        is_open = error.pos >= len(line.decode("utf8").rstrip())
        return is_open and line.rstrip().endswith((b"[", b"},", b":"))
    except RecursionError:
        return False
    return False


def read_document(file: IO[bytes]) -> Iterator[RawRecord]:
    """Read the objects of a document: elements of arrays and top-level objects. Pages larger than
    `MAX_LINE` and damaged pages are read tweet by tweet.

    file (IO[bytes]): The file, in UTF-8.
    YIELDS (RawRecord): The objects. Damaged text yields a record with an error.
    """
    return _Document(file).read()


class _Document:
    """A window of a document, and the position in it."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf8")("surrogateescape")
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._position = 0
        self._line = 1
        self._index = 0
        # Damage of the file that hasn't been reported.
        self._gaps: list[str] = []
        # First keys of the objects and the last object, to find the next one after damage.
        self._first_keys: dict[str, None] = {}
        self._last: dict[str, Any] = {}
        # Number of open arrays.
        self._depth = 0
        self._is_in_page = False
        self._is_damaged = False
        # Start of an incomplete object that may be the next one.
        self._open_from = 0

    def read(self) -> Iterator[RawRecord]:
        self._read_more()
        self._text = self._text.removeprefix("\ufeff")
        # The assignment at the start of an archive may be incomplete.
        while _NAME.fullmatch(self._text) and len(self._text) < _OVERLAP and self._read_more():
            pass
        while True:
            self._skip_filler()
            if self._position == len(self._text):
                is_over = not self._read_more()
                yield from self._report_gaps()
                if is_over:
                    break
            elif self._text[self._position] == "{":
                yield from self._read_object()
            elif self._is_in_page and self._text[self._position] == "]":
                self._leave_page()
            else:
                yield self._skip_damage("not a JSON object")
        if (self._depth > 0 or self._is_in_page) and not self._is_damaged:
            yield self._record("the file is cut off: its array isn't closed")

    def _read_more(self) -> bool:
        """Read a block, or as much as there is of a long value. Return whether there was more."""
        rest = self._text[self._position :]
        wanted = len(rest) if len(rest) > _SHORT else 1
        parts = [rest]
        is_over = False
        while wanted > 0:
            block = self._file.read1(BLOCK)  # type: ignore[attr-defined]
            if block:
                parts.append(self._decoder.decode(block))
                wanted -= len(block)
            elif damage := take_damage(self._file):
                self._gaps.append(damage.reason)
            else:
                parts.append(self._decoder.decode(b"", final=True))
                is_over = True
                break
        self._text, self._position = "".join(parts), 0
        return not is_over or len(self._text) > len(rest)

    def _report_gaps(self) -> Iterator[RawRecord]:
        while self._gaps:
            self._is_damaged = True
            yield self._record(self._gaps.pop(0))

    def _skip_filler(self) -> None:
        match = (_SPACE if self._is_in_page else _FILLER).match(self._text, self._position)
        if match:
            self._depth += match.group().count("[") - match.group().count("]")
            self._move(match.end())

    def _move(self, position: int) -> None:
        n_lines = self._text.count("\n", self._position, position)
        if n_lines:
            self._line += n_lines
            self._index = 0
        self._position = position

    def _record(self, error: str, end: int | None = None) -> RawRecord:
        """Create a record of the text at the position."""
        self._index += 1
        stop = self._position + _EXCERPT if end is None else end
        data = self._text[self._position : stop].encode("utf8", errors="surrogateescape")
        return RawRecord(self._line, data, error, self._index)

    def _read_object(self) -> Iterator[RawRecord]:
        error = ""
        while not error:
            try:
                value, end = self._scan(self._text, self._position)
                break
            except RecursionError:
                error = "invalid JSON: nested too deeply"
            except json.JSONDecodeError as problem:
                error = f"invalid JSON: {problem.msg}"
                if self._is_incomplete(problem):
                    if len(self._text) - self._position > MAX_LINE:
                        error = f"the value is longer than {MAX_LINE:,} characters"
                    elif self._read_more():
                        error = ""
        if not error:
            if key := _FIRST_KEY.match(self._text, self._position):
                self._first_keys[key.group(1)] = None
            self._last = value
            yield self._record("", end)
            self._move(end)
        elif not self._is_in_page and (tweets := self._find_tweets()):
            self._is_in_page = True
            self._move(tweets)
        else:
            yield self._skip_damage(error)
        yield from self._report_gaps()

    def _is_incomplete(self, error: json.JSONDecodeError) -> bool:
        is_open = error.msg.startswith("Unterminated string")
        return is_open or error.pos >= len(self._text) - _MARGIN

    def _find_tweets(self) -> int | None:
        """Find the list of tweets in the object at the position, if it is a page."""
        member = _FIRST_MEMBER.match(self._text, self._position)
        while member:
            if member.group(1)[1:-1] in PAGE_FIELDS:
                tweets = _LIST_OF_OBJECTS.match(self._text, member.end())
                if tweets:
                    return tweets.end()
            try:
                _, end = self._scan(self._text, member.end())
            except (json.JSONDecodeError, RecursionError):
                return None
            member = _MEMBER.match(self._text, end)
        return None

    def _leave_page(self) -> None:
        """Skip the members of a page after its tweets."""
        self._is_in_page = False
        self._move(self._position + 1)
        while True:
            end = _END_OF_OBJECT.match(self._text, self._position)
            if end:
                self._move(end.end())
                return
            member = _MEMBER.match(self._text, self._position)
            try:
                if member:
                    _, value_end = self._scan(self._text, member.end())
                    self._move(value_end)
                    continue
            except RecursionError:
                return
            except json.JSONDecodeError as error:
                if not self._is_incomplete(error):
                    return
            if len(self._text) - self._position > MAX_LINE or not self._read_more():
                return

    def _skip_damage(self, error: str) -> RawRecord:
        """Move to the next object that starts like the previous ones."""
        self._is_damaged = True
        found = self._record(error)
        own = _FIRST_KEY.match(self._text, self._position)
        keys = list(self._first_keys) or ([own.group(1)] if own else [_STRING])
        names = "|".join(map(re.escape, keys) if keys != [_STRING] else keys)
        start = re.compile(r"\{\s*(?:" + names + r")\s*:")
        position = self._position + 1
        while True:
            for match in start.finditer(self._text, position):
                before = self._text[max(match.start() - _EXCERPT, 0) : match.start()].rstrip()
                # The value of a member is part of another object.
                if not before.endswith(":") and self._is_alike(match.start()):
                    self._move(match.start())
                    return found
            self._move(max(self._position, self._open_from or len(self._text) - _OVERLAP))
            position = 0 if self._open_from else 1
            self._open_from = 0
            if not self._read_more():
                self._move(len(self._text))
                return found

    def _is_alike(self, position: int) -> bool:
        """Return whether an object has at least half the keys of the last one."""
        try:
            value, _ = self._scan(self._text, position)
        except RecursionError:
            return False
        except json.JSONDecodeError as error:
            if self._is_incomplete(error) and len(self._text) - position <= MAX_LINE:
                self._open_from = self._open_from or position
            return False
        return 2 * len(self._last.keys() & value.keys()) >= len(self._last)
