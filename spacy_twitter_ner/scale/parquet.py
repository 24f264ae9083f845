"""Read Parquet files, row group by row group."""

from collections.abc import Iterator
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any

from .records import RawRecord

_ROWS = 4096


def read_parquet(file: IO[bytes]) -> Iterator[RawRecord]:
    """Read the rows of a Parquet file. A row group that is damaged is a record with an error; the
    others are read.

    file (IO[bytes]): The file.
    YIELDS (RawRecord): The rows, as fields by column name.
    RAISES (ImportError): If pyarrow isn't installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "Parquet needs pyarrow; pip install 'spacy-twitter-ner[scale]'"
        ) from error
    if not file.seekable():
        # What is decompressed can only be read from the start to the end.
        with TemporaryFile() as copy:
            copyfileobj(file, copy)
            copy.seek(0)
            yield from read_parquet(copy)
        return
    try:
        table = pyarrow.parquet.ParquetFile(file, page_checksum_verification=True)
        sizes = [table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)]
    except Exception as error:
        yield RawRecord(1, b"", f"no Parquet file, or a damaged one: {_reason(error)}")
        return
    first = 1
    for group, size in enumerate(sizes):
        yield from _read_group(table, group, first)
        first += size


def _read_group(table: Any, group: int, first: int) -> Iterator[RawRecord]:
    number = first
    batches = table.iter_batches(batch_size=_ROWS, row_groups=[group])
    while True:
        try:
            batch = next(batches, None)
        except Exception as error:
            yield RawRecord(
                number, b"", f"row group {group} cannot be read from here on: {_reason(error)}"
            )
            return
        if batch is None:
            return
        for row in _rows(batch):
            if isinstance(row, dict):
                yield RawRecord(number, row)
            else:
                yield RawRecord(number, b"", row)
            number += 1


def _rows(batch: Any) -> Iterator[dict[str, Any] | str]:
    """The rows of a batch, or why one cannot be read."""
    try:
        yield from batch.to_pylist()
    except Exception:
        # Some value isn't valid; to_pylist has returned no row.
        for index in range(batch.num_rows):
            try:
                row = batch.slice(index, 1).to_pylist()[0]
            except Exception as error:
                row = f"the row cannot be read: {_reason(error)}"
            yield row


def _reason(error: Exception) -> str:
    """Why data cannot be read. pyarrow raises many types of errors for damaged files."""
    # An error of the disk or the network isn't one of the data.
    if isinstance(error, OSError) and error.errno:
        raise error
    return f"{type(error).__name__}: {error}".splitlines()[0]
