"""Raw records, and the settings they are read with."""

import codecs
from dataclasses import dataclass
from typing import Any, NamedTuple

# A longer line, row or JSON value isn't a tweet, and must not fill the memory.
MAX_LINE = 2**24
# Bytes to read from a file at a time.
BLOCK = 2**20
_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


class InputError(ValueError):
    """An input that can't be read at all, or options that don't fit it."""


class RawRecord(NamedTuple):
    """A record as it is stored in a file.

    line (int): Its line, from 1; the row in a Parquet file.
    data (bytes | dict[str, Any]): The line or JSON value; the fields of a row.
    error (str): Why it can't be read, if so.
    item (int): Its number among the records that start in this line, from 1.
    """

    line: int
    data: "bytes | dict[str, Any]"
    error: str = ""
    item: int = 1


@dataclass(frozen=True)
class ReadOptions:
    """How to read files, beyond their format.

    delimiter (Optional[str]): Delimiter of a table: a character, or its name, such as "tab".
        Default: a tab for .tsv and .tab files, a comma for others.
    encoding (Optional[str]): Encoding of text, JSON and tables. Default: UTF-8, or UTF-16 or
        UTF-32 if the file starts like that.
    header (bool): Whether the first row of a table has the names of its columns. If not, they are
        named by their numbers, from 1.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            name = _DELIMITERS.get(self.delimiter.lower(), self.delimiter)
            if len(name) != 1 or name in '"\r\n':
                raise InputError(
                    f"--delimiter {self.delimiter!r}: give one character, or one of "
                    f"{', '.join(_DELIMITERS)}"
                )
            object.__setattr__(self, "delimiter", name)
        if self.encoding is not None:
            try:
                b"a".decode(self.encoding, errors="replace")
            except (LookupError, UnicodeError, ValueError):
                raise InputError(
                    f"--encoding {self.encoding!r}: Python has no such text encoding; give one "
                    "such as utf-8, utf-16, cp1252 or latin-1"
                ) from None
            object.__setattr__(self, "encoding", codecs.lookup(self.encoding).name)

    @property
    def settings(self) -> dict[str, Any]:
        """The options that decide the output; None for defaults."""
        no_header = None if self.header else True
        return {"delimiter": self.delimiter, "encoding": self.encoding, "no_header": no_header}
