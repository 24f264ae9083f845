"""How a contestant is trained, and what it predicts then."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import spacy
from spacy.training import Corpus
from spacy.util import import_file
from thinc.api import Config

from . import project
from .corpus import Gold, Span, corpus_path, doc_spans
from .project import BenchmarkError
from .results import Run


class Trained(NamedTuple):
    """A trained contestant.

    predict (Callable): Split → the spans of each tweet.
    seconds (float): Processor seconds of the training, which other work on the machine changes
        little; those of all its threads.
    n_bytes (int | None): Size of the model on disk, if it has one.
    notes (dict[str, Any]): What else is worth keeping.
    """

    predict: Callable[[str], list[list[Span]]]
    seconds: float
    n_bytes: int | None
    notes: dict[str, Any]


def train(run: Run, gold: Gold, threads: int) -> Trained:
    """Train a contestant.

    run (Run): The run.
    gold (Gold): Its corpus.
    threads (int): BLAS threads of the training process.
    RETURNS (Trained): What was trained.
    RAISES (BenchmarkError): If it fails; the message has the end of the log.
    """
    if not run.contestant.is_script:
        return train_spacy(run, threads)
    module = import_file(run.contestant.name, project.ROOT / run.contestant.source)
    start = time.thread_time()
    if run.contestant.name == "gazetteer":
        gazetteer = module.Gazetteer(gold.docs["train"])
        seconds = time.thread_time() - start
        return Trained(_annotator(gazetteer, gold), seconds, None, {})
    try:
        tagger, choices = module.train(gold.docs["train"], gold.docs["validation"])
    except ImportError as error:
        raise BenchmarkError(str(error)) from error
    module.print_choices(choices)
    notes = {"choices": [choice._asdict() for choice in choices]}
    return Trained(_annotator(tagger, gold), choices[0].seconds, tagger.n_bytes, notes)


def _annotator(tagger: Any, gold: Gold) -> Callable[[str], list[list[Span]]]:
    return lambda split: [doc_spans(tagger.annotate(doc)) for doc in gold.docs[split]]


def train_spacy(run: Run, threads: int) -> Trained:
    """Train a pipeline with `spacy train`, in a process of its own; its output is kept in
    train.log beside the models."""
    output = project.ROOT / "training" / run.corpus / "accuracy" / run.name
    # What an earlier run left must not pass for this one's.
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    write_config(run, output / "config.cfg")
    limits = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    log = output / "train.log"
    with log.open("w", encoding="utf8") as file:
        returncode, seconds = run_timed(train_command(run, output), {**os.environ, **limits}, file)
    if returncode:
        lines = log.read_text(encoding="utf8").splitlines()
        raise BenchmarkError(f"{run.name} failed, see {log}:\n" + "\n".join(lines[-15:]))
    model = output / "model-best"
    n_bytes = sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
    return Trained(lambda split: predict_spacy(model, run.corpus, split), seconds, n_bytes, {})


def run_timed(command: list[str], env: dict[str, str], log: TextIO) -> tuple[int, float]:
    """Run a command in the project's folder.

    command (list[str]): The command, no shell's.
    env (dict[str, str]): Its environment.
    log (TextIO): A file for all it prints.
    RETURNS (tuple[int, float]): Its exit code, and the processor seconds it took.
    """
    process = subprocess.Popen(  # noqa: S603 (our own command, no shell)
        command, cwd=project.ROOT, env=env, stdout=log, stderr=subprocess.STDOUT
    )
    # Of this process alone, where getrusage sums up all that have ended.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def write_config(run: Run, path: Path) -> None:
    """Write a run's config: that of its contestant without the sections it leaves out.

    RAISES (BenchmarkError): If the config cannot be read or has no such section.
    """
    source = run.contestant.source
    try:
        config = Config().from_disk(project.ROOT / source, interpolate=False)
    except ValueError as error:
        raise BenchmarkError(f"{run.name}: {source}: {error}") from error
    for name in run.contestant.without:
        *parents, last = name.split(".")
        section = config
        try:
            for parent in parents:
                section = section[parent]
            del section[last]
        except KeyError as error:
            raise BenchmarkError(f"{run.name}: {source} has no section [{name}]") from error
    config.to_disk(path, interpolate=False)


def train_command(run: Run, output: Path) -> list[str]:
    """RETURNS (list[str]): The command that trains a run's pipeline."""
    settings = {
        "paths.train": str(corpus_path(run.corpus, "train")),
        "paths.dev": str(corpus_path(run.corpus, "validation")),
        "system.seed": run.seed,
        **run.overrides,
    }
    command = [sys.executable, "-m", "spacy", "train", str(output / "config.cfg")]
    command += ["--output", str(output)]
    for name, value in settings.items():
        command += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
    return command


def predict_spacy(model: Path, corpus: str, split: str) -> list[list[Span]]:
    """RETURNS (list[list[tuple[int, int, str]]]): The spans of each tweet, predicted as
    `spacy evaluate` does."""
    nlp = spacy.load(model)
    examples = Corpus(corpus_path(corpus, split))(nlp)
    return [doc_spans(doc) for doc in nlp.pipe(example.predicted for example in examples)]
