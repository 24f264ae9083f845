import bz2
import gzip
import lzma
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spacy_twitter_ner.sources.inputs import expand, read_shards
from spacy_twitter_ner.sources.records import RawRecord


def zstd_compress(data: bytes) -> bytes:
    return pytest.importorskip("zstandard").compress(data)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd_compress,
}
LINES = [b"hi Mia %d" % number for number in range(3000)]
DATA = b"".join(line + b"\n" for line in LINES)


def read(path: Path, data: bytes) -> list[RawRecord]:
    path.write_bytes(data)
    return [record for shard in read_shards([str(path)], 1000, None) for record in shard.records]


def texts(records: list[RawRecord]) -> list[bytes]:
    return [record.data for record in records if not record.error]  # type: ignore[misc]


def errors(records: list[RawRecord]) -> list[tuple[int, str]]:
    return [(record.line, record.error) for record in records if record.error]


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("n_members", [0, 1, 2, 50])
def test_read_members(suffix: str, n_members: int, tmp_path: Path) -> None:
    size = len(DATA) // (n_members or 1) + 1
    members = [DATA[i : i + size] for i in range(0, len(DATA), size)] if n_members else []
    packed = b"".join(map(COMPRESS[suffix], members))
    assert texts(read(tmp_path / f"a.txt{suffix}", packed)) == (LINES if n_members else [])


@pytest.mark.parametrize("suffix", COMPRESS)
def test_detect_compression_from_content(suffix: str, tmp_path: Path) -> None:
    assert texts(read(tmp_path / "a.txt", COMPRESS[suffix](DATA))) == LINES
    assert texts(read(tmp_path / "a.txt.gz", COMPRESS[suffix](DATA))) == LINES


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", ["A.TXT{}", "a.txt{}"])
def test_expand_compressed_files(suffix: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name.format(suffix.upper() if name.isupper() else suffix)
    path.touch()
    assert expand([str(tmp_path)]) == [str(path)]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_padding_is_ignored(suffix: str, tmp_path: Path) -> None:
    assert not errors(read(tmp_path / f"a.txt{suffix}", COMPRESS[suffix](DATA) + b"\0" * 512))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_trailing_garbage(suffix: str, tmp_path: Path) -> None:
    """The last line has no line end."""
    found = read(tmp_path / f"a.txt{suffix}", COMPRESS[suffix](DATA[:-1]) + b"<html>")
    assert texts(found) == LINES
    ((line, error),) = errors(found)
    assert line == 3001
    assert "isn't" in error


@pytest.mark.parametrize("suffix", COMPRESS)
def test_truncated_file(suffix: str, tmp_path: Path) -> None:
    """The incomplete line is rejected."""
    packed = COMPRESS[suffix](DATA)
    found = read(tmp_path / f"a.txt{suffix}", packed[: len(packed) - 9])
    assert texts(found) == LINES[: len(texts(found))]
    ((line, error),) = errors(found)
    assert line == len(found)
    assert "cut off" in error


@pytest.mark.parametrize("suffix", COMPRESS)
def test_read_members_after_damage(suffix: str, tmp_path: Path) -> None:
    packed = COMPRESS[suffix](DATA)
    middle = len(packed) // 2
    damaged = packed[:middle] + bytes(64) + packed[middle + 64 :]
    found = read(tmp_path / f"a.txt{suffix}", packed + damaged + packed)
    assert texts(found)[: len(LINES)] == texts(found)[-len(LINES) :] == LINES
    assert any("damaged" in error for _, error in errors(found))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_uncompressed_file_is_rejected(suffix: str, tmp_path: Path) -> None:
    ((line, error),) = errors(read(tmp_path / f"a.txt{suffix}", b"hi Mia\n"))
    assert line == 1
    assert "isn't" in error


def test_lines_before_wrong_checksum_are_read(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(DATA))
    packed[-6] ^= 1
    found = read(tmp_path / "a.txt.gz", bytes(packed))
    assert texts(found) == LINES
    ((line, error),) = errors(found)
    assert (line, "incorrect data check" in error) == (3001, True)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_decompression_takes_linear_time(suffix: str, tmp_path: Path) -> None:
    """Highly compressed blocks aren't copied for each line."""

    def seconds(n: int) -> float:
        path = tmp_path / f"a.txt{suffix}"
        path.write_bytes(COMPRESS[suffix](b"so tired of this rain in Oslo and all that\n" * n))
        start = time.process_time()
        assert sum(len(shard.records) for shard in read_shards([str(path)], 1000, None)) == n
        return time.process_time() - start

    assert seconds(400_000) < 16 * min(seconds(100_000) for _ in range(2))
