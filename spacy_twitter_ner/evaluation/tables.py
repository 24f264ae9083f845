"""Tables for any output: terminal, Markdown. Figures in them are text already."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """A table: the first column is a name, all others are figures.

    title (str): The heading.
    header (tuple[str, ...]): The names of the columns.
    rows (Sequence[tuple[str, ...]]): The rows.
    note (str): What stands between the heading and the table.
    shades (Optional[Sequence[Sequence[float]]]): How dark the figures of each row shall be, 0..1,
        where an output can show it.
    """

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""
    shades: Sequence[Sequence[float]] | None = None


def percentage(value: float | None) -> str:
    """RETURNS (str): A fraction in percent; a hyphen for None."""
    return figure(None if value is None else value * 100, ".2f")


def figure(value: float | None, spec: str) -> str:
    """RETURNS (str): A number in a format; a hyphen for None."""
    return "-" if value is None else format(value, spec)


def tables_to_markdown(tables: Iterable[Table]) -> list[str]:
    """RETURNS (list[str]): The lines of the tables under their headings, in GitHub's form."""
    lines = []
    for table in tables:
        lines += ["", f"## {escape_markdown(table.title)}", ""]
        if table.note:
            lines += [escape_markdown(table.note), ""]
        rule = ("---", *("---:" for _ in table.header[1:]))
        lines += [_markdown_row(row) for row in (table.header, rule, *table.rows)]
    return lines


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escape_markdown(cell) for cell in cells)} |"


def escape_markdown(text: str) -> str:
    """RETURNS (str): A text in a line, without what would end a cell, open HTML or change the text;
    hyphens and underscores of labels stay."""
    return re.sub(r"([\\|`*<])", r"\\\1", " ".join(text.split()))
