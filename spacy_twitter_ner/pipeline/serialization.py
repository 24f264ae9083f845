"""Serialization with checks: invalid settings and damaged files are errors when a component is
loaded, and name the file.

A saved component has a manifest.json with the version that wrote it and checksums of its files,
because a flipped bit in a weight can't be detected otherwise.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import srsly
from spacy.pipeline.trainable_pipe import TrainablePipe

from .. import __version__
from .settings import GIVEN, override_stored, read_baseline, validate_cfg
from .shapes import check_params

MANIFEST = "manifest.json"
FILES = ("cfg", "model")


class CheckedSerialization(TrainablePipe):
    """A trainable pipe that checks what it saves and loads."""

    cfg: dict[str, Any]

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the component.

        path (str | Path): The folder.
        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg", "model".
        RAISES (ValueError): If a setting is invalid.
        """
        validate_cfg(self.name, self.cfg)
        super().to_disk(path, exclude=exclude)
        written = [name for name in FILES if (Path(path) / name).exists() and name not in exclude]
        sums = {name: _checksum(Path(path) / name) for name in written}
        srsly.write_json(Path(path) / MANIFEST, {"version": __version__, "sha256": sums})

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the component.

        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg", "model".
        RETURNS (bytes): The serialized component.
        RAISES (ValueError): If a setting is invalid.
        """
        validate_cfg(self.name, self.cfg)
        return super().to_bytes(exclude=exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "CheckedSerialization":
        """Load the component, in place. Settings that the config gives override the stored ones,
        unless it gave the same when the component was saved.

        path (str | Path): The folder.
        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg", "model".
        RETURNS (CheckedSerialization): The component itself.
        RAISES (ValueError): If the files are not those that were saved, or do not fit the config.
        RAISES (FileNotFoundError): If one is missing.
        """
        path = Path(path)
        version = _check_files(self.name, path, exclude)
        with _loading(self.name, str(path), version), self._overriding(path.parent, exclude):
            super().from_disk(path, exclude=exclude)
        with _loading(self.name, str(path / "cfg"), version):
            validate_cfg(self.name, self.cfg)
        with _loading(self.name, str(path / "model"), version):
            self._check_model()
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
            with self._overriding(None, exclude):
                super().from_bytes(bytes_data, exclude=exclude)
            validate_cfg(self.name, self.cfg)
            self._check_model()
        return self

    @contextmanager
    def _overriding(self, folder: Path | None, exclude: Iterable[str]) -> Iterator[None]:
        """Override the settings that are loaded by those that the config gives.

        folder (Optional[Path]): The pipeline's folder, if it has one.
        exclude (Iterable[str]): Names of fields that aren't loaded.
        """
        if "cfg" in exclude:
            yield
            return
        given = self.cfg.pop(GIVEN, {})
        yield
        baseline = self.cfg.get(GIVEN)
        if baseline is None:
            baseline = read_baseline(folder, self.name)
        override_stored(self.cfg, given, baseline)

    def _check_model(self) -> None:
        """RAISES (ValueError): If parameters don't fit their layers, or outputs the labels."""
        output_layer = self.model.get_ref("output_layer")
        n_outputs, n_tags = output_layer.maybe_get_dim("nO"), 2 * len(self.cfg["labels"]) + 1
        if not output_layer.has_param("W"):
            return  # not initialized
        if n_outputs not in (None, n_tags):
            raise ValueError(
                f"the {len(self.cfg['labels'])} labels of cfg make {n_tags} tags, but the model "
                f"has {n_outputs} outputs"
            )
        check_params(self.model)


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
