"""The inputs of `annotate`, end to end: kinds of files, damage, and what cannot be read."""

import bz2
import gzip
import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import Result

from .util import run

TEXTS = ["saw Drake in Chicago", "rain in Oslo"]


@pytest.fixture
def model(saved_pipeline: Path) -> str:
    return str(saved_pipeline)


def annotate(model: str, path: Path, data: bytes | str, *options: str) -> Result:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return run("annotate", model, path, *options)


def texts(result: Result) -> list[str]:
    records = [json.loads(line) for line in result.stdout.splitlines()]
    return [record["text"] for record in records if "text" in record]


def reasons(result: Result) -> list[str]:
    lines = [line for line in result.stderr.splitlines() if line.startswith("{")]
    return [json.loads(line)["reason"] for line in lines]


TWEETS = [{"id": str(n), "text": text} for n, text in enumerate(TEXTS)]
LINES = "".join(f"{text}\n" for text in TEXTS)
ARCHIVE = "window.YTD.tweets.part0 = " + json.dumps([{"tweet": tweet} for tweet in TWEETS])
SENTIMENT = "".join(f'"0","{n}","Mon Apr 06","NO_QUERY","mia","{t}"\n' for n, t in enumerate(TEXTS))


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("a.json", json.dumps(TWEETS), []),
        ("a.json", json.dumps({"data": TWEETS, "meta": {}}, indent=2), []),
        ("a.json", "\n".join(json.dumps(tweet, indent=2) for tweet in TWEETS), []),
        ("a.txt.bz2", bz2.compress(LINES.encode()), []),
        ("a.txt.xz", lzma.compress(LINES.encode()), []),
        ("a.txt", LINES.encode("utf-16"), []),
        ("archive.js", ARCHIVE, []),
        ("a.csv", SENTIMENT.encode("latin-1"), ["--no-header", "-t", "6", "--encoding", "latin-1"]),
        ("a.csv", "id;text\r\n" + "".join(f"{n};{t}\r\n" for n, t in enumerate(TEXTS)),
         ["-d", ";"]),
        ("a.txt", "id\ttext\n" + "".join(f"{n}\t{t}\n" for n, t in enumerate(TEXTS)),
         ["-i", "csv", "--delimiter", "tab"]),
    ],
)  # fmt: skip
def test_kinds_of_files(
    model: str, tmp_path: Path, name: str, data: str | bytes, options: list[str]
) -> None:
    result = annotate(model, tmp_path / name, data, *options)
    assert result.exit_code == 0, result.stderr
    assert texts(result) == TEXTS
    assert not reasons(result)


def test_the_id_of_a_table_without_header(model: str, tmp_path: Path) -> None:
    options = ("--no-header", "--text-field", "6", "--id-field", "2")
    result = annotate(model, tmp_path / "a.csv", SENTIMENT, *options)
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["0", "1"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("q.csv", 'id,text\n7,"hi Mia\n0,saw Drake in Chicago\n1,rain in Oslo\n'),
        ("a.txt.gz", gzip.compress(LINES.encode(), mtime=0) + b"garbage"),
        ("a.json", '{"data":[{"id":"0","text":"saw Drake in Chicago"},{"id":"2"},'
         '{"id":"1","text":"rain in Oslo"}]}'),
        ("a.json", '[{"id":"0","text":"saw Drake in Chicago"},{"id":"2",x},'
         '{"id":"1","text":"rain in Oslo"}]'),
    ],
)  # fmt: skip
def test_damage_costs_no_other_record(
    model: str, tmp_path: Path, name: str, data: str | bytes
) -> None:
    result = annotate(model, tmp_path / name, data)
    assert result.exit_code == 0
    assert texts(result) == TEXTS
    assert len(reasons(result)) == 1
    assert annotate(model, tmp_path / name, data, "--strict").exit_code == 2


