"""Find input files and read their records in shards."""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from glob import glob, has_magic
from pathlib import Path
from typing import IO, Any, cast

from ..util import require
from .compression import CODECS, ChunkedFile, Damage, decompress, find_codec
from .csv_reader import read_table
from .json_reader import is_document, looks_like_json, read_document
from .parquet_reader import read_parquet
from .records import BLOCK, InputError, RawRecord, ReadOptions
from .text import find_encoding, read_json_lines, read_lines, transcode

STDIN = "-"
FORMATS = ("text", "jsonl", "csv", "parquet")
_SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".js": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_TABS = (".tsv", ".tab")
# Maximum size of a shard in bytes.
MAX_SHARD = 2**24
# Number of bytes to detect formats and encodings from.
_HEAD = 2**12


@dataclass(frozen=True)
class Shard:
    """Records that are annotated together.

    number (int): Number of the shard among those of all inputs.
    source (str): The file.
    format (str): Format of the file.
    records (list[RawRecord]): The records.
    position (int): Number of input bytes read up to the end of the shard.
    """

    number: int
    source: str
    format: str
    records: list[RawRecord]
    position: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # A few columns are pickled faster than many records.
        fixed = (self.number, self.source, self.format, self.position)
        return _unpack_shard, (fixed, *zip(*self.records, strict=True))


def _unpack_shard(fixed: tuple[int, str, str, int], *columns: Sequence[Any]) -> Shard:
    number, source, file_format, position = fixed
    records = list(map(RawRecord, *columns)) if columns else []
    return Shard(number, source, file_format, records, position)


def expand(inputs: Sequence[str]) -> list[str]:
    """Expand folders and patterns.

    inputs (Sequence[str]): Paths, folders, patterns such as tweets-*.jsonl, fsspec URLs such as
        s3://bucket/tweets-*.jsonl, or "-" for standard input.
    RETURNS (list[str]): The files. Those of a pattern or a folder are sorted by name.
    RAISES (InputError): If an input doesn't exist or a file is listed twice.
    """
    files: list[str] = []
    for name in inputs:
        expanded = [name] if name == STDIN else _expand_one(name)
        if not expanded:
            raise InputError(f"{name}: no such file")
        files += expanded
    if twice := sorted({name for name in files if files.count(name) > 1}):
        raise InputError(f"named twice: {', '.join(twice)}")
    return files


def _expand_one(name: str) -> list[str]:
    if is_remote(name):
        filesystem, path = get_filesystem(name)
        paths = filesystem.glob(path) if has_magic(path) else [path]
        if not has_magic(path) and not filesystem.isfile(path):
            return []
        return sorted(filesystem.unstrip_protocol(each) for each in paths)
    if Path(name).is_dir():
        return sorted(str(path) for path in Path(name).iterdir() if _is_readable(path))
    if Path(name).exists():
        return [name]
    return sorted(each for each in glob(name, recursive=True) if Path(each).is_file())


def _is_readable(path: Path) -> bool:
    if not path.is_file() or path.name.startswith(".") or find_format(path.name) is None:
        return False
    # Most scripts of a Twitter archive contain other data.
    return _suffix(path.name) != ".js" or path.name.lower().startswith("tweet")


def can_be_reread(name: str) -> bool:
    """Return whether an input can be read twice, unlike standard input and named pipes."""
    return is_remote(name) or Path(name).is_file()


def is_remote(name: str) -> bool:
    """Return whether a name is a URL for fsspec."""
    return "://" in name


