import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.sources.records import RawRecord, Reject, Tweet, parse


def parse_json(data: object, **settings: str) -> list[Tweet | Reject]:
    return list(parse(RawRecord(3, json.dumps(data).encode()), "a.jsonl", "jsonl", **settings))


def parse_one(data: object, **settings: str) -> Tweet:
    (found,) = parse_json(data, **settings)
    assert isinstance(found, Tweet)
    return found


def reason(data: object, **settings: str) -> str:
    (found,) = parse_json(data, **settings)
    assert isinstance(found, Reject)
    assert (found.source, found.line) == ("a.jsonl", 3)
    return found.reason


def test_parse_text() -> None:
    (found,) = parse(RawRecord(2, "so 😂".encode()), "a.txt", "text")
    assert found == Tweet("a.txt:2", "so 😂", {}, "a.txt", 2)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": 12, "text": "a"}, ("12", "a")),
        ({"text": "a"}, ("a.jsonl:3", "a")),
        # API v1.1
        ({"id": 12, "id_str": "0012", "text": "a…", "full_text": "a b"}, ("0012", "a b")),
        ({"id": 1, "text": "a…", "extended_tweet": {"full_text": "a b c"}}, ("1", "a b c")),
        # API v2
        ({"data": {"id": "5", "text": "b"}, "matching_rules": []}, ("5", "b")),
        # Other sources
        ({"id": True, "data": [1], "text": "c"}, ("a.jsonl:3", "c")),
    ],
)
def test_parse_twitter_objects(record: dict, expected: tuple[str, str]) -> None:
    found = parse_one(record)
    assert (found.id, found.text) == expected


LONG = "so tired of this rain in Oslo that I could cry"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        # Long tweets of API v2 and of the web client
        ({"text": "so…", "note_tweet": {"text": LONG}}, LONG),
        ({"text": "so…", "note_tweet": {"note_tweet_results": {"result": {"text": LONG}}}}, LONG),
        # Retweets of API v1.1: truncated, complete, of a long tweet
        ({"text": "RT @mia: so tir…", "retweeted_status": {"full_text": LONG}}, f"RT @mia: {LONG}"),
        (
            {
                "text": "RT @mia: so tir…",
                "retweeted_status": {"text": "so…", "extended_tweet": {"full_text": LONG}},
            },
            f"RT @mia: {LONG}",
        ),
        ({"text": "RT @mia: so", "retweeted_status": {"text": "so"}}, "RT @mia: so"),
        # Retweets of API v2: the original is included, or inline
        (
            {
                "data": {
                    "text": "RT @mia: so tir…",
                    "referenced_tweets": [{"type": "retweeted", "id": "7"}],
                },
                "includes": {"tweets": [{"id": "7", "text": "so…", "note_tweet": {"text": LONG}}]},
            },
            f"RT @mia: {LONG}",
        ),
        (
            {
                "text": "RT @mia: so tir…",
                "referenced_tweets": [{"type": "retweeted", "id": "7", "text": LONG}],
            },
            f"RT @mia: {LONG}",
        ),
        # The original is missing, or only quoted
        ({"text": "RT @mia: so…", "referenced_tweets": [{"type": "retweeted"}]}, "RT @mia: so…"),
        ({"text": "RT @mia: so…", "retweeted_status": None}, "RT @mia: so…"),
        (
            {"text": "hm…", "referenced_tweets": [{"type": "quoted", "text": LONG}]},
            "hm…",
        ),
        # An archive
        ({"tweet": {"full_text": LONG, "id_str": "3"}}, LONG),
    ],
)
def test_parse_full_text(record: dict, expected: str) -> None:
    assert parse_one(record).text == expected


def test_text_field_is_not_completed() -> None:
    record = {"text": "RT @mia: so…", "retweeted_status": {"full_text": LONG}, "data": [{}]}
    assert parse_one(record, text_field="text").text == "RT @mia: so…"


@pytest.mark.parametrize("field", ["data", "statuses", "tweets", "results"])
@pytest.mark.parametrize("bad", [{"id": "2"}, {"text": 5}, {"text": None}, 7, None, {}])
def test_page_with_invalid_tweet(field: str, bad: object) -> None:
    page = {field: [{"id": "1", "text": "a"}, bad, {"id": "3", "text": "b"}]}
    first, reject, last = parse_json(page)
    assert (first.id, last.id) == ("1", "3")  # type: ignore[union-attr]
    assert isinstance(reject, Reject)
    assert reject.place == "a.jsonl:3:2"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (123.0, "123"),
        (float(2**53 - 1), str(2**53 - 1)),
        (Decimal("1234567890123456789"), "1234567890123456789"),
        (float("nan"), "a:3"),
        (None, "a:3"),
        ("", "a:3"),
        (0, "0"),
    ],
)
def test_parse_ids(given: object, expected: str) -> None:
    for id_field in (None, "id"):
        (found,) = parse(RawRecord(3, {"id": given, "text": "b"}), "a", "parquet", None, id_field)
        assert isinstance(found, Tweet)
        assert found.id == expected


