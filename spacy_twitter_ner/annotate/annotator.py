"""Annotate texts with a pipeline. The command, the engines, Spark and the service all use this."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import get_model_meta, is_package

from ..loading import load_pipeline
from ..pipeline.distribution import get_confidence, request_scores
from ..util import find_ners

# Rounding errors that depend on the batch size don't show.
CONFIDENCE_DIGITS = 4
_BLOCK = 2**20


class ModelChangedError(ValueError):
    """Raised if a pipeline's files changed since the run started."""


class EntitySpan(TypedDict):
    """The span and type of an entity.

    start (int): Start offset, in characters (Unicode code points).
    end (int): End offset, exclusive.
    type (str): Entity type.
    text (str): Text of the entity.
    """

    start: int
    end: int
    type: str
    text: str


class Entity(EntitySpan):
    """A predicted entity.

    confidence (Optional[float]): Probability, 0..1, or None if the pipeline doesn't predict it.
    """

    confidence: float | None


class Record(TypedDict):
    """An annotated text.

    text (str): The text.
    entities (list[Entity]): Its entities, in order.
    model (str): Name of the pipeline.
    version (str): Version of the pipeline.
    """

    text: str
    entities: list[Entity]
    model: str
    version: str


class Annotator:
    """Annotate texts with a pipeline.

    nlp (Language): The pipeline.
    """

    def __init__(self, nlp: Language):
        self.nlp = nlp
        self.components = find_ners(nlp)
        meta = nlp.meta
        self.name = f"{meta['lang']}_{meta['name']}"
        self.version = meta["version"]

    def annotate(self, texts: Sequence[str]) -> list[Doc | Exception]:
        """Annotate texts. A text that fails doesn't affect the others.

        texts (Sequence[str]): The texts.
        RETURNS (list[Union[Doc, Exception]]): One doc per text, or the error it raised.
        """
        results = list(map(self._make_doc, texts))
        inputs = [(doc, i) for i, doc in enumerate(results) if isinstance(doc, Doc)]
        errors: dict[Doc, Exception] = {}

        def on_error(name: str, pipe: Any, docs: list[Doc], error: Exception) -> Any:
            errors.update(dict.fromkeys(docs, error))

        scores = request_scores(self.nlp)
        on_error_before = self.nlp.default_error_handler
        self.nlp.set_error_handler(on_error)
        try:
            pairs = self.nlp.pipe(inputs, as_tuples=True, component_cfg=scores)
            annotated = {i: doc for doc, i in pairs}
        finally:
            self.nlp.set_error_handler(on_error_before)
        for doc, i in inputs:
            missing = errors.get(doc) or RuntimeError("the pipeline returned no doc")
            results[i] = annotated.get(i, missing)
        return results

    def get_entities(self, doc: Doc, threshold: float = 0.0) -> list[Entity]:
        """Get the entities of an annotated doc.

        doc (Doc): A doc from annotate.
        threshold (float): Minimum confidence. Entities without confidence are always included.
        RETURNS (list[Entity]): The entities, in order.
        """
        entities: list[Entity] = []
        for ent in doc.ents:
            confidence = get_confidence(ent, self.components)
            if confidence is not None:
                confidence = round(confidence, CONFIDENCE_DIGITS)
                if confidence < threshold:
                    continue
            entities.append({**describe_span(ent), "confidence": confidence})
        return entities

    def get_record(self, doc: Doc) -> Record:
        """Return the record of an annotated doc."""
        return {
            "text": doc.text,
            "entities": self.get_entities(doc),
            "model": self.name,
            "version": self.version,
        }

    def _make_doc(self, text: str) -> Doc | Exception:
        try:
            return self.nlp.make_doc(text)
        except Exception as error:
            return error


def describe_span(span: Span) -> EntitySpan:
    """Describe an entity, without its confidence.

    span (Span): The entity.
    RETURNS (EntitySpan): Offsets, type and text, ready for JSON.
    """
    return {
        "start": span.start_char,
        "end": span.end_char,
        "type": span.label_,
        "text": span.text,
    }


def annotate_batch(texts: Sequence[str], model: str | Language) -> list[Record]:
    """Annotate texts.

    texts (Sequence[str]): The texts.
    model (Union[str, Language]): A trained pipeline, or the folder or package to load it from.
        It is loaded once per process.
    RETURNS (list[Record]): One record per text.
    RAISES (OSError): If there is no such pipeline.
    RAISES (Exception): The first error of a text.
    """
    annotator = load_annotator(model) if isinstance(model, str) else Annotator(model)
    # The zone frees the strings and lexemes of new words. Docs must not outlive it.
    with annotator.nlp.memory_zone():
        records = []
        for doc in annotator.annotate(texts):
            if isinstance(doc, Exception):
                raise doc
            records.append(annotator.get_record(doc))
    return records


@lru_cache(maxsize=1)
def load_annotator(model: str, expected_hash: str | None = None) -> Annotator:
    """Load a pipeline once per process.

    model (str): Its folder or package.
    expected_hash (Optional[str]): Hash of its files when the run started, from `describe_model`.
    RETURNS (Annotator): The annotator.
    RAISES (OSError): If there is no such pipeline.
    RAISES (ModelChangedError): If the hash of its files differs.
    """
    annotator = Annotator(load_pipeline(model))
    # Hash the files after loading to detect changes made in the meantime.
    if expected_hash is not None and describe_model(model)["hash"] != expected_hash:
        raise ModelChangedError(
            f"{model}: the pipeline's files changed during the run, so the run stopped. Finished "
            "shards were annotated by the original pipeline. Restore it and run the same command "
            "again, or start over with another output"
        )
    return annotator


def describe_model(model: str) -> dict[str, str]:
    """Identify a pipeline by its files.

    model (str): Its folder or package.
    RETURNS (dict[str, str]): Name, version and a hash of all files.
    RAISES (OSError): If there is no such pipeline.
    """
    path = _get_model_path(model)
    meta = get_model_meta(path)
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            hash_file(digest, file)
    name = f"{meta['lang']}_{meta['name']}"
    return {"name": name, "version": meta["version"], "hash": digest.hexdigest()}


def _get_model_path(model: str) -> Path:
    if is_package(model):
        folder = Path(str(import_module(model).__file__)).parent
        meta = get_model_meta(folder)
        return folder / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    if not Path(model).exists():
        raise OSError(f"{model}: neither a folder nor an installed package of a pipeline")
    return Path(model)


def hash_file(digest: "hashlib.blake2b", path: Path) -> None:
    """Update a hash with the contents of a file, block by block."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
