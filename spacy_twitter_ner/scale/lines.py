"""Read text and JSON lines."""

from collections.abc import Iterator
from typing import IO

from .compression import take_damage
from .encodings import UTF8_BOM
from .records import MAX_LINE, RawRecord


def read_lines(file: IO[bytes]) -> Iterator[RawRecord]:
    """Read lines, without their ends. A damage of the file is a record with an error; the lines
    before and behind it are read.

    file (IO[bytes]): The file.
    YIELDS (RawRecord): The lines.
    """
    number = 0
    while True:
        number += 1
        line = file.readline(MAX_LINE)
        if number == 1:
            line = line.removeprefix(UTF8_BOM)
        if line.endswith(b"\n"):
            yield RawRecord(number, line.rstrip(b"\r\n"))
            continue
        if len(line) == MAX_LINE:
            yield RawRecord(number, line[:200], f"the line is longer than {MAX_LINE:,} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            continue
        # The last line, or one before a damage.
        damage = take_damage(file)
        if line and (damage is None or not damage.is_cut):
            yield RawRecord(number, line.rstrip(b"\r\n"))
            number, line = number + 1, b""
        if damage is None:
            return
        yield RawRecord(number, line, damage.reason)


def read_json_lines(file: IO[bytes]) -> Iterator[RawRecord]:
    """Read the lines that are not blank: streams of tweets have blank ones to keep alive.

    file (IO[bytes]): The file.
    YIELDS (RawRecord): The lines.
    """
    return (record for record in read_lines(file) if record.error or record.data.strip())  # type: ignore[union-attr]
