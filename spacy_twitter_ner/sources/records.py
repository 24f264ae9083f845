"""Records: how they are read, and how tweets are parsed from them."""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

# Maximum size of a line, row or JSON value in bytes. Bounds memory use.
MAX_LINE = 2**24
# Number of bytes to read at a time.
BLOCK = 2**20
_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
# Fields that hold the tweets of a page in Twitter's APIs and related tools.
PAGE_FIELDS = ("data", "statuses", "tweets", "results")
# Maximum length of the data in a reject.
EXCERPT = 200
# Maximum number of field names in a reject.
_MAX_NAMES = 20
# Fields of the text, in order of preference: Twitter's APIs store long texts separately.
_TEXT_FIELDS = (
    "note_tweet.text",
    "note_tweet.note_tweet_results.result.text",
    "extended_tweet.full_text",
    "full_text",
    "text",
)
# Objects with one of these fields and no tweets are empty pages of a search.
_PAGE_COUNTS = ("meta", "search_metadata")
_ID_FIELDS = ("id_str", "id")
_ADVICE = ": save the file as UTF-8, or pass --encoding"
# Streams of the API v1.1 send notices between tweets.
_NOTICE = "not a tweet but a notice of the stream"
_NOTICES = ("delete", "limit", "scrub_geo", "status_withheld", "user_withheld", "warning")
# The text of a retweet starts with the author's name and may be truncated.
_RETWEET = re.compile(r"RT @\w+: ")
_CUT_OFF = "\u2026"
# Larger floats can't represent all ids.
_MAX_EXACT = 2**53


class InputError(ValueError):
    """Raised if an input can't be read, or options are invalid."""


class RawRecord(NamedTuple):
    """A record before parsing.

    line (int): Line number, from 1. Row number in a Parquet file.
    data (bytes | dict[str, Any]): The line or JSON value, or the fields of a row.
    error (str): Why the record can't be read, if so.
    item (int): Number among the records that start in the same line, from 1.
    """

    line: int
    data: "bytes | dict[str, Any]"
    error: str = ""
    item: int = 1


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading files, in addition to their format.

    delimiter (Optional[str]): Delimiter of CSV: a character, or a name such as "tab". Default: a
        tab for .tsv and .tab files, a comma for others.
    encoding (Optional[str]): Encoding of text, JSON and CSV. Default: UTF-8, or UTF-16 or UTF-32 if
        detected.
    header (bool): Whether the first row of CSV contains the column names. Otherwise, columns are
        named by number, from 1.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            name = _DELIMITERS.get(self.delimiter.lower(), self.delimiter)
            if len(name) != 1 or name in '"\r\n':
                raise InputError(
                    f"--delimiter {self.delimiter!r}: pass one character, or one of "
                    f"{', '.join(_DELIMITERS)}"
                )
            object.__setattr__(self, "delimiter", name)
        if self.encoding is not None:
            try:
                b"a".decode(self.encoding, errors="replace")
            except (LookupError, UnicodeError, ValueError):
                raise InputError(
                    f"--encoding {self.encoding!r}: unknown text encoding: pass one such as "
                    "utf-8, utf-16, cp1252 or latin-1"
                ) from None
            object.__setattr__(self, "encoding", codecs.lookup(self.encoding).name)

    @property
    def settings(self) -> dict[str, Any]:
        """The options that determine the output. None for defaults."""
        no_header = None if self.header else True
        return {"delimiter": self.delimiter, "encoding": self.encoding, "no_header": no_header}


class Tweet(NamedTuple):
    """A text to annotate.

    id (str): Id of the record, or else file:line.
    text (str): The text.
    fields (dict[str, Any]): The record.
    source (str): The file.
    line (int): Line number in the file.
    """

    id: str
    text: str
    fields: dict[str, Any]
    source: str
    line: int


