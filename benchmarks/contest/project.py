"""The project's files: where they are, what is in them, and how results are written."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class BenchmarkError(RuntimeError):
    """What keeps a contestant from running; the message says what to do."""


def digest(paths: Iterable[str]) -> str:
    """RETURNS (str): The MD5 of the names and contents of files; folders are walked."""
    md5 = hashlib.md5(usedforsecurity=False)
    for name in paths:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            # Bytecode comes and goes with the interpreter.
            if file.is_file() and file.suffix != ".pyc":
                content = hashlib.md5(file.read_bytes(), usedforsecurity=False).digest()
                md5.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + content)
    return md5.hexdigest()


def write_json(path: Path, data: Any) -> None:
    """Write a file whole or not at all, so that an interrupted run leaves nothing half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    temporary.write_text(text + "\n", encoding="utf8")
    os.replace(temporary, path)
