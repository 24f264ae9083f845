"""Files of tweets → shards: runs of records as they are read, each with the place it stands at."""

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import IO, Any, NamedTuple

STDIN = "-"
FORMATS = ("text", "jsonl", "csv", "parquet")
_SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_COMPRESSED = (".gz", ".zst")
# A line that is longer is no tweet, and must not fill the memory.
MAX_LINE = 2**24
# However long the records are, those of a shard fill no more memory than this, in bytes.
MAX_SHARD = 2**24
_ROWS = 4096
_BLOCK = 2**17
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class InputError(ValueError):
    """An input that cannot be read at all."""


class RawRecord(NamedTuple):
    """A record as it stands in a file.

    line (int): Its line, from 1; the row of a Parquet file.
    data (bytes | dict[str, Any]): The line; the fields of a row.
    error (str): Why it cannot be read, if so.
    """

    line: int
    data: "bytes | dict[str, Any]"
    error: str = ""


@dataclass(frozen=True)
class Shard:
    """Records that are annotated in one piece. It is no tuple, since Dask looks for tasks in all of
    those that it is given.

    number (int): Its number among all shards of all inputs.
    source (str): The file they come from.
    format (str): The file's format.
    records (list[RawRecord]): The records.
    position (int): How many bytes of all inputs have been read up to its end.
    """

    number: int
    source: str
    format: str
    records: list[RawRecord]
    position: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # On the way to another process, a few columns are packed sooner than many records.
        fixed = (self.number, self.source, self.format, self.position)
        return _unpack_shard, (fixed, *zip(*self.records, strict=True))


def _unpack_shard(fixed: tuple[int, str, str, int], *columns: Sequence[Any]) -> Shard:
    number, source, file_format, position = fixed
    records = list(map(RawRecord, *columns)) if columns else []
    return Shard(number, source, file_format, records, position)


def expand(inputs: Sequence[str]) -> list[str]:
    """Find the files that inputs name.

    inputs (Sequence[str]): Paths, folders, patterns such as tweets-*.jsonl, addresses that fsspec
        knows such as s3://bucket/tweets-*.jsonl, or "-".
    RETURNS (list[str]): The files; those of a pattern or a folder sorted by name.
    RAISES (InputError): If an input names no file, or a file is named twice.
    """
    files: list[str] = []
    for name in inputs:
        found = [name] if name == STDIN else _expand_one(name)
        if not found:
            raise InputError(f"{name}: no such file")
        files += found
    if twice := sorted({name for name in files if files.count(name) > 1}):
        raise InputError(f"named twice: {', '.join(twice)}")
    return files


def _expand_one(name: str) -> list[str]:
    if is_remote(name):
        filesystem, path = filesystem_of(name)
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
    return path.is_file() and not path.name.startswith(".") and find_format(path.name) is not None


def is_remote(name: str) -> bool:
    """RETURNS (bool): Whether a name is an address for fsspec."""
    return "://" in name


def filesystem_of(name: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(
            f"{name}: addresses need fsspec; pip install 'spacy-twitter-ner[scale]'"
        ) from error
    try:
        return fsspec.core.url_to_fs(name)
    except (ImportError, ValueError) as error:
        raise InputError(f"{name}: {error}") from error


def find_format(name: str) -> str | None:
    """RETURNS (Optional[str]): A file's format by its name; None if that does not tell."""
    path = Path(name)
    if path.suffix in _COMPRESSED:
        path = path.with_suffix("")
    return _SUFFIXES.get(path.suffix.lower())


def resolve_format(name: str, given: str | None) -> str:
    """RETURNS (str): The format given, or else that of the file's name; standard input is text.
    RAISES (InputError): If there is neither."""
    found = given or ("text" if name == STDIN else find_format(name))
    if found is None:
        raise InputError(
            f"{name}: its name does not tell its format; give --input-format, one of "
            f"{', '.join(FORMATS)}"
        )
    return found


def input_size(name: str) -> int:
    """RETURNS (int): A file's size in bytes, as it lies there; 0 for standard input."""
    if name == STDIN:
        return 0
    if is_remote(name):
        filesystem, path = filesystem_of(name)
        return int(filesystem.size(path) or 0)
    return Path(name).stat().st_size


def read_shards(files: Sequence[str], size: int, input_format: str | None) -> Iterator[Shard]:
    """Read files shard by shard. What a shard holds depends on the files and the size alone.

    files (Sequence[str]): The files.
    size (int): How many records a shard has; the last one of each file has the rest, and one of
        very long records has as many as make `MAX_SHARD` bytes.
    input_format (Optional[str]): Their format; told by their names if not given.
    YIELDS (Shard): The shards.
    RAISES (InputError): If a file's format is not known or needs what is not installed.
    """
    number = done = 0
    for name in files:
        file_format = resolve_format(name, input_format)
        with _open(name) as (file, position):
            records = READERS[file_format](file, name)
            for batch in _batches(records, size):
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
    return sum(len(value) for value in record.data.values() if isinstance(value, str | bytes))


@contextmanager
def _open(name: str) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """A file's bytes, decompressed, and how many of those that lie on the disk have been read."""
    if name == STDIN:
        yield sys.stdin.buffer, lambda: 0
        return
    if is_remote(name):
        filesystem, path = filesystem_of(name)
        raw: IO[bytes] = filesystem.open(path, "rb")
    else:
        raw = open(name, "rb")  # noqa: SIM115 (closed below)
    with raw:
        yield _decompress(raw, name), raw.tell


def _decompress(raw: IO[bytes], name: str) -> IO[bytes]:
    if name.endswith(".gz"):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw))
    if name.endswith(".zst"):
        try:
            import zstandard
        except ImportError as error:
            raise ImportError(
                f"{name}: .zst needs zstandard; pip install 'spacy-twitter-ner[scale]'"
            ) from error
        return io.BufferedReader(_ZstdReader(raw, zstandard))
    return raw


