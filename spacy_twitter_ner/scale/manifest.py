"""What was annotated with what, and how far: a folder of output is continued, never mixed."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import spacy
from spacy.util import is_package

from .inputs import STDIN, filesystem_of, is_remote
from .jobs import Outcome, remove_unfinished, write_whole

MANIFEST = "manifest.json"
JOURNAL = "finished.jsonl"
FORMAT = 1
_BLOCK = 2**20
_COUNTS = ("records", "entities", "rejects")


class ManifestError(ValueError):
    """A folder holds the output of something else."""


@dataclass
class Manifest:
    """What a folder of output is made of.

    path (Path): The folder.
    model (dict[str, str]): Name, version and hash of the pipeline.
    settings (dict[str, Any]): What else decides the output.
    inputs (list[dict[str, Any]]): Name, size, time of the last change and hash of each file.
    finished (dict[int, dict[str, int]]): Counts of each finished shard.
    complete (bool): Whether all shards are.
    """

    path: Path
    model: dict[str, str]
    settings: dict[str, Any]
    inputs: list[dict[str, Any]]
    finished: dict[int, dict[str, int]] = field(default_factory=dict)
    complete: bool = False

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): What manifest.json says."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "model": self.model,
            "settings": self.settings,
            "inputs": self.inputs,
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
        """Write manifest.json, whole or not at all."""
        text = json.dumps(self.to_dict(), indent=2) + "\n"
        write_whole(self.path / MANIFEST, text.encode())

    def finish(self, outcome: Outcome) -> None:
        """Record that a shard is finished: a line in a journal, so that it costs the same for the
        last of a million shards."""
        counts = {name: getattr(outcome, name) for name in _COUNTS}
        self.finished[outcome.number] = counts
        with (self.path / JOURNAL).open("a", encoding="utf8") as file:
            file.write(json.dumps({"shard": outcome.number, **counts}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Record that all shards are finished."""
        self.complete = True
        self.save()
        (self.path / JOURNAL).unlink(missing_ok=True)


def open_manifest(
    path: Path, model: dict[str, str], settings: dict[str, Any], inputs: list[dict[str, Any]]
) -> Manifest:
    """Begin a folder of output, or find out how far it is.

    path (Path): The folder; made if it is not there.
    model (dict[str, str]): As `describe_model` tells.
    settings (dict[str, Any]): What else decides the output.
    inputs (list[dict[str, Any]]): As `describe_inputs` tells.
    RETURNS (Manifest): The manifest.
    RAISES (ManifestError): If the folder has the output of another model, other settings or other
        inputs, or files that are no output.
    """
    manifest = Manifest(path, model, settings, inputs)
    file = path / MANIFEST
    if not file.exists():
        if path.exists() and any(path.iterdir()):
            raise ManifestError(
                f"{path} is not empty and has no {MANIFEST}: give another folder, or empty it"
            )
        path.mkdir(parents=True, exist_ok=True)
        manifest.save()
        return manifest
    _compare(manifest.to_dict(), _read(file), path)
    manifest.complete = bool(_read(file)["complete"])
    if any(entry["name"] == STDIN for entry in inputs) and not manifest.complete:
        raise ManifestError(f"{path}: standard input cannot be continued; give another folder")
    manifest.finished = dict(_read_journal(path / JOURNAL))
    remove_unfinished(path)
    return manifest


@contextmanager
def hold_folder(path: Path) -> Iterator[None]:
    """Keep other runs from writing to a folder meanwhile. Where the system or the file system
    knows no locks, nothing is kept from it.

    path (Path): The folder; made if it is not there.
    RAISES (ManifestError): If another run writes to it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDONLY)
    try:
        # It ends with the process, however that ends.
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
        entry = json.loads(line)
        yield entry.pop("shard"), entry


def describe_model(model: str) -> dict[str, str]:
    """Tell a pipeline from all others.

    model (str): Its folder or package.
    RETURNS (dict[str, str]): Its name, its version, and a hash of its files.
    RAISES (OSError): If there is none.
    """
    path = _model_path(model)
    meta = spacy.util.get_model_meta(path)
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            _update(digest, file)
    name = f"{meta['lang']}_{meta['name']}"
    return {"name": name, "version": meta["version"], "hash": digest.hexdigest()}


def _model_path(model: str) -> Path:
    if not is_package(model) and not Path(model).exists():
        raise OSError(f"{model}: neither a folder nor an installed package of a pipeline")
    if is_package(model):
        module: ModuleType = import_module(model)
        folder = Path(str(module.__file__)).parent
        meta = spacy.util.get_model_meta(folder)
        return folder / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    return Path(model)


def describe_inputs(files: Sequence[str]) -> list[dict[str, Any]]:
    """Tell input files from all others.

    files (Sequence[str]): The files.
    RETURNS (list[dict[str, Any]]): Name, size in bytes, time of the last change and hash of each;
        of a file elsewhere the hash is what its file system has instead.
    """
    return [_describe_input(name) for name in files]


def _describe_input(name: str) -> dict[str, Any]:
    if name == STDIN:
        return {"name": name, "size": None, "mtime": None, "hash": None}
    if is_remote(name):
        filesystem, path = filesystem_of(name)
        size, checksum = filesystem.size(path), str(filesystem.checksum(path))
        return {"name": name, "size": size, "mtime": None, "hash": checksum}
    digest = hashlib.blake2b(digest_size=16)
    _update(digest, Path(name))
    status = Path(name).stat()
    return {
        "name": name,
        "size": status.st_size,
        "mtime": status.st_mtime,
        "hash": digest.hexdigest(),
    }


def _update(digest: "hashlib.blake2b", path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
