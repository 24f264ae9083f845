"""Sums of any number of names in bounded memory: a temporary SQLite database."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .candidates import Name, Sums

_SCHEMA = """
CREATE TABLE names (
    "group" TEXT, name TEXT, type TEXT, text TEXT,
    predicted INTEGER, p REAL, v REAL, s REAL,
    PRIMARY KEY (name, type, "group")
) WITHOUT ROWID
"""
_ADD = """
INSERT INTO names VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    predicted = predicted + excluded.predicted,
    p = p + excluded.p, v = v + excluded.v, s = s + excluded.s
"""
_SUMS = "SUM(predicted), SUM(p), SUM(v), SUM(s)"


class CountStore:
    """Add up the sums of shards, and query them. Use it as a context."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._database = sqlite3.connect(Path(self._folder.name) / "names.sqlite")
        # It is only temporary, so that it needn't survive a crash.
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16384"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute(_SCHEMA)
        self.groups: dict[str, int] = {}
        self.n_words = self.n_unknown = 0

    def __enter__(self) -> "CountStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def add(self, found: Mapping[str, Any]) -> None:
        """Add the sums of a shard.

        found (Mapping[str, Any]): The output of `count_shard`.
        """
        for group, n in found["groups"].items():
            self.groups[group] = self.groups.get(group, 0) + n
        self.n_words += found["words"]
        self.n_unknown += found["unknown"]
        with self._database:
            self._database.executemany(_ADD, ([*map(_encodable, row)] for row in found["rows"]))

    def top_names(self, n: int) -> Iterator[tuple[Name, Sums]]:
        """YIELDS (tuple[Name, Sums]): The n names with the largest sums over all groups."""
        query = f"SELECT name, type, {_SUMS} FROM names GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2 LIMIT ?"  # noqa: S608 (constant)
        for name, kind, *sums in self._database.execute(query, (n,)):
            yield (name, kind), Sums(*sums)

    def by_group(self, name: Name) -> list[tuple[str, str, Sums]]:
        """RETURNS (list[tuple[str, str, Sums]]): The groups of a name, its text and its sums."""
        query = (
            'SELECT "group", text, predicted, p, v, s FROM names WHERE name = ? AND type = ? '
            'ORDER BY "group"'
        )
        rows = self._database.execute(query, name)
        return [(group, text, Sums(*sums)) for group, text, *sums in rows]

    def by_type(self) -> Iterator[tuple[str, str, Sums]]:
        """YIELDS (tuple[str, str, Sums]): Each group, each type in it, and the sums over names."""
        query = f'SELECT "group", type, {_SUMS} FROM names GROUP BY 1, 2 ORDER BY 1, 2'  # noqa: S608 (constant)
        for group, kind, *sums in self._database.execute(query):
            yield group, kind, Sums(*sums)


def _encodable(value: Any) -> Any:
    # UTF-8 can't encode lone surrogates, which JSON may contain.
    return value.encode("utf8", "replace").decode("utf8") if isinstance(value, str) else value
