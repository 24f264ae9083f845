"""Runs of contestants, and their results: kept as long as all that decided them is the same."""

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any, NamedTuple

from thinc.api import Config

from . import contestants, project
from .contestants import Contestant, all_contestants
from .corpus import SPLITS
from .project import digest

# What of the package decides a model; the rest reads corpora and reports.
SOURCES = (
    *(f"spacy_twitter_ner/{name}" for name in ("layers", "lexical", "models", "pipeline")),
    "spacy_twitter_ner/training",
    "spacy_twitter_ner/iob.py",
    "spacy_twitter_ner/normalization.py",
)

# What of these has changed makes a result stale, but not that of something else.
STALE = {
    "source": "earlier settings",
    "package": "earlier source",
    "needs": "other lexical files",
    "versions": "other versions",
}

Result = dict[str, Any]


class Run(NamedTuple):
    """A contestant on a corpus, with a seed; scripts have seed 0."""

    contestant: Contestant
    corpus: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.contestant.name}-{self.seed}"

    @property
    def overrides(self) -> dict[str, Any]:
        settings = self.contestant.overrides.items()
        return {
            name: value.format(corpus=self.corpus) if isinstance(value, str) else value
            for name, value in settings
        }

    @property
    def needs(self) -> list[str]:
        return [name.format(corpus=self.corpus) for name in self.contestant.needs]

    @property
    def path(self) -> Path:
        return project.ROOT / "benchmarks" / "results" / self.corpus / f"{self.name}.json"


def make_runs(corpus: str, seeds: int) -> list[Run]:
    """RETURNS (list[Run]): Every contestant with every seed, the scripts once."""
    return [
        Run(contestant, corpus, seed)
        for contestant in all_contestants()
        for seed in range(1 if contestant.is_script else seeds)
    ]


def decisive_inputs(run: Run) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): All that decides a run's result: digests, versions, settings. Our
    models depend on the package's source too, the baselines do not. The digest of a file that is
    not there is None."""
    contestant = run.contestant
    corpus = {split: digest([f"corpus/{run.corpus}/{split}.spacy"]) for split in ("train", *SPLITS)}
    return {
        "source": digest([contestant.source]) if contestant.is_script else _settings(contestant),
        "overrides": run.overrides,
        "without": list(contestant.without),
        "seed": run.seed,
        "corpus": corpus,
        "needs": {name: digest([name]) if _exists(name) else None for name in run.needs},
        "versions": {name: version(name) for name in contestant.packages},
        "package": digest(SOURCES) if contestant in contestants.LADDER else None,
    }


def _settings(contestant: Contestant) -> str:
    """RETURNS (str): Digest of what a config says of the model and its training: comments, scorers,
    loggers and calibration do not decide which entities it finds."""
    path = project.ROOT / contestant.source
    config = Config().from_disk(path, interpolate=False) if path.exists() else Config()
    for component in config.get("components", {}).values():
        component.pop("scorer", None)
    training = config.setdefault("training", {})
    training.pop("logger", None)
    training["before_to_disk"] = None
    text = json.dumps(config, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def missing_files(run: Run) -> list[str]:
    """RETURNS (list[str]): Those of the files a run needs that do not exist."""
    names = (run.contestant.source, *run.needs)
    return [name for name in names if not _exists(name)]


def _exists(name: str) -> bool:
    return (project.ROOT / name).exists()


def read_result(run: Run, *, accept_stale: bool = False) -> Result | None:
    """Read the result of a run if what decided it is still the same. A file that it needed and
    that is not here counts as the same: lexical files are never committed.

    run (Run): The run.
    accept_stale (bool): Take a stale result too, see `STALE`.
    RETURNS (dict[str, Any] | None): The result, None if it has to be made anew. Its "stale" lists
        what has changed.
    """
    if not run.path.exists():
        return None
    result: Result = json.loads(run.path.read_text(encoding="utf8"))
    inputs, stored = decisive_inputs(run), result["inputs"]
    if inputs["needs"].keys() != stored["needs"].keys():
        return None
    inputs["needs"] = {
        name: found or stored["needs"][name] for name, found in inputs["needs"].items()
    }
    result["stale"] = [key for key, value in inputs.items() if stored.get(key) != value]
    if result["stale"] and not (accept_stale and STALE.keys() >= set(result["stale"])):
        return None
    return result