def get_filesystem(name: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL and the path in it."""
    fsspec: Any = require("scale", "fsspec")
    try:
        return fsspec.core.url_to_fs(name)
    except (ImportError, ValueError) as error:
        raise InputError(f"{name}: {error}") from error


def find_format(name: str) -> str | None:
    """Return the format that a file name implies, if any."""
    return _SUFFIXES.get(_suffix(name))


def _suffix(name: str) -> str:
    """Return the suffix of a file name in lower case, ignoring that of its compression."""
    path = Path(name.lower())
    return path.with_suffix("").suffix if path.suffix in CODECS else path.suffix


def resolve_format(name: str, given: str | None) -> str:
    """Return the given format, or else the one that the file name implies. Standard input is text.

    name (str): The file name, or "-".
    given (Optional[str]): The format, if specified.
    RETURNS (str): The format.
    RAISES (InputError): If it's unknown.
    """
    file_format = given or ("text" if name == STDIN else find_format(name))
    if file_format is None:
        raise InputError(
            f"{name}: unknown format: pass --input-format, one of {', '.join(FORMATS)}"
        )
    return file_format


def resolve_options(name: str, given: ReadOptions | None) -> ReadOptions:
    """Return options with a delimiter. The default depends on the file name."""
    options = given or ReadOptions()
    if options.delimiter is not None:
        return options
    return replace(options, delimiter="\t" if _suffix(name) in _TABS else ",")


def input_size(name: str) -> int:
    """Return the size of a file in bytes, compressed. 0 for standard input."""
    if name == STDIN:
        return 0
    if is_remote(name):
        filesystem, path = get_filesystem(name)
        return int(filesystem.size(path) or 0)
    return Path(name).stat().st_size


def read_shards(
    files: Sequence[str],
    size: int,
    input_format: str | None,
    options: ReadOptions | None = None,
) -> Iterator[Shard]:
    """Read files in shards. The contents of a shard only depend on the files, the size and the
    options.

    files (Sequence[str]): The files.
    size (int): Number of records per shard. The last shard of a file may be smaller, as well as
        shards of more than `MAX_SHARD` bytes.
    input_format (Optional[str]): Format of the files. Default: detected from their names.
    options (Optional[ReadOptions]): How to read them.
    YIELDS (Shard): The shards.
    RAISES (InputError): If a file's format is unknown.
    RAISES (ImportError): If a file's format needs a package that isn't installed.
    """
    number = done = 0
    for name in files:
        file_format = resolve_format(name, input_format)
        with open_input(name) as (file, position):
            for batch in _batches(read_records(file, name, input_format, options), size):
                yield Shard(number, name, file_format, batch, done + position())
                number += 1
        done += input_size(name)


def _batches(records: Iterable[RawRecord], size: int) -> Iterator[list[RawRecord]]:
    batch: list[RawRecord] = []
    length = 0
    for record in records:
        batch.append(record)
        length += _length(record)
        if len(batch) == size or length >= MAX_SHARD:
            yield batch
            batch = []
            length = 0
    if batch:
        yield batch


def _length(record: RawRecord) -> int:
    if isinstance(record.data, bytes):
        return len(record.data)
    length = 0
    for value in record.data.values():
        if isinstance(value, str | bytes):
            length += len(value)
    return length


@contextmanager
def open_input(name: str) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """Open a file and decompress it. The compression is detected from its first bytes or its name.

    name (str): The file.
    YIELDS (tuple[IO[bytes], Callable[[], int]]): The decompressed file, and a function that returns
        the number of compressed bytes read so far.
    RAISES (ImportError): If its compression needs a package that isn't installed.
    """
    if name == STDIN:
        yield sys.stdin.buffer, lambda: 0
        return
    if is_remote(name):
        filesystem, path = get_filesystem(name)
        raw: IO[bytes] = filesystem.open(path, "rb")
    else:
        raw = open(name, "rb", buffering=BLOCK)  # noqa: SIM115 (closed below)
    with raw:
        if raw.seekable():
            head, position = raw.read(_HEAD), raw.tell
            raw.seek(0)
        else:  # a named pipe
            head, position = cast(io.BufferedReader, raw).peek(_HEAD), lambda: 0
        codec = find_codec(name, head)
        if codec is None:
            yield raw, position
            return
        if codec.suffix == ".zst":
            require("scale", "zstandard")
        if raw.seekable():
            yield _buffered(decompress(raw, codec)), position
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(raw, copy)
            yield _buffered(decompress(copy, codec)), position


def _buffered(chunks: Iterator[bytes | Damage]) -> io.BufferedReader:
    return io.BufferedReader(ChunkedFile(chunks), BLOCK)


def read_records(
    file: IO[bytes], name: str, input_format: str | None, options: ReadOptions | None = None
) -> Iterator[RawRecord]:
    """Read the records of a file.

    file (IO[bytes]): The decompressed file.
    name (str): Its name.
    input_format (Optional[str]): Its format, one of `FORMATS`. Default: detected from its name.
    options (Optional[ReadOptions]): How to read it.
    YIELDS (RawRecord): The records.
    RAISES (InputError): If the format is unknown, or a file named like text contains JSON.
    RAISES (ImportError): If the format needs a package that isn't installed.
    """
    file_format = resolve_format(name, input_format)
    options = resolve_options(name, options)
    reader = READERS[file_format]
    if file_format == "parquet":
        yield from reader(file, options)
        return
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    try:
        head = buffered.peek(_HEAD)
        if input_format is None and file_format == "text" and looks_like_json(head):
            raise InputError(
                f"{name}: it looks like JSON: pass --input-format jsonl, or --input-format text if "
                "each line is the text of a tweet"
            )
        encoding = find_encoding(head, options.encoding)
        if encoding is None:
            yield from reader(buffered, options)
        else:
            records = reader(_buffered(transcode(buffered, encoding)), options)
            yield from _reject_undecodable(records, encoding)
    finally:
        if buffered is not file:
            # The caller closes the file.
            buffered.detach()


def _reject_undecodable(records: Iterable[RawRecord], encoding: str) -> Iterator[RawRecord]:
    for record in records:
        if not record.error and not _is_decoded(record.data):
            record = record._replace(error=f"not {encoding}: it contains invalid bytes")
        yield record


def _is_decoded(data: bytes | dict[str, Any]) -> bool:
    try:
        if isinstance(data, bytes):
            data.decode("utf8")
        else:
            "".join(data.values()).encode("utf8")
    except UnicodeError:
        return False
    return True


def _read_json(file: Any, options: ReadOptions) -> Iterator[RawRecord]:
    return read_document(file) if is_document(file.peek(BLOCK)) else read_json_lines(file)


def _read_table(file: IO[bytes], options: ReadOptions) -> Iterator[RawRecord]:
    return read_table(file, options.delimiter or ",", has_header=options.header)


Reader = Callable[[Any, ReadOptions], Iterator[RawRecord]]
READERS: dict[str, Reader] = {
    "text": lambda file, options: read_lines(file),
    "jsonl": _read_json,
    "csv": _read_table,
    "parquet": lambda file, options: read_parquet(file),
}
