"""Tables, for the terminal and for blocks in the docs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wasabi import msg

from .project import BenchmarkError

# wasabi doesn't align longer cells.
MAX_CELL = 60


class Table(NamedTuple):
    """A table of figures.

    title (str): What it shows. It may be empty.
    header (Sequence[str]): The names of the columns.
    rows (list[Sequence[str]]): The rows.
    note (str): A paragraph below the table.
    n_names (int): Number of columns that contain text, at the left.
    """

    title: str
    header: Sequence[str]
    rows: list[Sequence[str]]
    note: str = ""
    n_names: int = 1


def print_table(table: Table) -> None:
    """Print a table in the terminal."""
    aligns = ["l"] * table.n_names + ["r"] * (len(table.header) - table.n_names)
    msg.table(
        table.rows,
        header=table.header,
        aligns=aligns,
        title=table.title,
        divider=True,
        max_col=MAX_CELL,
    )
    if table.note:
        msg.text(table.note)


def to_markdown(table: Table) -> str:
    """RETURNS (str): A table in Markdown: title, rows, note."""
    ruler = "|---" * table.n_names + "|---:" * (len(table.header) - table.n_names) + "|"
    lines = [f"| {' | '.join(cells)} |" for cells in (table.header, *table.rows)]
    paragraphs = [
        f"**{table.title}**" if table.title else "",
        "\n".join([lines[0], ruler, *lines[1:]]),
        table.note,
    ]
    return "\n\n".join(filter(None, paragraphs))


def has_block(path: Path, name: str) -> bool:
    """RETURNS (bool): Whether a file contains the first marker of a block."""
    return f"<!-- {name}:begin -->" in path.read_text(encoding="utf8")


def split_at_block(path: Path, name: str) -> tuple[str, str]:
    """Find a block in a file.

    path (Path): A Markdown file.
    name (str): The name in the block's markers.
    RETURNS (tuple[str, str]): The text before and after the block, including the markers.
    RAISES (BenchmarkError): If the file doesn't have both markers, in this order.
    """
    begin, end = (f"<!-- {name}:{edge} -->" for edge in ("begin", "end"))
    before, found, rest = path.read_text(encoding="utf8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise BenchmarkError(f"{path}: the tables need the lines {begin} and, below, {end}")
    return before + begin, end + after


def write_block(path: Path, name: str, caption: str, tables: Sequence[Table]) -> None:
    """Replace a block in a file.

    path (Path): A Markdown file.
    name (str): The name in the block's markers.
    caption (str): A paragraph above the tables. It may be empty.
    tables (Sequence[Table]): The tables.
    RAISES (BenchmarkError): If the file doesn't have both markers, in this order.
    """
    before, after = split_at_block(path, name)
    block = "\n\n".join(filter(None, [caption, *map(to_markdown, tables)]))
    path.write_text(f"{before}\n{block}\n{after}", encoding="utf8")
