import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spacy_twitter_ner.scale import engines
from spacy_twitter_ner.scale.engines import WorkerError, run_dask, run_here, run_processes
from spacy_twitter_ner.scale.inputs import Shard, read_shards
from spacy_twitter_ner.scale.jobs import Job, Outcome, remove_unfinished
from spacy_twitter_ner.scale.records import RawRecord
from spacy_twitter_ner.scale.running import Workers, annotate_files

from .util import count_only, describe_worker, die_always, die_once, leave_trace, read_folder

# Engines have threads of their own, and Dask's leave sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
ENGINES = ["processes", "dask"]


def run(engine: str, shards: Iterator[Shard], job: Job, work: object) -> Iterator[Outcome]:
    if engine == "dask":
        pytest.importorskip("distributed")
        return run_dask(shards, job, 2, work=work)
    return run_processes(shards, job, 2, work)


def small_shards(n: int) -> Iterator[Shard]:
    for number in range(n):
        yield Shard(number, "a", "text", [RawRecord(number + 1, b"")], number)


@pytest.mark.parametrize("engine", ENGINES)
def test_output_is_the_same(tweets: Path, job: Job, tmp_path: Path, engine: str) -> None:
    """Whoever annotates, and how often it is tried: byte for byte."""
    whole = replace(job, output_dir=str(tmp_path / "whole"))
    annotate_files([str(tweets)], whole, shard_size=7, workers=Workers(1))
    name = "dask" if engine == "dask" else "local"
    if engine == "dask":
        pytest.importorskip("distributed")
    annotate_files([str(tweets)], job, shard_size=7, workers=Workers(2, name))
    assert read_folder(tmp_path / "out") == read_folder(tmp_path / "whole")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_worker_that_dies(tweets: Path, job: Job, tmp_path: Path, engine: str) -> None:
    shards = list(read_shards([str(tweets)], 5, None))
    folders = [tmp_path / name for name in ("whole", "killed")]
    for folder in folders:
        folder.mkdir()
    jobs = [replace(job, output_dir=str(folder)) for folder in folders]
    expected = list(run_here(shards, jobs[0]))
    assert list(run(engine, iter(shards), jobs[1], die_once)) == expected
    assert (folders[1] / ".died").exists()
    (folders[1] / ".died").unlink()
    # When one process dies, the pool ends the others, whatever they are writing.
    remove_unfinished(folders[1])
    assert read_folder(folders[1]) == read_folder(folders[0])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_shard_that_kills_whoever_has_it(job: Job, engine: str) -> None:
    found = []
    with pytest.raises(WorkerError, match=r"a:3-3: .* died 3 times"):
        found.extend(run(engine, small_shards(6), job, die_always))


@pytest.mark.parametrize("engine", ["here", *ENGINES])
def test_no_more_is_read_than_is_needed(job: Job, engine: str) -> None:
    taken = []

    def shards() -> Iterator[Shard]:
        for shard in small_shards(100):
            taken.append(shard.number)
            yield shard

    if engine == "here":
        outcomes = run_here(shards(), job, count_only)
    else:
        outcomes = run(engine, shards(), job, count_only)
    for number, outcome in enumerate(outcomes):
        assert outcome.number == number
        assert len(taken) <= number + 1 + 6
    assert number == 99


def test_workers_of_dask_are_left_alone(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what Dask does besides, in workers of the cluster that is started here."""
    pytest.importorskip("distributed")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    (outcome,) = run_dask(small_shards(1), job, 1, work=describe_worker)
    assert json.loads(outcome.output) == {"trim": None, "profile": False, "tick": "1s"}


def test_workers_of_dask_end_at_once(job: Job, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    trace = tmp_path / "trace"
    list(run_dask(small_shards(1), replace(job, model=str(trace)), 1, work=leave_trace))
    assert not trace.exists()


def test_large_shards_go_to_dask_without_a_warning(job: Job) -> None:
    """Not together, and Dask does not advise against it. Warnings are errors."""
    pytest.importorskip("distributed")
    records = [RawRecord(1, b"a" * (engines._MAX_MESSAGE + 2**22))]
    shards = (Shard(number, "a", "text", records) for number in range(4))
    outcomes = list(run_dask(shards, job, 2, work=count_only))
    assert [outcome.number for outcome in outcomes] == [0, 1, 2, 3]


def test_a_message_is_not_larger_than_it_has_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_MAX_MESSAGE", 10)
    shards = iter([b"1234", b"5678", b"90", b"", b"12345678901", b"2"])
    batches = []
    while batch := engines._next_batch(shards, 4):
        batches.append(batch)
    assert batches == [[b"1234", b"5678", b"90"], [b"", b"12345678901"], [b"2"]]
