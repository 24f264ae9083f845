"""Read CSV and TSV, and recover from damage.

Valid rows are the same as with `csv.reader`. If a quote isn't closed, or is closed by the opening
quote of a later field, only the line of the quote is lost: reading resumes at the next line.
"""

import csv
import io
from collections.abc import Generator, Iterator
from itertools import islice
from typing import IO, NamedTuple

from .compression import take_damage
from .records import BLOCK, MAX_LINE, RawRecord
from .text import UTF8_BOM

# Longer rows are considered damaged.
_MAX_ROW_LINES = 50
_EXCERPT = 200
_UNCLOSED = "unexpected end of data"
_ESCAPED_QUOTE = '\\"'
# Excel stores the delimiter in the first line.
_EXCEL_DELIMITER = "sep="


def read_table(
    file: IO[bytes], delimiter: str = ",", *, has_header: bool = True
) -> Iterator[RawRecord]:
    """Read the rows of a table.

    file (IO[bytes]): The file, in UTF-8. Invalid bytes are escaped as lone surrogates.
    delimiter (str): The delimiter.
    has_header (bool): Whether the first row contains the column names. Otherwise, columns are named
        by number, from 1.
    YIELDS (RawRecord): The rows, as dicts by column name.
    """
    parser = _Parser(delimiter, "header" if has_header else "first row")
    columns: list[str] = []
    for block in _read_blocks(file):
        for line, row, error in parser.read(block):
            if isinstance(row, str):
                yield RawRecord(line, row.encode("utf8", errors="surrogateescape"), error)
            elif error:
                yield RawRecord(line, dict(zip(columns, row, strict=False)), error)
            elif columns:
                yield RawRecord(line, dict(zip(columns, row, strict=True)))
            elif has_header:
                columns = row
            else:
                columns = [str(number) for number in range(1, len(row) + 1)]
                yield RawRecord(line, dict(zip(columns, row, strict=True)))


class _Block(NamedTuple):
    """Lines of a file.

    lines (list[str]): The lines.
    is_last (bool): Whether the file or its undamaged part ends here.
    problem (str): Description of the damage after the lines.
    rest (str): The start of the damaged line.
    """

    lines: list[str]
    is_last: bool = False
    problem: str = ""
    rest: str = ""


def _read_blocks(file: IO[bytes]) -> Iterator[_Block]:
    rest = b""
    skips_line = False
    is_first = True
    while True:
        block = file.read1(BLOCK)  # type: ignore[attr-defined]
        damage = None if block else take_damage(file)
        if is_first:
            block, is_first = block.removeprefix(UTF8_BOM), False
        data = rest + block
        # A carriage return at the end may be half of a line break.
        cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        if not block and not (damage and damage.is_cut):
            cut = len(data)
        complete, rest = data[:cut], data[cut:]
        if skips_line and complete:
            complete, skips_line = _skip_line(complete), False
        if skips_line:
            rest = b""
        problem = damage.reason if damage else ""
        if len(rest) > MAX_LINE:
            skips_line, problem = True, f"the line is longer than {MAX_LINE:,} bytes"
        # Unlike str.splitlines, this only splits at \n, \r and \r\n.
        lines = list(io.StringIO(_decode(complete), newline=""))
        yield _Block(lines, bool(problem) or not block, problem, _decode(rest[:_EXCERPT]))
        if problem:
            rest = b""
        if not block and not damage:
            return


def _skip_line(data: bytes) -> bytes:
    ends = [end for end in (data.find(b"\n"), data.find(b"\r")) if end >= 0]
    return data[min(ends) + 1 :] if ends else b""


def _decode(data: bytes) -> str:
    return data.decode("utf8", errors="surrogateescape")


# Line number, fields or the start of a damaged line, and error message.
_Row = tuple[int, list[str] | str, str]


