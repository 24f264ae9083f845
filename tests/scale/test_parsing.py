import json
from decimal import Decimal

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


LONG = "so tired of this rain in Oslo that I could cry"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        # Long tweets, of API v2 and of its browser
        ({"text": "so…", "note_tweet": {"text": LONG}}, LONG),
        ({"text": "so…", "note_tweet": {"note_tweet_results": {"result": {"text": LONG}}}}, LONG),
        # Retweets of API v1.1: cut off, whole, of a tweet that is long itself
        ({"text": "RT @mia: so tir…", "retweeted_status": {"full_text": LONG}}, f"RT @mia: {LONG}"),
        (
            {
                "text": "RT @mia: so tir…",
                "retweeted_status": {"text": "so…", "extended_tweet": {"full_text": LONG}},
            },
            f"RT @mia: {LONG}",
        ),
        ({"text": "RT @mia: so", "retweeted_status": {"text": "so"}}, "RT @mia: so"),
        # Of API v2: the original is among the page's tweets, or in its place
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
        # The original isn't there, or is quoted only
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
def test_whole_texts(record: dict, expected: str) -> None:
    assert parse_one(record).text == expected


def test_a_named_field_is_taken_as_it_is() -> None:
    record = {"text": "RT @mia: so…", "retweeted_status": {"full_text": LONG}, "data": [{}]}
    assert parse_one(record, text_field="text").text == "RT @mia: so…"


@pytest.mark.parametrize("field", ["data", "statuses", "tweets", "results"])
@pytest.mark.parametrize("bad", [{"id": "2"}, {"text": 5}, {"text": None}, 7, None, {}])
def test_a_tweet_without_text_costs_no_other(field: str, bad: object) -> None:
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
def test_ids(given: object, expected: str) -> None:
    for id_field in (None, "id"):
        (found,) = parse(RawRecord(3, {"id": given, "text": "b"}), "a", "parquet", None, id_field)
        assert isinstance(found, Tweet)
        assert found.id == expected


@pytest.mark.parametrize("given", [1e17, 2.0**53, 0.5, float("inf"), -1e300, Decimal("0.5")])
def test_ids_that_lost_digits(given: object) -> None:
    (found,) = parse(RawRecord(3, {"id": given, "text": "b"}), "a", "parquet")
    assert isinstance(found, Reject)
    assert "cannot hold all digits" in found.reason
    assert "--id-field" in found.reason


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"id_field": "tweet_id"}, "no id: there is no field tweet_id; the record has id, text"),
        ({"id_field": "user.id"}, "no id: there is no field user.id"),
        ({"id_field": "text.id"}, "no id: there is no field text.id"),
        ({"text_field": "txt"}, "no text: there is no field txt; the record has id, text"),
    ],
)
def test_misspelt_fields(settings: dict, expected: str) -> None:
    found = reason({"id": 1, "text": "a"}, **settings)
    assert expected in found
    assert f"--{next(iter(settings)).replace('_', '-')}" in found


def test_an_id_that_is_none() -> None:
    assert "an id is needed" in reason({"id": {"$oid": "1"}, "text": "a"}, id_field="id")


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
