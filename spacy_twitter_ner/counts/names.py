"""Group names by a normal form, and tweets by time or another field."""

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..normalization import normalize_word, unescape
from ..sources.records import find_field

# How dates are formatted for each length of time.
TIMES = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}
DATE_FIELD = "created_at"
# For tweets without the field.
UNKNOWN = "unknown"
_TWITTER_DATE = "%a %b %d %H:%M:%S %z %Y"
_ELONGATION = re.compile(r"(\D)\1{2,}")
_SEPARATOR = re.compile(r"[\W_]+")
# Larger timestamps are in milliseconds.
_MAX_SECONDS = 10**11


@lru_cache(maxsize=20_000)
def name_key(text: str) -> str:
    """Return the normal form of a name: without case, hash, spaces, punctuation and elongation, so
    that "New York", "#NewYork" and "NEW YORKKKK" are the same. Digits are kept.

    text (str): The name as in the tweet.
    RETURNS (str): The normal form. The text itself if it has no letters or digits.
    """
    plain = _SEPARATOR.sub("", normalize_word(unescape(text)).casefold())
    short = _ELONGATION.sub(r"\1", plain)
    # AAA isn't elongated.
    return (short if len(short) > 1 else plain) or text


def read_aliases(path: Path) -> dict[str, str]:
    """Read a file with one alias per line: another form of a name, a tab, and the name.

    path (Path): The file.
    RETURNS (dict[str, str]): The normal form of the name for that of each alias.
    RAISES (ValueError): If a line has another format.
    RAISES (OSError): If the file can't be read.
    """
    aliases: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        alias, _, name = line.partition("\t")
        if not alias.strip() or not name.strip():
            raise ValueError(
                f"{path}:{number}: expected an alias, a tab and a name, such as NYC<tab>New York"
            )
        aliases[name_key(alias.strip())] = name_key(name.strip())
    return aliases


def find_group(fields: Mapping[str, Any], by: str | None, date_field: str = DATE_FIELD) -> str:
    """Find the group that a tweet is counted in.

    fields (Mapping[str, Any]): The record.
    by (Optional[str]): A length of time from `TIMES`, or a field of the record.
    date_field (str): The field with the date.
    RETURNS (str): The group: a date such as 2022-03-01 for days, or the field's value. Empty
        without `by`. `UNKNOWN` if there is no such field or it isn't a date.
    """
    if by is None:
        return ""
    if by in TIMES:
        date = parse_date(find_field(dict(fields), date_field))
        return date.strftime(TIMES[by]) if date else UNKNOWN
    value = find_field(dict(fields), by)
    return str(value) if isinstance(value, str | int | float) else UNKNOWN


def parse_date(value: Any) -> datetime | None:
    """Parse a date: ISO 8601, as in Twitter's APIs, RFC 2822, or a timestamp in seconds or
    milliseconds.

    value (Any): The date.
    RETURNS (Optional[datetime]): The date in UTC, or None if it can't be parsed.
    """
    if isinstance(value, datetime):
        return _to_utc(value)
    text = str(value).strip()
    parsers = (_parse_timestamp, _parse_iso, _parse_twitter, parsedate_to_datetime)
    for parse in parsers:
        try:
            return _to_utc(parse(text))
        except (ValueError, TypeError, OverflowError, OSError):
            continue
    return None


def _to_utc(date: datetime) -> datetime:
    return date.astimezone(timezone.utc) if date.tzinfo else date.replace(tzinfo=timezone.utc)


def _parse_timestamp(text: str) -> datetime:
    seconds = float(text)
    # "2022" is a year.
    if abs(seconds) < 10**4:
        return datetime(int(seconds), 1, 1)
    return datetime.fromtimestamp(seconds / (1000 if seconds > _MAX_SECONDS else 1), timezone.utc)


def _parse_iso(text: str) -> datetime:
    # Before Python 3.11, fromisoformat doesn't know Z and fractions of any length.
    return datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))


def _parse_twitter(text: str) -> datetime:
    return datetime.strptime(text, _TWITTER_DATE)
