import gzip
import io
import json
import pickle
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.sources import csv_reader, inputs, text
from spacy_twitter_ner.sources.inputs import (
    Shard,
    expand,
    find_format,
    input_size,
    read_shards,
    resolve_format,
)
from spacy_twitter_ner.sources.records import InputError, RawRecord, ReadOptions
from spacy_twitter_ner.sources.text import read_lines


def read(*paths: Path, size: int = 100, input_format: str | None = None) -> list[RawRecord]:
    shards = read_shards([str(path) for path in paths], size, input_format)
    return [record for shard in shards for record in shard.records]


def test_expand_folders_patterns_and_urls(tmp_path: Path) -> None:
    for name in ("b.txt", "a.jsonl.gz", "notes.md", ".hidden.txt"):
        (tmp_path / name).touch()
    found = [str(tmp_path / name) for name in ("a.jsonl.gz", "b.txt")]
    assert expand([str(tmp_path)]) == found
    assert expand([str(tmp_path / "*.txt"), str(tmp_path / "a*")]) == found[::-1]
    assert expand(["-"]) == ["-"]
    assert expand([f"file://{tmp_path}/b*"]) == [f"file://{tmp_path}/b.txt"]


@pytest.mark.parametrize("name", ["absent.txt", "*.txt", "file:///absent/x.txt"])
def test_expand_missing_file_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        expand([name])


def test_expand_duplicate_raises(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"named twice: .*a\.txt"):
        expand([str(tmp_path), str(tmp_path / "a.txt")])


def test_expand_unknown_protocol_raises() -> None:
    with pytest.raises(InputError, match="nowhere"):
        expand(["nowhere://a/b.txt"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", "text"),
        ("a.JSONL", "jsonl"),
        ("a.jsonl.gz", "jsonl"),
        ("s3://x/a.csv.zst", "csv"),
        ("a.parquet", "parquet"),
        ("TWEETS.TSV.GZ", "csv"),
        ("a.jsonl.bz2", "jsonl"),
        ("a.txt.xz", "text"),
        ("tweets.js", "jsonl"),
        ("a.gz", None),
        ("a", None),
    ],
)
def test_find_format(name: str, expected: str | None) -> None:
    assert find_format(name) == expected


def test_resolve_format() -> None:
    with pytest.raises(InputError, match="pass --input-format"):
        resolve_format("tweets.dat", None)
    assert resolve_format("tweets.dat", "jsonl") == "jsonl"
    assert resolve_format("-", None) == "text"


def test_read_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("one\r\n\ntwo 😂\nlast".encode())
    assert read(path) == [
        RawRecord(1, b"one"),
        RawRecord(2, b""),
        RawRecord(3, "two 😂".encode()),
        RawRecord(4, b"last"),
    ]


@given(st.lists(st.binary(max_size=20).filter(lambda line: not set(line) & set(b"\r\n"))))
def test_read_lines_round_trip(written: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in written)
    expected = [line.removeprefix(b"\xef\xbb\xbf") for line in written[:1]] + written[1:]
    assert [record.data for record in read_lines(io.BytesIO(data))] == expected


def test_read_lines_rejects_long_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_LINE", 10)
    found = list(read_lines(io.BytesIO(b"a\n" + b"x" * 25 + b"\nb\n" + b"y" * 9 + b"\n")))
    assert [record.data for record in found if not record.error] == [b"a", b"b", b"y" * 9]
    assert found[1].line == 2
    assert "longer than 10 bytes" in found[1].error


def test_read_lines_strips_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\n\ufefftwo\n".encode())
    assert [record.data for record in read(path)] == [b"one", "\ufefftwo".encode()]


def test_json_lines_skip_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n\n  \n{"text": "b"}\n')
    assert [record.line for record in read(path)] == [1, 4]


def test_read_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('\ufeffid,text\n1,"two\nlines, a comma"\n\n2\n3,c\n', encoding="utf8")
    first, short, last = read(path)
    assert first == RawRecord(2, {"id": "1", "text": "two\nlines, a comma"})
    assert (short.line, short.error) == (5, "1 fields, but the header has 2")
    assert last == RawRecord(6, {"id": "3", "text": "c"})


def test_csv_rejects_long_field(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"text\na\n{'x' * 200_000}\nb\n")
    first, bad, last = read(path)
    assert (first.data, last.data) == ({"text": "a"}, {"text": "b"})
    assert (bad.line, bad.error) == (3, "invalid row: field larger than field limit (131072)")