class _Parser:
    """Parse blocks of lines into rows.

    delimiter (str): The delimiter.
    first (str): Name of the first row in error messages.
    """

    def __init__(self, delimiter: str, first: str):
        self._delimiter = delimiter
        self._first = first
        # Number of columns.
        self._width = 0
        # Number of the next line.
        self._line = 1
        # Lines of a row that may continue in the next block.
        self._open: list[str] = []

    def read(self, block: _Block) -> Iterator[_Row]:
        lines = self._open + block.lines if self._open else block.lines
        self._open = []
        done = self._read_delimiter(lines)
        while done < len(lines) and not self._open:
            done = yield from self._read_from(lines, done, block)
        self._line += done
        if block.problem:
            data = "".join([*self._open, block.rest])
            yield self._line, data, block.problem
            self._line += len(self._open) + bool(block.rest)
            self._open = []

    def _read_delimiter(self, lines: list[str]) -> int:
        if self._line > 1 or not lines or not lines[0].lower().startswith(_EXCEL_DELIMITER):
            return 0
        self._delimiter = lines[0][len(_EXCEL_DELIMITER) :].rstrip("\r\n")[:1] or self._delimiter
        return 1

    def _read_from(self, lines: list[str], start: int, block: _Block) -> Generator[_Row, None, int]:
        """Yield rows up to a damaged one. Return the number of lines read."""
        rows = csv.reader(islice(lines, start, None), delimiter=self._delimiter, strict=True)
        done = start
        while True:
            try:
                row, error = next(rows), ""
            except StopIteration:
                return len(lines)
            except csv.Error as problem:
                row, error = [], str(problem)
            end = start + rows.line_num
            if len(row) == self._width and end - done <= _MAX_ROW_LINES and not error:
                if row:
                    yield self._line + done, row, ""
            elif row and not self._width:
                self._width = len(row)
                yield self._line + done, row, ""
            elif row or error:
                if error and end == len(lines) and self._may_go_on(lines[done:], error, block):
                    self._open = lines[done:]
                    return done
                spanned = lines[done : max(end, done + _MAX_ROW_LINES)]
                n_lines, found, error = self._repair(spanned, end - done, row, error)
                yield self._line + done, found, error
                if done + n_lines != end:
                    return done + n_lines
            done = end

    def _may_go_on(self, lines: list[str], error: str, block: _Block) -> bool:
        """Return whether lines may be the start of a row."""
        if _UNCLOSED not in error:
            return False
        if not block.is_last:
            return sum(map(len, lines)) <= MAX_LINE
        # A short open row before damage is part of the damage.
        return bool(block.problem) and len(lines) <= _MAX_ROW_LINES

    def _repair(
        self, lines: list[str], n_lines: int, row: list[str], error: str
    ) -> tuple[int, list[str] | str, str]:
        """Repair a damaged row, or find the lines to reject.

        lines (list[str]): The lines of the row and some that follow.
        n_lines (int): Number of lines that the row's quotes span.
        row (list[str]): The fields, if the row is valid.
        error (str): The error, if the row is invalid.
        RETURNS (tuple[int, list[str] | str, str]): The number of lines to consume, the fields or
            the start of the line, and an error message.
        """
        spanned = lines[:n_lines]
        if found := self._read_backslashes(lines):
            return *found, ""
        if row and not self._swallows_rows(spanned, row):
            return n_lines, row, "" if len(row) == self._width else self._count_error(row)
        line = lines[0].rstrip("\r\n")
        if self._delimiter == "\t":
            # Most TSV files have no quoting, so that quotes are part of the text.
            found_row, is_closed = line.split("\t"), True
        else:
            found_row, is_closed = self._read_leniently(line)
        if not self._width:
            # A damaged header still contains the column names.
            found_row = [field.rstrip("\r\n") for field in found_row]
            self._width, is_closed = len(found_row), True
        if is_closed and len(found_row) == self._width:
            return 1, found_row, ""
        if n_lines > 1 or _UNCLOSED in error:
            return 1, line[:_EXCERPT], "a quote in this line isn't closed"
        if is_closed:
            return 1, line[:_EXCERPT], self._count_error(found_row)
        return 1, line[:_EXCERPT], f"invalid row: {error}"

    def _read_backslashes(self, lines: list[str]) -> tuple[int, list[str]] | None:
        """Parse a row with quotes escaped by backslashes."""
        if not any(_ESCAPED_QUOTE in line for line in lines[:1]):
            return None
        rows = csv.reader(lines, delimiter=self._delimiter, strict=True, escapechar="\\")
        try:
            row = next(rows)
        except csv.Error:
            return None
        return (rows.line_num, row) if len(row) == self._width else None

    def _swallows_rows(self, lines: list[str], row: list[str]) -> bool:
        """Return whether a valid row of several lines is likely a quote that wasn't closed."""
        if len(lines) == 1:
            return False
        if len(row) != self._width:
            # The last line contains the closing quote.
            return lines[-1].count('"') % 2 == 0
        n_delimiters = self._width - 1
        return n_delimiters > 0 and all(
            line.count(self._delimiter) == n_delimiters for line in lines
        )

    def _read_leniently(self, line: str) -> tuple[list[str], bool]:
        """Return the fields of a line and whether all quotes are closed."""
        rows = csv.reader([f"{line}\n", "\n"], delimiter=self._delimiter)
        try:
            row = next(rows)
        except csv.Error:
            return [], False
        return row, rows.line_num == 1

    def _count_error(self, row: list[str]) -> str:
        return f"{len(row)} fields, but the {self._first} has {self._width}"