class Reject(NamedTuple):
    """A record that can't be annotated.

    source (str): The file.
    line (int): Line number in the file.
    reason (str): Why the record was rejected.
    data (str): The first characters of the record.
    item (int): Number among the records of the line.
    """

    source: str
    line: int
    reason: str
    data: str
    item: int = 1

    @property
    def place(self) -> str:
        """file:line, or file:line:item for all but the first record of a line."""
        return _place(self.source, self.line, self.item)

    @property
    def is_notice(self) -> bool:
        """Whether the record is a notice of a stream instead of a tweet."""
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
    """Parse the tweets of a record.

    raw (RawRecord): The record.
    source (str): The file.
    file_format (str): Format of the file.
    text_field (Optional[str]): Field of the text, such as "text" or "user.text". Default: the
        fields of Twitter's APIs.
    id_field (Optional[str]): Field of the id.
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
    except ValueError as error:
        is_encoding = isinstance(error, UnicodeDecodeError)
        reason = f"not UTF-8: {error.reason}{_ADVICE}" if is_encoding else str(error)  # type: ignore[attr-defined]
        yield Reject(source, raw.line, reason, _excerpt(raw.data), raw.item)
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
    """Load the JSON object of a record."""
    if not isinstance(data, bytes):
        return data
    try:
        found = json.loads(data.decode("utf8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"invalid JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("invalid JSON: nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"expected a JSON object, not {type(found).__name__}")
    return found


def _split_page(
    found: dict[str, Any], text_field: str | None
) -> tuple[list[Any], Mapping[str, Any]]:
    """Return the tweets of a page, or the object itself, and the tweets they refer to, by id."""
    # Archives wrap each tweet.
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
                raise ValueError(f"field {name}: expected a list of objects")
            return inner, _find_included(found)
    if any(name in found for name in _PAGE_COUNTS):
        return [], {}
    return [found], {}


def _find_included(page: dict[str, Any]) -> Mapping[str, Any]:
    tweets = find_field(page, "includes.tweets")
    if not isinstance(tweets, list):
        return {}
    return {str(each.get("id")): each for each in tweets if isinstance(each, dict)}


def _find_text(fields: Any, text_field: str | None, others: Mapping[str, Any]) -> str:
    if not isinstance(fields, dict):
        raise ValueError(f"expected a JSON object, not {type(fields).__name__}")
    names = (text_field,) if text_field else _TEXT_FIELDS
    for name in names:
        text = find_field(fields, name)
        if isinstance(text, str):
            return text if text_field else _complete_retweet(text, fields, others)
        if text is not None:
            raise ValueError(f"field {name}: expected a string, not {type(text).__name__}")
    if notice := next((name for name in _NOTICES if name in fields), None):
        raise ValueError(f"{_NOTICE}: {notice}")
    if any(name in fields for name in names):
        raise ValueError("no text: the field is null")
    raise ValueError(
        f"no text: there is no field {' or '.join(names[-3:])}, {_describe_fields(fields)}: pass "
        "--text-field"
    )


def _describe_fields(fields: dict[str, Any]) -> str:
    names = [str(name) for name in fields][:_MAX_NAMES]
    more = ", …" if len(fields) > _MAX_NAMES else ""
    return f"the record has {', '.join(names)}{more}" if names else "the record has no fields"


def _complete_retweet(text: str, fields: dict[str, Any], others: Mapping[str, Any]) -> str:
    """Replace the text of a truncated retweet by that of the original tweet."""
    start = _RETWEET.match(text)
    if start is None or not text.endswith(_CUT_OFF):
        return text
    original = _find_original(fields, others)
    for name in _TEXT_FIELDS:
        whole = find_field(original, name) if original else None
        if isinstance(whole, str):
            return start.group() + whole
    return text


def _find_original(fields: dict[str, Any], others: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the original of a retweet: a field in API v1.1, an included tweet in v2."""
    original = fields.get("retweeted_status")
    references = fields.get("referenced_tweets")
    if original is None and isinstance(references, list):
        for reference in references:
            if isinstance(reference, dict) and reference.get("type") == "retweeted":
                original = others.get(str(reference.get("id")), reference)
    return original if isinstance(original, dict) else None


def _refuse_undecodable(text: str) -> None:
    """Raise an error if a field of CSV contains escaped bytes, which weren't UTF-8."""
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
        found = find_field(fields, name)
        if isinstance(found, float | Decimal):
            found = _to_integer(found, name)
        if isinstance(found, str | int) and not isinstance(found, bool):
            # UTF-8 can't encode lone surrogates, which JSON may contain.
            return str(found).encode("utf8", errors="replace").decode("utf8")
        if id_field and found is not None:
            raise ValueError(
                f"field {name}: expected an id, a string or an integer, not {type(found).__name__}"
            )
    if id_field and not _has(fields, id_field):
        raise ValueError(
            f"no id: there is no field {id_field}, {_describe_fields(fields)}: pass another "
            "--id-field"
        )
    return None


def _to_integer(number: float | Decimal, name: str) -> int | None:
    """Convert an id that was stored as a float."""
    if number != number:
        return None
    is_exact = isinstance(number, Decimal) or abs(number) < _MAX_EXACT
    try:
        integer = int(number)
    except (OverflowError, ValueError):
        integer = None
    if integer != number or not is_exact:
        raise ValueError(
            f"field {name}: {number} is a float, which can't represent all ids: store ids as "
            "strings, or pass another --id-field"
        )
    return integer


def _has(fields: dict[str, Any], name: str) -> bool:
    *parents, last = name.split(".")
    parent = find_field(fields, ".".join(parents)) if parents else fields
    return name in fields or (isinstance(parent, dict) and last in parent)


def find_field(fields: dict[str, Any], name: str) -> Any:
    """Get a field of a record.

    fields (dict[str, Any]): The record.
    name (str): The field, such as "created_at" or "user.lang".
    RETURNS (Any): Its value, or None if there is none.
    """
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
