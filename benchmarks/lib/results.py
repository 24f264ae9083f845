"""Results of training runs: predictions on validation and test, and everything that determined
them. A result is stale if the settings, the package's source, lexical files or library versions
have changed."""

from pathlib import Path
from typing import Any, NamedTuple

import srsly
from spacy.tokens import Doc

from spacy_twitter_ner.evaluation.predictions import predict_corpus
from spacy_twitter_ner.iob import TokenSpan
from spacy_twitter_ner.util import write_atomic

from .models import MODELS, ModelSpec, get_inputs, train
from .project import ROOT

SPLITS = ("validation", "test")


class Run(NamedTuple):
    """The training of a model on a corpus, with a seed."""

    model: ModelSpec
    corpus: str
    seed: int

    @property
    def name(self) -> str:
        """RETURNS (str): The name in messages and of the files."""
        return f"{self.model.name}-{self.seed}"

    @property
    def path(self) -> Path:
        """RETURNS (Path): The file of the result."""
        return ROOT / "benchmarks" / "results" / self.corpus / f"{self.name}.json"


class Result(NamedTuple):
    """The result of a run.

    seconds (float): CPU seconds of the training, of all threads.
    n_bytes (Optional[int]): Size of the model on disk, if it has a file.
    notes (dict[str, Any]): Settings chosen in training.
    predictions (dict[str, list[list[TokenSpan]]]): By split, the entities of each tweet.
    is_stale (bool): Whether something that determined it has changed since.
    """

    seconds: float
    n_bytes: int | None
    notes: dict[str, Any]
    predictions: dict[str, list[list[TokenSpan]]]
    is_stale: bool = False


def make_runs(corpus: str, seeds: int) -> list[Run]:
    """RETURNS (list[Run]): Each model with each seed; scripts once."""
    return [
        Run(spec, corpus, seed)
        for spec in MODELS.values()
        for seed in range(1 if spec.is_script else seeds)
    ]


def read_result(run: Run, *, accept_stale: bool = False) -> Result | None:
    """Read the result of a run. Lexical files that don't exist here count as unchanged.

    run (Run): The run.
    accept_stale (bool): Whether to return stale results. Results of another corpus are never
        returned.
    RETURNS (Optional[Result]): The result, if there is one.
    """
    if not run.path.exists():
        return None
    result = srsly.read_json(run.path)
    stored = result.pop("inputs")
    inputs = get_inputs(run.model, run.corpus)
    changed = {key for key, value in inputs.items() if value and stored.get(key) != value}
    if any(key.startswith("corpus/") for key in changed) or (changed and not accept_stale):
        return None
    result["predictions"] = {
        split: [[(start, end, label) for start, end, label in spans] for spans in tweets]
        for split, tweets in result["predictions"].items()
    }
    return Result(**result, is_stale=bool(changed))


def train_run(run: Run, docs: dict[str, list[Doc]], threads: int) -> Result:
    """Train a model, predict, and save the result.

    run (Run): The run.
    docs (dict[str, list[Doc]]): The docs of validation and test.
    threads (int): BLAS threads of the training.
    RETURNS (Result): The result.
    RAISES (BenchmarkError): If the training fails.
    """
    # Before training: if the source changes meanwhile, the result is stale.
    inputs = get_inputs(run.model, run.corpus)
    output = ROOT / "training" / run.corpus / "accuracy" / run.name
    trained = train(run.model, run.corpus, output, seed=run.seed, threads=threads)
    predictions = {
        split: [
            tweet.predicted
            for tweet in predict_corpus(
                trained.nlp, docs[split], split, with_probabilities=False
            ).tweets
        ]
        for split in SPLITS
    }
    result = Result(round(trained.seconds, 1), trained.n_bytes, trained.notes, predictions)
    write_result(run.path, inputs, result)
    return result


def write_result(path: Path, inputs: dict[str, str | None], result: Result) -> None:
    """Save a result.

    path (Path): The file.
    inputs (dict[str, Optional[str]]): Everything that determined it.
    result (Result): The result.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"inputs": inputs, **result._asdict()}
    del content["is_stale"]
    with write_atomic(path) as (temporary,):
        srsly.write_json(temporary, content, indent=0)
