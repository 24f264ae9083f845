"""Parse raw records into tweets with their ids, or the reason why there is none."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from .json_documents import PAGE_FIELDS
from .records import RawRecord

# How much of a record a reject shows.
EXCERPT = 200
# How many names of fields a reject shows.
_MAX_NAMES = 20
# Twitter's APIs have the whole of long texts elsewhere.
_TEXT_FIELDS = (
    "note_tweet.text",
    "note_tweet.note_tweet_results.result.text",
    "extended_tweet.full_text",
    "full_text",
    "text",
)
# Objects that have it, and no tweets, are pages of searches that found none.
_PAGE_COUNTS = ("meta", "search_metadata")
_ID_FIELDS = ("id_str", "id")
# What a stream of the API v1.1 has between tweets.
_ADVICE = "; save the file as UTF-8, or annotate it with --encoding"
_NOTICE = "no tweet but a notice of the stream"
_NOTICES = ("delete", "limit", "scrub_geo", "status_withheld", "user_withheld", "warning")
# The text of a retweet starts with the name of who wrote it, and is cut off at its end.
_RETWEET = re.compile(r"RT @\w+: ")
_CUT_OFF = "\u2026"
# Floats from here on don't have all the digits of an id.
_MAX_EXACT = 2**53


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
    item (int): Its number among the records of the line.
    """

    source: str
    line: int
    reason: str
    data: str
    item: int = 1

    @property
    def place(self) -> str:
        """Where it is: file:line, or file:line:item for all but the first record of a line."""
        return _place(self.source, self.line, self.item)

    @property
    def is_notice(self) -> bool:
        """Whether it isn't a tweet but a notice of a stream."""
        return self.reason.startswith(_NOTICE)


def _place(source: str, line: int, item: int) -> str:
    return f"{source}:{line}" + (f":{item}" if item > 1 else "")


def parse(
    raw: RawRecord,
    source: str,
    file_format: str,
    text_field: str | None = None,
    id_field: str | None = None,
) -> Iterator[Tweet | Reject]:
    """Find the texts of a record.

    raw (RawRecord): The record.
    source (str): The file it is in.
    file_format (str): The file's format.
    text_field (Optional[str]): The field of the text, with dots between the names of nested
        fields. Default: where Twitter's API has it.
    id_field (Optional[str]): The field of the id, likewise.
    YIELDS (Tweet | Reject): A tweet, or several if the record is a page of tweets.
    """
    try:
        if raw.error:
            raise ValueError(raw.error)
        if file_format == "text":
            place = _place(source, raw.line, raw.item)
            yield Tweet(place, raw.data.decode("utf8"), {}, source, raw.line)  # type: ignore[union-attr]
            return
        tweets, others = _split_page(_load(raw.data), text_field)
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: {error.reason}{_ADVICE}"
        yield Reject(source, raw.line, reason, _excerpt(raw.data), raw.item)
        return
    except ValueError as error:
        yield Reject(source, raw.line, str(error), _excerpt(raw.data), raw.item)
        return
    for item, fields in enumerate(tweets, start=raw.item):
        try:
            text = _find_text(fields, text_field, others)
            if not isinstance(raw.data, bytes):
                _refuse_undecodable(text)
            identity = _find_id(fields, id_field) or _place(source, raw.line, item)
            yield Tweet(identity, text, fields, source, raw.line)
        except ValueError as error:
            yield Reject(source, raw.line, str(error), _excerpt(fields), item)


