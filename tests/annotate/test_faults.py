"""Killed processes, full disks and truncated files: the next run has the same output as an
uninterrupted one."""

import gzip
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from spacy_twitter_ner.annotate.jobs import Job
from spacy_twitter_ner.annotate.resume import ManifestError
from spacy_twitter_ner.annotate.run import Workers, annotate_files

from .util import TWEETS, assert_same_output, read_folder, read_records

pytestmark = pytest.mark.slow
SIZE = 20
N_SHARDS = 60


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "tweets.txt"
    lines = [f"{TWEETS[number % len(TWEETS)]} {number}\n" for number in range(SIZE * N_SHARDS)]
    path.write_text("".join(lines), encoding="utf8")
    return path


@pytest.fixture
def whole(many: Path, job: Job, tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "whole"
    undisturbed = replace(job, output_dir=str(folder))
    annotate_files([str(many)], undisturbed, shard_size=SIZE, workers=Workers(1))
    return read_folder(folder)


def command(path: Path, job: Job, *arguments: str) -> list[str]:
    # Shells may start background processes with SIGINT ignored.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from spacy_twitter_ner.cli import main; sys.exit(main())"
    options = ["--output", str(job.output_dir), "--shard-size", str(SIZE), "--silent", *arguments]
    return [sys.executable, "-c", code, "annotate", job.model, str(path), *options]


def start(
    path: Path, job: Job, *arguments: str, errors: IO[bytes] | int = subprocess.DEVNULL
) -> subprocess.Popen:
    return subprocess.Popen(
        command(path, job, *arguments),
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
    )


def wait_for(folder: Path, n: int) -> int:
    """Wait until a number of parts exist."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        parts = len(list(folder.glob("part-*")))
        if parts >= n:
            return parts
        time.sleep(0.005)
    raise AssertionError(f"no {n} parts in {folder}")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_resume_after_signal(
    many: Path, job: Job, whole: dict[str, bytes], number: signal.Signals, workers: str
) -> None:
    folder = Path(str(job.output_dir))
    process = start(many, job, "--workers", workers)
    wait_for(folder, 3)
    if number == signal.SIGKILL:
        # Kill all processes at once.
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(60) != 0
    assert len(list(folder.glob("part-*"))) < N_SHARDS
    assert not (number == signal.SIGTERM and workers == "1" and list(folder.glob(".part-*")))
    annotate_files([str(many)], job, shard_size=SIZE, workers=Workers(1))
    assert_same_output(read_folder(folder), whole)


def test_workers_exit_with_killed_parent(many: Path, job: Job) -> None:
    psutil = pytest.importorskip("psutil")
    process = start(many, job, "--workers", "2")
    wait_for(Path(str(job.output_dir)), 3)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    process.kill()
    process.wait(60)
    _, alive = psutil.wait_procs(children, timeout=30)
    for child in alive:
        child.kill()
    assert not alive


def test_run_survives_killed_worker(many: Path, job: Job, whole: dict[str, bytes]) -> None:
    """As by the out-of-memory killer."""
    psutil = pytest.importorskip("psutil")
    process = start(many, job, "--workers", "2")
    wait_for(Path(str(job.output_dir)), 3)
    children = psutil.Process(process.pid).children(recursive=True)
    # Ignore the resource tracker.
    workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    workers[0].kill()
    assert process.wait(120) == 0
    assert_same_output(read_folder(Path(str(job.output_dir))), whole)


def test_resume_after_full_disk(many: Path, job: Job, whole: dict[str, bytes]) -> None:
    """Simulated by a limit on the size of files."""
    limit = max(map(len, whole.values())) - 1

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    failed = subprocess.run(
        command(many, job, "--workers", "1"),
        preexec_fn=limit_files,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert failed.returncode == 1
    assert "File too large" in failed.stderr
    folder = Path(str(job.output_dir))
    assert not list(folder.glob(".part-*"))
    annotate_files([str(many)], job, shard_size=SIZE, workers=Workers(1))
    assert_same_output(read_folder(folder), whole)


def results(folder: Path) -> list[dict]:
    """Read records, ignoring ids, which contain the name of the input, and confidences, whose
    last digit may differ."""
    records = read_records(folder)
    for record in records:
        del record["id"]
        for entity in record["entities"]:
            del entity["confidence"]
    return records


@pytest.mark.usefixtures("whole")
def test_truncated_input(many: Path, job: Job, tmp_path: Path) -> None:
    packed = gzip.compress(many.read_bytes())
    path = tmp_path / "tweets.txt.gz"
    path.write_bytes(packed[: len(packed) // 2])
    arguments = command(path, job, "--workers", "1", "--strict")
    assert subprocess.run(arguments, check=False, timeout=120).returncode == 2
    folder = Path(str(job.output_dir))
    rejects = (folder / "rejects.jsonl").read_text()
    assert rejects.count("\n") == 1
    assert "cut off" in rejects
    found, expected = results(folder), results(tmp_path / "whole")
    assert 0 < len(found) < len(expected)
    assert found == expected[: len(found)]
    # The complete file is another input and requires another folder.
    path.write_bytes(packed)
    with pytest.raises(ManifestError, match=r"inputs: .*tweets\.txt\.gz"):
        annotate_files([str(path)], job, shard_size=SIZE, workers=Workers(1))
    again = replace(job, output_dir=str(tmp_path / "again"))
    annotate_files([str(path)], again, shard_size=SIZE, workers=Workers(1))
    assert results(tmp_path / "again") == expected


def test_resume_after_sigterm_with_dask(many: Path, job: Job, whole: dict[str, bytes]) -> None:
    pytest.importorskip("distributed")
    process = start(many, job, "--engine", "dask", "--workers", "2")
    wait_for(Path(str(job.output_dir)), 3)
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    annotate_files([str(many)], job, shard_size=SIZE, workers=Workers(1))
    assert_same_output(read_folder(Path(str(job.output_dir))), whole)


def test_resume_after_killed_dask_scheduler(
    many: Path, job: Job, whole: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    folder = Path(str(job.output_dir))
    address = "tcp://127.0.0.1:18786"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", "18786", "--no-dashboard"], **quiet
    )
    options = ("--nthreads", "1", "--no-dashboard", "--death-timeout", "20")
    worker = subprocess.Popen([*dask, "worker", address, *options], **quiet)
    try:
        with (tmp_path / "errors").open("wb") as errors:
            process = start(many, job, "--scheduler", address, errors=errors)
        wait_for(folder, 3)
        os.killpg(scheduler.pid, signal.SIGKILL)
        assert process.wait(90) == 1
        assert "the Dask scheduler is gone" in (tmp_path / "errors").read_text()
    finally:
        for each in (scheduler, worker):
            if each.poll() is None:
                os.killpg(each.pid, signal.SIGKILL)
            each.wait(30)
    annotate_files([str(many)], job, shard_size=SIZE, workers=Workers(1))
    assert_same_output(read_folder(folder), whole)
