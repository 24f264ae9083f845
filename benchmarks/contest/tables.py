"""Tables of scores, in Markdown."""

import statistics
from collections.abc import Sequence

from .contestants import REFERENCE, all_contestants
from .results import Result
from .scores import Difference


def percent(value: float) -> str:
    return f"{100 * value:.2f}"


def mean_and_deviation(values: Sequence[float]) -> str:
    """RETURNS (str): In percent; the standard deviation where there are several values."""
    deviation = f" ± {percent(statistics.stdev(values))}" if len(values) > 1 else ""
    return percent(statistics.mean(values)) + deviation


def accuracy_table(results: dict[str, list[Result]], remarks: dict[str, str]) -> str:
    """Make the table of all contestants.

    results (dict[str, list[dict[str, Any]]]): By contestant, a result for each seed.
    remarks (dict[str, str]): By contestant, what the table should say of its runs.
    RETURNS (str): Markdown.
    """
    lines = [
        "| contestant | what it adds | validation F1 | test F1 | test P / R | test span-only F1 "
        "| training, CPU s | MB |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, adds, *_ in all_contestants():
        text = adds + (f" ({remarks[name]})" if name in remarks else "")
        cells = _score_cells(results[name]) if results.get(name) else ["-"] * 6
        lines.append(f"| {' | '.join((f'`{name}`', text, *cells))} |")
    return "\n".join(lines)


def _score_cells(runs: Sequence[Result]) -> list[str]:
    def values(split: str, part: str, key: str) -> list[float]:
        return [run["scores"][split][part][key] for run in runs]

    precision, recall = (percent(statistics.mean(values("test", "all", key))) for key in "pr")
    n_bytes = [run["n_bytes"] for run in runs if run["n_bytes"] is not None]
    return [
        mean_and_deviation(values("validation", "all", "f")),
        mean_and_deviation(values("test", "all", "f")),
        f"{precision} / {recall}",
        mean_and_deviation(values("test", "span_only", "f")),
        f"{statistics.mean(run['processor_seconds'] for run in runs):.0f}",
        f"{statistics.mean(n_bytes) / 1e6:.1f}" if n_bytes else "-",
    ]


def type_table(comparisons: dict[str, dict[str, Difference]]) -> str:
    """Make the table of entity types, and a line for each model that says where it holds.

    comparisons (dict[str, dict[str, Difference]]): By model, what `compare` returns.
    RETURNS (str): Markdown.
    """
    header = ["type", "entities", f"`{REFERENCE}`"]
    for name in comparisons:
        header += [f"`{name}`", "difference", "holds"]
    lines = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    first = next(iter(comparisons.values()))
    for label, row in first.items():
        cells = [label, str(row.support), percent(row.reference)]
        for differences in comparisons.values():
            cells += _difference_cells(differences[label])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(_verdict(*item) for item in comparisons.items())])


def _difference_cells(row: Difference) -> list[str]:
    difference, low, high = (
        f"{100 * value:+.1f}" for value in (row.model - row.reference, row.low, row.high)
    )
    return [percent(row.model), f"{difference} [{low}, {high}]", "yes" if row.holds else "**no**"]


def _verdict(name: str, differences: dict[str, Difference]) -> str:
    below = [label for label, row in differences.items() if label != "all" and not row.holds]
    verdict = f"does not hold for {', '.join(below)}" if below else "holds for every type"
    return f"- `{name}`, no type below `{REFERENCE}` by more than its interval: {verdict}."
