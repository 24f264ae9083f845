"""Annotated tweets → bytes of a file: JSON lines, Parquet, DocBin or token/tag lines."""

import io
import json
import math
from typing import Any, NamedTuple

from spacy.tokens import Doc, DocBin

from ..iob import spans_to_bio
from .annotating import Annotator, Record, make_record
from .parsing import Reject, Tweet

# What of a doc a DocBin keeps besides its words.
_ATTRIBUTES = ("ENT_IOB", "ENT_TYPE", "SPACY")


class Layout(NamedTuple):
    """What output records hold.

    with_text (bool): Whether they have the text.
    with_fields (bool): Whether they have what the input record held, under "fields".
    """

    with_text: bool = True
    with_fields: bool = False


def to_json(tweet: Tweet, record: Record, layout: Layout) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): An output record: id, text, entities, model, version, fields; text
    and fields if the layout has them."""
    found: dict[str, Any] = {"id": tweet.id, **record}
    if not layout.with_text:
        del found["text"]
        for entity in found["entities"]:
            del entity["text"]
    if layout.with_fields:
        found["fields"] = tweet.fields
    return found


def json_line(record: dict[str, Any]) -> bytes:
    """RETURNS (bytes): A record in a line. A lone surrogate, which JSON may hold and UTF-8 may
    not, is written as its escape."""
    text = _dump(record, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode("utf8") + b"\n"
    except UnicodeEncodeError:
        return _dump(record, separators=(",", ":")).encode() + b"\n"


def _dump(data: Any, **settings: Any) -> str:
    """JSON, which has no NaN and no infinity: fields that are such become null."""
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
    """Makes a file of annotated tweets. Docs may be freed once they are added.

    annotator (Annotator): What annotates them.
    layout (Layout): What output records hold.
    """

    def __init__(self, annotator: Annotator, layout: Layout):
        self.annotator = annotator
        self.layout = layout

    def add(self, tweet: Tweet, doc: Doc) -> None:
        """Add a tweet and its doc."""
        raise NotImplementedError

    def add_reject(self, reject: Reject) -> None:
        """Hold the place of a record without text, so that each record of a stream has its own."""

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The file."""
        raise NotImplementedError

    def _record(self, tweet: Tweet, doc: Doc) -> dict[str, Any]:
        return to_json(tweet, make_record(doc, self.annotator), self.layout)


class JsonlEncoder(Encoder):
    """A record a line."""

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
    """A record a row; fields, which may be of any form, as JSON."""

    def __init__(self, annotator: Annotator, layout: Layout):
        super().__init__(annotator, layout)
        self._rows: list[dict[str, Any]] = []

    def add(self, tweet: Tweet, doc: Doc) -> None:
        row = self._record(tweet, doc)
        if self.layout.with_fields:
            row["fields"] = _dump(row["fields"])
        self._rows.append(row)

    def to_bytes(self) -> bytes:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise ImportError(
                "Parquet needs pyarrow; pip install 'spacy-twitter-ner[scale]'"
            ) from error
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
    """Entities stand in doc.ents and, with scores, in doc.spans; the id in doc.user_data."""

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
    """`token tag` a line, a blank line after each tweet; white space is no token."""

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
