import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spacy_twitter_ner.annotate import run
from spacy_twitter_ner.annotate.annotator import annotate_batch, describe_model
from spacy_twitter_ner.annotate.jobs import Job
from spacy_twitter_ner.annotate.resume import Manifest, ManifestError
from spacy_twitter_ner.annotate.run import (
    Workers,
    annotate_files,
    annotate_live,
    annotate_to_stream,
)
from spacy_twitter_ner.sources.records import InputError, RawRecord

from .util import TWEETS, assert_same_output, read_folder, read_records

HERE = Workers(1)


def test_annotate_files_writes_folder(tweets: Path, job: Job, model: str, tmp_path: Path) -> None:
    totals = annotate_files([str(tweets)], job, shard_size=7, workers=HERE)
    records = read_records(tmp_path / "out")
    expected = annotate_batch(TWEETS, model)
    assert [{**record, "id": ""} for record in records] == [{"id": "", **r} for r in expected]
    assert [record["id"] for record in records[:2]] == [f"{tweets}:1", f"{tweets}:2"]
    entities = sum(len(record["entities"]) for record in records)
    assert (totals.shards, totals.records, totals.entities) == (6, 40, entities)
    names = sorted(read_folder(tmp_path / "out"))
    assert names == ["manifest.json", *(f"part-{number:06d}.jsonl" for number in range(6))]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["model"] == describe_model(model)
    assert (manifest["complete"], manifest["shards"], manifest["records"]) == (True, 6, 40)
    assert manifest["inputs"][0]["size"] == tweets.stat().st_size


def test_rejects_are_merged(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join('{"text": "a"}\n' if n % 3 else "{\n" for n in range(12)))
    totals = annotate_files([str(path)], job, shard_size=4, workers=HERE)
    lines = (tmp_path / "out" / "rejects.jsonl").read_text().splitlines()
    rejects = [json.loads(line) for line in lines]
    assert [reject["place"] for reject in rejects] == [f"{path}:{n}" for n in (1, 4, 7, 10)]
    assert (totals.records, totals.rejects) == (8, 4)
    assert not (tmp_path / "out" / "rejects").exists()


def stop_after(n: int) -> object:
    """Return a callback that interrupts the run after n shards."""
    seen = []

    def stop(outcome: object) -> None:
        seen.append(outcome)
        if len(seen) == n:
            raise KeyboardInterrupt

    return stop


def test_resume_interrupted_run(tweets: Path, job: Job, tmp_path: Path) -> None:
    whole = replace(job, output_dir=str(tmp_path / "whole"))
    annotate_files([str(tweets)], whole, shard_size=7, workers=HERE)
    with pytest.raises(KeyboardInterrupt):
        annotate_files([str(tweets)], job, shard_size=7, workers=HERE, on_outcome=stop_after(2))
    part = tmp_path / "out" / "part-000000.jsonl"
    before = part.stat().st_mtime_ns
    # Leftovers of a killed process.
    (tmp_path / "out" / ".part-000002.jsonl.123").write_bytes(b"half")
    with (tmp_path / "out" / "finished.jsonl").open("a") as journal:
        journal.write('{"shard": 2, "rec')
    totals = annotate_files([str(tweets)], job, shard_size=7, workers=HERE)
    assert (totals.records, totals.skipped) == (40, 14)
    assert part.stat().st_mtime_ns == before
    assert_same_output(read_folder(tmp_path / "out"), read_folder(tmp_path / "whole"))


