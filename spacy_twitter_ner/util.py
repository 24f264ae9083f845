"""Helpers shared by several subpackages. This module imports nothing else of the package."""

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

FACTORY = "twitter_bilstm_ner"
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")

# Import names of optional packages that differ from their names on PyPI.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "distributed": "dask",
    "prometheus_client": "prometheus-client",
    "sklearn": "scikit-learn",
}

T = TypeVar("T")


class MissingExtraError(ImportError):
    """Raised if an optional package can't be imported. The message says how to install it."""


def require(extra: str, *modules: str) -> ModuleType:
    """Import optional modules.

    extra (str): The extra that installs them.
    modules (str): Names of modules, such as "matplotlib.figure".
    RETURNS (ModuleType): The first module.
    RAISES (MissingExtraError): If one of them can't be imported.
    """
    imported = []
    for name in modules:
        try:
            imported.append(import_module(name))
        except ImportError as error:
            package = name.partition(".")[0]
            raise MissingExtraError(
                f"{_DISTRIBUTIONS.get(package, package)} can't be imported ({error}). "
                f'Install it with: pip install "spacy-twitter-ner[{extra}]"'
            ) from error
    return imported[0]


@contextlib.contextmanager
def write_atomic(*paths: Path) -> Iterator[list[Path]]:
    """Write files completely or not at all: to temporary files in the same folders, which are
    flushed to disk and then renamed. If the block raises an error, nothing is left behind.

    paths (Path): The files to write. Missing folders are created.
    YIELDS (list[Path]): The temporary file to write for each of them.
    RAISES (OSError): If a file can't be written. It is named in the error.
    """
    # Unique names, since another process may be writing the same file.
    temporary = [path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp") for path in paths]
    try:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        for path in temporary:
            _sync(path)
        for source, target in zip(temporary, paths, strict=True):
            os.replace(source, target)
    except OSError as error:
        # Name the target, not the temporary file. A full disk isn't reported with any name.
        targets = dict(zip(map(str, temporary), map(str, paths), strict=True))
        if len(paths) == 1:
            targets["None"] = str(paths[0])
        if error.errno is not None and str(error.filename) in targets:
            error.filename, error.filename2 = targets[str(error.filename)], None
        raise
    finally:
        for path in temporary:
            with contextlib.suppress(OSError):
                path.unlink()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def find_ners(nlp: "Language") -> list[Any]:
    """RETURNS (list[TwitterBiLSTMNER]): The pipeline's twitter_bilstm_ner components, in order."""
    return [pipe for name, pipe in nlp.pipeline if nlp.get_pipe_meta(name).factory == FACTORY]


def get_ner(nlp: "Language", name: str | None = None) -> Any:
    """Get the pipeline's twitter_bilstm_ner component.

    nlp (Language): The pipeline.
    name (Optional[str]): The component's name in the pipeline. Default: the first one.
    RETURNS (TwitterBiLSTMNER): The component.
    RAISES (ValueError): If there is none.
    """
    for pipe_name, component in nlp.pipeline:
        if nlp.get_pipe_meta(pipe_name).factory == FACTORY and name in (None, pipe_name):
            return component
    named = f" named {name!r}" if name else ""
    raise ValueError(
        f"the pipeline {nlp.meta['lang']}_{nlp.meta['name']} has no component {FACTORY}{named}; "
        f"it has: {', '.join(nlp.pipe_names) or 'none'}"
    )


def apply_preceding_pipes(nlp: "Language", component: Any, docs: Iterable["Doc"]) -> list["Doc"]:
    """RETURNS (list[Doc]): The docs, processed by all components before the given one."""
    docs = list(docs)
    for _, pipe in nlp.pipeline:
        if pipe is component:
            break
        docs = [pipe(doc) for doc in docs]
    return docs


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of size items. The last one may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def plural(n: int, noun: str) -> str:
    """Return a count with its noun, such as "1 tweet" and "2 tweets"."""
    return f"{n:,} {noun}{'s' if n != 1 else ''}"


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Start processes with one BLAS thread each, unless the user has set another number, so that
    workers don't compete for cores."""
    added = [name for name in _BLAS_THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
