"""Changes of inputs and pipelines during a run: the run fails and isn't marked as complete."""

import io
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import spacy

from spacy_twitter_ner.annotate.annotator import describe_model, load_annotator
from spacy_twitter_ner.annotate.jobs import Job, Outcome
from spacy_twitter_ner.annotate.resume import ManifestError, describe_input
from spacy_twitter_ner.annotate.run import Totals, Workers, annotate_files, annotate_to_stream

from .util import assert_same_output, read_folder, read_records

Change = Callable[[Path], object]


@pytest.fixture
def tweets(tmp_path: Path) -> Path:
    path = tmp_path / "tweets.txt"
    path.write_text("".join(f"off to Leeds {number}\n" for number in range(60)))
    return path


@pytest.fixture
def job(ruler: Path, tmp_path: Path) -> Job:
    return Job(str(ruler), str(tmp_path / "out"))


def run(
    inputs: list[Path],
    job: Job,
    change: Callable[[], object] = lambda: None,
    workers: Workers | None = None,
) -> Totals:
    """Annotate files in shards of five records, with a change after the first shard."""
    left = [change]

    def change_once(outcome: Outcome) -> None:
        if left:
            left.pop()()

    return annotate_files(
        list(map(str, inputs)),
        job,
        shard_size=5,
        workers=workers or Workers(1),
        on_outcome=change_once,
    )


def is_complete(job: Job) -> bool:
    return json.loads((Path(str(job.output_dir)) / "manifest.json").read_text())["complete"]


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("one more in Leeds\n")


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    """Overwrite a file with the same number of bytes."""
    path.write_text(path.read_text().replace("Leeds", "Derby"))


def replace_file(path: Path) -> None:
    """Replace a file by one of the same size and mtime."""
    other = path.with_name("other")
    other.write_text(path.read_text().replace("Leeds", "Derby"))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_text("")


def replace_with_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES = [append, truncate, overwrite, replace_file, remove, empty, replace_with_folder]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["a.txt", "tweets.txt"], ids=["read before", "being read"])
def test_changed_input_stops_run(
    tweets: Path, job: Job, tmp_path: Path, change: Change, name: str
) -> None:
    first = tmp_path / "a.txt"
    first.write_text("Leeds again\n" * 5)
    with pytest.raises(ManifestError, match=rf"^\S*{name}: changed during the run"):
        run([first, tweets], job, lambda: change(tmp_path / name))
    assert not is_complete(job)


def touch(path: Path) -> None:
    os.utime(path)


def copy_over(path: Path) -> None:
    """Replace a file by its copy."""
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    copy.replace(path)


@pytest.mark.parametrize("change", [touch, copy_over, lambda path: path.chmod(0o444)])
def test_touched_input_is_accepted(tweets: Path, job: Job, change: Change) -> None:
    assert run([tweets], job, lambda: change(tweets)).records == 60
    assert is_complete(job)


def test_describe_input_does_not_consume_pipe() -> None:
    """Pipes such as <(zcat ...) can only be read once."""
    reading, writing = os.pipe()
    os.write(writing, b"off to Leeds\n")
    os.close(writing)
    try:
        described = describe_input(f"/dev/fd/{reading}")
        assert (described.is_stream, described.is_unchanged()) == (True, True)
        assert os.read(reading, 99) == b"off to Leeds\n"
    finally:
        os.close(reading)


def test_stdin_is_not_resumed(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", "off to Leeds\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        totals = annotate_files(["-"], job, workers=Workers(1))
        assert (totals.records, totals.skipped) == (text.count("\n"), 0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"rain\n")))
    with pytest.raises(ManifestError, match=r"can't be continued from a stream \(-\)"):
        annotate_files(["-"], job, workers=Workers(1))
    assert [record["text"] for record in read_records(Path(str(job.output_dir)))] == [
        "off to Leeds"
    ]


def relabel(model: Path) -> None:
    patterns = model / "entity_ruler" / "patterns.jsonl"
    patterns.write_text(patterns.read_text().replace("geo-loc", "company"))


def add_file(model: Path) -> None:
    (model / "entity_ruler" / "more").write_bytes(b"")


def retrain(model: Path) -> None:
    shutil.rmtree(model)
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "geo-loc", "pattern": "Derby"}])
    nlp.to_disk(model)


MODEL_CHANGES = [relabel, add_file, retrain]


@pytest.mark.parametrize("change", MODEL_CHANGES)
@pytest.mark.parametrize("moment", ["before", "during"])
def test_load_annotator_detects_changed_pipeline(
    ruler: Path, monkeypatch: pytest.MonkeyPatch, change: Change, moment: str
) -> None:
    before = describe_model(str(ruler))["hash"]
    assert load_annotator(str(ruler), before).nlp("Leeds").ents
    load_annotator.cache_clear()
    if moment == "before":
        change(ruler)
    else:
        load = spacy.load

        def load_and_change(name: str | Path) -> object:
            nlp = load(name)
            change(ruler)
            return nlp

        monkeypatch.setattr(spacy, "load", load_and_change)
    with pytest.raises(ValueError, match="the pipeline's files changed during the run"):
        load_annotator(str(ruler), before)


def test_new_run_loads_changed_pipeline(tweets: Path, job: Job) -> None:
    run([tweets], job)
    relabel(Path(job.model))
    again = replace(job, output_dir=f"{job.output_dir}2")
    run([tweets], again)
    (label,) = {r["entities"][0]["type"] for r in read_records(Path(str(again.output_dir)))}
    assert label == "company"


def kill_workers() -> None:
    for process in multiprocessing.active_children():
        process.kill()


# Dask leaves sockets to the garbage collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("engine", ["local", "dask"])
def test_restarted_worker_detects_changed_pipeline(
    tweets: Path, job: Job, tmp_path: Path, engine: str
) -> None:
    if engine == "dask":
        pytest.importorskip("distributed")
    model = Path(job.model)
    whole = replace(job, output_dir=str(tmp_path / "whole"))
    run([tweets], whole)
    saved = shutil.copytree(model, tmp_path / "saved")

    def change() -> None:
        relabel(model)
        kill_workers()

    with pytest.raises(ValueError, match=r"ruler: the pipeline's files changed during the run"):
        run([tweets], job, change, Workers(2, engine))
    assert not is_complete(job)
    assert read_records(tmp_path / "out")
    assert all(
        record["entities"][0]["type"] == "geo-loc" for record in read_records(tmp_path / "out")
    )
    shutil.rmtree(model)
    saved.rename(model)
    run([tweets], job)
    assert_same_output(read_folder(tmp_path / "out"), read_folder(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_stream_detects_changed_pipeline(tweets: Path, job: Job) -> None:
    out = io.BytesIO()

    def change(outcome: Outcome) -> None:
        if outcome.number == 0:
            relabel(Path(job.model))
            kill_workers()

    with pytest.raises(ValueError, match="the pipeline's files changed during the run"):
        annotate_to_stream(
            [str(tweets)],
            replace(job, output_dir=None),
            out,
            rejects=io.BytesIO(),
            shard_size=2,
            workers=Workers(2),
            on_outcome=change,
        )
    assert b"company" not in out.getvalue()
