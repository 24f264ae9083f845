"""The project's files: corpora and digests."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import spacy
import srsly
from spacy.tokens import Doc

from spacy_twitter_ner.corpus import reader

ROOT = Path(__file__).parents[2]
COMPONENT = "twitter_bilstm_ner"


class BenchmarkError(click.ClickException):
    """Raised if a benchmark can't run. The command prints the message and exits with 1."""


def default_corpus() -> str:
    """RETURNS (str): "hse" if it was converted, otherwise the bundled sample."""
    return "hse" if (ROOT / "corpus" / "hse" / "train.spacy").exists() else "sample"


def corpus_path(corpus: str, split: str) -> Path:
    """Get the file of a split.

    corpus (str): Name of a folder in corpus/.
    split (str): "train", "validation" or "test".
    RETURNS (Path): The file.
    RAISES (BenchmarkError): If it doesn't exist.
    """
    path = ROOT / "corpus" / corpus / f"{split}.spacy"
    if not path.exists():
        command = f"python -m spacy project run convert . --vars.corpus {corpus}"
        raise BenchmarkError(f"There is no {path}. Run `{command}`")
    return path


def read_docs(path: Path) -> list[Doc]:
    """RETURNS (list[Doc]): The docs of an annotated corpus that have tokens."""
    return [doc for doc in reader.read_docs(path, spacy.blank("xx").vocab) if len(doc)]


def keep_result(folder: Path, name: str, result: dict[str, Any]) -> dict[str, Any]:
    """Write a result to a folder.

    folder (Path): The folder, which is created.
    name (str): Name of the result.
    result (dict[str, Any]): The result.
    RETURNS (dict[str, Any]): All results in the folder, by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    srsly.write_json(folder / f"{name}.json", result, indent=0)
    return {path.stem: srsly.read_json(path) for path in sorted(folder.glob("*.json"))}


def digest(paths: Iterable[Path]) -> str:
    """RETURNS (str): The MD5 of the names and contents of files; folders include their files,
    except bytecode and compiled modules."""
    md5 = hashlib.md5(usedforsecurity=False)
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix not in (".pyc", ".so", ".pyd"):
                content = hashlib.md5(file.read_bytes(), usedforsecurity=False).digest()
                md5.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + content)
    return md5.hexdigest()