@pytest.mark.parametrize("given", [1e17, 2.0**53, 0.5, float("inf"), -1e300, Decimal("0.5")])
def test_inexact_ids_are_rejected(given: object) -> None:
    (found,) = parse(RawRecord(3, {"id": given, "text": "b"}), "a", "parquet")
    assert isinstance(found, Reject)
    assert "can't represent all ids" in found.reason
    assert "--id-field" in found.reason


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"id_field": "tweet_id"}, "no id: there is no field tweet_id, the record has id, text"),
        ({"id_field": "user.id"}, "no id: there is no field user.id"),
        ({"id_field": "text.id"}, "no id: there is no field text.id"),
        ({"text_field": "txt"}, "no text: there is no field txt, the record has id, text"),
    ],
)
def test_unknown_fields_are_rejected(settings: dict, expected: str) -> None:
    found = reason({"id": 1, "text": "a"}, **settings)
    assert expected in found
    assert f"--{next(iter(settings)).replace('_', '-')}" in found


def test_object_as_id_is_rejected() -> None:
    assert "expected an id" in reason({"id": {"$oid": "1"}, "text": "a"}, id_field="id")


def test_lone_surrogate_in_id() -> None:
    assert parse_one({"id": "a\ud800", "text": "b"}).id == "a?"


def test_parse_page() -> None:
    found = parse_json({"data": [{"id": "1", "text": "a"}, {"text": "b"}], "meta": {}})
    assert [(tweet.id, tweet.text) for tweet in found] == [("1", "a"), ("a.jsonl:3:2", "b")]


def test_text_field_and_id_field() -> None:
    record = {"a": {"b": "x"}, "a.c": "y", "n": {"id": 7}, "text": "z"}
    assert parse_one(record, text_field="a.b", id_field="n.id")[:2] == ("7", "x")
    assert parse_one(record, text_field="a.c").text == "y"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ([], "expected a JSON object, not list"),
        ({"id": 1}, "there is no field extended_tweet.full_text or full_text or text"),
        ({"text": 5}, "field text: expected a string, not int"),
        ({"delete": {"status": {}}}, "not a tweet but a notice of the stream: delete"),
        ({"data": [1, 2]}, "field data: expected a list of objects"),
    ],
)
def test_invalid_records_are_rejected(record: object, expected: str) -> None:
    assert expected in reason(record)


def test_missing_text_field_is_rejected() -> None:
    assert "there is no field body" in reason({"text": "a"}, text_field="body")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{", "invalid JSON: "),
        (b"[" * 100_000, "invalid JSON"),
        (b'{"text": "\xff"}', "not UTF-8: invalid start byte"),
    ],
)
def test_invalid_json_is_rejected(data: bytes, expected: str) -> None:
    (found,) = parse(RawRecord(3, data), "a.jsonl", "jsonl")
    assert isinstance(found, Reject)
    assert expected in found.reason
    assert len(found.data) <= 200 * 4


def test_undecodable_csv_is_rejected() -> None:
    record = RawRecord(1, {"text": b"caf\xe9".decode(errors="surrogateescape")})
    (found,) = parse(record, "a.csv", "csv")
    assert isinstance(found, Reject)
    assert "not UTF-8" in found.reason


def test_record_with_error_is_rejected() -> None:
    (found,) = parse(RawRecord(4, b"x", "cut off"), "a.txt", "text")
    assert found == Reject("a.txt", 4, "cut off", "x")


@given(st.binary(max_size=50), st.sampled_from(["text", "jsonl"]))
def test_parse_any_bytes(data: bytes, file_format: str) -> None:
    for found in parse(RawRecord(1, data), "a", file_format):
        assert found.text is not None if isinstance(found, Tweet) else found.reason


FIELDS = st.sampled_from(["text", "data", "id", "full_text"])
JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner),
)


@given(JSON)
def test_parse_any_json(data: object) -> None:
    for found in parse_json(data):
        assert isinstance(found, Tweet | Reject)