@pytest.mark.parametrize(
    ("name", "data", "options", "expected"),
    [
        ("a.jsonl", LINES, [], "--input-format text"),
        ("a.jsonl", "id,text\n1,hi Mia\n", [], "--input-format csv"),
        ("a.jsonl", "id\ttext\n1\thi\n", [], "--input-format csv --delimiter tab"),
        ("a.csv", json.dumps(TWEETS[0]), [], "--input-format jsonl"),
        ("a.csv", "id;text\n1;hi Mia\n", [], "--delimiter ';'"),
        ("a.tsv", "id,text\n1,hi Mia\n", [], "--delimiter ','"),
        ("a.csv", "1,hi Mia\n2,so\n", [], "--no-header"),
        ("a.csv", "id,body\n1,hi Mia\n", [], "the record has id, body"),
        ("a.jsonl", '{"body": "hi"}\n', [], "--text-field"),
        ("a.txt", "caf\xe9\n".encode("cp1252"), [], "--encoding"),
        ("a.csv", b"PK\x03\x04\x14\0\x06\0\x08\0\0\0", [], "Excel"),
        ("a.jsonl", "<html><body>Not found</body></html>", [], "HTML"),
        ("a.parquet", json.dumps(TWEETS[0]), [], "--input-format jsonl"),
        ("a.parquet", b"PAR1" + bytes(50) + b"PAR1", [], "Parquet"),
        ("a.txt.gz", LINES, [], "isn't gzip"),
        # Fields that are named and nowhere there: nothing is done
        ("a.jsonl", json.dumps(TWEETS[0]), ["--id-field", "uid"], "the record has id, text"),
        ("a.csv", "id,text\n1,hi\n", ["--text-field", "txt"], "the record has id, text"),
    ],
)
def test_inputs_that_cannot_be_read(
    model: str, tmp_path: Path, name: str, data: str | bytes, options: list[str], expected: str
) -> None:
    """The exit code isn't 0, and the message says what the file looks like and how to read it."""
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    result = annotate(model, tmp_path / name, data, *options)
    message = " ".join(result.stderr.split())
    assert result.exit_code == 1
    assert f"{name}: no record could be read" in message
    assert expected in message
    assert "Traceback" not in result.stderr


def test_an_input_that_cannot_be_read_costs_no_other(model: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1" + bytes(50))
    (tmp_path / "good.txt").write_text(LINES)
    folder = tmp_path / "out"
    arguments = ("annotate", model, tmp_path / "bad.parquet", tmp_path / "good.txt", "-o", folder)
    # Run again, it says the same.
    for _ in range(2):
        result = run(*arguments, "-w", "1")
        assert result.exit_code == 1
        assert "bad.parquet: no record could be read" in result.stderr
        assert "good.txt" not in result.stderr
        records = [path.read_text() for path in sorted(folder.glob("part-*"))]
        assert "".join(records).count("Chicago") >= 1
        assert "bad.parquet" in (folder / "rejects.jsonl").read_text()


@pytest.mark.parametrize("data", ["", "\n\n"])
def test_an_empty_input_is_no_error(model: str, tmp_path: Path, data: str) -> None:
    assert annotate(model, tmp_path / "a.jsonl", data).exit_code == 0


@pytest.mark.parametrize(
    ("name", "data"), [("a.txt", json.dumps(TWEETS[0])), ("b.txt", json.dumps(TWEETS, indent=1))]
)
def test_json_is_not_annotated_as_text(model: str, tmp_path: Path, name: str, data: str) -> None:
    result = annotate(model, tmp_path / name, data)
    assert result.exit_code == 1
    assert "it looks like JSON: pass --input-format jsonl" in result.stderr
    assert annotate(model, tmp_path / name, data, "-i", "text").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encoding", "klingon"], "unknown text encoding"),
        (["--delimiter", "ab"], "pass one character"),
    ],
)
def test_options_that_mean_nothing(
    model: str, tmp_path: Path, options: list[str], message: str
) -> None:
    result = annotate(model, tmp_path / "a.csv", "id,text\n1,a\n", *options)
    assert result.exit_code == 1
    assert message in result.stderr


def test_options_are_part_of_a_run(model: str, tmp_path: Path) -> None:
    options = ("-o", str(tmp_path / "out"), "-w", "1")
    assert annotate(model, tmp_path / "a.csv", "id,text\n1,a\n", *options).exit_code == 0
    result = annotate(model, tmp_path / "a.csv", "id,text\n1,a\n", *options, "--encoding", "cp1252")
    assert "settings encoding: was None, is 'cp1252'" in result.stderr


def test_nan_is_no_json(model: str, tmp_path: Path) -> None:
    data = '{"id": "1", "text": "hi", "a": [NaN, {"b": -Infinity}], "c": 1e999, "d": 0.5}\n'
    result = annotate(model, tmp_path / "a.jsonl", data, "--keep-fields")

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    fields = json.loads(result.stdout, parse_constant=refuse)["fields"]
    assert fields == {"id": "1", "text": "hi", "a": [None, {"b": None}], "c": None, "d": 0.5}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "data", "code", "expected"),
    [
        (["-i", "csv", "-d", "tab"], b'id\ttext\n1\t"hi\n2\train in Oslo\n', 0, b"rain in Oslo"),
        (["-i", "jsonl"], json.dumps(TWEETS).encode(), 0, b"Chicago"),
        ([], LINES.encode("utf-16"), 0, b"saw Drake in Chicago"),
        ([], json.dumps(TWEETS[0]).encode(), 1, b"pass --input-format jsonl"),
        (["-i", "jsonl"], LINES.encode(), 1, b"-: no record could be read"),
    ],
)
def test_standard_input(
    model: str, options: list[str], data: bytes, code: int, expected: bytes
) -> None:
    code_of_main = "from spacy_twitter_ner.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code_of_main, "annotate", model, "-", *options],
        input=data,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == code, result.stderr
    assert expected in result.stdout + result.stderr
