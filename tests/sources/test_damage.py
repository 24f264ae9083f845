"""1,000 damaged inputs: everything that a standard reader yields is a record, the rest a reject."""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from spacy_twitter_ner.sources.inputs import read_shards
from spacy_twitter_ner.sources.records import Reject, Tweet, parse

WORDS = ("rain", "in", "Oslo", "saw", "Drake", "hi", "Mia,", "so", "tired", "😂", "the", "Globe")


def make_texts(rng: random.Random, n: int) -> list[str]:
    return [f"{number} " + " ".join(rng.choices(WORDS, k=rng.randint(1, 9))) for number in range(n)]


def read(path: Path) -> list[Tweet | Reject]:
    """Read all tweets and rejects of a file. Each reject has a line and a reason."""
    found = [
        each
        for shard in read_shards([str(path)], 100, None)
        for raw in shard.records
        for each in parse(raw, shard.source, shard.format)
    ]
    assert all(each.line >= 1 and each.reason for each in found if isinstance(each, Reject))
    return found


def tweets(found: list[Tweet | Reject]) -> list[str]:
    return [each.text for each in found if isinstance(each, Tweet)]


def rejects(found: list[Tweet | Reject]) -> list[Reject]:
    return [each for each in found if isinstance(each, Reject)]


def zstd_open(data: bytes) -> io.IOBase:
    zstandard = pytest.importorskip("zstandard")
    return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(data))


def zstd_compress(data: bytes) -> bytes:
    compressor = pytest.importorskip("zstandard").ZstdCompressor(write_checksum=True)
    return compressor.compress(data)


COMPRESSIONS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], io.IOBase]]] = {
    ".gz": (gzip.compress, lambda data: gzip.GzipFile(fileobj=io.BytesIO(data))),
    ".bz2": (bz2.compress, lambda data: bz2.BZ2File(io.BytesIO(data))),
    ".xz": (lzma.compress, lambda data: lzma.LZMAFile(io.BytesIO(data))),  # noqa: SIM115
    ".zst": (zstd_compress, zstd_open),
}


def standard_lines(data: bytes, opener: Callable[[bytes], io.IOBase]) -> list[bytes]:
    """Read the lines before the error of a standard reader."""
    lines = []
    try:
        with opener(data) as file:
            lines += iter(file.readline, b"")
    except Exception:
        pass
    return [line for line in lines if line.endswith(b"\n")]


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def flip(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def append_garbage(data: bytes, rng: random.Random) -> bytes:
    return data + b"garbage" + rng.randbytes(rng.randrange(50))


DAMAGES = [truncate, flip, append_garbage]


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_damaged_compressed_files(suffix: str, damage: Callable, tmp_path: Path) -> None:
    """50 cases each, of one to three members."""
    compress, opener = COMPRESSIONS[suffix]
    path = tmp_path / f"a.txt{suffix}"
    for seed in range(50):
        rng = random.Random(f"{suffix} {damage.__name__} {seed}")
        members = [make_texts(rng, rng.choice([1, 10, 2000])) for _ in range(rng.randint(1, 3))]
        packed = [compress("".join(f"{t}\n" for t in member).encode()) for member in members]
        place = 2 if damage is append_garbage else rng.randrange(len(packed))
        packed[place : place + 1] = [damage(b"".join(packed[place : place + 1]), rng)]
        data = b"".join(packed)
        path.write_bytes(data)
        found = read(path)
        texts = [text for member in members for text in member]
        expected = {line.decode(errors="ignore")[:-1] for line in standard_lines(data, opener)}
        # After damage, a standard reader may yield garbage.
        assert expected & {*texts} <= {*tweets(found)}, seed
        # A standard reader doesn't yield later members.
        whole = {
            text for number, member in enumerate(members) if number != place for text in member
        }
        assert whole <= {*tweets(found)}, seed
        if damage is append_garbage:
            assert tweets(found) == texts
            assert len(rejects(found)) == 1
        else:
            assert tweets(found) == texts or rejects(found), seed


def test_damaged_csv(tmp_path: Path) -> None:
    """100 cases of a missing character or an additional quote."""
    path = tmp_path / "a.csv"
    for seed in range(100):
        rng = random.Random(seed)
        texts = make_texts(rng, 30)
        file = io.StringIO(newline="")
        csv.writer(file, quoting=rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])).writerows(
            [["id", "text"], *([str(number), text] for number, text in enumerate(texts))]
        )
        lines = file.getvalue().splitlines(keepends=True)
        row = rng.randrange(30)
        line = lines[row + 1]
        place = rng.randrange(len(line) - 2)
        added = rng.choice(["", '"'])
        lines[row + 1] = line[:place] + added + line[place + (not added) :]
        path.write_text("".join(lines), encoding="utf8", newline="")
        others = [text for number, text in enumerate(texts) if number != row]
        found = tweets(read(path))
        assert [text for text in found if text in others] == others, seed


