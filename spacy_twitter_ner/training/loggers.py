"""Log the scores on training and validation data at each evaluation, by entity type."""

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import load_model_from_path, registry, resolve_dot_names
from wasabi import Printer

from ..evaluation.progress import (
    FILE_NAME,
    Checkpoint,
    checkpoint_to_json,
    read_progress,
    scores_to_progress,
)
from ..util import MissingExtraError

LogStep = Callable[[dict[str, Any] | None], None]
PICTURES = ("curves.png", "curves.svg")


def progress_logger(
    progress_bar: str | None = "eval",
    console_output: bool = True,
    output_dir: Path | None = None,
    train_sample: int = 1000,
) -> Callable[..., tuple[LogStep, Callable[[], None]]]:
    """Create a logger: "spacy-twitter-ner.ProgressLogger.v1".

    In addition to the output of spaCy's console logger, each evaluation adds a line to
    progress.jsonl with the scores on the validation data and on a sample of the training data (see
    evaluation/progress.py). At the end of training, the learning curves are drawn to curves.png and
    curves.svg if the extra `viz` is installed. Existing files are replaced. The random state is
    restored, so the logger doesn't change the trained model.

    progress_bar (Optional[str]): Show a progress bar for the whole training ("train") or until the
        next evaluation ("eval"). None disables it.
    console_output (bool): Whether to print spaCy's table.
    output_dir (Optional[Path]): The output folder. Defaults to that of `spacy train`, next to
        model-best. Without either, nothing is written.
    train_sample (int): Number of tweets in the sample of the training data. 0 disables it. The
        pipeline that was just saved is scored, since only that one has averaged weights. Without
        an output folder, the pipeline in training is scored.
    RETURNS (Callable): The logger's setup function.
    """
    make_console = registry.get("loggers", "spacy.ConsoleLogger.v3")
    set_up_console = make_console(progress_bar=progress_bar, console_output=console_output)

    def set_up_logger(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> tuple[LogStep, Callable[[], None]]:
        log_console_step, finish_console = set_up_console(nlp, stdout, stderr)
        log = _ProgressLog(nlp, output_dir, train_sample, stdout)

        def log_step(info: dict[str, Any] | None) -> None:
            if info is not None:
                log.add(info)
            log_console_step(info)

        def finish() -> None:
            finish_console()
            log.finish()

        return log_step, finish

    return set_up_logger


class _ProgressLog:
    """The progress file and curves of one training run."""

    def __init__(
        self, nlp: Language, output_dir: Path | None, train_sample: int, stdout: IO
    ) -> None:
        self.nlp = nlp
        self.output_dir = Path(output_dir) if output_dir is not None else None
        self.stdout = stdout
        self.start = time.perf_counter()
        self.file: IO | None = None
        with _restore_random_state():
            self.train_sample = TrainSample(nlp, train_sample) if train_sample else None

    def add(self, info: dict[str, Any]) -> None:
        """Score the sample of the training data and write a line.

        info (dict[str, Any]): spaCy's log data for the evaluation.
        """
        saved = info.get("output_path")
        if self.file is None:
            self.file = self._open(saved)
        if self.file is None:
            return
        splits = {"validation": scores_to_progress(info["other_scores"])}
        if self.train_sample is not None:
            with _restore_random_state():
                nlp = self.nlp if saved is None else load_model_from_path(Path(saved))
                splits["train"] = scores_to_progress(self.train_sample.score(nlp))
        checkpoint = Checkpoint(
            info["step"],
            info["epoch"],
            round(time.perf_counter() - self.start, 3),
            float(info["score"]),
            {name: float(loss) for name, loss in info["losses"].items()},
            splits,
        )
        self.file.write(f"{checkpoint_to_json(checkpoint)}\n")
        self.file.flush()

    def _open(self, saved: str | None) -> IO | None:
        if self.output_dir is None and saved is not None:
            self.output_dir = Path(saved).parent
        if self.output_dir is None:
            return None
        self.output_dir.mkdir(parents=True, exist_ok=True)
        for name in PICTURES:
            (self.output_dir / name).unlink(missing_ok=True)
        return (self.output_dir / FILE_NAME).open("w", encoding="utf8", newline="\n")

    def finish(self) -> None:
        """Close the file and draw the curves."""
        printer = Printer(no_print=True)
        if self.file is None or self.output_dir is None:
            note = "No progress was saved: set --output of `spacy train` or the logger's output_dir"
            print(printer.warn(note), file=self.stdout)
            return
        self.file.close()
        # spaCy saves the last model after this, so errors must not be raised.
        try:
            # Imported here because it's only needed at the end of training.
            from ..viz.plots import draw_curves

            paths = [self.output_dir / name for name in PICTURES]
            draw_curves(read_progress(self.output_dir / FILE_NAME), paths, title=_title(self.nlp))
            print(printer.info(f"Learning curves: {paths[0]}"), file=self.stdout)
        except MissingExtraError as error:
            print(printer.info(f"No curves were drawn: {error}"), file=self.stdout)
        except Exception as error:
            print(printer.warn(f"No curves were drawn: {error}"), file=self.stdout)


class TrainSample:
    """A sample of the training data to score pipelines on.

    nlp (Language): The pipeline in training. Its config defines the training data.
    size (int): Maximum number of tweets. The first ones are used if the data is streamed.
    """

    def __init__(self, nlp: Language, size: int) -> None:
        config = nlp.config.interpolate()
        (read,) = resolve_dot_names(config, [config["training"]["train_corpus"]])
        is_stream = config["training"]["max_epochs"] == -1
        examples = list(islice(read(nlp), size)) if is_stream else draw_sample(read(nlp), size)
        # Stored without a vocab, since each pipeline has its own.
        self._predicted = DocBin(docs=[eg.predicted for eg in examples])
        self._references = DocBin(docs=[eg.reference for eg in examples])

    def score(self, nlp: Language) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The scores of nlp.evaluate."""
        docs = zip(
            self._predicted.get_docs(nlp.vocab), self._references.get_docs(nlp.vocab), strict=True
        )
        return nlp.evaluate(Example(predicted, reference) for predicted, reference in docs)


def draw_sample(examples: Iterable[Example], size: int) -> list[Example]:
    """Draw a random sample in one pass (reservoir sampling, Vitter 1985)."""
    generator = random.Random(0)  # noqa: S311 (not cryptographic)
    drawn: list[Example] = []
    for index, example in enumerate(examples):
        if index < size:
            drawn.append(example)
        elif (row := generator.randrange(index + 1)) < size:
            drawn[row] = example
    return drawn


@contextmanager
def _restore_random_state() -> Iterator[None]:
    """Restore the random state of Python and NumPy."""
    python_state, numpy_state = random.getstate(), numpy.random.get_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        numpy.random.set_state(numpy_state)


def _title(nlp: Language) -> str:
    name = nlp.meta.get("name")
    return f"Training of {name}" if name and name != "pipeline" else "Training"
