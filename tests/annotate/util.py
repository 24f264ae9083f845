"""Sample tweets, output readers, and work functions for engines."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from spacy_twitter_ner.annotate.jobs import Job, Outcome, annotate_shard
from spacy_twitter_ner.sources.inputs import Shard

NAMES = ("Drake in Chicago", "kim and #Arsenal", "nobody", "Paris 😂 &amp; London", "")
TWEETS = [f"RT @kim: saw {NAMES[number % len(NAMES)]} {number}" for number in range(40)]


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read all files of an output folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


CONFIDENCE = re.compile(rb'"confidence":([0-9.e-]+)')


def assert_same_output(files: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """Compare the files of two folders. The last digit of a confidence may differ: its sums
    depend on which words were computed together."""
    blank = b'"confidence":0'
    assert [(name, CONFIDENCE.sub(blank, data)) for name, data in files.items()] == [
        (name, CONFIDENCE.sub(blank, data)) for name, data in expected.items()
    ]
    for name, data in files.items():
        confidences = list(map(float, CONFIDENCE.findall(data)))
        same = list(map(float, CONFIDENCE.findall(expected[name])))
        assert confidences == pytest.approx(same, abs=2e-4), name


def read_records(folder: Path) -> list[dict]:
    parts = sorted(folder.glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text("utf8").splitlines()]


def die_once(shard: Shard, job: Job) -> Outcome:
    """Kill the process of the third shard once."""
    marker = Path(str(job.output_dir)) / ".died"
    if shard.number == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return annotate_shard(shard, job)


def die_always(shard: Shard, job: Job) -> Outcome:
    """Kill every process of the third shard."""
    if shard.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(shard.number, len(shard.records), 0, 0, 0)


def count_only(shard: Shard, job: Job) -> Outcome:
    """Return the counts without annotating."""
    return Outcome(shard.number, len(shard.records), 0, 0, shard.position)


def describe_worker(shard: Shard, job: Job) -> Outcome:
    """Return the settings of a Dask worker."""
    import dask

    settings = {
        "trim": os.environ.get("MALLOC_TRIM_THRESHOLD_"),
        "profile": dask.config.get("distributed.worker.profile.enabled"),
        "tick": dask.config.get("distributed.admin.tick.interval"),
    }
    return Outcome(shard.number, len(shard.records), 0, 0, 0, json.dumps(settings).encode())
