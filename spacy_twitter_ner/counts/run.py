"""Count the names in files, and write the counts."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..annotate.annotator import describe_model, load_annotator
from ..annotate.jobs import Outcome
from ..annotate.run import Totals, Workers
from ..sources.inputs import Shard, expand, read_shards
from ..sources.records import ReadOptions, Reject
from ..util import get_ner, require, write_atomic
from ..viz.counts import NameSeries
from .calibration import CONFIDENCE, Count, CountCalibration
from .candidates import CountJob, Name, count_shard
from .names import UNKNOWN
from .store import CountStore

# Counts of all groups together.
TOTAL = "total"
FORMATS = (".csv", ".parquet", ".json")
# Rejects to keep as examples.
_MAX_REJECTS = 20


class CountRow(NamedTuple):
    """The count of a name, or of a type, in a group of tweets.

    group (str): The group, such as a day, or `TOTAL`.
    name (str): Normal form of the name. Empty for the number of all names of a type.
    type (str): The type.
    text (str): The name as in a tweet.
    expected (float): Expected number of tweets.
    low (float): Lower bound of its 90% interval.
    high (float): Upper bound.
    predicted (int): Number of tweets with a probability of at least 0.5.
    tweets (int): Number of tweets in the group.
    """

    group: str
    name: str
    type: str
    text: str
    expected: float
    low: float
    high: float
    predicted: int
    tweets: int


class CountResult(NamedTuple):
    """The counts of a run.

    model (str): Name and version of the pipeline.
    tweets (int): Number of tweets.
    rejects (int): Number of records without a text.
    examples (list[Reject]): The first rejects.
    by (Optional[str]): What tweets are grouped by.
    labelled (int): Number of labelled tweets that the counts were calibrated on.
    rows (list[CountRow]): The counts: for each name of the top, the total, then each group; then
        the types.
    """

    model: str
    tweets: int
    rejects: int
    examples: list[Reject]
    by: str | None
    labelled: int
    rows: list[CountRow]


def count_files(
    inputs: Sequence[str],
    job: CountJob,
    *,
    calibration: CountCalibration | None = None,
    top: int = 100,
    shard_size: int = 2_000,
    input_format: str | None = None,
    options: ReadOptions | None = None,
    workers: Workers | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> CountResult:
    """Count the tweets that contain each name. Memory use doesn't depend on their number.

    inputs (Sequence[str]): Files, folders, patterns or URLs, as for annotate_files.
    job (CountJob): The settings.
    calibration (Optional[CountCalibration]): From `calibrate_counts`.
    top (int): Number of names to return.
    shard_size (int): Number of tweets per shard.
    input_format (Optional[str]): Format of the files. Default: detected from their names.
    options (Optional[ReadOptions]): How to read them.
    workers (Optional[Workers]): The workers. Default: this process.
    on_outcome (Optional[Callable[[Outcome], None]]): Called with the outcome of each shard.
    RETURNS (CountResult): The counts.
    RAISES (ValueError): If inputs can't be read, or the pipeline has no twitter_bilstm_ner.
    RAISES (OSError): If the pipeline or a file can't be found.
    """
    calibration = calibration or CountCalibration()
    model = describe_model(job.model)
    # Workers must load the same files.
    job = replace(job, model_hash=model["hash"])
    get_ner(load_annotator(job.model, job.model_hash).nlp)
    shards = read_shards(expand(inputs), shard_size, input_format, options)
    with CountStore() as store:
        totals, examples = fill_store(store, shards, job, workers, on_outcome)
        rows = [*_count_names(store, calibration, top), *_count_types(store, calibration)]
    name = f"{model['name']} {model['version']}"
    figures = (totals.records, totals.rejects, examples, job.by, calibration.n_tweets)
    return CountResult(name, *figures, rows)


def fill_store(
    store: CountStore,
    shards: Iterable[Shard],
    job: CountJob,
    workers: Workers | None,
    on_outcome: Callable[[Outcome], None] | None,
) -> tuple[Totals, list[Reject]]:
    """Add the names in shards to a store.

    store (CountStore): The store.
    shards (Iterable[Shard]): The shards.
    job (CountJob): The settings.
    workers (Optional[Workers]): The workers. Default: this process.
    on_outcome (Optional[Callable[[Outcome], None]]): Called with the outcome of each shard.
    RETURNS (tuple[Totals, list[Reject]]): The totals and the first rejects.
    """
    totals = Totals()
    examples: list[Reject] = []
    for outcome in (workers or Workers(1)).run(shards, job, count_shard):
        store.add(json.loads(outcome.output))
        totals.add(outcome)
        examples += outcome.rejected[: _MAX_REJECTS - len(examples)]
        if on_outcome is not None:
            on_outcome(outcome)
    return totals, examples


def _count_names(store: CountStore, calibration: CountCalibration, top: int) -> Iterator[CountRow]:
    """Yield the top names in the order of their calibrated counts."""
    # Calibration changes the order a little.
    candidates = [
        (calibration.count_name(name, sums), name, sums) for name, sums in store.top_names(2 * top)
    ]
    candidates.sort(key=lambda each: (-each[0].expected, each[1]))
    n_tweets = sum(store.groups.values())
    for count, name, sums in candidates[:top]:
        groups = store.by_group(name)
        text = groups[0][1]
        yield _row(TOTAL, name, text, count, sums.predicted, n_tweets)
        if set(store.groups) == {""}:
            continue
        for group, text, own in groups:
            own_count = calibration.count_name(name, own)
            yield _row(group, name, text, own_count, own.predicted, store.groups[group])


def _count_types(store: CountStore, calibration: CountCalibration) -> Iterator[CountRow]:
    for group, label, sums in store.by_type():
        count = calibration.count_type(label, sums)
        name = ("", label)
        yield _row(group or TOTAL, name, "", count, sums.predicted, store.groups[group])


def _row(
    group: str, name: Name, text: str, count: Count, predicted: int, n_tweets: int
) -> CountRow:
    expected, low, high = (round(value, 2) for value in count)
    return CountRow(group, *name, text, expected, low, high, predicted, n_tweets)


def write_counts(result: CountResult, path: Path) -> None:
    """Write counts as CSV, Parquet or JSON.

    result (CountResult): The counts.
    path (Path): The file: .csv, .parquet or .json. An existing file is replaced.
    RAISES (ValueError): If the path has another suffix.
    RAISES (OSError): If the file can't be written.
    """
    require_format(path)
    rows = [row._asdict() for row in result.rows]
    if path.suffix == ".json":
        data = json.dumps(describe_counts(result) | {"counts": rows}, indent=1).encode() + b"\n"
    elif path.suffix == ".csv":
        data = _to_csv(rows)
    else:
        pyarrow: Any = require("scale", "pyarrow", "pyarrow.parquet")
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink, compression="zstd")
        data = sink.getvalue()
    with write_atomic(path) as (temporary,):
        temporary.write_bytes(data)


def require_format(path: Path) -> None:
    """RAISES (ValueError): If counts can't be written to a file of this name."""
    if path.suffix not in FORMATS:
        raise ValueError(f"cannot write {path}: the file name must end in {', '.join(FORMATS)}")


