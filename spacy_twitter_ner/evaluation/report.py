"""Report of a model's scores, from the JSON files of `python -m spacy evaluate --output`.

A folder of metrics contains one file per split, such as train.json, validation.json and test.json.
Scores of the same tweets on raw text are named after the split on gold tokens: test_raw.json
belongs to test.json. The report consists of report.md and report.json:

    {
      "title": str,
      "splits": {split: SCORES},
      "raw_text": {split: {**SCORES, "loss": F1 on gold tokens minus F1 on raw text, or null}},
      "against": {folder: {split or split_raw: PRF}},
      "confidence": as in confidence.json, or null,
      "quality": {split: METRICS}
    }

SCORES is {"overall": PRF, "per_type": {type: PRF}, "speed": words/s or null}. PRF is {"p": …,
"r": …, "f": …}: fractions of 1 as in spaCy, or null if there are neither gold nor predicted
entities. report.md contains percentages. METRICS is the output of metrics.py, for splits that the
model was run on.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..util import write_atomic
from .calibration import FILE_NAME as CONFIDENCE_NAME
from .calibration import Reliability, read_reliability
from .metrics import Metrics, metrics_to_dict
from .scores import PRF, asdict
from .tables import (
    Table,
    escape_markdown,
    figure,
    metrics_tables,
    percentage,
    reliability_tables,
    tables_to_markdown,
)

SPLITS = ("train", "validation", "test")
COMPARED_SPLITS = ("validation", "test")
RAW_SUFFIX = "_raw"  # as in `convert --raw`
MARKDOWN_NAME, JSON_NAME = "report.md", "report.json"
DEFAULT_TITLE = "Named entity recognition: scores"

# `spacy evaluate` writes token_acc for every pipeline; the baselines in benchmarks/ write only the
# scores of entities.
_EVALUATE_KEYS = {"token_acc", "ents_p", "ents_r", "ents_f"}
_HEADER = ("P", "R", "F1")
_NO_SCORES = PRF(None, None, None)


class MetricsError(ValueError):
    """Metrics are missing or cannot be read."""


class SplitScores(NamedTuple):
    """Entity scores of one split.

    overall (PRF): The micro-average over all entities.
    per_type (dict[str, PRF]): The scores by entity type.
    speed (Optional[float]): Words per second, if measured.
    """

    overall: PRF
    per_type: dict[str, PRF]
    speed: float | None


class Report(NamedTuple):
    """The scores of a model, and overall scores of models to compare it with.

    title (str): The heading.
    name (str): The model's name in the comparison.
    splits (dict[str, SplitScores]): The scores by split, in the order of the report.
    raw (dict[str, SplitScores]): The scores on raw text, by split.
    against (dict[str, dict[str, PRF]]): The overall scores of other models, by name and split.
        The names of splits on raw text end in "_raw".
    confidence (Optional[Reliability]): The reliability of the model's confidence, if measured.
    metrics (Sequence[Metrics]): Detailed metrics of the splits that the model was run on.
    """

    title: str
    name: str
    splits: dict[str, SplitScores]
    raw: dict[str, SplitScores]
    against: dict[str, dict[str, PRF]]
    confidence: Reliability | None = None
    metrics: Sequence[Metrics] = ()


def make_report(
    metrics_dir: Path,
    *,
    title: str = DEFAULT_TITLE,
    against: Sequence[Path] = (),
    metrics: Sequence[Metrics] = (),
) -> Report:
    """Collect the scores of a model and of models to compare it with.

    metrics_dir (Path): The folder of the model's evaluate outputs.
    title (str): The heading.
    against (Sequence[Path]): The folders of other models' evaluate outputs.
    metrics (Sequence[Metrics]): Detailed metrics of the model. Their scores are used for splits
        without an evaluate output.
    RETURNS (Report): The report.
    RAISES (MetricsError): If there are no metrics, or some cannot be read.
    """
    scores = {some.name: _metrics_scores(some) for some in metrics}
    if not scores or has_metrics(metrics_dir):
        scores |= read_metrics(metrics_dir)
    ordered = {split: scores[split] for split in sorted(scores, key=_split_order)}
    splits, raw = _separate_raw(ordered)
    names = _distinct_names([metrics_dir, *against])
    others: dict[str, dict[str, PRF]] = {}
    for path, name in zip(against, names[1:], strict=True):
        others[name] = {split: scores.overall for split, scores in read_metrics(path).items()}
    if others and not any(set(COMPARED_SPLITS) & set(scores) for scores in others.values()):
        raise MetricsError(
            f"nothing to compare with: neither {' nor '.join(COMPARED_SPLITS)} was evaluated in "
            f"{', '.join(str(path) for path in against)}"
        )
    path = metrics_dir / CONFIDENCE_NAME
    confidence = read_reliability(path) if path.exists() else None
    return Report(title, names[0], splits, raw, others, confidence, metrics)


def _metrics_scores(metrics: Metrics) -> SplitScores:
    per_type = {label: PRF(*scores[:3]) for label, scores in metrics.per_type.items()}
    return SplitScores(PRF(*metrics.overall[:3]), per_type, speed=None)


def _separate_raw(
    scores: Mapping[str, SplitScores],
) -> tuple[dict[str, SplitScores], dict[str, SplitScores]]:
    raw = {split: scores[split + RAW_SUFFIX] for split in scores if split + RAW_SUFFIX in scores}
    names = {split + RAW_SUFFIX for split in raw}
    return {split: scores[split] for split in scores if split not in names}, raw


def has_metrics(metrics_dir: Path) -> bool:
    """RETURNS (bool): Whether a folder contains JSON files that may be evaluate outputs."""
    return any(path.name not in (JSON_NAME, CONFIDENCE_NAME) for path in metrics_dir.glob("*.json"))


def read_metrics(metrics_dir: Path) -> dict[str, SplitScores]:
    """Read the outputs of `spacy evaluate` in a folder.

    JSON files named after a split have to be such outputs. Other JSON files are skipped unless
    they contain an object with token accuracy or entity scores; report.json is always skipped.

    metrics_dir (Path): The folder.
    RETURNS (dict[str, SplitScores]): The scores by split: train, validation, test, then others.
    RAISES (MetricsError): If the folder doesn't exist or has no metrics, or a file cannot be read.
    """
    hint = "Run `python -m spacy project run all` to train and evaluate the model first."
    if not metrics_dir.is_dir():
        raise MetricsError(f"no folder of metrics at {metrics_dir}. {hint}")
    splits = {}
    for path in sorted(metrics_dir.glob("*.json"), key=lambda path: _split_order(path.stem)):
        if path.name == JSON_NAME:
            continue
        data = _read_json(path)
        if path.stem in SPLITS or _is_evaluate_output(data):
            splits[path.stem] = _parse_scores(data, path)
    if not splits:
        raise MetricsError(f"no outputs of `spacy evaluate` in {metrics_dir}. {hint}")
    return splits


def _split_order(name: str) -> tuple[int, str]:
    return (SPLITS.index(name) if name in SPLITS else len(SPLITS), name)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except json.JSONDecodeError as error:
        position = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except UnicodeDecodeError as error:
        position = f"byte {error.start}: not UTF-8"
    raise MetricsError(f"{path} is not valid JSON: {position}. Evaluate that split again.")


def _is_evaluate_output(data: object) -> bool:
    return isinstance(data, dict) and not _EVALUATE_KEYS.isdisjoint(data)


def _parse_scores(data: object, path: Path) -> SplitScores:
    if not isinstance(data, dict) or not {"ents_p", "ents_r", "ents_f"} <= set(data):
        raise MetricsError(
            f"no NER scores in {path}: expected ents_p, ents_r and ents_f. Does the pipeline have "
            "an entity recognizer, and was it evaluated without --per-component?"
        )
    overall = PRF(*(_parse_number(data, f"ents_{key}", path) for key in PRF._fields))
    per_type = data.get("ents_per_type") or {}
    if not isinstance(per_type, dict) or not all(isinstance(v, dict) for v in per_type.values()):
        raise MetricsError(f"{path}: ents_per_type must be an object of objects, by entity type")
    return SplitScores(
        overall,
        {
            label: PRF(*(_parse_number(per_type[label], key, path) for key in PRF._fields))
            for label in sorted(per_type)
        },
        _parse_number(data, "speed", path, maximum=math.inf),
    )


def _parse_number(
    data: Mapping[str, Any], key: str, path: Path, maximum: float = 1.0
) -> float | None:
    value = data.get(key)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # NaN is valid for Python's JSON parser and has to fail here.
    if not is_number or not (0.0 <= value <= maximum and math.isfinite(value)):
        bound = "a fraction between 0 and 1" if maximum == 1.0 else "a number from 0"
        raise MetricsError(f"{path}: {key} must be {bound}, got {value!r}")
    return float(value)


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """RETURNS (list[str]): The folders' names, or their paths where names aren't unique."""
    names = [path.resolve().name for path in paths]
    return [
        name if names.count(name) == 1 else str(path)
        for path, name in zip(paths, names, strict=True)
    ]


def report_to_dict(report: Report) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The report in the format of report.json."""
    return {
        "title": report.title,
        "splits": asdict(report.splits),
        "raw_text": {
            split: {**asdict(raw), "loss": _loss(report.splits[split].overall, raw.overall)}
            for split, raw in report.raw.items()
        },
        "against": asdict(report.against),
        "confidence": report.confidence and asdict(report.confidence),
        "quality": {metrics.name: metrics_to_dict(metrics) for metrics in report.metrics},
    }


