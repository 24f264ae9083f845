"""Read tables with delimiters, CSV and TSV, as Python's csv module does, but past damage.

Valid rows, of one line or of several, are those of `csv.reader`. If a quote is never closed, or is
closed by the quote that opens a later field, only the line that opened it is lost: reading resumes
at the next line.
"""

import csv
import io
from collections.abc import Generator, Iterator
from itertools import islice
from typing import IO, NamedTuple

from .compression import take_damage
from .encodings import UTF8_BOM
from .records import BLOCK, MAX_LINE, RawRecord

# A longer row is taken for damage if each of its lines is a row by itself.
_MAX_ROW_LINES = 50
_EXCERPT = 200
_UNCLOSED = "unexpected end of data"
_ESCAPED_QUOTE = '\\"'
# Excel names the delimiter like this, in the first line.
_EXCEL_DELIMITER = "sep="


def read_table(
    file: IO[bytes], delimiter: str = ",", *, has_header: bool = True
) -> Iterator[RawRecord]:
    """Read the rows of a table.

    file (IO[bytes]): The file, in UTF-8. Bytes that are not UTF-8 are escaped as lone surrogates.
    delimiter (str): The delimiter of fields.
    has_header (bool): Whether the first row has the names of the columns. If not, they are named
        by their numbers, from 1.
    YIELDS (RawRecord): The rows, as fields by column name.
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
    is_last (bool): Whether the last line is the last one of the file, or before a damage.
    problem (str): What is wrong behind them.
    rest (str): The beginning of the line that is damaged.
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
        # A carriage return at the end may be half of a line end.
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
        # Lines as `open(..., newline="")` has them: str.splitlines splits at more characters.
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


# The line of a row; its fields, or how a damaged line starts; what is wrong with it.
_Row = tuple[int, list[str] | str, str]


class _Parser:
    """Parses blocks of lines into rows.

    delimiter (str): The delimiter of fields.
    first (str): What the first row is called.
    """

    def __init__(self, delimiter: str, first: str):
        self._delimiter = delimiter
        self._first = first
        # Number of columns; of the first row.
        self._width = 0
        # Number of the next line.
        self._line = 1
        # Lines of a row that may go on in the next block.
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
        """Yield rows up to a damaged one. Return the number of lines that are done."""
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
        """Whether lines are the beginning of a row."""
        if _UNCLOSED not in error:
            return False
        if not block.is_last:
            return sum(map(len, lines)) <= MAX_LINE
        # In front of a gap, an open row is part of it, if it is short.
        return bool(block.problem) and len(lines) <= _MAX_ROW_LINES

    def _repair(
        self, lines: list[str], n_lines: int, row: list[str], error: str
    ) -> tuple[int, list[str] | str, str]:
        """Find out what a damaged row is.

        lines (list[str]): Its lines, and some that follow.
        n_lines (int): The number of lines that its quotes span.
        row (list[str]): Its fields; none if it isn't valid.
        error (str): Why it isn't valid.
        RETURNS (tuple[int, list[str] | str, str]): The number of lines to take; the fields, or how
            the line starts; what is wrong with it.
        """
        spanned = lines[:n_lines]
        if found := self._read_backslashes(lines):
            return *found, ""
        if row and not self._swallows_rows(spanned, row):
            return n_lines, row, "" if len(row) == self._width else self._count_error(row)
        line = lines[0].rstrip("\r\n")
        if self._delimiter == "\t":
            # Dumps with tabs mostly have no quoting: quotes are part of the text.
            found_row, is_closed = line.split("\t"), True
        else:
            found_row, is_closed = self._read_leniently(line)
        if not self._width:
            # A damaged header must still name the columns.
            found_row = [field.rstrip("\r\n") for field in found_row]
            self._width, is_closed = len(found_row), True
        if is_closed and len(found_row) == self._width:
            return 1, found_row, ""
        if n_lines > 1 or _UNCLOSED in error:
            return 1, line[:_EXCERPT], "a quote is opened in this line and not closed"
        if is_closed:
            return 1, line[:_EXCERPT], self._count_error(found_row)
        return 1, line[:_EXCERPT], f"no row of a table: {error}"

    def _read_backslashes(self, lines: list[str]) -> tuple[int, list[str]] | None:
        """Read a row whose quotes are escaped by backslashes."""
        if not any(_ESCAPED_QUOTE in line for line in lines[:1]):
            return None
        rows = csv.reader(lines, delimiter=self._delimiter, strict=True, escapechar="\\")
        try:
            row = next(rows)
        except csv.Error:
            return None
        return (rows.line_num, row) if len(row) == self._width else None

    def _swallows_rows(self, lines: list[str], row: list[str]) -> bool:
        """Whether a valid row of several lines is rather a quote that wasn't closed."""
        if len(lines) == 1:
            return False
        if len(row) != self._width:
            # The last line of a field has the quote that closes it.
            return lines[-1].count('"') % 2 == 0
        n_delimiters = self._width - 1
        return n_delimiters > 0 and all(
            line.count(self._delimiter) == n_delimiters for line in lines
        )

    def _read_leniently(self, line: str) -> tuple[list[str], bool]:
        """The fields of a line, and whether all quotes are closed."""
        rows = csv.reader([f"{line}\n", "\n"], delimiter=self._delimiter)
        try:
            row = next(rows)
        except csv.Error:
            return [], False
        return row, rows.line_num == 1

    def _count_error(self, row: list[str]) -> str:
        return f"{len(row)} fields where the {self._first} has {self._width}"
