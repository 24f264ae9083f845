"""Read Parquet files by row group."""

from collections.abc import Iterator
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any

from ..util import require
from .records import RawRecord

_ROWS = 4096


def read_parquet(file: IO[bytes]) -> Iterator[RawRecord]:
    """Read the rows of a Parquet file. A damaged row group yields a record with an error.

    file (IO[bytes]): The file.
    YIELDS (RawRecord): The rows, as dicts by column name.
    RAISES (ImportError): If pyarrow isn't installed.
    """
    pyarrow: Any = require("scale", "pyarrow", "pyarrow.parquet")
    if not file.seekable():
        # A compressed file isn't seekable, but Parquet starts with the end.
        with TemporaryFile() as copy:
            copyfileobj(file, copy)
            copy.seek(0)
            yield from read_parquet(copy)
        return
    try:
        table = pyarrow.parquet.ParquetFile(file, page_checksum_verification=True)
        sizes = [table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)]
    except Exception as error:
        yield RawRecord(1, b"", f"not a Parquet file, or damaged: {_reason(error)}")
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
                number, b"", f"row group {group} can't be read from here on: {_reason(error)}"
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
    """Yield the rows of a batch, or the reason why a row can't be read."""
    try:
        yield from batch.to_pylist()
    except Exception:
        # A value is invalid, so to_pylist returned nothing.
        for index in range(batch.num_rows):
            try:
                row = batch.slice(index, 1).to_pylist()[0]
            except Exception as error:
                row = f"the row can't be read: {_reason(error)}"
            yield row


def _reason(error: Exception) -> str:
    """Describe an error of damaged data. pyarrow raises many types of them."""
    # Errors of the disk or the network have a number.
    if isinstance(error, OSError) and error.errno:
        raise error
    return f"{type(error).__name__}: {error}".splitlines()[0]