def _loss(gold: PRF, raw: PRF) -> float | None:
    return None if gold.f is None or raw.f is None else gold.f - raw.f


def report_tables(report: Report, type_columns: Sequence[str] = _HEADER) -> list[Table]:
    """Make the tables of a report.

    report (Report): The report.
    type_columns (Sequence[str]): Which of P, R and F1 to show by entity type.
    RETURNS (list[Table]): The overall scores, and where available the scores by type, on raw text,
        the comparison and the reliability.
    """
    tables = [_overall_table(report)]
    if any(scores.per_type for scores in report.splits.values()):
        tables.append(_type_table(report, type_columns))
    if report.raw:
        tables.append(_raw_table(report))
    if report.against:
        tables.append(_comparison_table(report))
    if report.confidence:
        tables += reliability_tables(report.confidence)
    return tables


def _overall_table(report: Report) -> Table:
    rows = []
    for split, scores in report.splits.items():
        rows.append(_overall_row(split, scores))
        if split in report.raw:
            rows.append(_overall_row(f"{split}, raw text", report.raw[split]))
    return Table("Overall", ("Split", *_HEADER, "Words/s"), rows)


def _overall_row(name: str, scores: SplitScores) -> tuple[str, ...]:
    return (name, *_percentages(scores.overall), figure(scores.speed, ".0f"))


