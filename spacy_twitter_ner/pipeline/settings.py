"""The settings in a component's cfg: defaults, validation, and overrides when it is loaded."""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy
from thinc.api import Config
from thinc.types import Floats1d

from .windows import validate_window_length

DEFAULTS: dict[str, Any] = {
    "loss_reduction": "mean",
    "window_length": 500,
    "threshold": 0.0,
    "outside_bias": 0.0,
    "temperature": 1.0,
    "fold": {},
}
# The key in cfg of the settings given in the config.
GIVEN = "config"
# Keeps exp() from overflowing, and is far beyond any useful bias.
_MAX_BIAS = 100.0


def make_cfg(**given: Any) -> dict[str, Any]:
    """Make the cfg of a new component.

    **given (Any): The settings in the config. None values are ignored.
    RETURNS (dict[str, Any]): The labels, all settings, and those given in the config.
    """
    given = {key: value for key, value in given.items() if value is not None}
    return {"labels": [], **DEFAULTS, **given, GIVEN: given}


def override_stored(
    name: str, cfg: dict[str, Any], given: Mapping[str, Any], folder: Path | None
) -> None:
    """Override stored settings, which may have been tuned, by those given at load: settings that
    differ from the config that the component was saved with.

    name (str): The component's name.
    cfg (dict[str, Any]): The stored cfg. Modified in place.
    given (Mapping[str, Any]): The settings in the config that the pipeline is loaded with.
    folder (Optional[Path]): The pipeline's folder, if it has one.
    """
    # Components saved before 0.2 don't have it.
    cfg.setdefault("fold", {})
    baseline = cfg.get(GIVEN)
    if baseline is None:
        baseline = _read_baseline(folder, name)
    cfg.update(
        {key: value for key, value in given.items() if not _is_same(baseline.get(key), value)}
    )
    cfg[GIVEN] = dict(given)


def _read_baseline(path: Path | None, name: str) -> Mapping[str, Any]:
    """Read the settings that a component without a record in cfg was saved with. Without a config,
    these are the defaults, which filled every config."""
    if path is None or not (path / "config.cfg").is_file():
        return DEFAULTS
    config = Config().from_disk(path / "config.cfg")
    return config.get("components", {}).get(name, DEFAULTS)


def validate_cfg(name: str, cfg: Mapping[str, Any]) -> None:
    """Check the labels and settings of a component.

    name (str): The component's name.
    cfg (Mapping[str, Any]): The component's cfg.
    RAISES (ValueError): If one is missing or invalid.
    """
    section = f"[components.{name}]"
    for key in ("labels", *DEFAULTS):
        if key not in cfg:
            raise ValueError(f"{section} cfg has no {key!r}")
    labels = cfg["labels"]
    if not isinstance(labels, (list, tuple)) or not all(
        isinstance(label, str) and label for label in labels
    ):
        raise ValueError(f"{section} labels must be a list of entity types, not {labels!r}")
    if len(set(labels)) < len(labels):
        raise ValueError(f"{section} labels must be unique: {labels!r}")
    if cfg["loss_reduction"] not in ("mean", "sum"):
        raise ValueError(
            f"{section} loss_reduction must be 'mean' or 'sum', not {cfg['loss_reduction']!r}"
        )
    length = cfg["window_length"]
    bias, temperature = cfg["outside_bias"], cfg["temperature"]
    if not isinstance(length, Integral) or isinstance(length, bool):
        raise ValueError(f"{section} window_length must be an integer, not {length!r}")
    validate_window_length(int(length), section)
    if not _is_number(bias) or not abs(bias) <= _MAX_BIAS:
        raise ValueError(
            f"{section} outside_bias must be between {-_MAX_BIAS:g} and {_MAX_BIAS:g}, not {bias!r}"
        )
    if not _is_number(temperature) or not 0.0 < temperature < math.inf:
        raise ValueError(f"{section} temperature must be above 0 and finite, not {temperature!r}")
    _validate_fold(cfg["fold"], labels, section)
    _validate_threshold(cfg["threshold"], [cfg["fold"].get(name, name) for name in labels], section)


def get_thresholds(
    threshold: float | Mapping[str, float | None], labels: Sequence[str]
) -> Floats1d:
    """Get the minimum probability for each type.

    threshold (Union[float, Mapping[str, Optional[float]]]): The setting.
    labels (Sequence[str]): The types of predicted entities.
    RETURNS (Floats1d): (types,) the thresholds. Infinite for types that aren't predicted.
    """
    if not isinstance(threshold, Mapping):
        return numpy.full(len(labels), threshold, dtype="float64")
    values = (threshold.get(label, 0.0) for label in labels)
    return numpy.asarray([math.inf if value is None else value for value in values])


def _validate_threshold(threshold: object, labels: Sequence[str], section: str) -> None:
    if type(threshold) is not dict:
        if not _is_number(threshold) or not 0.0 <= threshold <= 1.0:  # type: ignore[operator]
            raise ValueError(f"{section} threshold must be between 0 and 1, not {threshold!r}")
        return
    for name, value in threshold.items():
        if value is not None and not (_is_number(value) and 0.0 <= value <= 1.0):
            raise ValueError(
                f"{section} threshold of {name!r} must be between 0 and 1, or None to leave the "
                f"type out, not {value!r}"
            )
        if labels and name not in labels:
            raise ValueError(
                f"{section} threshold names the type {name!r}, but the types are: "
                f"{', '.join(dict.fromkeys(labels))}"
            )


def _validate_fold(fold: object, labels: Sequence[str], section: str) -> None:
    if not isinstance(fold, dict) or not all(
        isinstance(name, str) and name for name in (*fold, *fold.values())
    ):
        raise ValueError(f"{section} fold must map entity types to coarser ones, not {fold!r}")
    unknown = sorted(fold.keys() - set(labels)) if labels else []
    if unknown:
        raise ValueError(
            f"{section} fold names the type {unknown[0]!r}, but the types are: {', '.join(labels)}"
        )


def validate_outputs(name: str, spans_key: str | None, extension: str | None) -> None:
    """Check the settings for storing confidences.

    name (str): The component's name.
    spans_key (Optional[str]): Key of the span group.
    extension (Optional[str]): Name of the extension attribute.
    RAISES (ValueError): If there is an extension attribute without a span group.
    """
    if extension and not spans_key:
        raise ValueError(
            f"[components.{name}] extension requires a span group: set spans_key too, for example "
            f'spans_key = "{name}"'
        )


def validate_learn_rate_factor(name: str, factor: float) -> None:
    """RAISES (ValueError): If the component's factor of the learning rate isn't above 0."""
    if not 0.0 < factor < math.inf:
        raise ValueError(
            f"[components.{name}] learn_rate_factor must be above 0 and finite, not {factor!r}"
        )


def _is_same(first: object, second: object) -> bool:
    if _is_number(first) and _is_number(second):
        # srsly's JSON doesn't preserve floats exactly.
        return math.isclose(first, second)  # type: ignore[arg-type]
    return first == second


def _is_number(value: object) -> bool:
    # The first check is a fast path, as this runs for every batch.
    return type(value) is float or (isinstance(value, Real) and not isinstance(value, bool))
