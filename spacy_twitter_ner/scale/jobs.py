"""A shard's way: parse, annotate, encode, write."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc

from .annotating import Annotator, annotate_texts, load_annotator
from .inputs import Shard
from .outputs import ENCODERS, Layout
from .parsing import EXCERPT, Reject, Tweet, parse

PART_NAME = "part-{:06d}.{}"
REJECTS_FOLDER = "rejects"
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
    """

    model: str
    output_dir: str | None
    output_format: str = "jsonl"
    text_field: str | None = None
    id_field: str | None = None
    with_text: bool = True
    with_fields: bool = False

    @property
    def layout(self) -> Layout:
        """What output records hold."""
        return Layout(self.with_text, self.with_fields)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the output, besides model and inputs."""
        named = asdict(self)
        return {name: named[name] for name in named if name not in ("model", "output_dir")}


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
    """
    found = [
        each
        for raw in shard.records
        for each in parse(raw, shard.source, shard.format, job.text_field, job.id_field)
    ]
    output, counts, rejected = _annotate(found, load_annotator(job.model), job)
    outcome = Outcome(shard.number, *counts, len(rejected), shard.position)
    if job.output_dir is None:
        return outcome._replace(output=output, rejected=rejected)
    folder = Path(job.output_dir)
    if rejected:
        lines = b"".join(map(reject_line, rejected))
        write_whole(folder / REJECTS_FOLDER / PART_NAME.format(shard.number, "jsonl"), lines)
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


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside its place, to the disk, and then into it.

    path (Path): The file.
    data (bytes): What to write.
    RAISES (OSError): If it cannot be written; nothing is left then.
    """
    path.parent.mkdir(exist_ok=True)
    # Another process may be at the same shard, if a scheduler thinks that this one is lost.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed have left of the files they wrote.

    folder (Path): The folder of output.
    """
    for unfinished in folder.glob(".part-*"):
        unfinished.unlink(missing_ok=True)
