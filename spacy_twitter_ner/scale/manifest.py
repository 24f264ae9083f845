"""Output manifest: makes runs resumable and refuses to mix outputs."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .annotating import describe_model as describe_model
from .annotating import hash_file
from .inputs import STDIN, filesystem_of, is_remote
from .jobs import JOURNAL, MANIFEST, Outcome, name_in_errors, remove_unfinished, write_whole

FORMAT = 1
_COUNTS = ("records", "entities", "rejects")


class ManifestError(ValueError):
    """A folder of output cannot be used, or its inputs changed."""


@dataclass
class Manifest:
    """What a folder of output is made of.

    path (Path): The folder.
    model (dict[str, str]): Name, version and hash of the pipeline.
    settings (dict[str, Any]): What else decides the output.
    inputs (Sequence[InputFile]): The inputs as they were when the run started.
    finished (dict[int, dict[str, int]]): Counts of each finished shard.
    complete (bool): Whether all shards are.
    """

    path: Path
    model: dict[str, str]
    settings: dict[str, Any]
    inputs: "Sequence[InputFile]"
    finished: dict[int, dict[str, int]] = field(default_factory=dict)
    complete: bool = False

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): What manifest.json says."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "model": self.model,
            "settings": self.settings,
            "inputs": [each.to_dict() for each in self.inputs],
            "complete": self.complete,
        }
        if self.complete:
            data["shards"] = len(self.finished)
            data |= self.counts()
        return data

    def counts(self) -> dict[str, int]:
        """RETURNS (dict[str, int]): Records, entities and rejects of the finished shards."""
        shards = self.finished.values()
        return {name: sum(shard[name] for shard in shards) for name in _COUNTS}

    def save(self) -> None:
        """Write manifest.json, completely or not at all."""
        text = json.dumps(self.to_dict(), indent=2) + "\n"
        write_whole(self.path / MANIFEST, text.encode())

    def finish(self, outcome: Outcome) -> None:
        """Record that a shard is finished. One line in a journal, so that the cost does not grow
        with the number of shards."""
        counts = {name: getattr(outcome, name) for name in _COUNTS}
        self.finished[outcome.number] = counts
        journal = self.path / JOURNAL
        with name_in_errors(journal), journal.open("a", encoding="utf8") as file:
            file.write(json.dumps({"shard": outcome.number, **counts}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def check_inputs(self) -> None:
        """RAISES (ManifestError): If an input changed since the run started."""
        changed = [each.name for each in self.inputs if not each.is_unchanged()]
        if changed:
            raise ManifestError(
                f"{', '.join(changed)}: changed during the run, so {self.path} may hold tweets of "
                "the old and of the new contents. It is not marked as complete. Remove it, or give "
                "another folder, and run the command again when the file no longer changes"
            )

    def close(self) -> None:
        """Record that all shards are finished.

        RAISES (ManifestError): If an input changed during the run.
        """
        self.check_inputs()
        self.complete = True
        self.save()
        (self.path / JOURNAL).unlink(missing_ok=True)


def open_manifest(
    path: Path, model: dict[str, str], settings: dict[str, Any], inputs: "Sequence[InputFile]"
) -> Manifest:
    """Start a folder of output, or find out which shards are finished. Leftovers of runs that were
    killed are removed.

    path (Path): The folder; created if it doesn't exist.
    model (dict[str, str]): The pipeline, from `describe_model`.
    settings (dict[str, Any]): What else determines the output.
    inputs (Sequence[InputFile]): The inputs, from `describe_input`.
    RETURNS (Manifest): The manifest.
    RAISES (ManifestError): If the folder has the output of another model, other settings or other
        inputs, or files that are not output.
    """
    manifest = Manifest(path, model, settings, inputs)
    journal = path / JOURNAL
    path.mkdir(parents=True, exist_ok=True)
    if not (path / MANIFEST).exists():
        # A run that was killed while it wrote its first manifest has left nothing but a part of it.
        others = set(path.iterdir()) - set(path.glob(f".{MANIFEST}.*"))
        if others:
            raise ManifestError(
                f"{path} is not empty and has no {MANIFEST}: give another folder, or empty it"
            )
    else:
        stored = _read(path / MANIFEST)
        # Before the first shard is written there is nothing to mix.
        if any(path.glob("part-*")):
            _compare(manifest.to_dict(), stored, path)
            streams = [each.name for each in inputs if each.is_stream]
            if streams:
                raise ManifestError(
                    f"{path} has output of an earlier run, which cannot be continued from a stream "
                    f"({', '.join(streams)}): give another folder"
                )
            manifest.complete = bool(stored["complete"])
            manifest.finished = dict(_read_journal(journal))
    remove_unfinished(path)
    if manifest.complete:
        journal.unlink(missing_ok=True)
    else:
        manifest.save()
        # If the folder cannot be written to, this fails before the first shard is annotated.
        journal.touch()
    return manifest


@contextmanager
def hold_folder(path: Path) -> Iterator[None]:
    """Keep other runs from writing to a folder at the same time. On systems and file systems
    without locks, this does nothing.

    path (Path): The folder; created if it doesn't exist.
    RAISES (ManifestError): If it isn't a folder, or if another run is writing to it.
    """
    if os.path.lexists(path) and not path.is_dir():
        raise ManifestError(
            f"{path} is a file, and output of many shards needs a folder: give another name, or "
            "write to standard output"
        )
    try:
        import fcntl
    except ImportError:
        yield
        return
    path.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDONLY)
    try:
        # The lock ends with the process, however that ends.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ManifestError(f"{path}: another run is writing to this folder") from None
    except OSError:
        pass
    try:
        yield
    finally:
        os.close(handle)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise ManifestError(f"{path} is damaged ({error}): give another folder") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ManifestError(f"{path} is of another version of this package: give another folder")
    return data


def _compare(ours: dict[str, Any], theirs: dict[str, Any], path: Path) -> None:
    """Refuse to mix."""
    differences = []
    for part in ("model", "settings"):
        for name in ours[part]:
            before, now = theirs[part].get(name), ours[part][name]
            if before != now:
                differences.append(f"{part} {name}: was {before!r}, is {now!r}")
    before, now = ([_identity(each) for each in side["inputs"]] for side in (theirs, ours))
    if before != now:
        changed = [str(each[0]) for each in now if each not in before]
        changed += [str(each[0]) for each in before if each not in now]
        names = ", ".join(dict.fromkeys(changed)) or "their order"
        differences.append(f"inputs: {names}")
    if differences:
        raise ManifestError(
            f"{path} holds the output of something else, which must not be mixed; give another "
            "folder, or remove it. What differs: " + "; ".join(differences)
        )


def _identity(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Of a file that was copied, the time of the last change may differ."""
    return entry["name"], entry["size"], entry["hash"]


