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

from ..sources.inputs import STDIN, get_filesystem, is_remote
from .annotator import hash_file
from .jobs import JOURNAL, MANIFEST, Outcome, name_in_errors, remove_unfinished, write_whole

FORMAT = 1
_COUNTS = ("records", "entities", "rejects")


class ManifestError(ValueError):
    """Raised if an output folder can't be used or an input changed."""


@dataclass
class Manifest:
    """The manifest of an output folder.

    path (Path): The folder.
    model (dict[str, str]): Name, version and hash of the pipeline.
    settings (dict[str, Any]): Other settings that determine the output.
    inputs (Sequence[InputFile]): The inputs when the run started.
    finished (dict[int, dict[str, int]]): Counts of the finished shards, by shard number.
    complete (bool): Whether all shards are finished.
    """

    path: Path
    model: dict[str, str]
    settings: dict[str, Any]
    inputs: "Sequence[InputFile]"
    finished: dict[int, dict[str, int]] = field(default_factory=dict)
    complete: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the contents of manifest.json."""
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
        """Return the numbers of records, entities and rejects of the finished shards."""
        shards = self.finished.values()
        return {name: sum(shard[name] for shard in shards) for name in _COUNTS}

    def save(self) -> None:
        """Write manifest.json, completely or not at all."""
        text = json.dumps(self.to_dict(), indent=2) + "\n"
        write_whole(self.path / MANIFEST, text.encode())

    def finish(self, outcome: Outcome) -> None:
        """Record a finished shard. Appends a line to the journal, so that the cost doesn't grow
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
                f"{', '.join(changed)}: changed during the run, so {self.path} may contain tweets "
                "of both versions and isn't marked as complete. Remove it, or pass another folder, "
                "and run the command again when the file no longer changes"
            )

    def close(self) -> None:
        """Mark the run as complete.

        RAISES (ManifestError): If an input changed during the run.
        """
        self.check_inputs()
        self.complete = True
        self.save()
        (self.path / JOURNAL).unlink(missing_ok=True)


def open_manifest(
    path: Path, model: dict[str, str], settings: dict[str, Any], inputs: "Sequence[InputFile]"
) -> Manifest:
    """Start a new output folder, or resume an existing one. Temporary files of killed runs are
    removed.

    path (Path): The folder. Created if it doesn't exist.
    model (dict[str, str]): The pipeline, from `describe_model`.
    settings (dict[str, Any]): Other settings that determine the output.
    inputs (Sequence[InputFile]): The inputs, from `describe_input`.
    RETURNS (Manifest): The manifest.
    RAISES (ManifestError): If the folder contains the output of another model, other settings or
        other inputs, or other files.
    """
    manifest = Manifest(path, model, settings, inputs)
    journal = path / JOURNAL
    path.mkdir(parents=True, exist_ok=True)
    if not (path / MANIFEST).exists():
        # A run that was killed while writing the manifest leaves a temporary file.
        others = set(path.iterdir()) - set(path.glob(f".{MANIFEST}.*"))
        if others:
            raise ManifestError(
                f"{path} is not empty and has no {MANIFEST}: pass another folder, or empty it"
            )
    else:
        stored = _read(path / MANIFEST)
        # Before the first shard is written, there is nothing to mix.
        if any(path.glob("part-*")):
            _resume(manifest, stored)
    remove_unfinished(path)
    if manifest.complete:
        journal.unlink(missing_ok=True)
    else:
        manifest.save()
        # Fail before the first shard is annotated if the folder isn't writable.
        journal.touch()
    return manifest


def _resume(manifest: Manifest, stored: dict[str, Any]) -> None:
    """Restore the state of an earlier run.

    manifest (Manifest): The manifest of this run. Updated in place.
    stored (dict[str, Any]): The manifest of the earlier run.
    RAISES (ManifestError): If the runs differ, or an input is a stream.
    """
    path = manifest.path
    _compare(manifest.to_dict(), stored, path)
    streams = [each.name for each in manifest.inputs if each.is_stream]
    if streams:
        raise ManifestError(
            f"{path} has output of an earlier run, which can't be continued from a stream "
            f"({', '.join(streams)}): pass another folder"
        )
    manifest.complete = bool(stored["complete"])
    manifest.finished = dict(_read_journal(path / JOURNAL))


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Lock an output folder. Does nothing on systems and file systems without locks.

    path (Path): The folder. Created if it doesn't exist.
    RAISES (ManifestError): If it isn't a folder, or another run is writing to it.
    """
    if os.path.lexists(path) and not path.is_dir():
        raise ManifestError(
            f"{path} is a file, but --output needs a folder: pass another name, or write to "
            "standard output"
        )
    try:
        import fcntl
    except ImportError:
        yield
        return
    path.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDONLY)
    try:
        # The system releases the lock when the process ends.
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
        raise ManifestError(f"{path} is damaged ({error}): pass another folder") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ManifestError(f"{path} is of another version of this package: pass another folder")
    return data


def _compare(ours: dict[str, Any], theirs: dict[str, Any], path: Path) -> None:
    """Raise an error if the settings of two runs differ."""
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
            f"{path} contains the output of another run: pass another folder, or remove it. "
            "Differences: " + "; ".join(differences)
        )


def _identity(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Identify an input. Ignores mtime, which copying may change."""
    return entry["name"], entry["size"], entry["hash"]


def _read_journal(path: Path) -> Iterator[tuple[int, dict[str, int]]]:
    if not path.exists():
        return
    data = path.read_bytes()
    whole, _, torn = data.rpartition(b"\n")
    if torn:
        # The machine went down while writing a line, so its shard isn't finished.
        write_whole(path, whole + b"\n" if whole else b"")
    for line in whole.splitlines():
        # Shards with a damaged line are annotated again.
        with contextlib.suppress(ValueError, TypeError, KeyError):
            entry = json.loads(line)
            yield entry["shard"], {name: int(entry[name]) for name in _COUNTS}


@dataclass(frozen=True)
class InputFile:
    """An input when the run started.

    name (str): Path or URL, or "-" for standard input.
    size (Optional[int]): Size in bytes, if known.
    mtime (Optional[float]): Time of the last change, if local.
    hash (Optional[str]): Hash of the contents, or the checksum of the remote file system. None for
        a stream, which can only be read once.
    stamp (tuple[int, ...]): File status. Changes if a local file is written to or replaced.
    """

    name: str
    size: int | None = None
    mtime: float | None = None
    hash: str | None = None
    stamp: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the entry in manifest.json."""
        return {"name": self.name, "size": self.size, "mtime": self.mtime, "hash": self.hash}

    @property
    def is_stream(self) -> bool:
        """Whether the input can only be read once."""
        return self.hash is None

    def is_unchanged(self) -> bool:
        """Check whether the contents are the same. A local file is only read if it was touched.

        RETURNS (bool): Whether they are. Always True for streams.
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

    name (str): Path or URL, or "-" for standard input.
    RETURNS (InputFile): The current state of the input.
    """
    if name == STDIN:
        return InputFile(name)
    if is_remote(name):
        filesystem, remote_path = get_filesystem(name)
        filesystem.invalidate_cache()
        checksum = str(filesystem.checksum(remote_path))
        return InputFile(name, filesystem.size(remote_path), hash=checksum)
    path = Path(name)
    if not path.is_file():
        # A pipe, such as <(zcat ...): hashing would consume it.
        return InputFile(name)
    # Before hashing, to detect changes made in the meantime.
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
