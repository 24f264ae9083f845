import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import spacy_twitter_ner
from spacy_twitter_ner.annotate.jobs import Outcome
from spacy_twitter_ner.cli import annotate, app

TWEETS = ["saw Drake in Chicago", "", "so tired 😂"]


@pytest.fixture
def model(saved_pipeline: Path) -> str:
    return str(saved_pipeline)


@pytest.fixture
def tweets(tmp_path: Path) -> str:
    path = tmp_path / "tweets.txt"
    path.write_text("".join(f"{tweet}\n" for tweet in TWEETS), encoding="utf8")
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["annotate", *arguments])


def test_annotate_to_standard_output(tweets: str) -> None:
    result = run(tweets)
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["text"] for record in records] == TWEETS
    found = [[entity["text"] for entity in record["entities"]] for record in records]
    assert found == [
        [ent.text for ent in doc.ents] for doc in map(spacy_twitter_ner.load(), TWEETS)
    ]
    assert found[0]
    assert f"3 tweets, {sum(map(len, found))} entities, 0 rejects" in result.stderr


def test_to_a_folder(model: str, tweets: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    arguments = (model, tweets, "-o", str(folder), "--shard-size", "2", "-w", "1", "--no-text")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert sorted(path.name for path in folder.glob("part*")) == [
        "part-000000.jsonl",
        "part-000001.jsonl",
    ]
    assert "3 tweets (3 by an earlier run)" in run(*arguments).stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "silent", "expected"),
    [
        (Terminal(), False, r"100% \|.*\| 3 tweets, [\d,]+/s \[00:00<00:00\]"),
        (Terminal(), True, ""),
        (io.StringIO(), False, ""),
    ],
)
def test_progress(
    tweets: str,
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    silent: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with annotate.show_progress([tweets], silent=silent) as progress:
        progress(Outcome(0, 3, 1, 0, Path(tweets).stat().st_size))
    assert re.fullmatch(expected, stream.getvalue().split("\r")[-1].strip())


@pytest.mark.parametrize("output_format", ["jsonl", "parquet", "spacy", "conll"])
def test_formats(model: str, tweets: str, tmp_path: Path, output_format: str) -> None:
    folder = tmp_path / "out"
    result = run(model, tweets, "-o", str(folder), "-f", output_format, "-w", "1")
    assert result.exit_code == 0, result.output
    assert (folder / f"part-000000.{output_format}").stat().st_size


def test_formats_that_are_no_stream(model: str, tweets: str) -> None:
    result = run(model, tweets, "-f", "parquet")
    assert result.exit_code == 1
    assert "--format parquet needs --output" in result.stderr


def test_rejects(model: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{\n')
    result = run(model, str(path))
    assert result.exit_code == 0
    assert f'"place": "{path}:2"' in result.stderr
    assert run(model, str(path), "--strict").exit_code == 2
    rejects = tmp_path / "bad.jsonl"
    result = run(model, str(path), "--rejects", str(rejects), "--silent", "--strict")
    assert (result.exit_code, result.stderr) == (2, "")
    assert json.loads(rejects.read_text())["place"] == f"{path}:2"
    folder = tmp_path / "out"
    run(model, str(path), "-o", str(folder), "-w", "1", "--rejects", str(rejects))
    assert rejects.read_bytes() == (folder / "rejects.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("absent.txt",), "absent.txt: no such file"),
        (("a.dat",), "pass --input-format"),
        (("a.txt", "-e", "dask", "--scheduler", "nowhere"), "nowhere"),
    ],
)
def test_errors(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.dat", "a.txt"):
        (tmp_path / name).touch()
    result = run(model, *arguments)
    assert result.exit_code == 1
    assert message in result.stderr


def test_no_such_pipeline(tweets: str) -> None:
    result = run("absent", tweets)
    assert result.exit_code == 1
    assert "absent" in result.stderr


@pytest.mark.slow
def test_standard_input(model: str) -> None:
    """In a process of its own, whose streams are real ones."""
    code = "from spacy_twitter_ner.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "annotate", model, "-", "--input-format", "jsonl"],
        input=b'{"id": 7, "text": "saw Drake in Chicago"}\n\n{"text": "\xf0\x9f\x98\x82"}\n',
        capture_output=True,
        check=True,
        timeout=120,
    )
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["id"], second["text"]) == ("7", "😂")
    assert second["id"] == "-:3"


@pytest.mark.slow
def test_a_live_stream(model: str) -> None:
    """A record comes out while more of them may come in."""
    code = "from spacy_twitter_ner.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "annotate", model, "-", "--silent", "--max-latency", "0.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in ("saw Drake in Chicago", "so tired"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_live_stream_takes_one_process(model: str) -> None:
    result = run(model, "-", "--workers", "2")
    assert result.exit_code == 1
    assert "standard input is annotated in one process" in result.stderr


def test_output_is_a_folder(model: str, tweets: str) -> None:
    result = run(model, tweets, "--output", "s3://bucket/out")
    assert result.exit_code == 1
    assert "s3://bucket/out: must be a local folder" in result.stderr


@pytest.mark.slow
def test_a_reader_that_has_had_enough(model: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("saw Drake in Chicago\n" * 20_000)
    code = "from spacy_twitter_ner.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "annotate", model, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert b"Traceback" not in errors
