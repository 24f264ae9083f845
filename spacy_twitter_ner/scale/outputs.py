"""Annotated tweets → bytes of a file: JSON lines, Parquet, DocBin or token/tag lines."""

import io
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc, DocBin

from ..iob import spans_to_bio
from .annotating import Annotator, Record, make_record
from .parsing import Tweet

# What of a doc a DocBin keeps besides its words.
_ATTRIBUTES = ("ENT_IOB", "ENT_TYPE", "SPACY")


class Layout(NamedTuple):
    """What output records hold.

    with_text (bool): Whether they have the text.
    with_fields (bool): Whether they have what the input record held, under "fields".
    """

    with_text: bool = True
    with_fields: bool = False


class Annotated(NamedTuple):
    """A tweet and its doc."""

    tweet: Tweet
    doc: Doc


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
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str)
    try:
        return text.encode("utf8") + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record, separators=(",", ":"), default=str).encode() + b"\n"


def _encode_jsonl(batch: Sequence[Annotated], annotator: Annotator, layout: Layout) -> bytes:
    return b"".join(
        json_line(to_json(tweet, make_record(doc, annotator), layout)) for tweet, doc in batch
    )


def _encode_parquet(batch: Sequence[Annotated], annotator: Annotator, layout: Layout) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "Parquet needs pyarrow; pip install 'spacy-twitter-ner[scale]'"
        ) from error
    text = pyarrow.string()
    entity = [("start", pyarrow.int32()), ("end", pyarrow.int32()), ("type", text)]
    if layout.with_text:
        entity.append(("text", text))
    entity.append(("confidence", pyarrow.float32()))
    fields = [("id", text), ("entities", pyarrow.list_(pyarrow.struct(entity)))]
    if layout.with_text:
        fields.insert(1, ("text", text))
    fields += [("model", text), ("version", text)]
    rows = [to_json(tweet, make_record(doc, annotator), layout) for tweet, doc in batch]
    if layout.with_fields:
        # Of any form, and so as JSON.
        fields.append(("fields", text))
        for row in rows:
            row["fields"] = json.dumps(row["fields"], default=str)
    table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(fields))
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _encode_docbin(batch: Sequence[Annotated], annotator: Annotator, layout: Layout) -> bytes:
    """Entities stand in doc.ents and, with scores, in doc.spans; the id in doc.user_data."""
    docbin = DocBin(attrs=_ATTRIBUTES, store_user_data=True)
    for tweet, doc in batch:
        doc.user_data["id"] = tweet.id
        if layout.with_fields:
            doc.user_data["fields"] = json.dumps(tweet.fields, default=str)
        docbin.add(doc)
    return docbin.to_bytes()


def _encode_conll(batch: Sequence[Annotated], annotator: Annotator, layout: Layout) -> bytes:
    """`token tag` a line, a blank line after each tweet; white space is no token."""
    lines = []
    for _, doc in batch:
        tags = spans_to_bio(((ent.start, ent.end, ent.label_) for ent in doc.ents), len(doc))
        lines += [
            f"{token.text} {tag}\n"
            for token, tag in zip(doc, tags, strict=True)
            if not any(map(str.isspace, token.text))
        ]
        lines.append("\n")
    return "".join(lines).encode("utf8")


Encode = Callable[[Sequence[Annotated], Annotator, Layout], bytes]
ENCODERS: dict[str, Encode] = {
    "jsonl": _encode_jsonl,
    "parquet": _encode_parquet,
    "spacy": _encode_docbin,
    "conll": _encode_conll,
}
