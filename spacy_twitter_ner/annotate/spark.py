"""Annotate a Spark DataFrame."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .annotator import annotate_batch

if TYPE_CHECKING:
    import pandas
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

COLUMNS = ("entities", "model", "version")


def annotate_dataframe(frame: "DataFrame", model: str, *, text_column: str = "text") -> "DataFrame":
    """Annotate a column of texts.

    frame (DataFrame): The frame, batch or streaming.
    model (str): A trained pipeline: its package, or a folder that all executors have. Each Python
        worker loads it once.
    text_column (str): The column of the texts.
    RETURNS (DataFrame): The frame with added columns entities, model and version, which are null
        where the text is null.
    RAISES (ValueError): If the frame lacks the text column or already has one of the added ones.
    """
    if text_column not in frame.columns:
        raise ValueError(
            f"the frame has no column {text_column!r}; it has {', '.join(frame.columns)}"
        )
    if taken := sorted(set(COLUMNS) & set(frame.columns)):
        raise ValueError(f"the frame has a column {taken[0]!r} already: rename or drop it")
    return frame.mapInPandas(make_mapper(model, text_column), _extend(frame.schema))


def _extend(schema: "StructType") -> "StructType":
    from pyspark.sql.types import ArrayType, StructType

    entity = StructType()
    for name in ("start", "end"):
        entity = entity.add(name, "integer")
    for name in ("type", "text"):
        entity = entity.add(name, "string")
    entity = entity.add("confidence", "double")
    extended = StructType(list(schema.fields)).add("entities", ArrayType(entity))
    return extended.add("model", "string").add("version", "string")


Mapper = Callable[["Iterator[pandas.DataFrame]"], "Iterator[pandas.DataFrame]"]


def make_mapper(model: str, text_column: str = "text") -> Mapper:
    """Return a function for `mapInPandas`."""

    def annotate_frames(frames: "Iterator[pandas.DataFrame]") -> "Iterator[pandas.DataFrame]":
        for frame in frames:
            yield _annotate_frame(frame, model, text_column)

    return annotate_frames


def _annotate_frame(frame: Any, model: str, text_column: str) -> Any:
    present = frame[text_column].notna()
    records = iter(annotate_batch([str(text) for text in frame[text_column][present]], model))
    found = [next(records) if has_text else None for has_text in present]
    columns = {name: [record and record[name] for record in found] for name in COLUMNS}  # type: ignore[literal-required]
    return frame.assign(**columns)