def _read_journal(path: Path) -> Iterator[tuple[int, dict[str, int]]]:
    if not path.exists():
        return
    data = path.read_bytes()
    whole, _, torn = data.rpartition(b"\n")
    if torn:
        # The machine went down in the middle of a line, and so before the shard counted.
        write_whole(path, whole + b"\n" if whole else b"")
    for line in whole.splitlines():
        # A shard whose line is damaged is annotated again.
        with contextlib.suppress(ValueError, TypeError, KeyError):
            entry = json.loads(line)
            yield entry["shard"], {name: int(entry[name]) for name in _COUNTS}


@dataclass(frozen=True)
class InputFile:
    """An input as it was when the run started.

    name (str): Path or address; "-" for standard input.
    size (Optional[int]): Size in bytes, if known.
    mtime (Optional[float]): Time of the last change, if local.
    hash (Optional[str]): Hash of the contents, or the checksum of the remote file system; None for
        a stream, which can be read only once.
    stamp (tuple[int, ...]): What changes whenever a local file is written to or replaced.
    """

    name: str
    size: int | None = None
    mtime: float | None = None
    hash: str | None = None
    stamp: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The entry in manifest.json."""
        return {"name": self.name, "size": self.size, "mtime": self.mtime, "hash": self.hash}

    @property
    def is_stream(self) -> bool:
        """Whether it can be read only once."""
        return self.hash is None

    def is_unchanged(self) -> bool:
        """Check whether the file still has the same contents. A local file is only read if it was
        touched.

        RETURNS (bool): Whether it has; always true for streams.
        """
        if self.is_stream:
            return True
        try:
            if self.stamp and _stamp(Path(self.name)) == self.stamp:
                return True
            now = describe_input(self.name)
        except OSError:
            return False
        return (now.size, now.hash) == (self.size, self.hash)


def describe_input(name: str) -> InputFile:
    """Identify an input by its contents.

    name (str): Path or address; "-" for standard input.
    RETURNS (InputFile): The input as it is now.
    """
    if name == STDIN:
        return InputFile(name)
    if is_remote(name):
        filesystem, remote_path = filesystem_of(name)
        filesystem.invalidate_cache()
        checksum = str(filesystem.checksum(remote_path))
        return InputFile(name, filesystem.size(remote_path), hash=checksum)
    path = Path(name)
    if not path.is_file():
        # A pipe, say of <(zcat ...): to hash it would be to use it up.
        return InputFile(name)
    # Taken first, so that a change while the file is being hashed is found as well.
    stamp, mtime = _stamp(path), path.stat().st_mtime
    digest = hashlib.blake2b(digest_size=16)
    hash_file(digest, path)
    return InputFile(name, path.stat().st_size, mtime, digest.hexdigest(), stamp)


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
