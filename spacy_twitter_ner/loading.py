"""Load pipelines, with errors that explain why a name isn't a pipeline."""

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.language import Language

from . import PRETRAINED

_ADVICE = "A pipeline is a folder with config.cfg and meta.json, or an installed package"


def load_pipeline(name: str | Path) -> "Language":
    """Load a pipeline.

    name (str | Path): A folder or an installed package.
    RETURNS (Language): The pipeline.
    RAISES (OSError): If it isn't a pipeline.
    RAISES (ValueError): If it's damaged.
    RAISES (ImportError): If it needs a package that isn't installed.
    """
    # Imported here because importing spaCy takes seconds.
    import spacy

    require_pipeline(name)
    try:
        return spacy.load(name)
    except (ImportError, OSError, ValueError):
        raise
    # Damaged files may raise any error.
    except Exception as error:
        raise ValueError(
            f"{name} can't be loaded as a pipeline: {type(error).__name__}: {error}"
        ) from error


def require_pipeline(name: str | Path) -> None:
    """Check that a name refers to a pipeline, without importing or loading it.

    name (str | Path): A folder, a package, or a blank pipeline such as "blank:en".
    RAISES (OSError): If it isn't a pipeline.
    """
    error = "" if str(name).startswith("blank:") else _find_error(str(name))
    if error:
        raise OSError(f"{name} {error}. {_ADVICE}")


def _find_error(name: str) -> str:
    path = Path(name)
    # As in spacy.load, packages take precedence.
    package = find_package(name)
    if package is not None:
        return (
            "" if _is_pipeline_package(name, package) else "is an installed package, not a pipeline"
        )
    try:
        if path.is_file():
            return "is a file, not a pipeline"
        if not path.is_dir():
            return "is not a pipeline: there is no such folder or installed package"
    except (OSError, ValueError):  # too long, or contains a null character
        return "is not a pipeline: it can't be the name of a folder"
    missing = [part for part in ("config.cfg", "meta.json") if not (path / part).is_file()]
    if not missing:
        return ""
    inside = [f"{path / part}" for part in ("model-best", "model-last") if (path / part).is_dir()]
    hint = f"; did you mean {inside[0]}?" if inside else ""
    return f"is a folder, but not a pipeline: it has no {' and no '.join(missing)}{hint}"


def find_package(name: str) -> Distribution | None:
    """RETURNS (Distribution | None): The installed package with this name, if there is one."""
    try:
        return distribution(name)
    except (PackageNotFoundError, OSError, ValueError):
        return None


def _is_pipeline_package(name: str, package: Distribution) -> bool:
    if name == PRETRAINED.name or any(e.group == "spacy_models" for e in package.entry_points):
        return True
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return False
    folders = (spec and spec.submodule_search_locations) or ()
    return any((Path(folder) / "meta.json").is_file() for folder in folders)
