"""Runs that crash at any time are resumed by the same command, with the same output."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_twitter_ner.annotate.jobs import Job
from spacy_twitter_ner.annotate.resume import Manifest, ManifestError
from spacy_twitter_ner.annotate.run import Workers, annotate_files

from .util import read_folder

# Audit events of changes to files.
CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")


class Crash(BaseException):
    """Raised when the simulated machine crashes."""


class Machine:
    """Simulate a machine that crashes before the nth change to the files of a folder.

    folder (Path): The folder.
    n (Optional[int]): The number of the change, from 0; None for never.
    """

    def __init__(self, folder: Path, n: int | None):
        self.folder = str(folder)
        self.n = n
        self.changes = 0

    def hook(self, event: str, arguments: tuple) -> None:
        if event not in CHANGES or not str(arguments[0]).startswith(self.folder):
            return
        if event == "open" and arguments[1] == "r":
            return
        if self.n is not None and self.changes >= self.n:
            raise Crash
        self.changes += 1


_running: list[Machine] = []


def _hook(event: str, arguments: tuple) -> None:
    for machine in _running:
        machine.hook(event, arguments)


@pytest.fixture(scope="module", autouse=True)
def hooked() -> None:
    """Audit hooks can't be removed. This one does nothing without a machine."""
    sys.addaudithook(_hook)


@contextmanager
def crash_before(n: int | None, folder: Path) -> Iterator[Machine]:
    machine = Machine(folder, n)
    _running.append(machine)
    try:
        yield machine
    except Crash:
        pass
    finally:
        _running.remove(machine)


@pytest.fixture
def tweets(tmp_path: Path) -> str:
    """Three shards of two records, with rejects in the first and the last one."""
    path = tmp_path / "tweets.jsonl"
    lines = ['{"text": "off to Leeds"}', "{", '{"text": "rain"}', '{"text": "Leeds!"}', "[]"]
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def annotate(tweets: str, job: Job) -> None:
    annotate_files([tweets], job, shard_size=2, workers=Workers(1))


@pytest.fixture
def job(ruler: Path, tmp_path: Path) -> Job:
    return Job(str(ruler), str(tmp_path / "out"))


@pytest.fixture
def whole(tweets: str, job: Job, tmp_path: Path) -> tuple[dict[str, bytes], int]:
    """The files of an uninterrupted run, and the number of changes it makes."""
    folder = tmp_path / "whole"
    with crash_before(None, folder) as machine:
        annotate(tweets, replace(job, output_dir=str(folder)))
    return read_folder(folder), machine.changes


@pytest.mark.slow
def test_resume_after_crash_before_each_change(
    tweets: str, job: Job, whole: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    files, n_changes = whole
    assert n_changes > 20
    for n in range(n_changes):
        folder = tmp_path / f"killed_{n}"
        with crash_before(n, folder):
            annotate(tweets, replace(job, output_dir=str(folder)))
        annotate(tweets, replace(job, output_dir=str(folder)))
        assert read_folder(folder) == files, f"crash before change {n}"


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes=st.lists(st.integers(0, 80), max_size=4))
def test_resume_after_repeated_crashes(
    tweets: str,
    job: Job,
    whole: tuple[dict[str, bytes], int],
    tmp_path_factory: pytest.TempPathFactory,
    crashes: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("killed") / "out"
    for n in crashes:
        with crash_before(n, folder):
            annotate(tweets, replace(job, output_dir=str(folder)))
    annotate(tweets, replace(job, output_dir=str(folder)))
    assert read_folder(folder) == whole[0]


def interrupt(manifest: Manifest) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_resume_with_damaged_journal(
    tweets: str, job: Job, whole: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    """Shards without a valid line are annotated again."""
    folder = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Manifest, "close", interrupt)
        with pytest.raises(KeyboardInterrupt):
            annotate(tweets, job)
    journal = (folder / "finished.jsonl").read_bytes()
    assert journal.count(b"\n") == 3
    saved = read_folder(folder)
    damaged = [journal[:n] for n in range(0, len(journal), 7)]
    for data in [*damaged, journal.replace(b'"shard": 1', b"\0" * 10), b"{}\n7\n" + journal]:
        for name, content in saved.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / "finished.jsonl").write_bytes(data)
        annotate(tweets, job)
        assert read_folder(folder) == whole[0], data


@pytest.mark.parametrize(
    "leftover",
    [
        "{folder}/.part-000009.jsonl.77",
        "{folder}/.manifest.json.77",
        "{folder}/.finished.jsonl.77",
        "{folder}/.rejects.jsonl.77",
        "{folder}/rejects/.part-000000.jsonl.77",
    ],
)
def test_resume_removes_temporary_files(
    tweets: str, job: Job, whole: tuple[dict[str, bytes], int], tmp_path: Path, leftover: str
) -> None:
    """By runs that complete a folder, and by runs of a complete folder."""
    folder = tmp_path / "out"
    for n in (whole[1] // 2, None):
        with crash_before(n, folder):
            annotate(tweets, job)
        path = Path(leftover.format(folder=folder))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half a fi")
        annotate(tweets, job)
        assert read_folder(folder) == whole[0]


def test_rejects_of_abandoned_run_are_not_merged(job: Job, tweets: str) -> None:
    """A folder without a finished shard may be used for other inputs."""
    folder = Path(str(job.output_dir))
    for n in range(60):
        with crash_before(n, folder):
            annotate(tweets, job)
        if (folder / "rejects").exists() and list((folder / "rejects").glob("part-*")):
            break
    assert not list(folder.glob("part-*"))
    Path(tweets).write_text('{"text": "off to Leeds"}\n')
    annotate(tweets, job)
    assert sorted(read_folder(folder)) == ["manifest.json", "part-000000.jsonl"]


@pytest.mark.parametrize("name", ["thesis.doc", ".thesis.json.1", "manifest.json.bak", ".hidden"])
def test_folder_with_other_files_is_refused(job: Job, tweets: str, name: str) -> None:
    folder = Path(str(job.output_dir))
    folder.mkdir()
    (folder / ".manifest.json.77").write_bytes(b"{")
    (folder / name).write_bytes(b"mine")
    with pytest.raises(ManifestError, match="is not empty and has no manifest"):
        annotate(tweets, job)
    assert (folder / name).read_bytes() == b"mine"


KILL = """
import os, signal, sys
sync, left = os.fsync, [{n}]
def kill(handle):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(handle)
os.fsync = kill
from spacy_twitter_ner.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3, 4])
def test_resume_after_sigkill(
    tweets: str, job: Job, whole: tuple[dict[str, bytes], int], n: int
) -> None:
    """While the process writes the manifest, a shard or the journal."""
    options = ["--output", str(job.output_dir), "--shard-size", "2", "--workers", "1"]
    killed = subprocess.run(
        [sys.executable, "-c", KILL.format(n=n), "annotate", job.model, tweets, *options],
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(list(Path(str(job.output_dir)).glob("**/.*"))) == (n < 4)
    annotate(tweets, job)
    assert read_folder(Path(str(job.output_dir))) == whole[0]
