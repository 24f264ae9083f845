"""How scores grew in training: the file that spacy-twitter-ner.ProgressLogger.v1 writes, one JSON
object a line for each evaluation:

    {
      "step": int, "epoch": int, "seconds": float, "score": float, "losses": {component: float},
      "train": SCORES or null, "validation": SCORES
    }

SCORES is {"p": …, "r": …, "f": …, "per_type": {type: {"p": …, "r": …, "f": …}}}, fractions of 1.
"train" is of a sample of the training data.
"""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from .reports import PRF

FILE_NAME = "progress.jsonl"
CURVE_SPLITS = ("train", "validation")


class SplitProgress(NamedTuple):
    """Scores of a split at one evaluation.

    overall (PRF): Of all types; None where nothing was scored.
    per_type (dict[str, PRF]): Of each type that occurs.
    """

    overall: PRF
    per_type: dict[str, PRF]


class Checkpoint(NamedTuple):
    """One evaluation in a training.

    step (int): How many batches had been seen.
    epoch (int): How often the training data had been.
    seconds (float): How long the training had taken.
    score (float): What the best model is chosen by.
    losses (dict[str, float]): The losses since the last evaluation, by component.
    splits (dict[str, SplitProgress]): The scores of "validation" and, where it was scored, of
        the sample of "train".
    """

    step: int
    epoch: int
    seconds: float
    score: float
    losses: dict[str, float]
    splits: dict[str, SplitProgress]


def scores_to_progress(scores: dict[str, Any]) -> SplitProgress:
    """RETURNS (SplitProgress): The scores of entities among those of a pipeline."""
    per_type = scores.get("ents_per_type") or {}
    return SplitProgress(
        PRF(*(scores.get(f"ents_{key}") for key in PRF._fields)),
        {label: PRF(**per_type[label]) for label in sorted(per_type)},
    )


def checkpoint_to_json(checkpoint: Checkpoint) -> str:
    """RETURNS (str): The line of a checkpoint in the file, without its end."""
    data = checkpoint._asdict()
    splits = data.pop("splits")
    for split in CURVE_SPLITS:
        data[split] = None
        if split in splits:
            per_type = {label: prf._asdict() for label, prf in splits[split].per_type.items()}
            data[split] = {**splits[split].overall._asdict(), "per_type": per_type}
    return json.dumps(data, ensure_ascii=False)


def read_progress(path: Path) -> list[Checkpoint]:
    """Read the progress of a training.

    path (Path): The file that the logger wrote.
    RETURNS (list[Checkpoint]): The evaluations, in order.
    RAISES (ValueError): If the file is no such file, with the line.
    """
    checkpoints = []
    for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), start=1):
        try:
            checkpoints.append(_parse(json.loads(line)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{path}:{number}: no evaluation as spacy-twitter-ner.ProgressLogger.v1 writes "
                f"it ({error!r}). Train again, or remove the line"
            ) from error
    if not checkpoints:
        raise ValueError(f"{path} holds no evaluation: was the training stopped before the first?")
    return checkpoints


def _parse(data: dict[str, Any]) -> Checkpoint:
    splits = {}
    for split in CURVE_SPLITS:
        if data[split] is not None:
            types = data[split]["per_type"]
            splits[split] = SplitProgress(
                _parse_prf(data[split]), {label: _parse_prf(types[label]) for label in types}
            )
    numbers = (int(data["step"]), int(data["epoch"]), float(data["seconds"]), float(data["score"]))
    losses = {str(name): float(loss) for name, loss in data["losses"].items()}
    return Checkpoint(*numbers, losses, splits)


def _parse_prf(data: dict[str, Any]) -> PRF:
    values = [None if data[key] is None else float(data[key]) for key in PRF._fields]
    if not all(value is None or (0 <= value <= 1 and math.isfinite(value)) for value in values):
        raise ValueError(f"scores have to be fractions of 1, got {values}")
    return PRF(*values)
