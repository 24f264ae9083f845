import codecs
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.sources.compression import ChunkedFile
from spacy_twitter_ner.sources.inputs import read_shards
from spacy_twitter_ner.sources.records import InputError, ReadOptions, Reject, Tweet, parse
from spacy_twitter_ner.sources.text import find_encoding, transcode

TEXTS = ["caf\xe9 in Oslo", "hi Mia", "so \u201ctired\u201d"]


def read(path: Path, **options: object) -> list[Tweet | Reject]:
    shards = read_shards([str(path)], 10, None, ReadOptions(**options))  # type: ignore[arg-type]
    return [
        each for shard in shards for raw in shard.records for each in parse(raw, "a", shard.format)
    ]


FILES = {
    "a.txt": "".join(f"{text}\n" for text in TEXTS),
    "a.jsonl": "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in TEXTS),
    "a.json": json.dumps([{"text": text} for text in TEXTS], ensure_ascii=False, indent=1),
    "a.csv": "id,text\r\n" + "".join(f'{n},"{text}"\r\n' for n, text in enumerate(TEXTS)),
    "a.tsv": "id\ttext\n" + "".join(f"{n}\t{text}\n" for n, text in enumerate(TEXTS)),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "encoding", ["cp1252", "utf-16", "utf-16-be", "utf-32", "utf-8-sig", "utf-8", "gb18030"]
)
def test_read_with_encoding(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name].encode(encoding))
    assert [each.text for each in read(path, encoding=encoding)] == TEXTS  # type: ignore[union-attr]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("end", ["le", "be"])
@pytest.mark.parametrize("has_bom", [True, False])
@pytest.mark.parametrize("bits", [16, 32])
def test_detect_utf16_and_utf32(
    name: str, end: str, has_bom: bool, bits: int, tmp_path: Path
) -> None:
    if bits == 32 and not has_bom:
        pytest.skip("not detected")
    path = tmp_path / name
    data = "\ufeff" * has_bom + FILES[name]
    path.write_bytes(data.encode(f"utf-{bits}-{end}"))
    assert [each.text for each in read(path)] == TEXTS  # type: ignore[union-attr]


@pytest.mark.parametrize("name", FILES)
def test_undecodable_record_is_rejected(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name].encode("cp1252").replace(b"Mia", b"Mia \x81"))
    first, second, third = read(path, encoding="cp1252")
    assert isinstance(second, Reject)
    assert "not cp1252" in second.reason
    assert [first.text, third.text] == [TEXTS[0], TEXTS[2]]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_invalid_utf8_is_rejected(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name].encode("cp1252"))
    first, second, third = read(path)
    assert isinstance(second, Tweet)
    for each in (first, third):
        assert isinstance(each, Reject)
        assert "--encoding" in each.reason


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffhi \ud83d Mia\n\udc00\n".encode("utf-16-le", "surrogatepass"))
    assert [each.text for each in read(path)] == ["hi \ufffd Mia", "\ufffd"]  # type: ignore[union-attr]


def test_truncated_character_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("hi Mia\nso\n".encode("utf-16")[:-1])
    first, last = read(path)
    assert isinstance(first, Tweet)
    assert isinstance(last, Reject)


@pytest.mark.parametrize("name", ["klingon", "base64", "", "utf\0"])
def test_unknown_encoding_raises(name: str) -> None:
    with pytest.raises(InputError, match="--encoding"):
        ReadOptions(encoding=name)


@pytest.mark.parametrize("name", ["", "ab", '"', "\n"])
def test_invalid_delimiter_raises(name: str) -> None:
    with pytest.raises(InputError, match="--delimiter"):
        ReadOptions(delimiter=name)


@given(st.binary(max_size=40), st.sampled_from(["utf-16-le", "cp1252", "shift_jis", "utf-7"]))
def test_transcode_any_bytes(data: bytes, encoding: str) -> None:
    file = io.BufferedReader(ChunkedFile(iter([data[:7], data[7:]])))
    b"".join(transcode(file, encoding))  # type: ignore[arg-type]


@given(st.text())
def test_utf8_is_not_transcoded(text: str) -> None:
    data = text.replace("\0", "").encode()
    boms = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    assert data.startswith(boms) or find_encoding(data, None) is None