def _load(data: bytes | dict[str, Any]) -> dict[str, Any]:
    """The object of a record."""
    if not isinstance(data, bytes):
        return data
    try:
        found = json.loads(data.decode("utf8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("no JSON: nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"a JSON object is needed, this is of type {type(found).__name__}")
    return found


def _split_page(
    found: dict[str, Any], text_field: str | None
) -> tuple[list[Any], Mapping[str, Any]]:
    """The tweets of an object: itself, or those of a page. And the tweets they refer to, by id."""
    # In an archive, each tweet is wrapped.
    if list(found) == ["tweet"] and isinstance(found["tweet"], dict):
        return [found["tweet"]], {}
    if _has(found, text_field or "text") or "full_text" in found:
        return [found], {}
    for name in PAGE_FIELDS:
        inner = found.get(name)
        if name == "data" and isinstance(inner, dict):
            return [inner], _find_included(found)
        if isinstance(inner, list) and inner:
            if not any(isinstance(each, dict) for each in inner):
                raise ValueError(f"field {name}: a list of objects is needed")
            return inner, _find_included(found)
    if any(name in found for name in _PAGE_COUNTS):
        # A page without tweets.
        return [], {}
    return [found], {}


def _find_included(page: dict[str, Any]) -> Mapping[str, Any]:
    tweets = _find(page, "includes.tweets")
    if not isinstance(tweets, list):
        return {}
    return {str(each.get("id")): each for each in tweets if isinstance(each, dict)}


def _find_text(fields: Any, text_field: str | None, others: Mapping[str, Any]) -> str:
    if not isinstance(fields, dict):
        raise ValueError(f"a JSON object is needed, this is of type {type(fields).__name__}")
    names = (text_field,) if text_field else _TEXT_FIELDS
    for name in names:
        text = _find(fields, name)
        if isinstance(text, str):
            return text if text_field else _complete_retweet(text, fields, others)
        if text is not None:
            raise ValueError(f"field {name}: a text is needed, this is {type(text).__name__}")
    if notice := next((name for name in _NOTICES if name in fields), None):
        raise ValueError(f"{_NOTICE}: {notice}")
    if any(name in fields for name in names):
        raise ValueError("no text: it is null")
    raise ValueError(
        f"no text: there is no field {' or '.join(names[-3:])}; {_describe_fields(fields)}; name "
        "the one of the text with --text-field"
    )


def _describe_fields(fields: dict[str, Any]) -> str:
    names = [str(name) for name in fields][:_MAX_NAMES]
    more = ", …" if len(fields) > _MAX_NAMES else ""
    return f"the record has {', '.join(names)}{more}" if names else "the record has no fields"


def _complete_retweet(text: str, fields: dict[str, Any], others: Mapping[str, Any]) -> str:
    """The text of a retweet with all of the original, where it is cut off."""
    start = _RETWEET.match(text)
    if start is None or not text.endswith(_CUT_OFF):
        return text
    original = _find_original(fields, others)
    for name in _TEXT_FIELDS:
        whole = _find(original, name) if original else None
        if isinstance(whole, str):
            return start.group() + whole
    return text


def _find_original(fields: dict[str, Any], others: Mapping[str, Any]) -> dict[str, Any] | None:
    """The tweet that a retweet repeats: in API v1.1 a part of it, in v2 among those of the page."""
    original = fields.get("retweeted_status")
    references = fields.get("referenced_tweets")
    if original is None and isinstance(references, list):
        for reference in references:
            if isinstance(reference, dict) and reference.get("type") == "retweeted":
                original = others.get(str(reference.get("id")), reference)
    return original if isinstance(original, dict) else None


def _refuse_undecodable(text: str) -> None:
    """Bytes of a table that are not UTF-8 were escaped in reading."""
    if text.isascii() or not any("\udc80" <= char <= "\udcff" for char in text):
        return
    try:
        text.encode("utf8", errors="surrogateescape").decode("utf8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason}{_ADVICE}") from None
    except UnicodeEncodeError:
        return


def _find_id(fields: dict[str, Any], id_field: str | None) -> str | None:
    for name in (id_field,) if id_field else _ID_FIELDS:
        found = _find(fields, name)
        if isinstance(found, float | Decimal):
            found = _to_integer(found, name)
        if isinstance(found, str | int) and not isinstance(found, bool):
            # A lone surrogate, which JSON may hold and UTF-8 may not, is replaced.
            return str(found).encode("utf8", errors="replace").decode("utf8")
        if id_field and found is not None:
            raise ValueError(
                f"field {name}: an id is needed, a string or an integer; this is of type "
                f"{type(found).__name__}"
            )
    if id_field and not _has(fields, id_field):
        raise ValueError(
            f"no id: there is no field {id_field}; {_describe_fields(fields)}; name the one of "
            "the id with --id-field"
        )
    return None


def _to_integer(number: float | Decimal, name: str) -> int | None:
    """The integer that a tool has stored as a float."""
    if number != number:
        return None
    is_exact = isinstance(number, Decimal) or abs(number) < _MAX_EXACT
    try:
        integer = int(number)
    except (OverflowError, ValueError):
        integer = None
    if integer != number or not is_exact:
        raise ValueError(
            f"field {name}: {number} is no id but a float, which cannot hold all digits of one; "
            "store ids as strings, or name another field with --id-field"
        )
    return integer


def _has(fields: dict[str, Any], name: str) -> bool:
    *parents, last = name.split(".")
    parent = _find(fields, ".".join(parents)) if parents else fields
    return name in fields or (isinstance(parent, dict) and last in parent)


def _find(fields: dict[str, Any], name: str) -> Any:
    if name in fields:
        return fields[name]
    found: Any = fields
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _excerpt(data: Any) -> str:
    if isinstance(data, bytes):
        return data[:EXCERPT].decode("utf8", errors="backslashreplace")
    return json.dumps(data, ensure_ascii=False, default=str)[:EXCERPT]
