"""Encode annotated tweets as JSON lines, Parquet, DocBin or token/tag lines."""

import io
import json
import math
from typing import Any, NamedTuple

from spacy.tokens import Doc, DocBin

from ..iob import spans_to_bio
from ..sources.records import Reject, Tweet
from ..util import require
from .annotator import Annotator, Record

_ATTRIBUTES = ("ENT_IOB", "ENT_TYPE", "SPACY")


class Layout(NamedTuple):
    """The layout of output records.

    with_text (bool): Whether to include texts.
    with_fields (bool): Whether to include the input record, under "fields".
    """

    with_text: bool = True
    with_fields: bool = False


def to_json(tweet: Tweet, record: Record, layout: Layout) -> dict[str, Any]:
    """Build an output record.

    tweet (Tweet): The tweet.
    record (Record): Its annotation.
    layout (Layout): The layout.
    RETURNS (dict[str, Any]): A dict with id, text, entities, model, version and fields. Text and
        fields depend on the layout.
    """
    output: dict[str, Any] = {"id": tweet.id, **record}
    if not layout.with_text:
        del output["text"]
        for entity in output["entities"]:
            del entity["text"]
    if layout.with_fields:
        output["fields"] = tweet.fields
    return output


def json_line(record: dict[str, Any]) -> bytes:
    """Encode a record as a line of JSON. Lone surrogates, which UTF-8 can't encode, are escaped."""
    text = _dump(record, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode("utf8") + b"\n"
    except UnicodeEncodeError:
        return _dump(record, separators=(",", ":")).encode() + b"\n"


def _dump(data: Any, **settings: Any) -> str:
    """Encode JSON. NaN and infinity, which aren't valid JSON, become null."""
    try:
        return json.dumps(data, default=str, allow_nan=False, **settings)
    except ValueError:
        return json.dumps(_without_nan(data), default=str, allow_nan=False, **settings)


def _without_nan(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _without_nan(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_nan(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


class Encoder:
    """Base class of output formats. Docs may be freed once they are added.

    annotator (Annotator): The annotator of the docs.
    layout (Layout): The layout of output records.
    """

    def __init__(self, annotator: Annotator, layout: Layout):
        self.annotator = annotator
        self.layout = layout

    def add(self, tweet: Tweet, doc: Doc) -> None:
        """Add a tweet and its annotated doc."""
        raise NotImplementedError

    def add_reject(self, reject: Reject) -> None:
        """Add a placeholder for a reject, so that a stream has one output per input record."""

    def to_bytes(self) -> bytes:
        """Encode the file."""
        raise NotImplementedError

    def _record(self, tweet: Tweet, doc: Doc) -> dict[str, Any]:
        return to_json(tweet, self.annotator.get_record(doc), self.layout)


class JsonlEncoder(Encoder):
    """One JSON record per line."""

    def __init__(self, annotator: Annotator, layout: Layout):
        super().__init__(annotator, layout)
        self._lines: list[bytes] = []

    def add(self, tweet: Tweet, doc: Doc) -> None:
        self._lines.append(json_line(self._record(tweet, doc)))

    def add_reject(self, reject: Reject) -> None:
        self._lines.append(json_line({"id": reject.place, "error": reject.reason}))

    def to_bytes(self) -> bytes:
        return b"".join(self._lines)


class ParquetEncoder(Encoder):
    """One record per row. Fields, which can have any type, are stored as JSON."""

    def __init__(self, annotator: Annotator, layout: Layout):
        super().__init__(annotator, layout)
        self._rows: list[dict[str, Any]] = []

    def add(self, tweet: Tweet, doc: Doc) -> None:
        row = self._record(tweet, doc)
        if self.layout.with_fields:
            row["fields"] = _dump(row["fields"])
        self._rows.append(row)

    def to_bytes(self) -> bytes:
        pyarrow: Any = require("scale", "pyarrow", "pyarrow.parquet")
        table = pyarrow.Table.from_pylist(self._rows, schema=self._schema(pyarrow))
        sink = io.BytesIO()
        pyarrow.parquet.write_table(table, sink, compression="zstd")
        return sink.getvalue()

    def _schema(self, pyarrow: Any) -> Any:
        text = pyarrow.string()
        texts = [("text", text)] if self.layout.with_text else []
        entity = [
            ("start", pyarrow.int32()),
            ("end", pyarrow.int32()),
            ("type", text),
            *texts,
            ("confidence", pyarrow.float32()),
        ]
        fields = [("fields", text)] if self.layout.with_fields else []
        entities = ("entities", pyarrow.list_(pyarrow.struct(entity)))
        model = [("model", text), ("version", text)]
        return pyarrow.schema([("id", text), *texts, entities, *model, *fields])


class DocBinEncoder(Encoder):
    """A DocBin with doc.ents, scores in doc.spans, and the id in doc.user_data."""

    def __init__(self, annotator: Annotator, layout: Layout):
        super().__init__(annotator, layout)
        self._docbin = DocBin(attrs=_ATTRIBUTES, store_user_data=True)

    def add(self, tweet: Tweet, doc: Doc) -> None:
        doc.user_data["id"] = tweet.id
        if self.layout.with_fields:
            doc.user_data["fields"] = _dump(tweet.fields)
        self._docbin.add(doc)

    def to_bytes(self) -> bytes:
        return self._docbin.to_bytes()


class ConllEncoder(Encoder):
    """One token and BIO tag per line, without whitespace tokens. A blank line ends a tweet."""

    def __init__(self, annotator: Annotator, layout: Layout):
        super().__init__(annotator, layout)
        self._lines: list[str] = []

    def add(self, tweet: Tweet, doc: Doc) -> None:
        tags = spans_to_bio(((ent.start, ent.end, ent.label_) for ent in doc.ents), len(doc))
        self._lines += [
            f"{token.text} {tag}\n"
            for token, tag in zip(doc, tags, strict=True)
            if not any(map(str.isspace, token.text))
        ]
        self._lines.append("\n")

    def add_reject(self, reject: Reject) -> None:
        self._lines.append("\n")

    def to_bytes(self) -> bytes:
        return "".join(self._lines).encode("utf8")


ENCODERS: dict[str, type[Encoder]] = {
    "jsonl": JsonlEncoder,
    "parquet": ParquetEncoder,
    "spacy": DocBinEncoder,
    "conll": ConllEncoder,
}
