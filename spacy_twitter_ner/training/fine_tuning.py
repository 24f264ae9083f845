"""Start a training from the weights of a trained pipeline, for the same or other entity types."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.training.callbacks import create_copy_from_base_model
from spacy.util import logger

from ..corpus.reader import read_examples
from ..util import FACTORY


def create_fine_tuner(
    pipeline: str, path: Path | None, labels: Mapping[str, str] | None = None
) -> Callable[[Language], Language]:
    """Create a callback for [initialize.before_init] that prepares sourced components for a corpus:
    "spacy-twitter-ner.fine_tune.v1".

    The pipeline's clusters and vectors are copied, and the entity types are replaced by those of
    the corpus. A type of the same name keeps its weights. Others are learned from scratch, unless
    `labels` names a type to start from.

    pipeline (str): The pipeline that the components are sourced from: a folder or package.
    path (Optional[Path]): The training data: a .spacy file, a folder of them, or a token/tag file.
        It may be None in the config of a saved pipeline, which then can't be used for training.
    labels (Optional[Mapping[str, str]]): For types of the corpus, the pipeline's type to start
        from.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (ValueError): If the path is None.
    """
    if path is None:
        raise ValueError(
            "[initialize.before_init] spacy-twitter-ner.fine_tune.v1 has no path. Set it to the "
            "training data, e.g. with --paths.train train.spacy"
        )

    def prepare_fine_tuning(nlp: Language) -> Language:
        create_copy_from_base_model(vocab=pipeline)(nlp)
        types = sorted({e.label_ for eg in read_examples(path, nlp) for e in eg.reference.ents})
        # spaCy disables sourced components while it initializes others.
        for name in nlp.component_names:
            if nlp.get_pipe_meta(name).factory == FACTORY:
                component: Any = nlp.get_pipe(name)
                if not component.labels:
                    raise ValueError(
                        f"component {name!r} can't be fine-tuned: it isn't trained. Set "
                        f'[components.{name}] source = "{pipeline}" instead of its settings'
                    )
                starts = _match_labels(types, component.labels, labels or {})
                component.replace_labels(starts)
                logger.info("Fine-tuning %s: types and where they start from: %s", name, starts)
        return nlp

    return prepare_fine_tuning


def _match_labels(
    types: Sequence[str], known: Sequence[str], labels: Mapping[str, str]
) -> dict[str, str | None]:
    """RETURNS (dict[str, Optional[str]]): The known type each type starts from, if any."""
    setting = "[initialize.before_init.labels]"
    if not types:
        raise ValueError("the training data has no entities to fine-tune on")
    for kind, names, allowed in (
        ("the training data", labels, types),
        ("the pipeline", labels.values(), known),
    ):
        unknown = sorted(set(names).difference(allowed))
        if unknown:
            raise ValueError(
                f"{setting}: {kind} has no entity type {', '.join(unknown)}. Its types are: "
                f"{', '.join(allowed)}"
            )
    own = {label: label for label in known}
    return {label: labels.get(label, own.get(label)) for label in types}