def test_resume_restores_removed_part(tweets: Path, job: Job, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        annotate_files([str(tweets)], job, shard_size=7, workers=HERE, on_outcome=stop_after(2))
    (tmp_path / "out" / "part-000001.jsonl").unlink()
    totals = annotate_files([str(tweets)], job, shard_size=7, workers=HERE)
    assert totals.records == len(read_records(tmp_path / "out")) == 40


def test_complete_run_is_skipped(tweets: Path, job: Job) -> None:
    first = annotate_files([str(tweets)], job, workers=HERE)
    again = annotate_files([str(tweets)], job, workers=HERE)
    assert again == replace(first, skipped=40)


def test_resume_with_other_settings_raises(
    tweets: Path, job: Job, model: str, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        annotate_files([str(tweets)], job, shard_size=7, workers=HERE, on_outcome=stop_after(2))

    def run(job: Job = job, size: int = 7) -> None:
        annotate_files([str(tweets)], job, shard_size=size, workers=HERE)

    before = read_folder(tmp_path / "out")
    with pytest.raises(ManifestError, match="settings shard_size: was 7, is 8"):
        run(size=8)
    with pytest.raises(ManifestError, match="settings with_text: was True, is False"):
        run(replace(job, with_text=False))
    other = tmp_path / "other"
    import spacy

    spacy.blank("en").to_disk(other)
    with pytest.raises(ManifestError, match="model hash: was "):
        run(replace(job, model=str(other)))
    tweets.write_text(tweets.read_text(encoding="utf8").upper(), encoding="utf8")
    with pytest.raises(ManifestError, match=r"inputs: .*tweets\.txt"):
        run()
    assert read_folder(tmp_path / "out") == before


def test_folder_with_other_files_raises(tweets: Path, job: Job, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").touch()
    with pytest.raises(ManifestError, match="is not empty and has no manifest"):
        annotate_files([str(tweets)], job, workers=HERE)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}'])
def test_damaged_manifest_raises(tweets: Path, job: Job, tmp_path: Path, text: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(text)
    with pytest.raises(ManifestError, match=r"manifest\.json is (damaged|of another version)"):
        annotate_files([str(tweets)], job, workers=HERE)


def test_missing_input_raises(job: Job, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        annotate_files(["absent.txt"], job, workers=HERE)
    assert not (tmp_path / "out").exists()


def test_missing_pipeline_raises(tweets: Path, job: Job) -> None:
    with pytest.raises(OSError, match="neither a folder nor an installed package"):
        annotate_files([str(tweets)], replace(job, model="absent"), workers=HERE)


def test_annotate_to_stream(tweets: Path, job: Job, tmp_path: Path) -> None:
    annotate_files([str(tweets)], job, shard_size=7, workers=HERE)
    out, rejects = io.BytesIO(), io.BytesIO()
    streamed = replace(job, output_dir=None)
    totals = annotate_to_stream([str(tweets)], streamed, out, rejects=rejects, shard_size=7)
    parts = sorted((tmp_path / "out").glob("part-*"))
    assert out.getvalue() == b"".join(part.read_bytes() for part in parts)
    assert (totals.records, rejects.getvalue()) == (40, b"")


def test_annotate_live_with_idle_input(job: Job) -> None:
    more = threading.Event()

    def lines() -> Iterator[RawRecord]:
        yield RawRecord(1, b"saw Drake in Chicago")
        yield RawRecord(2, b"\xff")
        assert more.wait(30)
        yield RawRecord(3, b"last")

    out, rejects = io.BytesIO(), io.BytesIO()
    thread = threading.Thread(
        target=annotate_live,
        args=(lines(), replace(job, output_dir=None), out),
        kwargs={"rejects": rejects, "max_latency": 0.05},
    )
    thread.start()
    deadline = time.monotonic() + 30
    while out.getvalue().count(b"\n") < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    first, bad = map(json.loads, out.getvalue().splitlines())
    assert first["text"] == "saw Drake in Chicago"
    assert "not UTF-8" in bad["error"]
    assert json.loads(rejects.getvalue())["place"] == "-:2"
    more.set()
    thread.join(30)
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == ["-:1", "-:2", "-:3"]


def test_annotate_live_batch_size(job: Job) -> None:
    sizes = []
    annotate_live(
        (RawRecord(number, b"a") for number in range(25)),
        replace(job, output_dir=None),
        io.BytesIO(),
        rejects=io.BytesIO(),
        batch_size=10,
        max_latency=60,
        on_outcome=lambda outcome: sizes.append(outcome.records),
    )
    assert sizes == [10, 10, 5]


def test_annotate_live_raises_error_of_input(job: Job) -> None:
    def lines() -> Iterator[RawRecord]:
        yield RawRecord(1, b"a")
        raise OSError("the line is dead")

    out = io.BytesIO()
    with pytest.raises(OSError, match="the line is dead"):
        annotate_live(lines(), replace(job, output_dir=None), out, rejects=io.BytesIO())
    assert json.loads(out.getvalue())["text"] == "a"


def test_folder_is_locked(tweets: Path, job: Job) -> None:
    def run_again(outcome: object) -> None:
        with pytest.raises(ManifestError, match="another run is writing to this folder"):
            annotate_files([str(tweets)], job, workers=HERE)

    annotate_files([str(tweets)], job, workers=HERE, on_outcome=run_again)


@pytest.mark.parametrize("step", ["manifest", "removal"])
def test_rejects_survive_crash_at_end(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{\n" * 12)

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    def remove_one(folder: Path) -> None:
        next(folder.iterdir()).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "manifest":
            patch.setattr(Manifest, "close", die)
        else:
            patch.setattr(run.shutil, "rmtree", remove_one)
        with pytest.raises(KeyboardInterrupt):
            annotate_files([str(path)], job, shard_size=4, workers=HERE)
    assert annotate_files([str(path)], job, shard_size=4, workers=HERE).rejects == 12
    assert (tmp_path / "out" / "rejects.jsonl").read_text().count("\n") == 12
    assert not (tmp_path / "out" / "rejects").exists()
