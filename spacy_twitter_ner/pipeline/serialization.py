"""Saving and loading a component so that damage to its files is found, named, and found at once.

Besides its files a saved component has manifest.json, with the version that wrote them and their
checksums: a weight in which a bit has flipped is as good a weight as any, to all that reads it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import srsly
from spacy.pipeline.trainable_pipe import TrainablePipe

from .. import __version__

MANIFEST = "manifest.json"
FILES = ("cfg", "model")


class CheckedSerialization(TrainablePipe):
    """A trainable pipe that finds out whether what it loads is what was saved."""

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the component.

        path (str | Path): The folder.
        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg", "model".
        """
        super().to_disk(path, exclude=exclude)
        written = [name for name in FILES if (Path(path) / name).exists() and name not in exclude]
        sums = {name: _checksum(Path(path) / name) for name in written}
        srsly.write_json(Path(path) / MANIFEST, {"version": __version__, "sha256": sums})

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "CheckedSerialization":
        """Load the component, in place.

        path (str | Path): The folder.
        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg", "model".
        RETURNS (CheckedSerialization): The component itself.
        RAISES (ValueError): If the files are not those that were saved, or do not fit the config.
        RAISES (FileNotFoundError): If one is missing.
        """
        version = _check_files(self.name, Path(path), exclude)
        with _loading(self.name, str(path), version):
            super().from_disk(path, exclude=exclude)
            self._check_outputs()
        return self

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "CheckedSerialization":
        """Load the component, in place.

        bytes_data (bytes): The serialized component.
        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg", "model".
        RETURNS (CheckedSerialization): The component itself.
        RAISES (ValueError): If the bytes are damaged or do not fit the config.
        """
        with _loading(self.name, "these bytes", None):
            super().from_bytes(bytes_data, exclude=exclude)
            self._check_outputs()
        return self

    def _check_outputs(self) -> None:
        """Labels without outputs, or outputs without labels, would be an error of any later call,
        or worse, none."""
        output_layer = self.model.get_ref("output_layer")
        n_outputs, n_tags = output_layer.maybe_get_dim("nO"), 2 * len(self.cfg["labels"]) + 1
        if output_layer.has_param("W") and n_outputs not in (None, n_tags):
            raise ValueError(
                f"the {len(self.cfg['labels'])} labels of cfg make {n_tags} tags, but the model "
                f"has {n_outputs} outputs"
            )


def _check_files(name: str, path: Path, exclude: Iterable[str]) -> str | None:
    """Compare files with their manifest.

    RETURNS (Optional[str]): The version that wrote them; None if there is no manifest, as in
        pipelines of earlier versions.
    """
    if not (path / MANIFEST).exists():
        return None
    with _loading(name, str(path / MANIFEST), None):
        manifest: dict[str, Any] = srsly.read_json(path / MANIFEST)
        version, sums = manifest["version"], manifest["sha256"].items()
    for file, checksum in sums:
        if file in exclude:
            continue
        if not (path / file).exists():
            raise FileNotFoundError(
                f"component {name!r} cannot be loaded: {path / file} is missing"
            )
        if _checksum(path / file) != checksum:
            raise ValueError(
                f"component {name!r} cannot be loaded: {path / file} is not the file that was "
                f"saved. Copy the pipeline anew; if the file was changed on purpose, delete "
                f"{MANIFEST} beside it"
            )
    return version


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _loading(name: str, source: str, version: str | None) -> Iterator[None]:
    """Name component and source in whatever goes wrong with what is loaded."""
    try:
        yield
    except OSError:
        raise  # which names the file
    except Exception as error:
        versions = ""
        if version not in (None, __version__):
            versions = f" It was saved by version {version}, and this is version {__version__}."
        raise ValueError(
            f"component {name!r} cannot be loaded from {source}: {error or repr(error)}. It is "
            f"damaged, or was saved by a pipeline of another config.{versions}"
        ) from error
