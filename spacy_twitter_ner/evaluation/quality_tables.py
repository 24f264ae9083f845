"""The quality of a model on a split, laid out in tables."""

from collections.abc import Mapping

from .bootstrap import Difference, Interval
from .matching import CATEGORIES, MatchCounts, Schema
from .quality import ALL, NONE, Quality
from .scores import Scores
from .tables import Table, percentage

_SCHEMA_NAMES: dict[Schema, str] = {
    "strict": "strict: boundaries and type",
    "exact": "exact: boundaries",
    "partial": "partial: an overlap counts half",
    "type": "type: overlap and type",
}
_SLICE_NAMES = {
    "seen": ("seen in the training data or not", "Words, in any case"),
    "entity_length": ("by length of the entity", "Entity"),
    "tweet_length": ("by length of the tweet", "Tweet"),
}


def quality_tables(quality: Quality) -> list[Table]:
    """Lay out all that is known of a model on a split.

    quality (Quality): The quality.
    RETURNS (list[Table]): The tables, the most important ones first.
    """
    tables = [_score_table(quality)]
    tables += [_difference_table(quality, name) for name in quality.differences]
    tables += [_category_table(quality), _schema_table(quality), *_slice_tables(quality)]
    return [*tables, _confusion_table(quality)]


def _score_table(quality: Quality) -> Table:
    total = quality.scores[ALL]
    note = (
        f"{quality.n_tokens} tokens with {total.n_gold} entities; found {total.n_predicted}, "
        f"correct {total.n_correct}; accuracy {percentage(quality.accuracy)}"
    )
    rows = [_score_row(ALL, total, quality.intervals[ALL])]
    rows.append(_score_row("whatever the type", quality.span_only, quality.span_only_interval))
    rows += [
        _score_row(label, quality.scores[label], quality.intervals[label])
        for label in quality.labels
    ]
    header = ("Type", "Gold", "Predicted", "Correct", "P", "R", "F1", "95% interval")
    return Table(f"{quality.name}: scores by type", header, rows, note)


def _score_row(name: str, scores: Scores, interval: Interval) -> tuple[str, ...]:
    counts = map(str, (scores.n_gold, scores.n_predicted, scores.n_correct))
    low, high = map(percentage, interval)
    return (name, *counts, *map(percentage, scores[:3]), f"{low} to {high}")


def _difference_table(quality: Quality, name: str) -> Table:
    differences: Mapping[str, Difference] = quality.differences[name]
    rows = [
        (
            label,
            percentage(row.f),
            percentage(row.other),
            f"{100 * (row.f - row.other):+.2f}",
            f"{100 * row.low:+.2f} to {100 * row.high:+.2f}",
            f"{row.p_value:.3f}",
        )
        for label, row in differences.items()
    ]
    header = ("Type", "F1", f"F1 of {name}", "Difference", "95% interval", "p")
    note = "Intervals and p by the bootstrap over tweets, in pairs"
    return Table(f"{quality.name}: beside {name}", header, rows, note)


def _category_table(quality: Quality) -> Table:
    rows = [
        (label, *(str(counts[category]) for category in CATEGORIES))
        for label, counts in quality.categories.items()
    ]
    header = ("Type", *(category.capitalize() for category in CATEGORIES))
    return Table(f"{quality.name}: what is wrong", header, rows)


def _schema_table(quality: Quality) -> Table:
    header = ("Schema", *(name.capitalize() for name in MatchCounts._fields), "P", "R", "F1")
    rows = [
        (
            _SCHEMA_NAMES[schema],
            *map(str, counts),
            *map(percentage, (counts.precision, counts.recall, counts.f1)),
        )
        for schema, counts in quality.schemas.items()
    ]
    return Table(f"{quality.name}: partial matches", header, rows)


def _slice_tables(quality: Quality) -> list[Table]:
    tables = []
    for kind, groups in quality.slices._asdict().items():
        if groups:
            title, column = _SLICE_NAMES[kind]
            rows = [
                (name, str(scores.n_gold), *map(percentage, scores[:3]))
                for name, scores in groups.items()
            ]
            header = (column, "Gold", "P", "R", "F1")
            tables.append(Table(f"{quality.name}: {title}", header, rows))
    return tables


def _confusion_table(quality: Quality) -> Table:
    names = (*quality.labels, NONE)
    rows, shades = [], []
    for name, counts in zip(names, quality.confusion.tolist(), strict=True):
        rows.append((name, *(str(count or "") for count in counts)))
        shades.append([count / max(sum(counts), 1) for count in counts])
    header = ("Gold ↓ predicted →", *names)
    note = "Overlaps count whatever their boundaries; none: missed, or spurious"
    return Table(f"{quality.name}: confusions", header, rows, note, shades)
