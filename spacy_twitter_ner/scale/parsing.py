"""Raw records → tweets with their ids, or the reason why there is none."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from .inputs import RawRecord

# How much of a record a reject shows.
EXCERPT = 200
# Twitter's API v1.1 has texts of more than 140 characters elsewhere.
_TEXT_FIELDS = ("extended_tweet.full_text", "full_text", "text")
_ID_FIELDS = ("id_str", "id")
# What a stream of the API v1.1 has between tweets.
_NOTICES = ("delete", "limit", "scrub_geo", "status_withheld", "user_withheld", "warning")


class Tweet(NamedTuple):
    """A text to annotate.

    id (str): What the record calls itself, or else source:line.
    text (str): The text.
    fields (dict[str, Any]): The record.
    source (str): The file it stands in.
    line (int): Its line there.
    """

    id: str
    text: str
    fields: dict[str, Any]
    source: str
    line: int


class Reject(NamedTuple):
    """A record that has no text.

    source (str): The file.
    line (int): The line.
    reason (str): Why.
    data (str): The record's beginning.
    """

    source: str
    line: int
    reason: str
    data: str

    @property
    def place(self) -> str:
        """Where it stands: file:line."""
        return f"{self.source}:{self.line}"


def parse(
    raw: RawRecord,
    source: str,
    file_format: str,
    text_field: str | None = None,
    id_field: str | None = None,
) -> Iterator[Tweet | Reject]:
    """Find the texts of a record.

    raw (RawRecord): The record.
    source (str): The file it stands in.
    file_format (str): The file's format.
    text_field (Optional[str]): Where the text is, with dots between the names of nested fields.
        Default: where Twitter's API has it.
    id_field (Optional[str]): Where its id is, likewise.
    YIELDS (Tweet | Reject): A tweet, or several where a line is a page of the API v2.
    """
    try:
        if raw.error:
            raise ValueError(raw.error)
        if file_format == "text":
            place = f"{source}:{raw.line}"
            yield Tweet(place, raw.data.decode("utf8"), {}, source, raw.line)  # type: ignore[union-attr]
            return
        for position, fields in enumerate(_objects(raw.data), start=1):
            place = f"{source}:{raw.line}" + (f":{position}" if position > 1 else "")
            text = _find_text(fields, text_field)
            identity = _find_id(fields, id_field) or place
            yield Tweet(identity, text, fields, source, raw.line)
    except UnicodeDecodeError as error:
        yield Reject(source, raw.line, f"not UTF-8: {error.reason}", _excerpt(raw.data))
    except ValueError as error:
        yield Reject(source, raw.line, str(error), _excerpt(raw.data))


def _objects(data: bytes | dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a record: one, or those of a page of the API v2."""
    if isinstance(data, bytes):
        try:
            found = json.loads(data.decode("utf8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"no JSON: {error.msg} at column {error.colno}") from None
        except RecursionError:
            raise ValueError("no JSON: nested too deeply") from None
    else:
        found = data
    if not isinstance(found, dict):
        raise ValueError(f"a JSON object is needed, this is of type {type(found).__name__}")
    inner = found.get("data")
    if "text" not in found and isinstance(inner, dict):
        return [inner]
    if "text" not in found and isinstance(inner, list) and inner:
        if not all(isinstance(each, dict) for each in inner):
            raise ValueError("field data: a list of objects is needed")
        return inner
    return [found]


def _find_text(fields: dict[str, Any], text_field: str | None) -> str:
    names = (text_field,) if text_field else _TEXT_FIELDS
    for name in names:
        text = _find(fields, name)
        if isinstance(text, str):
            if any("\udc80" <= char <= "\udcff" for char in text) and not text.isascii():
                _refuse_undecodable(text)
            return text
        if text is not None:
            raise ValueError(f"field {name}: a text is needed, this is {type(text).__name__}")
    if notice := next((name for name in _NOTICES if name in fields), None):
        raise ValueError(f"no tweet but a notice of the stream: {notice}")
    raise ValueError(f"no text: there is no field {' or '.join(names)}")


def _refuse_undecodable(text: str) -> None:
    """Bytes of a CSV file that are not UTF-8 were escaped in reading."""
    try:
        text.encode("utf8", errors="surrogateescape").decode("utf8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason}") from None
    except UnicodeEncodeError:
        return


def _find_id(fields: dict[str, Any], id_field: str | None) -> str | None:
    for name in (id_field,) if id_field else _ID_FIELDS:
        found = _find(fields, name)
        if isinstance(found, str | int) and not isinstance(found, bool):
            # A lone surrogate, which JSON may hold and UTF-8 may not, is replaced.
            return str(found).encode("utf8", errors="replace").decode("utf8")
    return None


def _find(fields: dict[str, Any], name: str) -> Any:
    if name in fields:
        return fields[name]
    found: Any = fields
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _excerpt(data: bytes | dict[str, Any]) -> str:
    if isinstance(data, bytes):
        return data[:EXCERPT].decode("utf8", errors="backslashreplace")
    return json.dumps(data, ensure_ascii=False, default=str)[:EXCERPT]
