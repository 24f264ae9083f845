import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.scale.parsing import Reject, Tweet, parse
from spacy_twitter_ner.scale.records import RawRecord


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


def test_text() -> None:
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
        # Not of that API
        ({"id": True, "data": [1], "text": "c"}, ("a.jsonl:3", "c")),
    ],
)
def test_twitter(record: dict, expected: tuple[str, str]) -> None:
    found = parse_one(record)
    assert (found.id, found.text) == expected


def test_an_id_can_be_written() -> None:
    """A lone surrogate in it would break formats that are UTF-8."""
    assert parse_one({"id": "a\ud800", "text": "b"}).id == "a?"


def test_a_page_of_tweets() -> None:
    found = parse_json({"data": [{"id": "1", "text": "a"}, {"text": "b"}], "meta": {}})
    assert [(tweet.id, tweet.text) for tweet in found] == [("1", "a"), ("a.jsonl:3:2", "b")]


def test_fields_that_are_named() -> None:
    record = {"a": {"b": "x"}, "a.c": "y", "n": {"id": 7}, "text": "z"}
    assert parse_one(record, text_field="a.b", id_field="n.id")[:2] == ("7", "x")
    assert parse_one(record, text_field="a.c").text == "y"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ([], "a JSON object is needed, this is of type list"),
        ({"id": 1}, "there is no field extended_tweet.full_text or full_text or text"),
        ({"text": 5}, "field text: a text is needed, this is int"),
        ({"delete": {"status": {}}}, "no tweet but a notice of the stream: delete"),
        ({"data": [1, 2]}, "field data: a list of objects is needed"),
    ],
)
def test_rejects(record: object, expected: str) -> None:
    assert expected in reason(record)


def test_a_field_that_is_not_there() -> None:
    assert "there is no field body" in reason({"text": "a"}, text_field="body")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{", "no JSON: "),
        (b"[" * 100_000, "no JSON"),
        (b'{"text": "\xff"}', "not UTF-8: invalid start byte"),
    ],
)
def test_what_is_no_json(data: bytes, expected: str) -> None:
    (found,) = parse(RawRecord(3, data), "a.jsonl", "jsonl")
    assert isinstance(found, Reject)
    assert expected in found.reason
    assert len(found.data) <= 200 * 4


def test_bytes_of_csv() -> None:
    record = RawRecord(1, {"text": b"caf\xe9".decode(errors="surrogateescape")})
    (found,) = parse(record, "a.csv", "csv")
    assert isinstance(found, Reject)
    assert "not UTF-8" in found.reason


def test_errors_of_reading() -> None:
    (found,) = parse(RawRecord(4, b"x", "cut off"), "a.txt", "text")
    assert found == Reject("a.txt", 4, "cut off", "x")


@given(st.binary(max_size=50), st.sampled_from(["text", "jsonl"]))
def test_any_bytes(data: bytes, file_format: str) -> None:
    """Either a tweet or a reason."""
    for found in parse(RawRecord(1, data), "a", file_format):
        assert found.text is not None if isinstance(found, Tweet) else found.reason


FIELDS = st.sampled_from(["text", "data", "id", "full_text"])
JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner),
)


@given(JSON)
def test_any_json(data: object) -> None:
    for found in parse_json(data):
        assert isinstance(found, Tweet | Reject)
