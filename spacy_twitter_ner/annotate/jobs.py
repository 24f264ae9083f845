"""Process a shard: parse, annotate, encode, write."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc

from ..sources.inputs import Shard
from ..sources.records import EXCERPT, Reject, Tweet, parse
from ..util import write_atomic
from .annotator import Annotator, load_annotator
from .outputs import ENCODERS, Layout

# Files of an output folder.
MANIFEST = "manifest.json"
JOURNAL = "finished.jsonl"
REJECTS = "rejects.jsonl"
REJECTS_FOLDER = "rejects"
PART_NAME = "part-{:06d}.{}"
# Maximum number of docs in memory.
_BATCH = 2048


@dataclass(frozen=True)
class Job:
    """Settings for all shards of a run.

    model (str): The pipeline: its folder or package.
    output_dir (Optional[str]): Output folder. If None, outcomes contain the output.
    output_format (str): "jsonl", "parquet", "spacy" or "conll".
    text_field (Optional[str]): Field of the text.
    id_field (Optional[str]): Field of the id.
    with_text (bool): Whether output records contain the text.
    with_fields (bool): Whether output records contain the fields of the input record.
    model_hash (Optional[str]): Hash of the pipeline's files when the run started. Processes that
        load the pipeline compare it with the hash of what they loaded.
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
        """The layout of output records."""
        return Layout(self.with_text, self.with_fields)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the output, except for model and inputs."""
        named = asdict(self)
        others = ("model", "output_dir", "model_hash")
        return {name: named[name] for name in named if name not in others}


class Outcome(NamedTuple):
    """The result of a shard.

    number (int): Number of the shard.
    records (int): Number of records written.
    entities (int): Number of entities.
    rejects (int): Number of rejects.
    position (int): Number of input bytes read up to the end of the shard.
    output (bytes): The output, if there is no output folder.
    rejected (list[Reject]): The rejects, if there is no output folder.
    """

    number: int
    records: int
    entities: int
    rejects: int
    position: int
    output: bytes = b""
    rejected: Sequence[Reject] = ()


def annotate_shard(shard: Shard, job: Job) -> Outcome:
    """Annotate a shard. In an output folder, its file is written completely or not at all.

    shard (Shard): The shard.
    job (Job): The settings.
    RETURNS (Outcome): The result.
    RAISES (OSError): If the pipeline can't be loaded or the output can't be written.
    RAISES (ModelChangedError): If the pipeline's files changed since the run started.
    """
    parsed = [
        item
        for record in shard.records
        for item in parse(record, shard.source, shard.format, job.text_field, job.id_field)
    ]
    output, counts, rejected = _annotate(parsed, load_annotator(job.model, job.model_hash), job)
    outcome = Outcome(shard.number, *counts, len(rejected), shard.position)
    if job.output_dir is None:
        return outcome._replace(output=output, rejected=rejected)
    folder = Path(job.output_dir)
    if rejected:
        write_whole(rejects_part(folder, shard.number), map(reject_line, rejected))
    write_whole(folder / PART_NAME.format(shard.number, job.output_format), output)
    return outcome


def _annotate(
    parsed: Sequence[Tweet | Reject], annotator: Annotator, job: Job
) -> tuple[bytes, tuple[int, int], list[Reject]]:
    """Return the output, the numbers of records and entities, and the rejects."""
    encoder = ENCODERS[job.output_format](annotator, job.layout)
    records = entities = 0
    rejected: list[Reject] = []
    for start in range(0, len(parsed), _BATCH):
        # The zone frees the strings and lexemes of new words. Docs must not outlive it.
        with annotator.nlp.memory_zone():
            for pair in _annotate_batch(parsed[start : start + _BATCH], annotator):
                if isinstance(pair, Reject):
                    rejected.append(pair)
                    # In a folder, rejects have their own file.
                    if job.output_dir is None:
                        encoder.add_reject(pair)
                else:
                    encoder.add(*pair)
                    records += 1
                    entities += len(pair[1].ents)
            del pair
    return encoder.to_bytes(), (records, entities), rejected


def _annotate_batch(
    parsed: Sequence[Tweet | Reject], annotator: Annotator
) -> Iterator[tuple[Tweet, Doc] | Reject]:
    """Yield tweets with their docs, and rejects, in order."""
    docs = iter(annotator.annotate([item.text for item in parsed if isinstance(item, Tweet)]))
    for item in parsed:
        if isinstance(item, Reject):
            yield item
            continue
        doc = next(docs)
        if isinstance(doc, Exception):
            reason = f"the pipeline failed: {type(doc).__name__}: {doc}"
            yield Reject(item.source, item.line, reason, item.text[:EXCERPT])
        else:
            yield item, doc


def reject_line(reject: Reject) -> bytes:
    """Encode a reject as a line of JSON."""
    record = {"place": reject.place, "reason": reject.reason, "data": reject.data}
    return json.dumps(record).encode() + b"\n"


def rejects_part(folder: Path, number: int) -> Path:
    """Return the file for a shard's rejects. They are merged when all shards are finished."""
    return folder / REJECTS_FOLDER / PART_NAME.format(number, "jsonl")


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file completely or not at all.

    path (Path): The file.
    data (Union[bytes, Iterable[bytes]]): The contents, or chunks of them.
    RAISES (OSError): If the file can't be written. Nothing is left behind.
    """
    with write_atomic(path) as (temporary,), temporary.open("wb") as file:
        file.writelines((data,) if isinstance(data, bytes) else data)


@contextmanager
def name_in_errors(name: Path | str) -> Iterator[None]:
    """Add a file name to the system's errors, which don't have one if, say, the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = str(name), None
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files that killed processes left in an output folder."""
    for name in ("part-*", MANIFEST, JOURNAL, REJECTS):
        for unfinished in (*folder.glob(f".{name}.*"), *folder.glob(f"{REJECTS_FOLDER}/.{name}.*")):
            unfinished.unlink(missing_ok=True)