def test_read_tsv(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("id\ttext\n1\ta, b\n")
    assert read(path) == [RawRecord(2, {"id": "1", "text": "a, b"})]


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [("TWEETS.TSV", "\t"), ("a.tab", "\t"), ("a.tsv.gz", "\t"), ("x.tsv.d/a.csv", ",")],
)
def test_default_delimiter(tmp_path: Path, name: str, delimiter: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    data = f"id{delimiter}text\n1{delimiter}a\n".encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read(path) == [RawRecord(2, {"id": "1", "text": "a"})]


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        ("id;text\n1;a, b\n", ReadOptions(delimiter=";"), {"id": "1", "text": "a, b"}),
        ("id|text\n1|a\n", ReadOptions(delimiter="pipe"), {"id": "1", "text": "a"}),
        ("id\ttext\n1\ta\n", ReadOptions(delimiter="tab"), {"id": "1", "text": "a"}),
        ("id\ttext\n1\ta\n", ReadOptions(delimiter="\\t"), {"id": "1", "text": "a"}),
        # Excel stores the delimiter in the first line
        ("sep=;\r\nid;text\r\n1;a\r\n", ReadOptions(), {"id": "1", "text": "a"}),
        ('"0","1","so"\n', ReadOptions(header=False), {"1": "0", "2": "1", "3": "so"}),
    ],
)
def test_csv_options(
    tmp_path: Path, data: str, options: ReadOptions, expected: dict[str, str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(data, newline="")
    (shard,) = read_shards([str(path)], 10, None, options)
    assert [record.data for record in shard.records] == [expected]


def test_csv_rejects_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "MAX_LINE", 1000)
    monkeypatch.setattr(csv_reader, "BLOCK", 300)
    path = tmp_path / "a.csv"
    path.write_text(f"id,text\n1,a\n2,{'b' * 5000}\n3,c\n")
    first, long, last = read(path)
    assert (first.line, long.line, last.line) == (2, 3, 4)
    assert "longer than 1,000 bytes" in long.error
    assert last.data == {"id": "3", "text": "c"}


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl", "a.json"])
def test_long_line_has_bounded_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    start = '[{"text":"' if name == "a.json" else ""
    with path.open("w") as file:
        file.write(start)
        for _ in range(100):
            file.write("x" * 2**20)
    tracemalloc.start()
    try:
        records = read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(records) == 1
    assert peak < 100 * 2**20


def test_json_on_stdin_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "hi"}\n')))
    with pytest.raises(InputError, match="-: it looks like JSON: pass --input-format jsonl"):
        list(read_shards(["-"], 10, None))


def test_expand_selects_tweets_of_archive(tmp_path: Path) -> None:
    for name in ("account.js", "tweets.js", "tweets-part1.js", "like.js"):
        (tmp_path / name).touch()
    found = [str(tmp_path / name) for name in ("tweets-part1.js", "tweets.js")]
    assert expand([str(tmp_path)]) == found


def test_read_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    rows = [{"id": number, "text": f"tweet {number}"} for number in range(5)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    assert read(path) == [RawRecord(number, row) for number, row in enumerate(rows, start=1)]


def test_read_shards(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.jsonl"
    first.write_text("1\n2\n3\n4\n5\n")
    second.write_text('{"text": "6"}\n')
    shards = list(read_shards([str(first), str(second)], 2, None))
    assert [shard.number for shard in shards] == [0, 1, 2, 3]
    assert [len(shard.records) for shard in shards] == [2, 2, 1, 1]
    assert [shard.format for shard in shards] == ["text"] * 3 + ["jsonl"]
    assert shards[-1].position == input_size(str(first)) + input_size(str(second))


def test_shard_size_in_bytes_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_SHARD", 10)
    path, table = tmp_path / "a.txt", tmp_path / "a.csv"
    path.write_text("123456\n" * 5)
    table.write_text("text\n" + "123456\n" * 5)
    shards = list(read_shards([str(path), str(table)], 100, None))
    assert [len(shard.records) for shard in shards] == [2, 2, 1] * 2


def test_shards_are_read_lazily(tmp_path: Path) -> None:
    read_so_far = []

    def fake_lines(file: object, options: object) -> Iterator[RawRecord]:
        for number in range(1, 10**6):
            read_so_far.append(number)
            yield RawRecord(number, b"")

    path = tmp_path / "a.txt"
    path.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(inputs.READERS, "text", fake_lines)
        shards = read_shards([str(path)], 10, None)
        next(shards)
        assert len(read_so_far) == 10


def test_read_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    (shard,) = read_shards(["-"], 10, None)
    assert [record.data for record in shard.records] == [b"a", b"b"]


@pytest.mark.parametrize(
    ("module", "name"), [("zstandard", "a.txt.zst"), ("pyarrow", "a.parquet"), ("fsspec", "s3://a")]
)
def test_missing_package_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    if "://" not in name:
        (tmp_path / name).write_bytes(json.dumps({}).encode())
        name = str(tmp_path / name)
    with pytest.raises(ImportError, match=r'pip install "spacy-twitter-ner\[scale\]"'):
        list(read_shards(expand([name]), 10, None))


@pytest.mark.parametrize(
    "records",
    [
        [],
        [RawRecord(3, b"a"), RawRecord(7, b"\xff", "cut off")],
        [RawRecord(1, {"text": "a", "id": 1})],
    ],
)
def test_pickle_shard(records: list[RawRecord]) -> None:
    shard = Shard(2, "a.txt", "text", records, 99)
    found = pickle.loads(pickle.dumps(shard))
    assert found == shard
    assert all(isinstance(record, RawRecord) for record in found.records)
