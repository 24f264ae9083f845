"""All that a report says of a trained pipeline: what it finds in annotated corpora, and how good
that is."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language

from ..corpus.splits import split_name
from ..loading import load_pipeline
from .predictions import Predictions, doc_spans, predict_corpus, read_docs
from .progress import FILE_NAME, Checkpoint, read_progress
from .quality import Quality, measure_quality
from .slices import Surfaces, collect_surfaces

TRAIN = "train"


class Analysis(NamedTuple):
    """What a pipeline finds in some corpora.

    splits (list[tuple[Quality, Predictions]]): The quality of each corpus and its tweets.
    surfaces (Optional[Surfaces]): The entities of the training data, if these are known.
    checkpoints (list[Checkpoint]): The progress of the training, if it lies beside the pipeline.
    """

    splits: list[tuple[Quality, Predictions]]
    surfaces: Surfaces | None
    checkpoints: list[Checkpoint]


def analyse(
    model: str,
    corpora: Sequence[Path],
    *,
    train: Path | None = None,
    against: Mapping[str, str] | None = None,
    on_corpus: Callable[[str, int], None] = lambda name, size: None,
) -> Analysis:
    """Run a pipeline, and others to compare it with, on annotated corpora.

    model (str): The pipeline: its folder or package.
    corpora (Sequence[Path]): The corpora (.spacy or token/tag files), named after their files.
    train (Optional[Path]): The training data, to tell seen entities from unseen ones; without it
        the corpus that is named "train", if there is one.
    against (Optional[Mapping[str, str]]): Other pipelines by name.
    on_corpus (Callable[[str, int], None]): Called with the name and size of each corpus before the
        pipelines run on it.
    RETURNS (Analysis): What they find.
    RAISES (ValueError): If two corpora have one name, or one of them cannot be read or has no
        annotated tweets.
    RAISES (OSError): If a pipeline or a corpus does not exist.
    """
    names = [split_name(path) for path in corpora]
    if len(set(names)) < len(names):
        raise ValueError(f"two corpora of one name: {', '.join(map(str, corpora))}")
    nlp = load_pipeline(model)
    others = {name: load_pipeline(path) for name, path in (against or {}).items()}
    train = train or next((path for path in corpora if path.stem == TRAIN), None)
    surfaces = None if train is None else _read_surfaces(train, nlp)
    splits = []
    for path, name in zip(corpora, names, strict=True):
        docs = read_docs(path, nlp.vocab)
        on_corpus(name, len(docs))
        predictions = predict_corpus(nlp, docs, name)
        if not predictions.tweets:
            raise ValueError(f"no tweets with gold annotation of entities in {path}")
        quality = measure_quality(
            predictions,
            # In the training data there is nothing unseen.
            surfaces=None if path == train else surfaces,
            others={
                other: predict_corpus(pipeline, docs, name, with_probabilities=False)
                for other, pipeline in others.items()
            },
        )
        splits.append((quality, predictions))
    progress = Path(model).parent / FILE_NAME
    return Analysis(splits, surfaces, read_progress(progress) if progress.is_file() else [])


def is_pipeline(path: Path) -> bool:
    """RETURNS (bool): Whether a folder holds a pipeline."""
    return (path / "config.cfg").is_file() and (path / "meta.json").is_file()


def pipeline_name(path: Path) -> str:
    """RETURNS (str): What to call a pipeline: its folder, or the one above model-best."""
    path = path.resolve()
    return path.parent.name if path.name in ("model-best", "model-last") else path.name


def _read_surfaces(path: Path, nlp: Language) -> Surfaces:
    docs = read_docs(path, nlp.vocab)
    return collect_surfaces(([token.text for token in doc], doc_spans(doc)) for doc in docs)
