"""One report of a model's scores, from the JSON files of `python -m spacy evaluate --output`.

A folder of metrics holds one such file a split: train.json, validation.json, test.json, any of
them, and others. Beside the scores of a split on gold tokens there may be those of the same tweets
on raw text, as test_raw.json beside test.json. The report is report.md, to read, and report.json,
of this form:

    {
      "title": str,
      "splits": {split: SCORES},
      "raw_text": {split: {**SCORES, "loss": F1 on gold tokens minus F1 on raw text, or null}},
      "against": {folder: {split or split_raw: PRF}},
      "confidence": as in confidence.json, or null,
      "quality": {split: QUALITY}
    }

SCORES is {"overall": PRF, "per_type": {type: PRF}, "speed": words/s or null}.
PRF is {"p": …, "r": …, "f": …}, fractions of 1 as in spaCy, or null where nothing was scored:
neither the gold annotation nor the predictions hold an entity. report.md gives percentages.
QUALITY is there if the model was run on the split (analysis.py); its form is in quality.py.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .quality import ALL, Quality, quality_to_dict
from .quality_tables import quality_tables
from .reliability import FILE_NAME as CONFIDENCE_NAME
from .reliability import Reliability, read_reliability, reliability_tables, reliability_to_dict
from .tables import Table, escape_markdown, figure, percentage, tables_to_markdown

SPLITS = ("train", "validation", "test")
COMPARED_SPLITS = ("validation", "test")
# What the name of a split on raw text ends with, as `convert --raw` names it.
RAW_SUFFIX = "_raw"
MARKDOWN_NAME, JSON_NAME = "report.md", "report.json"
DEFAULT_TITLE = "Named entity recognition: scores"

# An output of `spacy evaluate` has token_acc for any pipeline; one of scores of entities alone,
# as the baselines in benchmarks/ write it, has the others. No other file of ours has any.
_EVALUATE_KEYS = {"token_acc", "ents_p", "ents_r", "ents_f"}
_HEADER = ("P", "R", "F1")


class MetricsError(ValueError):
    """Metrics that are absent or cannot be read; the message says what to do."""


class PRF(NamedTuple):
    """Precision, recall and their harmonic mean, as fractions; None where nothing was scored."""

    p: float | None
    r: float | None
    f: float | None


class SplitScores(NamedTuple):
    """What one evaluate output says of the entities of a split.

    overall (PRF): The micro-average over all entities.
    per_type (dict[str, PRF]): The scores of each entity type.
    speed (Optional[float]): Words per second, where it was measured.
    """

    overall: PRF
    per_type: dict[str, PRF]
    speed: float | None


class Report(NamedTuple):
    """The scores of one model, and the overall ones of models to compare it with.

    title (str): The heading.
    name (str): What the model's own row is called in the comparison.
    splits (dict[str, SplitScores]): The scores, in the order of the report.
    raw (dict[str, SplitScores]): Those of some of the splits on raw text.
    against (dict[str, dict[str, PRF]]): The overall scores of other models, by name and split;
        on raw text the split's name ends in "_raw".
    confidence (Optional[Reliability]): How far its confidence can be trusted, if measured.
    quality (Sequence[Quality]): All that is known of the splits that the model was run on.
    """

    title: str
    name: str
    splits: dict[str, SplitScores]
    raw: dict[str, SplitScores]
    against: dict[str, dict[str, PRF]]
    confidence: Reliability | None = None
    quality: Sequence[Quality] = ()


def make_report(
    metrics_dir: Path,
    *,
    title: str = DEFAULT_TITLE,
    against: Sequence[Path] = (),
    quality: Sequence[Quality] = (),
) -> Report:
    """Gather the metrics of a model and of those to compare it with.

    metrics_dir (Path): The folder of the model's evaluate outputs.
    title (str): The heading.
    against (Sequence[Path]): Folders of other models' evaluate outputs.
    quality (Sequence[Quality]): What else is known of the model; its scores stand for those of
        splits without an evaluate output.
    RETURNS (Report): The report.
    RAISES (MetricsError): If there are no metrics, or some cannot be read.
    """
    known = {some.name: _quality_scores(some) for some in quality}
    if not known or has_metrics(metrics_dir):
        known |= read_metrics(metrics_dir)
    splits, raw = _part_raw(dict(sorted(known.items(), key=lambda item: _split_order(item[0]))))
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
    return Report(title, names[0], splits, raw, others, confidence, quality)


def _quality_scores(quality: Quality) -> SplitScores:
    per_type = {label: PRF(*quality.scores[label][:3]) for label in quality.labels}
    return SplitScores(PRF(*quality.scores[ALL][:3]), per_type, speed=None)


def _part_raw(
    scores: Mapping[str, SplitScores],
) -> tuple[dict[str, SplitScores], dict[str, SplitScores]]:
    """Part the scores on raw text, by the names of their splits, from all others."""
    raw = {split: scores[split + RAW_SUFFIX] for split in scores if split + RAW_SUFFIX in scores}
    names = {split + RAW_SUFFIX for split in raw}
    return {split: scores[split] for split in scores if split not in names}, raw


def has_metrics(metrics_dir: Path) -> bool:
    """RETURNS (bool): Whether a folder has JSON files that may be evaluate outputs."""
    return any(path.name not in (JSON_NAME, CONFIDENCE_NAME) for path in metrics_dir.glob("*.json"))


def read_metrics(metrics_dir: Path) -> dict[str, SplitScores]:
    """Read the evaluate outputs of a folder.

    Of its *.json files, report.json is left out by its name, and others unless they look like
    an output of `spacy evaluate`: a JSON object with the tokenisation's accuracy or scores of
    entities. Files with the name of a split have to be such outputs.

    metrics_dir (Path): The folder.
    RETURNS (dict[str, SplitScores]): The scores by split: train, validation, test, then others.
    RAISES (MetricsError): If the folder is absent or has no metrics, or a file cannot be read.
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
        place = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except UnicodeDecodeError as error:
        place = f"byte {error.start}: not UTF-8"
    raise MetricsError(f"{path} is not valid JSON: {place}. Evaluate that split again.")