def describe_counts(result: CountResult) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): How the counts were made."""
    return {
        "model": result.model,
        "tweets": result.tweets,
        "rejects": result.rejects,
        "by": result.by,
        "labelled_tweets": result.labelled,
        "interval": CONFIDENCE,
    }


def _to_csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, CountRow._fields)
    writer.writeheader()
    writer.writerows({key: _as_text(value) for key, value in row.items()} for row in rows)
    return file.getvalue().encode("utf8")


def _as_text(value: Any) -> Any:
    """RETURNS (Any): The value; text that spreadsheets would evaluate starts with an apostrophe."""
    is_formula = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if is_formula else value


def make_series(result: CountResult, n: int = 20) -> tuple[list[NameSeries], list[str]]:
    """Make the input of viz.counts.draw_counts.

    result (CountResult): The counts.
    n (int): Number of names.
    RETURNS (tuple[list[NameSeries], list[str]]): The most frequent names, and the groups.
    """
    groups = sorted({row.group for row in result.rows} - {TOTAL, UNKNOWN})
    counts = {(row.group, row.name, row.type): row[4:7] for row in result.rows}
    names = [row for row in result.rows if row.name and row.group == TOTAL][:n]
    nothing = (0.0, 0.0, 0.0)
    series = [
        NameSeries(
            *(row.text, row.type, *row[4:7]),
            [counts.get((group, row.name, row.type), nothing) for group in groups],
        )
        for row in names
    ]
    return series, groups
