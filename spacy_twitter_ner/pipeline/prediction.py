"""What the component predicts: tags, their probabilities, other analyses, other entities."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy
from spacy.tokens import Doc, SpanGroup
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from ..doc_batch import DocBatch
from ..layers.crf import Lattice
from ..layers.heads import Head
from .annotation import entity_constraints, split_by_doc, trim_white_space
from .confidence import (
    Analysis,
    DocLattice,
    ScoredTags,
    find_alternatives,
    find_analyses,
    score_tags,
)
from .settings import validate_cfg
from .windows import score_docs


class SequencePredictor:
    """The part of a component that predicts. Probabilities are those of the distribution that is
    decoded: with the setting outside_bias, and with entities that are there already, white space
    and sentence starts taken account of; and with the setting temperature."""

    name: str
    model: Model
    cfg: dict[str, Any]
    spans_key: str | None

    @property
    def settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The component's cfg.

        RAISES (ValueError): If a setting or the labels have been changed to something invalid.
        """
        validate_cfg(self.name, self.cfg)
        return self.cfg

    def predict(self, docs: Iterable[Doc]) -> list[Ints1d]:
        """Find the most probable valid tags of a batch of docs, without modifying them.

        docs (Iterable[Doc]): The docs.
        RETURNS (list[Ints1d]): Each doc's tags, (nT,), as indices of `tags`. If confidence is asked
            for, by spans_key or threshold, a ScoredTags, which has it too.
        """
        docs = DocBatch.of(docs)
        lengths = [len(doc) for doc in docs]
        if not any(lengths):
            nothing = numpy.zeros(0, dtype="int64")
            return ScoredTags([nothing for _ in docs], [numpy.zeros(0) for _ in docs])
        no_begin, no_inside, is_space = entity_constraints(docs)
        scores = self._score(docs)
        tags = trim_white_space(self._head.decode(scores, no_begin, no_inside), is_space)
        if not self.spans_key and self.cfg["threshold"] == 0.0:
            return split_by_doc(tags, lengths)
        lattice = DocLattice(self._head.get_lattice(scores), no_begin, no_inside, is_space)
        return score_tags(
            lattice,
            tags,
            temperature=self.cfg["temperature"],
            threshold=self.cfg["threshold"],
        )

    def predict_proba(self, docs: Iterable[Doc]) -> list[Floats2d]:
        """Find how probable each tag of each token is, given that the tags of a doc are valid
        BIO: the posterior marginals. Entities that are there already are not taken account of.

        docs (Iterable[Doc]): The docs.
        RETURNS (list[Floats2d]): One (nT, n_tags) array a doc, in the order of `tags`.
        """
        docs = list(docs)
        lengths = [len(doc) for doc in docs]
        if not any(lengths):
            n_tags = 2 * len(self.cfg["labels"]) + 1
            return [numpy.zeros((0, n_tags)) for _ in docs]
        scores = self._score(docs)
        if self.cfg["temperature"] != 1.0:
            scores = self._head.temper(scores, self.cfg["temperature"])
        return split_by_doc(self._head.get_posteriors(scores), lengths)

    def predict_kbest(
        self, docs: Iterable[Doc], k: int = 5, *, keep_ents: bool = False
    ) -> list[list[Analysis]]:
        """Find the k most probable analyses of each doc, without modifying it.

        docs (Iterable[Doc]): The docs.
        k (int): How many, from 1.
        keep_ents (bool): Whether entities and blocked tokens that are in a doc are certain, so
            that it is about the other tokens only.
        RETURNS (list[list[Analysis]]): Each doc's analyses, the most probable first: their
            `entities`, and the `probability` that these, all of them and no others, are right.
            Fewer than k where there are no more.
        RAISES (ValueError): If k is less than 1.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [[Analysis([], 1.0)] for _ in docs]
        return find_analyses(docs, self._tempered_lattice(docs, keep_ents), k, self.cfg["labels"])

    def predict_spans(
        self, docs: Iterable[Doc], min_probability: float = 0.05, *, keep_ents: bool = False
    ) -> list[SpanGroup]:
        """Find all spans of each doc that are entities with at least some probability, without
        modifying it. Those that are set are among them, where they are probable enough.

        docs (Iterable[Doc]): The docs.
        min_probability (float): The least probability, above 0.
        keep_ents (bool): As for predict_kbest.
        RETURNS (list[SpanGroup]): Each doc's spans, with their labels. They may overlap; they
            stand from left to right and the more probable ones first, and attrs["scores"] has
            their probabilities. The group can be stored in doc.spans; as any span group, it is
            of no use once the doc is gone.
        RAISES (ValueError): If min_probability is not above 0.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [
                SpanGroup(doc, name=self.name, attrs={"scores": numpy.zeros(0)}) for doc in docs
            ]
        lattice = self._tempered_lattice(docs, keep_ents)
        types = self.cfg["labels"]
        return find_alternatives(docs, lattice, min_probability, types, self.name)

    def predict_lattice(self, docs: Sequence[Doc], *, keep_ents: bool = True) -> DocLattice:
        """Find the distribution that is decoded, at temperature 1.

        docs (Sequence[Doc]): The docs, not all of which may be empty.
        keep_ents (bool): As for predict_kbest.
        RETURNS (DocLattice): The distribution.
        """
        docs = DocBatch.of(docs)
        lattice = self._head.get_lattice(self._score(docs))
        return DocLattice(lattice, *entity_constraints(docs, keep_ents=keep_ents))

    def lattice_of(self, output: Any) -> Lattice:
        """RETURNS (Lattice): The scores of tag sequences of an output of the model, O weighed."""
        return self._head.get_lattice(self._weigh(output))

    @property
    def _head(self) -> Head:
        return self.model.attrs["head"]

    def _score(self, docs: list[Doc]) -> Any:
        """Compute the model's output with outside_bias added. Not all docs may be empty. All
        predictions start here, so that cfg is validated once."""
        window_length = self.settings["window_length"]
        return self._weigh(score_docs(self.model.predict, self._head, docs, window_length))

    def _weigh(self, scores: Any) -> Any:
        bias = self.cfg["outside_bias"]
        return self._head.weigh_outside(scores, bias) if bias else scores

    def _tempered_lattice(self, docs: list[Doc], keep_ents: bool) -> DocLattice:
        lattice = self.predict_lattice(docs, keep_ents=keep_ents)
        return lattice.tempered(self.cfg["temperature"])
