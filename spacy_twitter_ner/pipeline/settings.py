"""The settings in a component's cfg: defaults, validation, and which value counts after loading."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from thinc.api import Config

from .windows import validate_window_length

DEFAULTS: dict[str, Any] = {
    "loss_reduction": "mean",
    "window_length": 500,
    "threshold": 0.0,
    "outside_bias": 0.0,
    "temperature": 1.0,
}
# The key in cfg of the settings that the config gives.
GIVEN = "config"
# Beyond it exp() would overflow; it is also far more than any bias that leaves a choice.
_MAX_BIAS = 100.0


def make_cfg(given: Mapping[str, Any]) -> dict[str, Any]:
    """Make the cfg of a new component.

    given (Mapping[str, Any]): The settings that the config gives; None where it gives none.
    RETURNS (dict[str, Any]): The labels, all settings, and those that the config gives.
    """
    given = {key: value for key, value in given.items() if value is not None}
    return {"labels": [], **DEFAULTS, **given, GIVEN: given}


def override_stored(
    cfg: dict[str, Any], given: Mapping[str, Any], baseline: Mapping[str, Any]
) -> None:
    """Find out which settings count after loading: the stored ones, which may have been tuned,
    except for those that were given at load.

    cfg (dict[str, Any]): The stored cfg. Modified in place.
    given (Mapping[str, Any]): The settings of the config that the pipeline is loaded with.
    baseline (Mapping[str, Any]): The settings of the config that it was saved with. A setting
        that differs from it was given at load.
    """
    cfg.update(
        {key: value for key, value in given.items() if not _is_same(baseline.get(key), value)}
    )
    cfg[GIVEN] = dict(given)


def read_baseline(path: Path | None, name: str) -> Mapping[str, Any]:
    """Find the settings of the config that a component of version 0.1.0, whose cfg doesn't
    contain them, was saved with.

    path (Optional[Path]): The pipeline's folder, if it has one.
    name (str): The component's name.
    RETURNS (Mapping[str, Any]): The settings; the defaults, which filled every config, if there
        is no config.
    """
    if path is None or not (path / "config.cfg").is_file():
        return DEFAULTS
    config = Config().from_disk(path / "config.cfg")
    return config.get("components", {}).get(name, DEFAULTS)


def validate_cfg(name: str, cfg: Mapping[str, Any]) -> None:
    """Check the labels and settings of a component.

    name (str): The component's name.
    cfg (Mapping[str, Any]): The component's cfg.
    RAISES (ValueError): If one is missing or invalid. The message names it.
    """
    place = f"[components.{name}]"
    for key in ("labels", *DEFAULTS):
        if key not in cfg:
            raise ValueError(f"{place} cfg has no {key!r}")
    labels = cfg["labels"]
    if not isinstance(labels, (list, tuple)) or not all(
        isinstance(label, str) and label for label in labels
    ):
        raise ValueError(f"{place} labels must be a list of names of entity types, not {labels!r}")
    if len(set(labels)) < len(labels):
        raise ValueError(f"{place} labels must differ from each other: {labels!r}")
    if cfg["loss_reduction"] not in ("mean", "sum"):
        raise ValueError(
            f"{place} loss_reduction must be 'mean' or 'sum', not {cfg['loss_reduction']!r}"
        )
    length, threshold = cfg["window_length"], cfg["threshold"]
    bias, temperature = cfg["outside_bias"], cfg["temperature"]
    if not isinstance(length, Integral) or isinstance(length, bool):
        raise ValueError(f"{place} window_length must be a whole number, not {length!r}")
    validate_window_length(int(length), place)
    if not _is_number(threshold) or not 0.0 <= threshold <= 1.0:
        raise ValueError(f"{place} threshold is a probability, from 0 to 1, not {threshold!r}")
    if not _is_number(bias) or not abs(bias) <= _MAX_BIAS:
        raise ValueError(
            f"{place} outside_bias is a logarithm, from {-_MAX_BIAS:g} to {_MAX_BIAS:g}, "
            f"not {bias!r}"
        )
    if not _is_number(temperature) or not 0.0 < temperature < math.inf:
        raise ValueError(f"{place} temperature must be above 0 and finite, not {temperature!r}")


def validate_outputs(name: str, spans_key: str | None, extension: str | None) -> None:
    """Check where a component stores confidences.

    name (str): The component's name.
    spans_key (Optional[str]): The span group's key.
    extension (Optional[str]): The extension attribute's name.
    RAISES (ValueError): If there is an extension attribute without a span group.
    """
    if extension and not spans_key:
        raise ValueError(
            f"[components.{name}] extension shows the scores of a span group: set that too, as in "
            f'spans_key = "{name}"'
        )


def _is_same(first: object, second: object) -> bool:
    if _is_number(first) and _is_number(second):
        # JSON doesn't always give back the same float.
        return math.isclose(first, second)  # type: ignore[arg-type]
    return first == second


def _is_number(value: object) -> bool:
    # The first test is the fast path: this runs for every batch.
    return type(value) is float or (isinstance(value, Real) and not isinstance(value, bool))
