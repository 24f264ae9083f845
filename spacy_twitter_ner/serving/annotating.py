"""Requests → what a pipeline finds in their texts, several requests at a time."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc, Span

from ..evaluation.predictions import entity_scores, find_tagger, scores_stored
from .messages import AnnotateRequest, Description

_DIGITS = 6


# A memory zone is renewed after so many tokens. New words of so many tokens take some 10 MB.
_TOKENS_A_ZONE = 65_536


class Annotator:
    """A pipeline of this process that answers requests.

    nlp (Language): The pipeline.
    """

    def __init__(self, nlp: Language) -> None:
        self.is_ready = True
        self.nlp = nlp
        self.tagger = find_tagger(nlp)
        self._zone = ExitStack()
        self._n_tokens = _TOKENS_A_ZONE

    @property
    def labels(self) -> list[str]:
        """RETURNS (list[str]): The entity types, of all components that set entities."""
        ent_pipes = [name for name in self.nlp.pipe_names if self._sets_entities(name)]
        labels = self.nlp.pipe_labels
        return sorted({label for name in ent_pipes for label in labels.get(name, ())})

    def describe(self) -> Description:
        """RETURNS (Description): What the service tells of the pipeline."""
        meta = self.nlp.meta
        return {
            "name": f"{meta['lang']}_{meta['name']}",
            "version": meta["version"],
            "labels": self.labels,
            "has_confidence": self.tagger is not None,
        }

    def annotate(self, requests: Sequence[AnnotateRequest]) -> list[bytes]:
        """Answer requests, whose texts go through the pipeline together.

        requests (Sequence[AnnotateRequest]): The requests.
        RETURNS (list[bytes]): Each one's answer, as messages.AnnotateResponse in JSON.
        """
        self._renew_zone()
        texts = [text for request in requests for text in request.all_texts]
        with scores_stored(self.nlp) as key:
            docs = list(self.nlp.pipe(texts))
            self._n_tokens += sum(map(len, docs))
            answers, end = [], 0
            for request in requests:
                start, end = end, end + len(request.all_texts)
                answers.append(self._answer(request, docs[start:end], key))
            return answers

    def kill(self) -> None:
        """Report that the pipeline doesn't answer. A call in this process can't be stopped: in
        WorkerProcess it can."""
        self.is_ready = False

    def wait_until_ready(self) -> None:
        """Use the pipeline again. The thread that was stuck in annotate calls this, so there is
        nothing to wait for."""
        self.is_ready = True

    def close(self) -> None:
        """Let the pipeline be used otherwise again."""
        self._zone.close()
        self._n_tokens = _TOKENS_A_ZONE

    def _renew_zone(self) -> None:
        """Of new words nothing stays for good, as a service runs for months; but a zone for each
        batch would make most of them again and again."""
        if self._n_tokens >= _TOKENS_A_ZONE:
            self._zone.close()
            self._zone.enter_context(self.nlp.memory_zone())
            self._n_tokens = 0

    def _answer(self, request: AnnotateRequest, docs: list[Doc], key: str | None) -> bytes:
        results = [_found_entities(doc, key, request.threshold) for doc in docs]
        # join_answers needs the results to be last.
        answer: dict[str, Any] = {}
        if request.probabilities and self.tagger is not None:
            answer["tags"] = list(self.tagger.tags)
            probabilities = self.tagger.predict_proba(docs)
            for result, doc, rows in zip(results, docs, probabilities, strict=True):
                result["tokens"] = [
                    {"start": token.idx, "end": token.idx + len(token), "probabilities": row}
                    for token, row in zip(doc, rows.round(_DIGITS).tolist(), strict=True)
                ]
        if request.alternatives and self.tagger is not None:
            analyses = self.tagger.predict_kbest(docs, request.alternatives)
            for result, found in zip(results, analyses, strict=True):
                result["alternatives"] = [
                    {
                        "probability": round(float(one.probability), _DIGITS),
                        "entities": [_describe(ent, None) for ent in one.entities],
                    }
                    for one in found
                ]
        answer["results"] = results
        return srsly.json_dumps(answer).encode("utf-8")

    def _sets_entities(self, name: str) -> bool:
        return "doc.ents" in self.nlp.get_pipe_meta(name).assigns


def _found_entities(doc: Doc, key: str | None, threshold: float) -> dict[str, Any]:
    ents = doc.ents
    if not ents:
        return {"entities": []}
    scores = entity_scores(doc, key)
    entities: Iterable[dict[str, Any]]
    if scores is None:
        entities = [_describe(ent, None) for ent in ents]
    else:
        sure = ((ent, scores[ent.start, ent.end, ent.label_]) for ent in ents)
        entities = [_describe(ent, score) for ent, score in sure if score >= threshold]
    return {"entities": entities}


def _describe(ent: Span, confidence: float | None) -> dict[str, Any]:
    return {
        "start": ent.start_char,
        "end": ent.end_char,
        "label": ent.label_,
        "text": ent.text,
        "confidence": None if confidence is None else round(confidence, _DIGITS),
    }
