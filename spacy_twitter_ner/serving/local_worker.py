"""A worker that annotates in its own process."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc

from ..annotate.annotator import Annotator, describe_span
from .schemas import AnnotateRequest, Description

_DIGITS = 6
# Number of tokens after which the memory zone is renewed. That many new words take about 10 MB.
_ZONE_TOKENS = 65_536


class LocalWorker:
    """Process requests with a pipeline. Implements schemas.Worker.

    nlp (Language): The pipeline.
    """

    def __init__(self, nlp: Language) -> None:
        self.is_ready = True
        self.nlp = nlp
        self.annotator = Annotator(nlp)
        self.ner = next(iter(self.annotator.components), None)
        self._zone = ExitStack()
        self._n_tokens = _ZONE_TOKENS

    @property
    def labels(self) -> list[str]:
        """The entity types of all components that set entities."""
        ent_pipes = [name for name in self.nlp.pipe_names if self._sets_entities(name)]
        labels = self.nlp.pipe_labels
        # Types may be folded (see TwitterBiLSTMNER.output_labels).
        labels |= {ner.name: list(ner.output_labels) for ner in self.annotator.components}
        return sorted({label for name in ent_pipes for label in labels.get(name, ())})

    def describe(self) -> Description:
        """Describe the pipeline."""
        return {
            "name": self.annotator.name,
            "version": self.annotator.version,
            "labels": self.labels,
            "has_confidence": self.ner is not None,
        }

    def annotate(self, requests: Sequence[AnnotateRequest]) -> list[bytes]:
        """Annotate the texts of several requests as one batch.

        requests (Sequence[AnnotateRequest]): The requests.
        RETURNS (list[bytes]): One response per request: a schemas.AnnotateResponse in JSON.
        RAISES (Exception): If the pipeline fails on a text.
        """
        self._renew_zone()
        docs = []
        for doc in self.annotator.annotate([text for one in requests for text in one.all_texts]):
            if isinstance(doc, Exception):
                raise doc
            docs.append(doc)
        self._n_tokens += sum(map(len, docs))
        responses, end = [], 0
        for request in requests:
            start, end = end, end + len(request.all_texts)
            responses.append(self._respond(request, docs[start:end]))
        return responses

    def kill(self) -> None:
        """Report that the pipeline hangs. A call in this process can't be stopped, unlike one in a
        WorkerProcess."""
        self.is_ready = False

    def wait_until_ready(self) -> None:
        """Report that the pipeline is ready again. Called by the thread that was stuck in annotate,
        so there is nothing to wait for."""
        self.is_ready = True

    def close(self) -> None:
        """Leave the memory zone."""
        self._zone.close()
        self._n_tokens = _ZONE_TOKENS

    def _renew_zone(self) -> None:
        """Free the memory of new words from time to time. A zone per batch would rebuild the
        lexemes of frequent words over and over."""
        if self._n_tokens >= _ZONE_TOKENS:
            self._zone.close()
            self._zone.enter_context(self.nlp.memory_zone())
            self._n_tokens = 0

    def _respond(self, request: AnnotateRequest, docs: list[Doc]) -> bytes:
        results: list[dict[str, Any]] = [
            {"entities": self.annotator.get_entities(doc, request.threshold)} for doc in docs
        ]
        # join_responses requires the results to be last.
        response: dict[str, Any] = {}
        if request.probabilities and self.ner is not None:
            response["tags"] = list(self.ner.tags)
            for result, doc, rows in zip(results, docs, self.ner.predict_proba(docs), strict=True):
                result["tokens"] = [
                    {"start": token.idx, "end": token.idx + len(token), "probabilities": row}
                    for token, row in zip(doc, rows.round(_DIGITS).tolist(), strict=True)
                ]
        if request.alternatives and self.ner is not None:
            predictions = self.ner.predict_kbest(docs, request.alternatives)
            for result, alternatives in zip(results, predictions, strict=True):
                result["alternatives"] = [
                    {
                        "probability": round(float(alternative.probability), _DIGITS),
                        "entities": [describe_span(ent) for ent in alternative.entities],
                    }
                    for alternative in alternatives
                ]
        response["results"] = results
        return srsly.json_dumps(response).encode("utf-8")

    def _sets_entities(self, name: str) -> bool:
        return "doc.ents" in self.nlp.get_pipe_meta(name).assigns
