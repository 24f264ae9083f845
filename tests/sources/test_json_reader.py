import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.sources import json_reader
from spacy_twitter_ner.sources.json_reader import is_document, read_document
from spacy_twitter_ner.sources.records import RawRecord, Reject, Tweet, parse


def read(data: str | bytes) -> list[RawRecord]:
    return list(read_document(io.BytesIO(data if isinstance(data, bytes) else data.encode())))


def find(data: str | bytes) -> list[Tweet | Reject]:
    return [each for raw in read(data) for each in parse(raw, "a.json", "jsonl")]


def texts(data: str | bytes) -> list[str]:
    return [each.text for each in find(data) if isinstance(each, Tweet)]


def reject_places(data: str | bytes) -> list[str]:
    return [each.place for each in find(data) if isinstance(each, Reject)]


TWEETS = [
    {"id": str(n), "text": f"hi Mia {n}", "entities": {"urls": [{"id": n}]}} for n in range(4)
]
TEXTS = [tweet["text"] for tweet in TWEETS]
PAGE = {"data": TWEETS, "includes": {"tweets": [{"id": "9", "text": "included"}]}}
ARCHIVE = "window.YTD.tweets.part0 = " + json.dumps([{"tweet": each} for each in TWEETS], indent=2)


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(TWEETS),
        json.dumps(TWEETS, indent=2),
        "\ufeff" + json.dumps(TWEETS, indent="\t").replace("\n", "\r\n"),
        "[\n" + ",\n".join(map(json.dumps, TWEETS)) + "\n]\n",
        json.dumps(TWEETS[:2]) + "\n" + json.dumps(TWEETS[2:]),
        "\n".join(json.dumps(tweet, indent=2) for tweet in TWEETS),
        json.dumps(PAGE, indent=1),
        '{"data": [\n' + ",\n".join(map(json.dumps, TWEETS)) + '\n], "meta": {}}',
        json.dumps({"search_metadata": {}, "statuses": TWEETS}, indent=1),
        json.dumps([{"data": TWEETS[:2]}, {"data": TWEETS[2:]}]),
        ARCHIVE,
        ARCHIVE.replace("window.YTD.tweets.part0", "var tweets") + ";\n",
    ],
)
def test_read_document(data: str) -> None:
    assert is_document(data.encode()[:4096])
    assert texts(data) == TEXTS
    assert not reject_places(data)


@pytest.mark.parametrize(
    "data",
    [
        "\n".join(map(json.dumps, TWEETS)),
        "\n \n" + json.dumps(TWEETS[0]) + "\n",
        # Damaged lines don't make it a document
        '{"id": "1", "text": "hi\n' + json.dumps(TWEETS[0]) + "\n",
        '{"id": "1"} x\n' + json.dumps(TWEETS[0]) + "\n",
        "x\n" + json.dumps(TWEETS[0]) + "\n",
        "{\n" * 12,
        '{"id": "1",\n' + json.dumps(TWEETS[0]) + "\n",
        "",
        '{"id": "1", "text": "an incomplete line',
    ],
)
def test_json_lines_are_not_a_document(data: str) -> None:
    assert not is_document(data.encode())


@pytest.mark.parametrize("data", ["[]", "[\n]\n", '{"data": [], "meta": {"result_count": 0}}', " "])
def test_read_empty_document(data: str) -> None:
    assert find(data) == []


def test_ids_and_places() -> None:
    found = find('[{"text": "a"}, {"text": "b"},\n{"text": "c"}, {"no": 1}]')
    assert [each.id if isinstance(each, Tweet) else each.place for each in found] == [
        "a.json:1",
        "a.json:1:2",
        "a.json:2",
        "a.json:2:2",
    ]


JSON = json.dumps(TWEETS)


@pytest.mark.parametrize(
    ("data", "n_lost"),
    [
        # A missing or additional quote, brace, comma or colon
        (JSON.replace('Mia 1"', "Mia 1"), 1),
        (JSON.replace("Mia 1", 'Mia" 1'), 1),
        (JSON.replace('"text": "hi Mia 1"', '"text" "hi Mia 1"'), 1),
        (JSON.replace('"1", ', '"1" '), 1),
        (JSON.replace('{"id": "1"', '"id": "1"'), 1),
        (JSON.replace("}}, {", "}} {"), 0),
        (JSON.replace("}}, {", "}} x {", 1), 0),
        (JSON.replace("Mia 1", "Mia \\x 1"), 1),
        (JSON.replace("Mia 1", "Mia \n 1"), 1),
        (JSON.encode().replace(b"Mia 1", b"Mia \xe9"), 1),
        (JSON.replace('"hi Mia 1"', "[" * 100_000), 1),
        # Truncated in and between records
        (JSON[:-10], 1),
        (JSON[:-1], 0),
        (JSON[: JSON.index('{"id": "3"') - 2], 1),
        # Followed by garbage
        (JSON + "\0\0\0", 0),
        (JSON + "Killed", 0),
        # Damaged pages
        (json.dumps(PAGE).replace("Mia 1", 'Mia" 1'), 1),
        (json.dumps(PAGE, indent=1).replace("Mia 1", 'Mia" 1'), 1),
        (json.dumps({"meta": {"data": [1]}, **PAGE}).replace("Mia 1", 'Mia" 1'), 1),
        (json.dumps(PAGE)[:-90], 1),
    ],
)
def test_read_damaged_document(data: str | bytes, n_lost: int) -> None:
    found = texts(data)
    assert [text for text in TEXTS if text in found] == found
    assert len(TEXTS) - len(found) == n_lost
    assert reject_places(data) or data == JSON.replace("}}, {", "}} {")


@pytest.mark.parametrize("block", [1, 7, 100])
def test_block_size(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "BLOCK", block)
    for data in (JSON, ARCHIVE, json.dumps(PAGE, indent=1)):
        assert texts(data) == TEXTS


def test_values_longer_than_max_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long pages are read tweet by tweet. Long tweets are rejected."""
    monkeypatch.setattr(json_reader, "MAX_LINE", 500)
    monkeypatch.setattr(json_reader, "BLOCK", 100)
    pages = [json.dumps({"data": TWEETS * 20, "meta": {"n": 1}}, indent=1)] * 2
    assert texts("\n".join(pages)) == TEXTS * 40
    long = {"id": "5", "text": "so " * 1000}
    found = find(json.dumps([*TWEETS, long, *TWEETS]))
    assert [each.text for each in found if isinstance(each, Tweet)] == TEXTS * 2
    (reject,) = (each for each in found if isinstance(each, Reject))
    assert "longer than 500 characters" in reject.reason


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["id", "text", "a"]), VALUES)


@given(
    st.lists(OBJECTS, max_size=6),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
    st.sampled_from([3, 50, 2**20]),
)
def test_read_document_round_trip(
    objects: list[dict], indent: int | None, ascii_only: bool, block: int
) -> None:
    data = json.dumps(objects, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "BLOCK", block)
        found = read(data)
    assert [json.loads(record.data) for record in found] == objects  # type: ignore[arg-type]
    assert not any(record.error for record in found)


@given(st.text(st.sampled_from('{}[]",: \n\\ab1')))
def test_read_any_text(data: str) -> None:
    for record in read(data):
        assert record.error or json.loads(record.data) is not None
