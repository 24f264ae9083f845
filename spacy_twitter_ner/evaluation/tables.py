"""Tables of metrics and calibration, for the terminal and Markdown. Cells are formatted strings."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .calibration import Bin, Reliability
from .matching import CATEGORIES, Schema
from .metrics import ALL, NONE, IntervalScores, Metrics

_SCHEMA_NAMES: dict[Schema, str] = {
    "strict": "strict: boundaries and type",
    "exact": "exact: boundaries",
    "partial": "partial: overlap counts half",
    "type": "type: overlap and type",
}
_SLICE_NAMES = {
    "seen": ("seen in the training data", "Entity text, ignoring case"),
    "entity_length": ("by entity length", "Entity"),
    "tweet_length": ("by tweet length", "Tweet"),
}
_THRESHOLD_HEADER = ("Threshold", "Entities", "Coverage", "Precision", "Recall", "F1")
_BAR = 20


class Table(NamedTuple):
    """A table whose first column contains names.

    title (str): The heading.
    header (tuple[str, ...]): The column names.
    rows (Sequence[tuple[str, ...]]): The rows.
    note (str): Text between heading and table.
    shades (Optional[Sequence[Sequence[float]]]): Background intensity of each cell after the
        first column, 0..1. Ignored in Markdown.
    """

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""
    shades: Sequence[Sequence[float]] | None = None


def percentage(value: float | None) -> str:
    """RETURNS (str): A fraction as a percentage; a hyphen for None."""
    return figure(None if value is None else value * 100, ".2f")


def figure(value: float | None, spec: str) -> str:
    """RETURNS (str): A formatted number; a hyphen for None."""
    return "-" if value is None else format(value, spec)


def tables_to_markdown(tables: Iterable[Table]) -> list[str]:
    """RETURNS (list[str]): The lines of the tables with their headings, as GitHub Markdown."""
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
    """Escape characters that would end a table cell, start HTML or change the text.

    text (str): The text. Line breaks become spaces; hyphens and underscores are kept.
    RETURNS (str): The escaped text.
    """
    return re.sub(r"([\\|`*<])", r"\\\1", " ".join(text.split()))


def metrics_tables(metrics: Metrics) -> list[Table]:
    """RETURNS (list[Table]): The metrics of a split, most important tables first."""
    return [
        _score_table(metrics),
        *(_difference_table(metrics, name) for name in metrics.differences),
        _category_table(metrics),
        _schema_table(metrics),
        *_slice_tables(metrics),
        _confusion_table(metrics),
    ]


def _score_table(metrics: Metrics) -> Table:
    def row(name: str, scores: IntervalScores) -> tuple[str, ...]:
        counts = map(str, (scores.n_gold, scores.n_predicted, scores.n_correct))
        bounds = f"{percentage(scores.low)} to {percentage(scores.high)}"
        return (name, *counts, *map(percentage, scores[:3]), bounds)

    total = metrics.overall
    note = (
        f"{metrics.tokens} tokens with {total.n_gold} entities; found {total.n_predicted}, "
        f"correct {total.n_correct}; accuracy {percentage(metrics.accuracy)}"
    )
    rows = [row(ALL, total), row("ignoring types", metrics.span_only)]
    rows += [row(label, scores) for label, scores in metrics.per_type.items()]
    header = ("Type", "Gold", "Predicted", "Correct", "P", "R", "F1", "95% interval")
    return Table(f"{metrics.name}: scores by type", header, rows, note)


def _difference_table(metrics: Metrics, name: str) -> Table:
    rows = [
        (
            label,
            percentage(row.f),
            percentage(row.other),
            f"{100 * (row.f - row.other):+.2f}",
            f"{100 * row.low:+.2f} to {100 * row.high:+.2f}",
            f"{row.p_value:.3f}",
        )
        for label, row in metrics.differences[name].items()
    ]
    header = ("Type", "F1", f"F1 of {name}", "Difference", "95% interval", "p")
    note = "Intervals and p-values: paired bootstrap over tweets"
    return Table(f"{metrics.name}: compared with {name}", header, rows, note)


def _category_table(metrics: Metrics) -> Table:
    rows = [(label, *map(str, counts.values())) for label, counts in metrics.categories.items()]
    header = ("Type", *(category.capitalize() for category in CATEGORIES))
    return Table(f"{metrics.name}: errors by type", header, rows)


def _schema_table(metrics: Metrics) -> Table:
    rows = [
        (_SCHEMA_NAMES[schema], *map(str, scores[:5]), *map(percentage, scores[5:]))
        for schema, scores in metrics.schemas.items()
    ]
    header = ("Schema", "Correct", "Incorrect", "Partial", "Missed", "Spurious", "P", "R", "F1")
    return Table(f"{metrics.name}: partial matches", header, rows)


def _slice_tables(metrics: Metrics) -> list[Table]:
    tables = []
    for kind, groups in metrics.slices._asdict().items():
        if groups:
            title, column = _SLICE_NAMES[kind]
            rows = [
                (name, str(scores.n_gold), *map(percentage, scores[:3]))
                for name, scores in groups.items()
            ]
            header = (column, "Gold", "P", "R", "F1")
            tables.append(Table(f"{metrics.name}: {title}", header, rows))
    return tables


def _confusion_table(metrics: Metrics) -> Table:
    names = (*metrics.labels, NONE)
    confusion = metrics.confusion.tolist()
    rows = [
        (name, *(str(count or "") for count in counts))
        for name, counts in zip(names, confusion, strict=True)
    ]
    shades = [[count / max(sum(counts), 1) for count in counts] for counts in confusion]
    header = ("Gold ↓ predicted →", *names)
    note = "Includes overlaps with different boundaries; (none): missed or spurious"
    return Table(f"{metrics.name}: confusions", header, rows, note, shades)


def reliability_tables(reliability: Reliability) -> list[Table]:
    """RETURNS (list[Table]): Calibration errors, then the reliability diagram and the thresholds
    of each split."""
    errors: list[tuple[str, ...]] = []
    details = []
    for name, split in reliability.splits.items():
        eces = (split.before.ece, split.after.ece, split.after.chance)
        errors.append((name, str(split.after.entities), *map(_decimal, eces)))
        diagram: list[tuple[str, ...]] = [
            (
                f"{each.low:.1f}–{each.high:.1f}",
                str(each.n),
                _decimal(each.confidence),
                _decimal(each.precision),
                _bar(each),
            )
            for each in split.after.bins
        ]
        columns = ("Confidence", "Entities", "Mean", "Precision", "█ precision, ┃ confidence")
        details.append(Table(f"Reliability on {name}", columns, diagram))
        points: list[tuple[str, ...]] = [
            (f"{point.threshold:.2f}", str(point.n), *map(_decimal, point[2:]))
            for point in split.thresholds
        ]
        details.append(Table(f"Thresholds on {name}", _THRESHOLD_HEADER, points))
    title = f"Expected calibration error, temperature {reliability.temperature:.3f}"
    header = ("Split", "Entities", "ECE before", "ECE after", "by chance")
    return [Table(title, header, errors), *details]


def _bar(each: Bin) -> str:
    """RETURNS (str): A bar for the precision, with a mark at the confidence."""
    if each.confidence is None or each.precision is None:
        return " " * (_BAR + 1)
    cells = ["█" if cell < round(each.precision * _BAR) else "·" for cell in range(_BAR + 1)]
    cells[round(each.confidence * _BAR)] = "┃"
    return "".join(cells)


def _decimal(value: float | None) -> str:
    return figure(value, ".3f")
