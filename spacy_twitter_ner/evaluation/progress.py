"""Training progress. spacy-twitter-ner.ProgressLogger.v1 writes one JSON line per evaluation:

    {
      "step": int, "epoch": int, "seconds": float, "score": float, "losses": {component: float},
      "train": SCORES or null, "validation": SCORES
    }

SCORES is {"p": …, "r": …, "f": …, "per_type": {type: {"p": …, "r": …, "f": …}}}, fractions of 1.
"train" is evaluated on a sample of the training data.
"""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from .scores import PRF, asdict

FILE_NAME = "progress.jsonl"
CURVE_SPLITS = ("train", "validation")


class SplitProgress(NamedTuple):
    """Scores of a split at one evaluation.

    overall (PRF): The micro-average over all types.
    per_type (dict[str, PRF]): The scores by type.
    """

    overall: PRF
    per_type: dict[str, PRF]


class Checkpoint(NamedTuple):
    """One evaluation during training.

    step (int): Number of batches so far.
    epoch (int): Number of completed epochs.
    seconds (float): Training time so far.
    score (float): The score that selects the best model.
    losses (dict[str, float]): The losses since the last evaluation, by component.
    splits (dict[str, SplitProgress]): The scores of "validation" and, if evaluated, of a sample
        of "train".
    """

    step: int
    epoch: int
    seconds: float
    score: float
    losses: dict[str, float]
    splits: dict[str, SplitProgress]


def scores_to_progress(scores: dict[str, Any]) -> SplitProgress:
    """RETURNS (SplitProgress): The entity scores from the output of a pipeline's scorers."""
    per_type = scores.get("ents_per_type") or {}
    return SplitProgress(
        PRF(*(scores.get(f"ents_{key}") for key in PRF._fields)),
        {label: PRF(**per_type[label]) for label in sorted(per_type)},
    )


def checkpoint_to_json(checkpoint: Checkpoint) -> str:
    """RETURNS (str): The checkpoint as a line of the file, without line break."""
    data = asdict(checkpoint)
    splits = data.pop("splits")
    for split in CURVE_SPLITS:
        data[split] = splits.get(split)
        if data[split] is not None:
            data[split] = {**data[split].pop("overall"), **data[split]}
    return json.dumps(data, ensure_ascii=False)


def read_progress(path: Path) -> list[Checkpoint]:
    """Read the progress of a training run.

    path (Path): The file written by the logger.
    RETURNS (list[Checkpoint]): The evaluations, in order.
    RAISES (ValueError): If a line has another format, or there are none.
    """
    checkpoints = []
    for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), start=1):
        try:
            checkpoints.append(_parse(json.loads(line)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{path}:{number}: not in the format of spacy-twitter-ner.ProgressLogger.v1 "
                f"({error!r}). Train again, or remove the line"
            ) from error
    if not checkpoints:
        raise ValueError(f"{path} contains no evaluation: training stopped before the first one")
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
        raise ValueError(f"scores must be fractions of 1, got {values}")
    return PRF(*values)
