"""Texts → records: the one plain function behind all ways to annotate."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, TypedDict

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import get_model_meta, is_package

from ..loading import load_pipeline
from ..pipeline.bilstm_ner import TwitterBiLSTMNER
from ..pipeline.scores import find_score

# Where confidences are written if the pipeline says nowhere.
SPANS_KEY = "twitter_ner_confidence"
# A tenth of a thousandth is more than calibration can promise, and no rounding error shows.
CONFIDENCE_DIGITS = 4
_BLOCK = 2**20


class ModelChangedError(ValueError):
    """The files of a pipeline are not those that the run started with."""


class Entity(TypedDict):
    """An entity of a text.

    start (int): Where it begins, in characters (Unicode code points) of the text.
    end (int): Where it ends, exclusive.
    type (str): Its type.
    text (str): Its text.
    confidence (Optional[float]): Its probability, 0..1; None if the pipeline knows none.
    """

    start: int
    end: int
    type: str
    text: str
    confidence: float | None


class Record(TypedDict):
    """An annotated text.

    text (str): The text.
    entities (list[Entity]): From left to right.
    model (str): Name of the pipeline.
    version (str): Its version.
    """

    text: str
    entities: list[Entity]
    model: str
    version: str


class Annotator(NamedTuple):
    """A pipeline, and where it tells how sure it is.

    nlp (Language): The pipeline.
    keys (tuple[str, ...]): Keys of doc.spans with entities and scores.
    model (str): The pipeline's name.
    version (str): Its version.
    """

    nlp: Language
    keys: tuple[str, ...]
    model: str
    version: str


@lru_cache(maxsize=1)
def load_annotator(model: str, expected_hash: str | None = None) -> Annotator:
    """Load a pipeline once per process, with confidences turned on.

    model (str): Its folder or package.
    expected_hash (Optional[str]): Hash of its files when the run started, from `describe_model`.
    RETURNS (Annotator): The pipeline.
    RAISES (OSError): If there is no such pipeline.
    RAISES (ModelChangedError): If its files have another hash by now.
    """
    annotator = make_annotator(load_pipeline(model))
    # Hashed after loading, so that a change while the files are being read is found as well.
    if expected_hash is not None and describe_model(model)["hash"] != expected_hash:
        raise ModelChangedError(
            f"{model}: the pipeline's files changed during the run. The run stopped; shards that "
            "are finished were annotated by the pipeline it started with. Restore that pipeline "
            "and run the same command again, or start over with another output"
        )
    return annotator


def describe_model(model: str) -> dict[str, str]:
    """Identify a pipeline by its files.

    model (str): Its folder or package.
    RETURNS (dict[str, str]): Name, version, and a hash of all its files.
    RAISES (OSError): If there is no such pipeline.
    """
    path = _model_path(model)
    meta = get_model_meta(path)
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            hash_file(digest, file)
    name = f"{meta['lang']}_{meta['name']}"
    return {"name": name, "version": meta["version"], "hash": digest.hexdigest()}


def _model_path(model: str) -> Path:
    if is_package(model):
        folder = Path(str(import_module(model).__file__)).parent
        meta = get_model_meta(folder)
        return folder / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    if not Path(model).exists():
        raise OSError(f"{model}: neither a folder nor an installed package of a pipeline")
    return Path(model)


def hash_file(digest: "hashlib.blake2b", path: Path) -> None:
    """Add the contents of a file to a hash, without reading it into memory at once."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)


def make_annotator(nlp: Language) -> Annotator:
    """RETURNS (Annotator): A pipeline whose components tell how sure they are; those that have not
    been told where to, under `SPANS_KEY`."""
    keys = []
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, TwitterBiLSTMNER):
            if pipe.spans_key is None:
                pipe.spans_key = SPANS_KEY
            keys.append(pipe.spans_key)
    # spaCy puts it together anew whenever it is asked for.
    meta = nlp.meta
    model = f"{meta['lang']}_{meta['name']}"
    return Annotator(nlp, tuple(dict.fromkeys(keys)), model, meta["version"])


def annotate_batch(texts: Sequence[str], model: str | Language) -> list[Record]:
    """Find the entities of texts.

    texts (Sequence[str]): The texts.
    model (Union[str, Language]): A trained pipeline: its folder or package, which is loaded but
        once, or itself; then its components are told to raise errors and, if they do not yet, to
        write their confidence to doc.spans[`SPANS_KEY`].
    RETURNS (list[Record]): A record for each text, in the same order.
    RAISES (OSError): If there is no such pipeline.
    """
    annotator = load_annotator(model) if isinstance(model, str) else make_annotator(model)
    # What spaCy remembers of the words is forgotten at the end of the zone.
    with annotator.nlp.memory_zone():
        docs = annotate_texts(texts, annotator, _raise)
        records = [make_record(doc, annotator) for doc in docs if doc is not None]
        del docs
    return records


OnError = Callable[[int, Exception], None]


def annotate_texts(
    texts: Sequence[str], annotator: Annotator, on_error: OnError
) -> list[Doc | None]:
    """Annotate texts. One that fails costs no other its entities.

    texts (Sequence[str]): The texts.
    annotator (Annotator): The pipeline.
    on_error (Callable[[int, Exception], None]): Called with the index of a text that fails.
    RETURNS (list[Optional[Doc]]): A doc for each text; None for those that failed.
    """
    nlp = annotator.nlp

    def on_pipe_error(name: str, pipe: object, failed: list[Doc], error: Exception) -> None:
        for doc in failed:
            on_error(doc._context, error)

    nlp.set_error_handler(on_pipe_error)  # type: ignore[arg-type]
    docs: list[Doc | None] = [None] * len(texts)
    for doc, index in nlp.pipe(_make_docs(texts, nlp, on_error), as_tuples=True):
        docs[index] = doc
    return docs


def _make_docs(texts: Sequence[str], nlp: Language, on_error: OnError) -> Iterator[tuple[Doc, int]]:
    for index, text in enumerate(texts):
        try:
            yield nlp.make_doc(text), index
        except Exception as error:
            on_error(index, error)


def _raise(index: int, error: Exception) -> None:
    raise error


def make_record(doc: Doc, annotator: Annotator) -> Record:
    """RETURNS (Record): What a doc's record says."""
    entities: list[Entity] = [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "type": ent.label_,
            "text": ent.text,
            "confidence": _find_confidence(ent, annotator.keys),
        }
        for ent in doc.ents
    ]
    return {
        "text": doc.text,
        "entities": entities,
        "model": annotator.model,
        "version": annotator.version,
    }


def _find_confidence(entity: Span, keys: Sequence[str]) -> float | None:
    scores = (find_score(entity, key) for key in reversed(keys))
    score = next((score for score in scores if score is not None), None)
    return None if score is None else round(score, CONFIDENCE_DIGITS)
