"""Find inputs without a readable record, and suggest options that read them."""

from collections.abc import Sequence
from typing import NamedTuple

from .inputs import can_be_reread, open_input, read_records, resolve_format, resolve_options
from .json_reader import looks_like_json
from .records import ReadOptions, Tweet, parse
from .text import find_encoding

_HEAD = 2**12
_CONVERT = "convert it to JSON lines or Parquet"
_PARQUET = b"PAR1"
_KINDS = (
    (_PARQUET, "a Parquet file: pass --input-format parquet"),
    (b"PK\x03\x04", "an Excel workbook or a zip archive: save it as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook: save it as CSV"),
    (b"SQLite format 3", f"an SQLite database: {_CONVERT}"),
    (b"Obj\x01", f"an Avro file: {_CONVERT}"),
    (b"ORC", f"an ORC file: {_CONVERT}"),
    (b"ARROW1", f"an Arrow file: {_CONVERT}"),
    (b"%PDF", "a PDF"),
)
# Delimiters and how to pass them.
_DELIMITERS = {"\t": "tab", ";": "';'", "|": "'|'", ",": "','"}


class Unreadable(NamedTuple):
    """An input without a readable record.

    name (str): The input.
    reason (str): Why its first record was rejected.
    advice (str): What the input looks like and the option that reads it.
    """

    name: str
    reason: str
    advice: str

    def __str__(self) -> str:
        advice = f". {self.advice}" if self.advice else ""
        return f"{self.name}: no record could be read. First error: {self.reason}{advice}"


def find_unreadable(
    files: Sequence[str],
    input_format: str | None = None,
    options: ReadOptions | None = None,
    text_field: str | None = None,
    id_field: str | None = None,
) -> list[Unreadable]:
    """Find the files that have records but no tweet. Files are read up to the first tweet.

    files (Sequence[str]): The files. Standard input and pipes are ignored.
    input_format, options: See `read_shards`.
    text_field, id_field: See `parse`.
    RETURNS (list[Unreadable]): The unreadable files.
    RAISES (InputError): If a file named like text contains JSON.
    """
    found = []
    for name in files:
        if not can_be_reread(name):
            continue
        has_text, reason = _try_to_read(name, input_format, options, text_field, id_field)
        if has_text:
            continue
        file_format = resolve_format(name, input_format)
        with open_input(name) as (file, _):
            head = file.read(_HEAD)
        advice = _describe_kind(head, file_format)
        if not advice and reason:
            advice = _describe_text(head, file_format, resolve_options(name, options))
        # An empty file is valid, but a file in another format may look empty.
        if reason or advice:
            found.append(Unreadable(name, reason or "none found", advice))
    return found


def _try_to_read(
    name: str,
    input_format: str | None,
    options: ReadOptions | None,
    text_field: str | None,
    id_field: str | None,
) -> tuple[bool, str]:
    """Return whether a file has a tweet, and the reason of its first reject."""
    reason = ""
    file_format = resolve_format(name, input_format)
    with open_input(name) as (file, _):
        for raw in read_records(file, name, input_format, options):
            for found in parse(raw, name, file_format, text_field, id_field):
                if isinstance(found, Tweet):
                    return True, reason
                reason = reason or found.reason
    return False, reason


def _describe_kind(head: bytes, file_format: str) -> str:
    """Describe a file in another format than the one it is read in."""
    for magic, kind in _KINDS:
        if head.startswith(magic) and (magic != _PARQUET or file_format != "parquet"):
            return f"It looks like {kind}"
    if looks_like_json(head) and file_format != "jsonl":
        return "It looks like JSON: pass --input-format jsonl"
    if head.lstrip().startswith(b"<"):
        return "It looks like HTML or XML, such as an error page"
    return ""


def _describe_text(head: bytes, file_format: str, options: ReadOptions) -> str:
    """Describe a text file and the option that reads it."""
    if not head.strip() or (b"\0" in head and file_format == "parquet"):
        return ""
    text = head.decode(find_encoding(head, options.encoding) or "utf-8", errors="replace")
    # The last character may be incomplete.
    if "\ufffd" in text[:-1] and options.encoding is None:
        return "It doesn't look like UTF-8: pass --encoding, such as cp1252"
    if looks_like_json(text.encode()):
        return ""
    lines = [line for line in text.splitlines()[:3] if line]
    found = [char for char in _DELIMITERS if all(char in line for line in lines)]
    if not found:
        return "" if file_format == "text" else "It looks like text: pass --input-format text"
    name = _DELIMITERS[max(found, key=lines[0].count)]
    if file_format != "csv":
        option = "" if name == _DELIMITERS[","] else f" --delimiter {name}"
        return f"It looks like a table: pass --input-format csv{option}"
    if options.delimiter not in found:
        return f"It looks like a table with another delimiter: pass --delimiter {name}"
    return (
        "If its first row is a tweet, pass --no-header and refer to columns by number, such as "
        "--text-field 2"
    )
