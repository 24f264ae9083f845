"""A trained pipeline on the CPU and on a GPU: does it find the same, and how fast is each?

    python benchmarks/gpu.py training/hse/bilstm_crf/model-best --corpus hse

needs CuPy (extra cuda12x), a GPU and corpus/<corpus>/{train,test}.spacy. Compares entities and
posteriors of the test split, then times prediction on both splits, `--repeats` times, and training
steps of 32 tweets. The exit code is 1 if an entity differs or a posterior by more than 1e-4.
"""

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.util import minibatch
from wasabi import msg

ROOT = Path(__file__).parents[1]
COMPONENT = "twitter_bilstm_ner"
TOLERANCE = 1e-4
# Large batches are what a GPU is for; they do not slow the CPU down either.
BATCH_SIZES = (1_000, 8_000)
TRAINING_BATCH = 32

Entities = list[list[tuple[int, int, str]]]


class Outcome(NamedTuple):
    """What a device did: entities and posteriors of the test split, words a second by task."""

    entities: Entities
    posteriors: numpy.ndarray
    speeds: dict[str, float]


def measure(model: Path, paths: Sequence[Path], repeats: int, steps: int) -> Outcome:
    """Predict and train on the device that is set.

    model (Path): The pipeline.
    paths (Sequence[Path]): DocBins of the train and the test split.
    repeats (int): How often prediction is timed, after a round that does not count.
    steps (int): How many training steps are timed, after a tenth as many that do not count.
    RETURNS (Outcome): What came of it.
    """
    nlp = spacy.load(model)
    train, test = ([example.reference for example in Corpus(path)(nlp)] for path in paths)
    ner = nlp.get_pipe(COMPONENT)
    entities = [
        [(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in nlp.pipe(blank(nlp, test))
    ]
    posteriors = [ner.model.ops.to_numpy(rows) for rows in ner.predict_proba(blank(nlp, test))]
    speeds = {}
    for size in BATCH_SIZES:
        rounds = [time_pipe(nlp, [*train, *test], size) for _ in range(repeats + 1)]
        speeds[f"prediction, batches of {size:,}"] = statistics.median(rounds[1:])
    speeds[f"training, batches of {TRAINING_BATCH}"] = time_training(nlp, train, steps)
    return Outcome(entities, numpy.concatenate(posteriors), speeds)


def blank(nlp: Language, docs: Sequence[Doc]) -> list[Doc]:
    """RETURNS (list[Doc]): The same words, without annotation."""
    return [Doc(nlp.vocab, words=[token.text for token in doc]) for doc in docs]


def time_pipe(nlp: Language, docs: Sequence[Doc], batch_size: int) -> float:
    """RETURNS (float): Words a second of `nlp.pipe`."""
    fresh = blank(nlp, docs)
    start = time.perf_counter()
    for _ in nlp.pipe(fresh, batch_size=batch_size):
        pass
    return sum(map(len, fresh)) / (time.perf_counter() - start)


def time_training(nlp: Language, docs: Sequence[Doc], steps: int) -> float:
    """RETURNS (float): Words a second of `nlp.update`."""
    examples = [Example(plain, doc) for plain, doc in zip(blank(nlp, docs), docs, strict=True)]
    optimizer = nlp.resume_training()
    batches = list(minibatch(examples, TRAINING_BATCH))[: steps + steps // 10]
    n_words, start = 0, time.perf_counter()
    for index, batch in enumerate(batches):
        if index == steps // 10:
            n_words, start = 0, time.perf_counter()
        nlp.update(batch, sgd=optimizer, drop=0.1)
        n_words += sum(len(example.predicted) for example in batch)
    return n_words / (time.perf_counter() - start)


def gpu_cli(
    model: Annotated[Path, typer.Argument(help="A trained pipeline")],
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "hse",
    repeats: Annotated[int, typer.Option(min=1, help="How often prediction is timed")] = 3,
    steps: Annotated[int, typer.Option(min=10, help="How many training steps are timed")] = 100,
) -> None:
    """Compare a GPU with the CPU."""
    paths = [ROOT / "corpus" / corpus / f"{split}.spacy" for split in ("train", "test")]
    if missing := [str(path) for path in [model, *paths] if not path.exists()]:
        msg.fail(f"not found: {', '.join(missing)}", exits=1)
    on_cpu = measure(model, paths, repeats, steps)
    if not spacy.prefer_gpu():
        msg.fail("no GPU: is CuPy installed (extra cuda12x), and is there one?", exits=1)
    import cupy

    on_gpu = measure(model, paths, repeats, steps)
    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    print(f"{name}, CuPy {cupy.__version__}; CPU with BLAS threads: {threads}\n")
    print("| words/s | CPU | GPU | GPU / CPU |\n|---|---:|---:|---:|")
    for task, speed in on_cpu.speeds.items():
        other = on_gpu.speeds[task]
        print(f"| {task} | {speed:,.0f} | {other:,.0f} | {other / speed:.2f} |")
    differing = sum(a != b for a, b in zip(on_cpu.entities, on_gpu.entities, strict=True))
    difference = float(numpy.abs(on_cpu.posteriors - on_gpu.posteriors).max())
    found = sum(map(len, on_cpu.entities))
    print(
        f"\n{found:,} entities in {len(on_cpu.entities):,} tweets; tweets with other entities on "
        f"the GPU: {differing}; largest difference of a posterior: {difference:.1e}"
    )
    raise typer.Exit(1 if differing or difference > TOLERANCE else 0)


if __name__ == "__main__":
    typer.run(gpu_cli)