class _ZstdReader(io.RawIOBase):
    """Decompresses frames one after another, and knows a file that is cut off, as GzipFile does."""

    def __init__(self, raw: IO[bytes], zstandard: Any):
        self._raw = raw
        # Dumps that are packed with long windows need up to two gigabytes.
        decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
        self._start_frame = decompressor.decompressobj
        self._frame: Any = None
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            packed = self._frame.unused_data if self._frame and self._frame.eof else b""
            if self._frame and self._frame.eof:
                self._frame = None
            packed = packed or self._raw.read(_BLOCK)
            if not packed:
                if self._frame:
                    raise EOFError("it ends before its last frame does")
                return 0
            self._frame = self._frame or self._start_frame()
            self._ready = self._frame.decompress(packed)
        n = min(len(buffer), len(self._ready))
        buffer[:n], self._ready = self._ready[:n], self._ready[n:]
        return n


def _damages() -> tuple[type[Exception], ...]:
    """What a compressed file that is damaged or cut off raises."""
    damages: tuple[type[Exception], ...] = (EOFError, zlib.error, gzip.BadGzipFile)
    if zstandard := sys.modules.get("zstandard"):
        damages += (zstandard.ZstdError,)
    return damages


def read_lines(file: IO[bytes], name: str = "") -> Iterator[RawRecord]:
    """Read lines, without their ends. A file that is cut off or damaged ends in a record that says
    so; what comes before it is read.

    file (IO[bytes]): The file.
    YIELDS (RawRecord): The lines.
    """
    number = 0
    while True:
        number += 1
        try:
            line = file.readline(MAX_LINE)
        except _damages() as error:
            yield RawRecord(number, b"", f"the file is damaged or cut off here: {error}")
            return
        if not line:
            return
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            yield RawRecord(number, line[:200], f"the line is longer than {MAX_LINE:,} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            continue
        yield RawRecord(number, line.rstrip(b"\r\n"))


def read_json_lines(file: IO[bytes], name: str = "") -> Iterator[RawRecord]:
    """Read the lines that are not blank: streams of tweets have blank ones to keep alive."""
    return (record for record in read_lines(file) if record.error or record.data.strip())  # type: ignore[union-attr]


def read_csv(file: IO[bytes], name: str = "") -> Iterator[RawRecord]:
    """Read the rows of a table with a header; its delimiter is a tab if its name says .tsv."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _read_rows(csv.reader(text, delimiter="\t" if ".tsv" in name else ","))
    finally:
        # Whoever opened the file closes it.
        text.detach()


def _read_rows(rows: Any) -> Iterator[RawRecord]:
    header: list[str] | None = None
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield RawRecord(line, b"", f"no row of a table: {error}")
            continue
        except _damages() as error:
            yield RawRecord(line, b"", f"the file is damaged or cut off here: {error}")
            return
        if header is None:
            header = row
        elif len(row) == len(header):
            yield RawRecord(line, dict(zip(header, row, strict=True)))
        elif row:
            fields = dict(zip(header, row, strict=False))
            error_text = f"{len(row)} fields where the header has {len(header)}"
            yield RawRecord(line, fields, error_text)


def read_parquet(file: IO[bytes], name: str = "") -> Iterator[RawRecord]:
    """Read the rows of a Parquet file."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            f"{name}: Parquet needs pyarrow; pip install 'spacy-twitter-ner[scale]'"
        ) from error
    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield RawRecord(number, row)
    except pyarrow.ArrowException as error:
        yield RawRecord(number + 1, b"", f"the file cannot be read on from here: {error}")


READERS: dict[str, Callable[[IO[bytes], str], Iterator[RawRecord]]] = {
    "text": read_lines,
    "jsonl": read_json_lines,
    "csv": read_csv,
    "parquet": read_parquet,
}
