"""Tweets, and what is read of a folder of output."""

import json
import os
import signal
import sys
from pathlib import Path

from spacy_twitter_ner.scale.inputs import Shard
from spacy_twitter_ner.scale.jobs import Job, Outcome, annotate_shard

NAMES = ("Drake in Chicago", "kim and #Arsenal", "nobody", "Paris 😂 &amp; London", "")
TWEETS = [f"RT @kim: saw {NAMES[number % len(NAMES)]} {number}" for number in range(40)]


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of output, but for when it was made."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read_records(folder: Path) -> list[dict]:
    parts = sorted(folder.glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text("utf8").splitlines()]


def die_once(shard: Shard, job: Job) -> Outcome:
    """Kill the process that has the third shard, the first time."""
    marker = Path(str(job.output_dir)) / ".died"
    if shard.number == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return annotate_shard(shard, job)


def die_always(shard: Shard, job: Job) -> Outcome:
    """Kill each process that has the third shard."""
    if shard.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(shard.number, len(shard.records), 0, 0, 0)


def count_only(shard: Shard, job: Job) -> Outcome:
    """No work."""
    return Outcome(shard.number, len(shard.records), 0, 0, shard.position)


def describe_worker(shard: Shard, job: Job) -> Outcome:
    """What a worker of Dask is told to do besides annotating."""
    import dask

    settings = {
        "trim": os.environ.get("MALLOC_TRIM_THRESHOLD_"),
        "profile": dask.config.get("distributed.worker.profile.enabled"),
        "tick": dask.config.get("distributed.admin.tick.interval"),
    }
    return Outcome(shard.number, len(shard.records), 0, 0, 0, json.dumps(settings).encode())


class Trace:
    """Leaves a file when the interpreter takes itself down.

    path (str): The file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # What it needs may be gone by then.
        self._open, self._flags = os.open, os.O_CREAT

    def __del__(self) -> None:
        self._open(self.path, self._flags)


def leave_trace(shard: Shard, job: Job) -> Outcome:
    """Lets this process leave a file at its end, if it does not end at once."""
    sys.trace_of_the_end = Trace(job.model)  # type: ignore[attr-defined]
    return count_only(shard, job)
