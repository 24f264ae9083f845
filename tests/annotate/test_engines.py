import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spacy_twitter_ner.annotate.engines import WorkerError, run_dask, run_here, run_processes
from spacy_twitter_ner.annotate.jobs import Job, Outcome, remove_unfinished
from spacy_twitter_ner.annotate.run import Workers, annotate_files
from spacy_twitter_ner.sources.inputs import Shard, read_shards
from spacy_twitter_ner.sources.records import RawRecord

from .util import assert_same_output, count_only, describe_worker, die_always, die_once, read_folder

# Dask leaves sockets to the garbage collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
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
def test_output_does_not_depend_on_engine(
    tweets: Path, job: Job, tmp_path: Path, engine: str
) -> None:
    whole = replace(job, output_dir=str(tmp_path / "whole"))
    annotate_files([str(tweets)], whole, shard_size=7, workers=Workers(1))
    name = "dask" if engine == "dask" else "local"
    if engine == "dask":
        pytest.importorskip("distributed")
    annotate_files([str(tweets)], job, shard_size=7, workers=Workers(2, name))
    assert_same_output(read_folder(tmp_path / "out"), read_folder(tmp_path / "whole"))


@pytest.mark.parametrize("engine", ENGINES)
def test_shards_of_dead_worker_are_retried(
    tweets: Path, job: Job, tmp_path: Path, engine: str
) -> None:
    shards = list(read_shards([str(tweets)], 5, None))
    folders = [tmp_path / name for name in ("whole", "killed")]
    for folder in folders:
        folder.mkdir()
    jobs = [replace(job, output_dir=str(folder)) for folder in folders]
    expected = list(run_here(shards, jobs[0]))
    assert list(run(engine, iter(shards), jobs[1], die_once)) == expected
    assert (folders[1] / ".died").exists()
    (folders[1] / ".died").unlink()
    # When a process dies, the pool terminates the others while they write.
    remove_unfinished(folders[1])
    assert_same_output(read_folder(folders[1]), read_folder(folders[0]))


@pytest.mark.parametrize("engine", ENGINES)
def test_shard_that_kills_workers_raises(job: Job, engine: str) -> None:
    found = []
    with pytest.raises(WorkerError, match=r"a:3-3: .* died 3 times"):
        found.extend(run(engine, small_shards(6), job, die_always))


@pytest.mark.parametrize("engine", ["here", *ENGINES])
def test_engine_reads_few_shards_ahead(job: Job, engine: str) -> None:
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


def test_dask_cluster_settings(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    (outcome,) = run_dask(small_shards(1), job, 1, work=describe_worker)
    assert json.loads(outcome.output) == {"trim": None, "profile": False, "tick": "1s"}


def test_dask_accepts_large_shards_without_warning(job: Job) -> None:
    pytest.importorskip("distributed")
    records = [RawRecord(1, b"a" * (2**23 + 2**22))]
    shards = (Shard(number, "a", "text", records) for number in range(4))
    outcomes = list(run_dask(shards, job, 2, work=count_only))
    assert [outcome.number for outcome in outcomes] == [0, 1, 2, 3]
