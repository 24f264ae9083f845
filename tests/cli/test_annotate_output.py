"""What `annotate` does when its output cannot be written, or when it is told to stop."""

import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from spacy_twitter_ner.cli import app

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# Where tests run in the background, a shell may have made them ignore Ctrl-C and hang-ups.
MAIN = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    "from spacy_twitter_ner.cli import main; "
)


@pytest.fixture
def tweets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tweets.jsonl"
    path.write_text('{"text": "off to Leeds"}\n{\n{"text": "rain"}\n')
    return path


def run(ruler: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["annotate", str(ruler), *arguments])


def message(result: Result) -> str:
    """Standard error, in one line."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Errno" not in result.stderr
    return " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("file", "file is a file, but --output needs a folder"),
        ("tweets.jsonl", "tweets.jsonl is a file, but --output needs a folder"),
        ("dangling", "dangling is a file, but --output needs a folder"),
        ("/dev/null", "/dev/null is a file, but --output needs a folder"),
        ("file/out", "file/out: Not a directory"),
        ("other", "other is not empty and has no manifest.json: pass another folder, or empty it"),
        ("s3://bucket/out", "s3://bucket/out: must be a local folder"),
    ],
)
def test_output_that_is_no_folder(ruler: Path, tweets: Path, output: str, expected: str) -> None:
    Path("file").write_text("mine")
    Path("dangling").symlink_to("nowhere")
    Path("other").mkdir()
    Path("other/thesis.doc").touch()
    before = tweets.read_bytes()
    assert expected in message(run(ruler, str(tweets), "--output", output, "-w", "1"))
    assert (Path("file").read_text(), tweets.read_bytes()) == ("mine", before)


def test_a_folder_of_output_is_made_with_its_parents(ruler: Path, tweets: Path) -> None:
    assert run(ruler, str(tweets), "--output", "a/b/c", "-w", "1").exit_code == 0
    assert Path("a/b/c/part-000000.jsonl").exists()


NUMBERS = [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO, errno.EFBIG]


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
@pytest.mark.parametrize(
    ("call", "n", "name"),
    [
        ("mkdir", 1, "out"),
        ("fsync", 1, "out/manifest.json"),
        ("replace", 1, "out/manifest.json"),
        ("fsync", 2, "out/rejects/part-000000.jsonl"),
        ("fsync", 3, "out/part-000000.jsonl"),
        ("replace", 3, "out/part-000000.jsonl"),
        ("fsync", 4, "out/finished.jsonl"),
        ("fsync", 5, "out/rejects.jsonl"),
    ],
)
def test_output_that_the_system_refuses(
    ruler: Path,
    tweets: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    call: str,
    n: int,
    name: str,
) -> None:
    """A disk that is full, read-only or somebody else's, at any step."""
    calls = []

    def refuse(*arguments: object, **options: object) -> None:
        calls.append(arguments)
        if len(calls) == n:
            named = arguments if call == "mkdir" else ()
            raise OSError(number, os.strerror(number), *map(str, named[:1]))
        original(*arguments, **options)

    original = getattr(os, call)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        text = message(run(ruler, str(tweets), "--output", "out", "-w", "1"))
    assert f"{name}: {os.strerror(number)}" in text
    assert name == "out" or "run the same command again" in text
    assert not list(Path().glob("out/.*"))
    assert run(ruler, str(tweets), "--output", "out", "-w", "1").exit_code == 0
    assert len(Path("out/rejects.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("output", [(), ("--output", "out", "-w", "1")], ids=["stream", "folder"])
@pytest.mark.parametrize(
    ("rejects", "expected"),
    [
        ("absent/bad.jsonl", "--rejects absent/bad.jsonl: there is no folder absent"),
        ("tweets.jsonl/bad", "--rejects tweets.jsonl/bad: there is no folder tweets.jsonl"),
        (".", "--rejects . is a folder. Pass a file"),
        ("tweets.jsonl", "--rejects tweets.jsonl is one of the inputs, and would be overwritten"),
        ("./link", "link is one of the inputs, and would be overwritten"),
        ("/proc/bad.jsonl", "/proc/bad.jsonl: No such file or directory"),
    ],
)
def test_rejects_are_checked_before_any_work(
    ruler: Path, tweets: Path, output: tuple[str, ...], rejects: str, expected: str
) -> None:
    Path("link").symlink_to("tweets.jsonl")
    before = tweets.read_bytes()
    result = run(ruler, str(tweets), *output, "--rejects", rejects)
    assert expected in message(result)
    assert (result.stdout, Path("out").exists()) == ("", False)
    assert tweets.read_bytes() == before


@pytest.mark.parametrize("name", ["rejects.jsonl", "bad.jsonl", "part-000000.jsonl"])
def test_rejects_are_not_written_among_the_output(ruler: Path, tweets: Path, name: str) -> None:
    path = f"out/{name}"
    for _ in range(2):
        result = run(ruler, str(tweets), "--output", "out", "-w", "1", "--rejects", path)
        assert f"--rejects {path}: " in message(result)
        assert run(ruler, str(tweets), "--output", "out", "-w", "1").exit_code == 0


@pytest.mark.parametrize("path", ["/dev/null", "new.jsonl", "old.jsonl"])
def test_rejects_of_a_folder_go_to_a_file_or_device(ruler: Path, tweets: Path, path: str) -> None:
    Path("old.jsonl").write_text("much older rejects, which are replaced\n" * 9)
    assert run(ruler, str(tweets), "--output", "out", "-w", "1", "--rejects", path).exit_code == 0
    if path != "/dev/null":
        assert Path(path).read_bytes() == Path("out/rejects.jsonl").read_bytes()


def test_rejects_are_not_read_as_input(ruler: Path, tweets: Path) -> None:
    """A folder of inputs is listed before the file of rejects is there."""
    result = run(ruler, str(tweets.parent), "--rejects", "bad.jsonl")
    assert result.exit_code == 0, result.output
    assert "2 tweets, 1 entities, 1 rejects" in result.stderr
    assert "bad.jsonl is one of the inputs" in message(
        run(ruler, str(tweets.parent), "--rejects", "bad.jsonl")
    )


@pytest.mark.parametrize(
    "names", [("a/x.txt", "b/x.txt"), ("x.txt", "x.text"), ("x.txt", "x.jsonl")]
)
def test_inputs_of_the_same_stem(ruler: Path, tmp_path: Path, names: tuple[str, str]) -> None:
    """Output is numbered, so that the names of inputs cannot clash."""
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        is_json = name.endswith(".jsonl")
        (tmp_path / name).write_text('{"text": "off to Leeds"}\n' if is_json else "off to Leeds\n")
    inputs = [str(tmp_path / name) for name in names]
    assert run(ruler, *inputs, "-o", str(tmp_path / "out"), "-w", "1").exit_code == 0
    parts = sorted((tmp_path / "out").glob("part-*"))
    ids = [json.loads(part.read_text())["id"] for part in parts]
    assert ids == [f"{name}:1" for name in inputs]


def command(ruler: Path, *arguments: str, before: str = "pass") -> list[str]:
    code = f"{MAIN}{before}; sys.exit(main())"
    return [sys.executable, "-c", code, "annotate", str(ruler), *arguments]


@contextmanager
def started(
    ruler: Path, *arguments: str, before: str = "pass", **options: object
) -> Iterator[subprocess.Popen]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        command(ruler, *arguments, before=before),
        **{**pipes, **options},  # type: ignore[call-overload]
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answers(process: subprocess.Popen, text: str = "off to Leeds") -> bool:
    """Whether a tweet on standard input comes out again."""
    process.stdin.write(f"{text}\n".encode())
    process.stdin.flush()
    return json.loads(process.stdout.readline())["text"] == text


def assert_stopped(process: subprocess.Popen, code: int) -> None:
    assert process.wait(60) == code
    errors = process.stderr.read()
    assert b"Fatal" not in errors
    assert b"Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_it_waits_for_input(ruler: Path, number: signal.Signals) -> None:
    with started(ruler, "-", "--silent", "--max-latency", "0") as process:
        assert answers(process)
        process.send_signal(number)
        assert_stopped(process, 128 + number)


@pytest.mark.slow
def test_a_closed_pipe_while_it_waits_for_input(ruler: Path) -> None:
    with started(ruler, "-", "--silent", "--max-latency", "0") as process:
        assert answers(process)
        process.stdout.close()
        process.stdin.write(b"rain\n")
        process.stdin.flush()
        assert_stopped(process, 1)


SLOW_LOAD = (
    "import spacy, time; "
    "spacy.load = lambda name: (print('loading', file=sys.stderr, flush=True), time.sleep(60))"
)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_pipeline_is_loaded(ruler: Path, number: signal.Signals) -> None:
    with started(ruler, "-", before=SLOW_LOAD) as process:
        process.stdin.write(b"off to Leeds\n")
        process.stdin.flush()
        assert process.stderr.readline() == b"loading\n"
        process.send_signal(number)
        assert_stopped(process, 128 + number)


@pytest.mark.slow
def test_a_signal_while_it_writes(ruler: Path, tmp_path: Path) -> None:
    """Nobody reads what comes out, and the pipe is full."""
    path = tmp_path / "tweets.txt"
    path.write_text("off to Leeds\n" * 5000)
    with path.open("rb") as file, started(ruler, "-", "--silent", stdin=file) as process:
        assert process.stdout.read(1)
        process.send_signal(signal.SIGTERM)
        assert_stopped(process, 128 + signal.SIGTERM)


@pytest.mark.slow
def test_a_signal_that_is_ignored(ruler: Path) -> None:
    """As SIGHUP is under nohup."""
    ignore = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    with started(ruler, "-", "--silent", "--max-latency", "0", before=ignore) as process:
        assert answers(process)
        process.send_signal(signal.SIGHUP)
        assert answers(process, "rain")
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.slow
def test_it_says_how_to_go_on(ruler: Path, tmp_path: Path) -> None:
    path = tmp_path / "tweets.txt"
    path.write_text("off to Leeds\n")
    arguments = (str(path), "-o", str(tmp_path / "out"), "-w", "1")
    with started(ruler, *arguments, before=SLOW_LOAD) as process:
        assert process.stderr.readline() == b"loading\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
        errors = process.stderr.read()
    assert errors == (
        b"Stopped by a signal. Finished shards are kept: run the same command again to continue\n"
    )
    assert run(ruler, *arguments).exit_code == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("source", ["file", "standard input"])
def test_standard_output_on_a_full_disk(ruler: Path, tmp_path: Path, source: str) -> None:
    path = tmp_path / "tweets.txt"
    path.write_text("off to Leeds\n")
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            command(ruler, str(path) if source == "file" else "-"),
            input="off to Leeds\n",
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    assert result.returncode == 1
    assert "<stdout>: No space left on device" in result.stderr
    assert "Exception ignored" not in result.stderr


def close_fd(number: int) -> Callable[[], None]:
    return lambda: os.close(number)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "source", "code", "expected"),
    [
        (0, "-", 1, "standard input is closed"),
        (1, "tweets.txt", 1, "standard output is closed. Pass --output with a folder"),
        (2, "tweets.txt", 0, '"text":"off to Leeds"'),
    ],
)
def test_streams_that_are_closed(
    ruler: Path, tmp_path: Path, number: int, source: str, code: int, expected: str
) -> None:
    """As >&- closes them. Nothing of one stream is written to another."""
    (tmp_path / "tweets.txt").write_text("off to Leeds\n")
    result = subprocess.run(
        command(ruler, source),
        preexec_fn=close_fd(number),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
    )
    assert result.returncode == code
    assert expected in (result.stdout if number == 2 else result.stderr)
    assert result.stdout.count("\n") == (1 if number == 2 else 0)


@pytest.mark.slow
def test_output_to_one_of_the_inputs(ruler: Path, tmp_path: Path) -> None:
    """What is written would be read again, without end."""
    path = tmp_path / "tweets.txt"
    path.write_text("off to Leeds\n")
    with path.open("ab") as file:
        result = subprocess.run(
            command(ruler, str(path)), stdout=file, stderr=subprocess.PIPE, check=False, timeout=120
        )
    assert result.returncode == 1
    assert "is also standard output: its records" in " ".join(result.stderr.decode().split())
    assert path.read_text() == "off to Leeds\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_named_pipe_is_read_once(ruler, tmp_path, compress):
    """As in `annotate <(zcat tweets.gz)`."""
    pipe = tmp_path / "tweets.txt"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(compress(b"Leeds is wet\n"),))
    writer.start()
    command = [sys.executable, "-m", "spacy_twitter_ner", "annotate", str(ruler), str(pipe)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100)
    writer.join()
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["entities"][0]["text"] == "Leeds"