def write_json(records: list[dict], form: str) -> str:
    if form == "lines":
        return "".join(f"{json.dumps(record)}\n" for record in records)
    if form == "array":
        return json.dumps(records, ensure_ascii=False)
    if form == "indented":
        return json.dumps(records, indent=2)
    if form == "page":
        return json.dumps({"data": records, "meta": {"n": len(records)}}, indent=1)
    wrapped = [{"tweet": record} for record in records]
    return f"window.YTD.tweets.part0 = {json.dumps(wrapped, indent=2)}"


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("form", ["lines", "array", "indented", "page", "archive"])
def test_damaged_json(form: str, damage: Callable, tmp_path: Path) -> None:
    """17 cases each."""
    path = tmp_path / "a.json"
    for seed in range(17):
        rng = random.Random(f"{form} {damage.__name__} {seed}")
        texts = make_texts(rng, 20)
        records = [{"id": str(n), "text": text, "user": {"id": n}} for n, text in enumerate(texts)]
        written = write_json(records, form)
        # Keep the first record, which shows how records start.
        head = len(written) // 10
        data = written.encode()[:head] + damage(written.encode()[head:], rng)
        path.write_bytes(data)
        found = read(path)
        kept = [text for text in texts if text in tweets(found)]
        if damage is truncate:
            assert kept == texts[: len(kept)]
            assert json.dumps(texts[len(kept)]).encode()[:-1] not in data[: -len(texts[-1]) - 40]
            assert rejects(found) or len(kept) == len(texts) or form == "lines"
        else:
            assert len(kept) >= 18, seed
            assert len(kept) == 20 or rejects(found) or damage is flip
        if damage is append_garbage and form != "lines":
            assert kept == texts
            assert rejects(found)


@pytest.mark.parametrize("damage", [truncate, flip])
def test_damaged_parquet(damage: Callable, tmp_path: Path) -> None:
    """25 cases each, of five row groups."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    for seed in range(25):
        rng = random.Random(seed)
        texts = make_texts(rng, 100)
        table = pyarrow.table({"id": list(map(str, range(100))), "text": texts})
        parquet.write_table(
            table, path, row_group_size=20, compression=rng.choice(["none", "snappy", "zstd"]),
            write_page_checksum=True,
        )  # fmt: skip
        data = path.read_bytes()
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        path.write_bytes(
            data[: rng.randrange(len(data))]
            if damage is truncate
            else damage(data[:footer], rng) + data[footer:]
        )
        found = read(path)
        if damage is truncate:
            assert len(rejects(found)) == 1
        else:
            assert len([text for text in texts if text in tweets(found)]) >= 80
            assert rejects(found) or tweets(found) == texts


def test_disk_error_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n", mtime=0))

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("builtins.open", lambda *arguments, **settings: Broken())
    with pytest.raises(OSError, match="Input/output error"):
        list(read_shards([str(path)], 10, None))
