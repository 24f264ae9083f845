"""Process a shard: parse, annotate, encode, write."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc

from .annotating import Annotator, annotate_texts, load_annotator
from .inputs import Shard
from .outputs import ENCODERS, Layout
from .parsing import EXCERPT, Reject, Tweet, parse

# Files of an output folder.
MANIFEST = "manifest.json"
JOURNAL = "finished.jsonl"
REJECTS = "rejects.jsonl"
REJECTS_FOLDER = "rejects"
PART_NAME = "part-{:06d}.{}"
# Docs that are in memory at once.
_BATCH = 2048


@dataclass(frozen=True)
class Job:
    """What is to be done with every shard.

    model (str): The pipeline: its folder or package.
    output_dir (Optional[str]): Where to; None if the bytes are to be handed back.
    output_format (str): "jsonl", "parquet", "spacy" or "conll".
    text_field (Optional[str]): Where records have their text.
    id_field (Optional[str]): Where they have their id.
    with_text (bool): Whether output has the text.
    with_fields (bool): Whether output has the input's fields.
    model_hash (Optional[str]): Hash of the pipeline's files when the run started. Each process
        compares it with that of the pipeline it loads.
    """

    model: str
    output_dir: str | None
    output_format: str = "jsonl"
    text_field: str | None = None
    id_field: str | None = None
    with_text: bool = True
    with_fields: bool = False
    model_hash: str | None = None

    @property
    def layout(self) -> Layout:
        """What output records hold."""
        return Layout(self.with_text, self.with_fields)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the output, besides model and inputs."""
        named = asdict(self)
        others = ("model", "output_dir", "model_hash")
        return {name: named[name] for name in named if name not in others}


class Outcome(NamedTuple):
    """What came of a shard.

    number (int): Its number.
    records (int): How many records were written.
    entities (int): How many entities were found.
    rejects (int): How many records had no text.
    position (int): How much of the input has been read up to its end.
    output (bytes): The bytes, if they are handed back.
    rejected (list[Reject]): The rejects, likewise.
    """

    number: int
    records: int
    entities: int
    rejects: int
    position: int
    output: bytes = b""
    rejected: Sequence[Reject] = ()


def annotate_shard(shard: Shard, job: Job) -> Outcome:
    """Annotate a shard, and write its output beside its place and then into it.

    shard (Shard): The shard.
    job (Job): What to do.
    RETURNS (Outcome): What came of it.
    RAISES (OSError): If the pipeline cannot be loaded or the output not be written.
    RAISES (ModelChangedError): If the pipeline's files changed since the run started.
    """
    found = [
        each
        for raw in shard.records
        for each in parse(raw, shard.source, shard.format, job.text_field, job.id_field)
    ]
    output, counts, rejected = _annotate(found, load_annotator(job.model, job.model_hash), job)
    outcome = Outcome(shard.number, *counts, len(rejected), shard.position)
    if job.output_dir is None:
        return outcome._replace(output=output, rejected=rejected)
    folder = Path(job.output_dir)
    if rejected:
        rejects = rejects_part(folder, shard.number)
        rejects.parent.mkdir(exist_ok=True)
        write_whole(rejects, map(reject_line, rejected))
    write_whole(folder / PART_NAME.format(shard.number, job.output_format), output)
    return outcome


def _annotate(
    found: Sequence[Tweet | Reject], annotator: Annotator, job: Job
) -> tuple[bytes, tuple[int, int], list[Reject]]:
    """Output, counts of records and entities, and rejects, of reading or of the pipeline."""
    encoder = ENCODERS[job.output_format](annotator, job.layout)
    records = entities = 0
    rejected: list[Reject] = []
    for start in range(0, len(found), _BATCH):
        # What spaCy remembers of the words is forgotten at the end of the zone, and docs must not
        # outlive it.
        with annotator.nlp.memory_zone():
            for pair in _annotate_batch(found[start : start + _BATCH], annotator):
                if isinstance(pair, Reject):
                    rejected.append(pair)
                    # In a folder, rejects have a file of their own.
                    if job.output_dir is None:
                        encoder.add_reject(pair)
                else:
                    encoder.add(*pair)
                    records += 1
                    entities += len(pair[1].ents)
            del pair
    return encoder.to_bytes(), (records, entities), rejected


def _annotate_batch(
    found: Sequence[Tweet | Reject], annotator: Annotator
) -> Iterator[tuple[Tweet, Doc] | Reject]:
    """Tweets with their docs, and rejects, in order."""
    tweets = [each for each in found if isinstance(each, Tweet)]
    failures: dict[int, Exception] = {}
    texts = [tweet.text for tweet in tweets]
    docs = annotate_texts(texts, annotator, failures.__setitem__)
    position = 0
    for each in found:
        if isinstance(each, Reject):
            yield each
            continue
        if (doc := docs[position]) is not None:
            yield each, doc
        else:
            error = failures[position]
            reason = f"the pipeline failed: {type(error).__name__}: {error}"
            yield Reject(each.source, each.line, reason, each.text[:EXCERPT])
        position += 1


def reject_line(reject: Reject) -> bytes:
    """RETURNS (bytes): A reject as a line of JSON."""
    record = {
        "place": reject.place,
        "reason": reject.reason,
        "data": reject.data,
    }
    return json.dumps(record).encode() + b"\n"


def rejects_part(folder: Path, number: int) -> Path:
    """RETURNS (Path): Where a shard's rejects are until all shards are finished."""
    return folder / REJECTS_FOLDER / PART_NAME.format(number, "jsonl")


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file completely or not at all: to a temporary file, which is synced to the disk and
    renamed.

    path (Path): The file. Its folder must exist.
    data (Union[bytes, Iterable[bytes]]): The contents, whole or in pieces.
    RAISES (OSError): If it cannot be written. Nothing is left behind then.
    """
    # Another process may be writing the same shard, if a scheduler has given this one up for lost.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with name_in_errors(path):
            with unfinished.open("wb") as file:
                file.writelines((data,) if isinstance(data, bytes) else data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


@contextmanager
def name_in_errors(name: Path | str) -> Iterator[None]:
    """Name a file in the system's errors: those of a full disk name none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = str(name), None
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of processes that were killed.

    folder (Path): The folder of output.
    """
    for name in ("part-*", MANIFEST, JOURNAL, REJECTS):
        for unfinished in (*folder.glob(f".{name}.*"), *folder.glob(f"{REJECTS_FOLDER}/.{name}.*")):
            unfinished.unlink(missing_ok=True)