def _type_table(report: Report, columns: Sequence[str]) -> Table:
    splits = report.splits.values()
    header = tuple(f"{split} {column}" for split in report.splits for column in columns)
    rows = []
    for label in sorted({label for scores in splits for label in scores.per_type}):
        row = [label]
        for scores in splits:
            figures = _percentages(scores.per_type.get(label, _NO_SCORES))
            row += [figures[_HEADER.index(column)] for column in columns]
        rows.append(tuple(row))
    return Table("By entity type", ("Type", *header), rows)


def _raw_table(report: Report) -> Table:
    """RETURNS (Table): The loss of F1 due to tokenization, by type."""
    header = tuple(
        f"{split} {column}" for split in report.raw for column in ("gold", "raw", "loss")
    )
    labels = sorted({label for split in report.raw for label in report.splits[split].per_type})
    rows = []
    for label in (None, *labels):
        row = [label or "all types"]
        for split, raw in report.raw.items():
            pair = [
                scores.overall if label is None else scores.per_type.get(label, _NO_SCORES)
                for scores in (report.splits[split], raw)
            ]
            row += [*(percentage(prf.f) for prf in pair), percentage(_loss(*pair))]
        rows.append(tuple(row))
    return Table("F1 on gold tokens and on raw text", ("Type", *header), rows)


def _comparison_table(report: Report) -> Table:
    own = {split: scores.overall for split, scores in report.splits.items()}
    own |= {split + RAW_SUFFIX: scores.overall for split, scores in report.raw.items()}
    models = {report.name: own, **report.against}
    columns = {
        split + suffix: f"{split}{note} F1"
        for split in COMPARED_SPLITS
        for suffix, note in (("", ""), (RAW_SUFFIX, ", raw text"))
        if any(split + suffix in scores for scores in models.values())
    }
    rows = [
        (name, *(percentage(scores[split].f) if split in scores else "-" for split in columns))
        for name, scores in models.items()
    ]
    return Table("Comparison", ("Model", *columns.values()), rows)


def _percentages(prf: PRF) -> tuple[str, ...]:
    return tuple(percentage(value) for value in prf)


def report_to_markdown(report: Report) -> str:
    """RETURNS (str): The report as GitHub Markdown."""
    tables = report_tables(report)
    tables += [table for metrics in report.metrics for table in metrics_tables(metrics)]
    lines = [f"# {escape_markdown(report.title)}", *tables_to_markdown(tables)]
    return "\n".join(lines) + "\n"


def write_report(report: Report, output_dir: Path) -> tuple[Path, Path]:
    """Write report.md and report.json atomically.

    report (Report): The report.
    output_dir (Path): The folder. It is created if missing.
    RETURNS (tuple[Path, Path]): The paths of the two files.
    RAISES (OSError): If they cannot be written. Existing files are kept.
    """
    contents = {
        output_dir / MARKDOWN_NAME: report_to_markdown(report),
        output_dir / JSON_NAME: json.dumps(report_to_dict(report), indent=2) + "\n",
    }
    with write_atomic(*contents) as temporary:
        for path, text in zip(temporary, contents.values(), strict=True):
            path.write_text(text, encoding="utf8", newline="\n")
    return output_dir / MARKDOWN_NAME, output_dir / JSON_NAME
