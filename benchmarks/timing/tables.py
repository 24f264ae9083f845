"""Tables, for the terminal and for docs/benchmarks.md."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wasabi import msg

from .texts import BenchmarkError

# Cells that are longer than this, wasabi does not align.
MAX_CELL = 60


class Table(NamedTuple):
    """A table of figures.

    title (str): What it shows.
    header (tuple[str, ...]): The columns' names.
    rows (list[tuple[str, ...]]): The first cell is the row's name, the others are figures.
    note (str): What a reader has to know.
    """

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""


def print_table(table: Table) -> None:
    """Print a table in the terminal."""
    aligns = ("l", *"r" * (len(table.header) - 1))
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
    lines = [
        f"**{table.title}**",
        "",
        _line(table.header),
        "|---|" + "---:|" * (len(table.header) - 1),
        *map(_line, table.rows),
    ]
    return "\n".join([*lines, "", table.note] if table.note else lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write_block(path: Path, name: str, text: str) -> None:
    """Put a text between its markers in a file.

    path (Path): A Markdown file.
    name (str): The name in the markers.
    text (str): Markdown.
    RAISES (BenchmarkError): If the file does not have the two markers, one after the other.
    """
    before, after = split_at_block(path, name)
    path.write_text(f"{before}\n{text}\n{after}", encoding="utf8")


def split_at_block(path: Path, name: str) -> tuple[str, str]:
    """Find where a block belongs.

    path (Path): A Markdown file.
    name (str): The name in the markers.
    RETURNS (tuple[str, str]): What stands before and after the block, the markers included.
    RAISES (BenchmarkError): If the file does not have the two markers, one after the other.
    """
    begin, end = (f"<!-- {name}:{edge} -->" for edge in ("begin", "end"))
    content = path.read_text(encoding="utf8") if path.exists() else ""
    before, found, rest = content.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise BenchmarkError(f"{path}: the table needs the lines {begin} and, after it, {end}")
    return before + begin, end + after


def thousands(value: float) -> str:
    """RETURNS (str): A number of words a second."""
    return f"{value:,.0f}"


def cpu_note(figures: Iterable[dict[str, Any]]) -> str:
    """RETURNS (str): How busy the machine was with other things, by the "cpu_share" of figures."""
    share = min(row["cpu_share"] for row in figures)
    return f"Processor time by wall time: {share:.2f}, at the least."


def with_share(words_per_second: float, share: float) -> str:
    """RETURNS (str): Words a second, and in brackets the share of the bound."""
    return f"{thousands(words_per_second)} ({100 * share:.0f}%)"