def _is_evaluate_output(data: object) -> bool:
    return isinstance(data, dict) and not _EVALUATE_KEYS.isdisjoint(data)


def _parse_scores(data: object, path: Path) -> SplitScores:
    if not isinstance(data, dict) or not {"ents_p", "ents_r", "ents_f"} <= set(data):
        raise MetricsError(
            f"no NER scores in {path}: expected ents_p, ents_r and ents_f. Does the pipeline have "
            "an entity recogniser, and was it evaluated without --per-component?"
        )
    overall = PRF(*(_parse_number(data, f"ents_{key}", path) for key in PRF._fields))
    per_type = data.get("ents_per_type") or {}
    if not isinstance(per_type, dict) or not all(isinstance(v, dict) for v in per_type.values()):
        raise MetricsError(f"{path}: ents_per_type has to be an object of objects, by entity type")
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
    # Written so that NaN, which Python's JSON reader lets pass, fails too.
    if not is_number or not (0.0 <= value <= maximum and math.isfinite(value)):
        bound = "a fraction between 0 and 1" if maximum == 1.0 else "a number from 0"
        raise MetricsError(f"{path}: {key} has to be {bound}, got {value!r}")
    return float(value)


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """Name folders by their last part, or as they were given where that is not distinct."""
    names = [path.resolve().name for path in paths]
    return [
        name if names.count(name) == 1 else str(path)
        for path, name in zip(paths, names, strict=True)
    ]


def report_to_dict(report: Report) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): A report in the form of report.json, described above."""
    return {
        "title": report.title,
        "splits": {split: _scores_to_dict(scores) for split, scores in report.splits.items()},
        "raw_text": {
            split: {
                **_scores_to_dict(scores),
                "loss": _loss(report.splits[split].overall, scores.overall),
            }
            for split, scores in report.raw.items()
        },
        "against": {
            name: {split: prf._asdict() for split, prf in scores.items()}
            for name, scores in report.against.items()
        },
        "confidence": report.confidence and reliability_to_dict(report.confidence),
        "quality": {quality.name: quality_to_dict(quality) for quality in report.quality},
    }


def _scores_to_dict(scores: SplitScores) -> dict[str, Any]:
    return {
        "overall": scores.overall._asdict(),
        "per_type": {label: prf._asdict() for label, prf in scores.per_type.items()},
        "speed": scores.speed,
    }


def _loss(gold: PRF, raw: PRF) -> float | None:
    return None if gold.f is None or raw.f is None else gold.f - raw.f


def report_tables(report: Report, type_columns: Sequence[str] = _HEADER) -> list[Table]:
    """Lay a report out in tables.

    report (Report): The report.
    type_columns (Sequence[str]): Which of P, R and F1 to show of each entity type and split.
    RETURNS (list[Table]): The overall scores; those by type, where there are any; F1 on raw text
        beside that on gold tokens, the comparison, and confidence, where there are such.
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
    nothing = PRF(None, None, None)
    header = tuple(f"{split} {column}" for split in report.splits for column in columns)
    rows = []
    for label in sorted({label for scores in splits for label in scores.per_type}):
        row = [label]
        for scores in splits:
            figures = _percentages(scores.per_type.get(label, nothing))
            row += [figures[_HEADER.index(column)] for column in columns]
        rows.append(tuple(row))
    return Table("By entity type", ("Type", *header), rows)


def _raw_table(report: Report) -> Table:
    """What tokenization costs: F1 on gold tokens and on raw text, by type."""
    nothing = PRF(None, None, None)
    header = tuple(
        f"{split} {column}" for split in report.raw for column in ("gold", "raw", "loss")
    )
    labels = sorted({label for split in report.raw for label in report.splits[split].per_type})
    rows = []
    for label in (None, *labels):
        row = [label or "all types"]
        for split, raw in report.raw.items():
            gold = report.splits[split]
            pair = [
                scores.overall if label is None else scores.per_type.get(label, nothing)
                for scores in (gold, raw)
            ]
            loss = _loss(*pair)
            row += [*(percentage(prf.f) for prf in pair), percentage(loss)]
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
    """RETURNS (str): A report as Markdown with GitHub's tables."""
    tables = report_tables(report)
    tables += [table for quality in report.quality for table in quality_tables(quality)]
    lines = [f"# {escape_markdown(report.title)}", *tables_to_markdown(tables)]
    return "\n".join(lines) + "\n"


def write_report(report: Report, output_dir: Path) -> tuple[Path, Path]:
    """Write report.md and report.json, each of them whole or not at all.

    report (Report): The report.
    output_dir (Path): The folder; it is created if absent.
    RETURNS (tuple[Path, Path]): The paths of the two files.
    RAISES (OSError): If they cannot be written; no file is left half-written then.
    """
    contents = {
        output_dir / MARKDOWN_NAME: report_to_markdown(report),
        output_dir / JSON_NAME: json.dumps(report_to_dict(report), indent=2) + "\n",
    }
    output_dir.mkdir(parents=True, exist_ok=True)
    # In the same folder, since os.replace is atomic within one file system only.
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in contents}
    try:
        for path, text in contents.items():
            temporary[path].write_text(text, encoding="utf8", newline="\n")
        for path in contents:
            os.replace(temporary[path], path)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return output_dir / MARKDOWN_NAME, output_dir / JSON_NAME
