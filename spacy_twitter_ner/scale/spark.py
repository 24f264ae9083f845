"""Annotate a Spark DataFrame: a thin adapter of `annotate_batch`."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .annotating import annotate_batch

if TYPE_CHECKING:
    import pandas
    from pyspark.sql import DataFrame

ENTITIES_TYPE = "array<struct<start:int,end:int,type:string,text:string,confidence:double>>"
# Columns that are added, and their types.
COLUMNS = {"entities": ENTITIES_TYPE, "model": "string", "version": "string"}


def annotate_dataframe(frame: "DataFrame", model: str, *, text_column: str = "text") -> "DataFrame":
    """Find the entities of a column of texts.

    frame (DataFrame): The frame, batch or streaming.
    model (str): A trained pipeline: its package, or a folder that all executors have. Each Python
        worker loads it once.
    text_column (str): The column of the texts.
    RETURNS (DataFrame): The frame with the columns entities, model and version; entities are null
        where the text is.
    RAISES (ValueError): If the frame lacks the column, or has one of those that are added.
    """
    if text_column not in frame.columns:
        raise ValueError(
            f"the frame has no column {text_column!r}; it has {', '.join(frame.columns)}"
        )
    if taken := sorted(set(COLUMNS) & set(frame.columns)):
        raise ValueError(f"the frame has a column {taken[0]!r} already: rename or drop it")
    from pyspark.sql.types import StructType

    schema = StructType(list(frame.schema.fields))
    for name, type_ in COLUMNS.items():
        schema = schema.add(name, type_)
    return frame.mapInPandas(make_mapper(model, text_column), schema)


Mapper = Callable[["Iterator[pandas.DataFrame]"], "Iterator[pandas.DataFrame]"]


def make_mapper(model: str, text_column: str = "text") -> Mapper:
    """RETURNS (Callable): The function for `mapInPandas`."""

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
