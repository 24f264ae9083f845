"""The answers of a session: an append-only file of JSON lines. An entry that was acknowledged is on
disk, and an entry that is sent again is stored once.

Everything else about a session follows from this file, so that a session can be killed at any time.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Entry = dict[str, Any]


class JournalError(OSError):
    """Raised if an entry couldn't be stored. Nothing of it is left in the file."""


def read_journal(path: Path) -> list[Entry]:
    """Read the entries of a journal, also while another process appends to it. A last line that is
    incomplete was never acknowledged and is ignored.

    path (Path): The file.
    RETURNS (list[Entry]): The entries, each once.
    RAISES (ValueError): If another line isn't an entry.
    RAISES (OSError): If the file can't be read.
    """
    data = path.read_bytes()
    return list(_parse(data[: _complete(data)], path).values())


def _complete(data: bytes) -> int:
    """RETURNS (int): The length of the complete lines."""
    return data.rfind(b"\n") + 1


def _parse(data: bytes, path: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if line:
            try:
                entry = json.loads(line)
                entries.setdefault(entry["id"], entry)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}:{number}: not an answer ({error}). Restore the file from a backup, "
                    "or delete this line"
                ) from None
    return entries


class Journal:
    """A journal that is open for writing, by one process.

    path (Path): The file, which is created.
    RAISES (JournalError): If another process has opened it.
    RAISES (ValueError): If a line isn't an entry.
    RAISES (OSError): If the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        is_new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            _lock(self._file, path)
            data = path.read_bytes()
            self._size = _complete(data)
            self._entries = _parse(data[: self._size], path)
            if self._size < len(data):  # torn by a crash
                os.ftruncate(self._file, self._size)
            if is_new:
                _sync_folder(path.parent)
        except BaseException:
            os.close(self._file)
            raise
        self._mutex = Lock()

    @property
    def entries(self) -> list[Entry]:
        """RETURNS (list[Entry]): All entries, in order."""
        return list(self._entries.values())

    def append(self, entry: Mapping[str, Any]) -> bool:
        """Store an entry. When this returns, the entry is on disk.

        entry (Mapping[str, Any]): The entry, with an "id".
        RETURNS (bool): Whether the entry is new. One whose ID is stored already isn't stored again.
        RAISES (JournalError): If the entry can't be stored, such as on a full disk.
        """
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        with self._mutex:
            if entry["id"] in self._entries:
                return False
            try:
                _write(self._file, line)
                os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, self._size)
                raise JournalError(error.errno, f"{error.strerror}", str(self._path)) from error
            self._size += len(line)
            self._entries[entry["id"]] = json.loads(line)
        return True

    def close(self) -> None:
        """Close the file, so that another process can open it."""
        os.close(self._file)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _lock(file: int, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        message = "another process is teaching in this folder: stop it first"
        raise JournalError(error.errno, message, str(path)) from error


def _sync_folder(path: Path) -> None:
    """Make sure that a new file's name is on disk as well."""
    if fcntl is None:
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
