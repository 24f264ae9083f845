"""Find inputs of which no record can be read, and say what they look like and how to read them."""

from collections.abc import Sequence
from typing import NamedTuple

from .compression import CODECS
from .encodings import find_encoding
from .inputs import STDIN, open_input, read_records, resolve_format
from .json_documents import looks_like_json
from .parsing import Reject, Tweet, parse
from .records import ReadOptions

_HEAD = 2**12
_CONVERT = "convert it to JSON lines or Parquet"
_KINDS = (
    (b"PAR1", "a Parquet file: pass --input-format parquet"),
    (b"PK\x03\x04", "an Excel workbook or a zip archive: save it as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook: save it as CSV"),
    (b"SQLite format 3", f"an SQLite database: {_CONVERT}"),
    (b"Obj\x01", f"an Avro file: {_CONVERT}"),
    (b"ORC", f"an ORC file: {_CONVERT}"),
    (b"ARROW1", f"an Arrow file: {_CONVERT}"),
    (b"%PDF", "a PDF"),
)
# By how often they delimit fields.
_DELIMITERS = {"\t": "tab", ";": "';'", "|": "'|'", ",": "','"}


class Unreadable(NamedTuple):
    """An input of which no record could be read.

    name (str): The input.
    reason (str): Why its first record is a reject.
    advice (str): What the input looks like, and the option that reads it.
    """

    name: str
    reason: str
    advice: str

    def __str__(self) -> str:
        advice = f". {self.advice}" if self.advice else ""
        return f"{self.name}: no record could be read. The first one: {self.reason}{advice}"


def find_unreadable(
    files: Sequence[str],
    input_format: str | None = None,
    options: ReadOptions | None = None,
    text_field: str | None = None,
    id_field: str | None = None,
) -> list[Unreadable]:
    """Find the files that have records, but none with a text. A file is read up to the first text.

    files (Sequence[str]): The files; standard input is left out.
    input_format, options: As for `read_shards`.
    text_field, id_field: As for `parse`.
    RETURNS (list[Unreadable]): Those files.
    RAISES (InputError): If a file that is read as text, because of its name, has JSON.
    """
    found = []
    for name in files:
        if name == STDIN:
            continue
        first = _first_reject(name, input_format, options, text_field, id_field)
        if first is not None:
            with open_input(name) as (file, _):
                head = file.read(_HEAD)
            advice = describe(head, resolve_format(name, input_format), options)
            found.append(Unreadable(name, first.reason, advice))
    return found


def _first_reject(
    name: str,
    input_format: str | None,
    options: ReadOptions | None,
    text_field: str | None,
    id_field: str | None,
) -> Reject | None:
    """The first reject of a file that has nothing else."""
    first = None
    file_format = resolve_format(name, input_format)
    with open_input(name) as (file, _):
        for raw in read_records(file, name, input_format, options):
            for found in parse(raw, name, file_format, text_field, id_field):
                if isinstance(found, Tweet):
                    return None
                first = first or found
    return first


def describe(head: bytes, file_format: str, options: ReadOptions | None = None) -> str:
    """Say what a file looks like that cannot be read in a format.

    head (bytes): Its first bytes.
    file_format (str): The format.
    options (Optional[ReadOptions]): The options.
    RETURNS (str): What it looks like, and the option that reads it; empty if nobody knows.
    """
    options = options or ReadOptions()
    for magic, kind in _KINDS:
        if head.startswith(magic) and (magic != b"PAR1" or file_format != "parquet"):
            return f"It looks like {kind}"
    for codec in CODECS.values():
        if codec.magic.match(head):
            return f"It looks like {codec.name} data: decompress it first, or name the file"
    if looks_like_json(head) and file_format != "jsonl":
        return "It looks like JSON: pass --input-format jsonl"
    encoding = find_encoding(head, options.encoding) or "utf-8"
    text = head.decode(encoding, errors="replace")
    if text.lstrip().startswith("<"):
        return "It looks like HTML or XML, as of an error while it was fetched"
    if file_format == "parquet" and "\0" in text:
        return ""
    if "\ufffd" in text[:-4] and options.encoding is None and file_format != "parquet":
        return "It looks like another encoding than UTF-8: pass --encoding, such as cp1252"
    return _describe_table(text, file_format, options.delimiter)


def _describe_table(text: str, file_format: str, given: str | None) -> str:
    lines = [line for line in text.splitlines()[:3] if line]
    found = [char for char in _DELIMITERS if lines and all(char in line for line in lines)]
    delimiter = max(found, key=lines[0].count, default=None)
    if delimiter is None:
        return "" if file_format == "text" else "It looks like text: pass --input-format text"
    name = _DELIMITERS[delimiter]
    option = "" if delimiter == "," else f" --delimiter {name}"
    if file_format != "csv":
        return f"It looks like a table: pass --input-format csv{option}"
    if (given or ",") not in lines[0]:
        return f"It looks like a table with another delimiter: pass --delimiter {name}"
    return (
        "If its first row is a tweet, pass --no-header; columns are then named by their numbers, "
        "as in --text-field 2"
    )
