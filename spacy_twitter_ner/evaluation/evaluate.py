"""Run a trained pipeline on annotated corpora and compute all metrics of a report."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc

from ..corpus.splits import split_name
from ..loading import load_pipeline
from .metrics import Metrics, Surfaces, collect_surfaces, compute_metrics
from .predictions import Predictions, doc_spans, predict_corpus, read_docs
from .progress import FILE_NAME, Checkpoint, read_progress

TRAIN = "train"


class Evaluation(NamedTuple):
    """The results of a pipeline on some corpora.

    splits (list[tuple[Metrics, Predictions]]): The metrics and predictions of each corpus.
    surfaces (Optional[Surfaces]): The entities of the training data, if available.
    checkpoints (list[Checkpoint]): The training progress, if the file is next to the pipeline.
    """

    splits: list[tuple[Metrics, Predictions]]
    surfaces: Surfaces | None
    checkpoints: list[Checkpoint]


def evaluate(
    model: str,
    corpora: Sequence[Path],
    *,
    train: Path | None = None,
    against: Mapping[str, str] | None = None,
    on_corpus: Callable[[str, int], None] = lambda name, size: None,
) -> Evaluation:
    """Run a pipeline, and others to compare it with, on annotated corpora.

    model (str): Folder or package of the pipeline.
    corpora (Sequence[Path]): The corpora (.spacy or token/tag files). Splits are named after them.
    train (Optional[Path]): The training data, to distinguish seen from unseen entities. Defaults
        to the corpus named "train".
    against (Optional[Mapping[str, str]]): Other pipelines by name.
    on_corpus (Callable[[str, int], None]): Called with the name and size of each corpus before the
        pipelines run on it.
    RETURNS (Evaluation): The results.
    RAISES (ValueError): If two corpora have the same name, or a corpus cannot be read or has no
        annotated tweets.
    RAISES (OSError): If a pipeline or a corpus does not exist.
    """
    names = [split_name(path) for path in corpora]
    if len(set(names)) < len(names):
        raise ValueError(f"two corpora have the same name: {', '.join(map(str, corpora))}")
    nlp = load_pipeline(model)
    others = {name: load_pipeline(path) for name, path in (against or {}).items()}
    train = train or next((path for path in corpora if path.stem == TRAIN), None)
    surfaces = None if train is None else _read_surfaces(train, nlp)
    splits = []
    for path, name in zip(corpora, names, strict=True):
        docs = read_docs(path, nlp.vocab)
        on_corpus(name, len(docs))
        # All entities of the training data are seen.
        known_surfaces = None if path == train else surfaces
        splits.append(_evaluate_docs(nlp, others, docs, name, known_surfaces))
        if not splits[-1][0].tweets:
            raise ValueError(f"no tweets with gold entity annotation in {path}")
    progress = Path(model).parent / FILE_NAME
    return Evaluation(splits, surfaces, read_progress(progress) if progress.is_file() else [])


def _evaluate_docs(
    nlp: Language,
    others: Mapping[str, Language],
    docs: Sequence[Doc],
    name: str,
    surfaces: Surfaces | None,
) -> tuple[Metrics, Predictions]:
    predictions = predict_corpus(nlp, docs, name)
    other_predictions = {
        other: predict_corpus(pipeline, docs, name, with_probabilities=False)
        for other, pipeline in others.items()
    }
    return compute_metrics(predictions, surfaces=surfaces, others=other_predictions), predictions


def is_pipeline(path: Path) -> bool:
    """RETURNS (bool): Whether a folder contains a pipeline."""
    return (path / "config.cfg").is_file() and (path / "meta.json").is_file()


def pipeline_name(path: Path) -> str:
    """RETURNS (str): The name of a pipeline's folder, or of its parent for model-best."""
    path = path.resolve()
    return path.parent.name if path.name in ("model-best", "model-last") else path.name


def _read_surfaces(path: Path, nlp: Language) -> Surfaces:
    docs = read_docs(path, nlp.vocab)
    return collect_surfaces(([token.text for token in doc], doc_spans(doc)) for doc in docs)
