"""Texts → records: the one plain function behind all ways to annotate."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypedDict

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..loading import load_pipeline
from ..pipeline.bilstm_ner import TwitterBiLSTMNER
from ..pipeline.scores import find_score

# Where confidences are written if the pipeline says nowhere.
SPANS_KEY = "twitter_ner_confidence"
# A tenth of a thousandth is more than calibration can promise, and no rounding error shows.
CONFIDENCE_DIGITS = 4


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
def load_annotator(model: str) -> Annotator:
    """Load a pipeline, once in a process, and let it tell how sure it is.

    model (str): Its folder or package.
    RETURNS (Annotator): The pipeline.
    RAISES (OSError): If it isn't a pipeline.
    """
    return make_annotator(load_pipeline(model))


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
