"""Find input files, and read their records shard by shard."""

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

from .compression import CODECS, ChunkedFile, Damage, decompress, find_codec
from .encodings import find_encoding, transcode
from .json_documents import is_document, looks_like_json, read_document
from .lines import read_json_lines, read_lines
from .parquet import read_parquet
from .records import BLOCK, InputError, RawRecord, ReadOptions
from .tables import read_table

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
# However long the records are, those of a shard fill no more memory than this, in bytes.
MAX_SHARD = 2**24
# No format needs more bytes to be recognized.
_HEAD = 2**12


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
    if not path.is_file() or path.name.startswith(".") or find_format(path.name) is None:
        return False
    # Of the scripts in a Twitter archive, only a few have tweets.
    return _suffix(path.name) != ".js" or path.name.lower().startswith("tweet")


def can_be_reread(name: str) -> bool:
    """RETURNS (bool): Whether reading an input leaves it as it is, unlike standard input or a named
    pipe."""
    return is_remote(name) or Path(name).is_file()


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
    return _SUFFIXES.get(_suffix(name))


def _suffix(name: str) -> str:
    """The suffix of a file's name in lower case, without that of its compression."""
    path = Path(name.lower())
    return path.with_suffix("").suffix if path.suffix in CODECS else path.suffix


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


def resolve_options(name: str, given: ReadOptions | None) -> ReadOptions:
    """RETURNS (ReadOptions): The options given, with the delimiter that the file's name tells."""
    options = given or ReadOptions()
    if options.delimiter is not None:
        return options
    return replace(options, delimiter="\t" if _suffix(name) in _TABS else ",")


def input_size(name: str) -> int:
    """RETURNS (int): A file's size in bytes, as it lies there; 0 for standard input."""
    if name == STDIN:
        return 0
    if is_remote(name):
        filesystem, path = filesystem_of(name)
        return int(filesystem.size(path) or 0)
    return Path(name).stat().st_size


def read_shards(
    files: Sequence[str],
    size: int,
    input_format: str | None,
    options: ReadOptions | None = None,
) -> Iterator[Shard]:
    """Read files shard by shard. What a shard holds depends on the files and the size alone.

    files (Sequence[str]): The files.
    size (int): How many records a shard has; the last one of each file has the rest, and one of
        very long records has as many as make `MAX_SHARD` bytes.
    input_format (Optional[str]): Their format; told by their names if not given.
    options (Optional[ReadOptions]): How to read them.
    YIELDS (Shard): The shards.
    RAISES (InputError): If a file's format isn't known.
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
    """Open a file. Its first bytes, or else its name, tell how it is compressed.

    name (str): The file.
    YIELDS (tuple[IO[bytes], Callable[[], int]]): Its bytes, decompressed; a function that returns
        how many of its bytes have been read as they are stored.
    RAISES (ImportError): If its compression needs a package that isn't installed.
    """
    if name == STDIN:
        yield sys.stdin.buffer, lambda: 0
        return
    if is_remote(name):
        filesystem, path = filesystem_of(name)
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
            _require_zstandard(name)
        if raw.seekable():
            yield _buffered(decompress(raw, codec)), position
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(raw, copy)
            yield _buffered(decompress(copy, codec)), position


def _require_zstandard(name: str) -> None:
    try:
        import zstandard  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{name}: .zst needs zstandard; pip install 'spacy-twitter-ner[scale]'"
        ) from error


def _buffered(chunks: Iterator[bytes | Damage]) -> io.BufferedReader:
    return io.BufferedReader(ChunkedFile(chunks), BLOCK)


def read_records(
    file: IO[bytes], name: str, input_format: str | None, options: ReadOptions | None = None
) -> Iterator[RawRecord]:
    """Read the records of a file.

    file (IO[bytes]): The file, decompressed.
    name (str): Its name.
    input_format (Optional[str]): Its format, one of `FORMATS`; told by its name if not given.
    options (Optional[ReadOptions]): How to read it.
    YIELDS (RawRecord): The records.
    RAISES (InputError): If the file's format isn't known; if it is text by its name, but has JSON.
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
                f"{name}: it looks like JSON; pass --input-format jsonl, or --input-format text if "
                "its lines are tweets as they are"
            )
        encoding = find_encoding(head, options.encoding)
        if encoding is None:
            yield from reader(buffered, options)
        else:
            records = reader(_buffered(transcode(buffered, encoding)), options)
            yield from _refuse_undecodable(records, encoding)
    finally:
        if buffered is not file:
            # Whoever opened the file closes it.
            buffered.detach()


def _refuse_undecodable(records: Iterable[RawRecord], encoding: str) -> Iterator[RawRecord]:
    for record in records:
        if not record.error and not _is_decoded(record.data):
            record = record._replace(error=f"not {encoding}: it has bytes that are no character")
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
