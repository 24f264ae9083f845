"""The distribution over tags: entity probabilities, k-best predictions and candidate spans, and how
they are stored on docs.

The distribution is the one that is decoded, with all constraints. The probability of an entity is
that of its exact span and type. Scores are stored in a span group with attrs["scores"], like
spancat's, and additionally by character offsets and label, which retokenization doesn't change.
They survive to_bytes, DocBin, Doc.copy and multiprocessing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from thinc.types import Floats1d, Ints1d

from ..layers.crf import Lattice
from ..layers.decoding import forbid_tags, viterbi, viterbi_kbest
from ..layers.forward_backward import marginals
from ..layers.spans import SpanChart, TypedSpans, candidate_spans, make_chart, span_posteriors
from ..util import find_ners
from .constraints import Bools1d, spans_to_entities, strip_whitespace, tags_to_spans
from .folding import Folding

# Span group for the scores of components without spans_key.
SPANS_KEY = "twitter_ner_confidence"
# The span group's attribute with the scores by offsets and label.
BY_OFFSETS = "scores_by_offsets"


class EntityPrediction(NamedTuple):
    """All entities of a doc, and the probability that exactly these are right."""

    entities: list[Span]
    probability: float


@dataclass(frozen=True)
class TagDistribution:
    """A distribution over the tags of a batch of docs.

    lattice (Lattice): Scores of tag sequences, one sequence per doc, in CPU memory.
    no_begin (Bools1d): (N,) tokens where no entity may begin.
    no_inside (Bools1d): (N,) tokens where no entity may continue.
    is_space (Bools1d): (N,) whitespace tokens, which are stripped from the end of entities.
    """

    lattice: Lattice
    no_begin: Bools1d
    no_inside: Bools1d
    is_space: Bools1d

    def make_chart(self) -> SpanChart:
        """RETURNS (SpanChart): The chart that span posteriors are computed from."""
        return make_chart(self.lattice, no_begin=self.no_begin, no_inside=self.no_inside)

    def decode(self) -> Ints1d:
        """RETURNS (Ints1d): (N,) the most probable tags, whitespace stripped from entities."""
        tags = viterbi(self.lattice, no_begin=self.no_begin, no_inside=self.no_inside)
        return strip_whitespace(tags, self.is_space)

    def decode_folded(self, folding: Folding) -> Ints1d:
        """Find the most probable tags of coarser types, by the posterior probabilities of each
        token: the sum over sequences of finer types can't be maximized exactly.

        folding (Folding): The coarser types.
        RETURNS (Ints1d): (N,) their most probable tags, whitespace stripped from entities.
        """
        emissions = forbid_tags(self.lattice.emissions, self.no_begin, self.no_inside)
        posteriors = marginals(replace(self.lattice, emissions=emissions))[1].emissions
        folded = folding.fold_posteriors(posteriors)
        logs = numpy.log(numpy.maximum(folded, numpy.finfo(folded.dtype).tiny))
        lattice = Lattice.independent(logs, self.lattice.lengths)
        return replace(self, lattice=lattice).decode()

    def apply_temperature(self, temperature: float) -> "TagDistribution":
        """RETURNS (TagDistribution): The distribution raised to the power 1 / temperature."""
        return replace(self, lattice=self.lattice.centered().scaled(1.0 / temperature))

    def drop_docs_without(self, spans: TypedSpans) -> tuple["TagDistribution", TypedSpans]:
        """Drop docs without spans. About half of all tweets have no entity.

        spans (TypedSpans): Spans of the batch.
        RETURNS (tuple[TagDistribution, TypedSpans]): The remaining docs, and the spans in them.
        """
        lengths = numpy.asarray(self.lattice.lengths, dtype="int64")
        owners = numpy.repeat(numpy.arange(len(lengths)), lengths)
        has_spans = numpy.zeros(len(lengths), dtype=bool)
        has_spans[owners[spans.starts]] = True
        rows = numpy.repeat(has_spans, lengths)
        lattice = replace(
            self.lattice,
            emissions=self.lattice.emissions[rows],
            lengths=lengths[has_spans].tolist(),
        )
        masks = (mask[rows] for mask in (self.no_begin, self.no_inside, self.is_space))
        shift = numpy.cumsum(~rows)[spans.starts]
        moved = spans._replace(starts=spans.starts - shift, ends=spans.ends - shift)
        return TagDistribution(lattice, *masks), moved


def entity_confidences(distribution: TagDistribution, spans: TypedSpans) -> Floats1d:
    """Compute the probabilities of entities. Cheap if many docs have none.

    distribution (TagDistribution): The distribution.
    spans (TypedSpans): S entities, none of which ends on whitespace.
    RETURNS (Floats1d): (S,) their probabilities.
    """
    distribution, spans = distribution.drop_docs_without(spans)
    return entity_posteriors(distribution, distribution.make_chart(), spans)


def folded_confidences(
    distribution: TagDistribution, spans: TypedSpans, folding: Folding
) -> Floats1d:
    """Compute the probabilities of entities of coarser types.

    distribution (TagDistribution): The distribution over the finer types.
    spans (TypedSpans): S entities, none of which ends on whitespace.
    folding (Folding): The coarser types.
    RETURNS (Floats1d): (S,) their probabilities: the sums over the finer types.
    """
    finer, owners = folding.unfold(spans)
    confidences = entity_confidences(distribution, finer)
    sums = numpy.bincount(owners, weights=confidences, minlength=len(spans.starts))
    return numpy.minimum(sums, 1.0)  # may exceed 1 by rounding


def entity_posteriors(
    distribution: TagDistribution, chart: SpanChart, spans: TypedSpans
) -> Floats1d:
    """Compute the probabilities of entities after whitespace is stripped: a span and the same span
    with trailing whitespace are the same entity, so that their probabilities add up.

    distribution (TagDistribution): The distribution.
    chart (SpanChart): Its chart.
    spans (TypedSpans): S spans, none of which ends on whitespace.
    RETURNS (Floats1d): (S,) their probabilities.
    """
    is_space = distribution.is_space
    if not is_space.any():
        return numpy.minimum(span_posteriors(chart, spans), 1.0)
    # Whitespace after an entity ends at the next other token or at the end of the doc.
    is_boundary = numpy.append(~is_space | numpy.append(True, chart.is_last[:-1]), True)
    boundaries = numpy.flatnonzero(is_boundary)
    n_spaces = boundaries[numpy.searchsorted(boundaries, spans.ends)] - spans.ends
    owners = numpy.repeat(numpy.arange(len(n_spaces)), n_spaces + 1)
    offsets = numpy.cumsum(n_spaces + 1) - (n_spaces + 1)
    variants = spans.select(owners)
    variants = variants._replace(ends=variants.ends + numpy.arange(len(owners)) - offsets[owners])
    posteriors = span_posteriors(chart, variants)
    sums = numpy.bincount(owners, weights=posteriors, minlength=len(n_spaces))
    return numpy.minimum(sums, 1.0)  # may exceed 1 by rounding


def kbest_entities(
    docs: Sequence[Doc], distribution: TagDistribution, k: int, folding: Folding
) -> list[list[EntityPrediction]]:
    """Compute the k most probable sets of entities of each doc. Those that become the same by
    folding are merged.

    docs (Sequence[Doc]): The docs.
    distribution (TagDistribution): Their distribution.
    k (int): Number of predictions, at least 1.
    folding (Folding): The types of the entities.
    RETURNS (list[list[EntityPrediction]]): Up to k predictions per doc, the most probable first.
    """
    masks = {"no_begin": distribution.no_begin, "no_inside": distribution.no_inside}
    paths = viterbi_kbest(distribution.lattice, k, **masks)
    log_partition = distribution.make_chart().log_partition
    ends = numpy.cumsum(distribution.lattice.lengths)
    predictions = []
    for doc, end, log_z, (tags, scores) in zip(docs, ends, log_partition, paths, strict=True):
        is_space = distribution.is_space[end - len(doc) : end]
        probabilities: dict[bytes, float] = {}
        for row, probability in zip(tags, numpy.exp(scores - log_z).tolist(), strict=True):
            # Merge predictions that only differ in whitespace or in the finer types.
            key = folding.fold_tags(strip_whitespace(row.copy(), is_space)).tobytes()
            probabilities[key] = probabilities.get(key, 0.0) + probability
        doc_predictions = []
        for key, probability in sorted(probabilities.items(), key=lambda item: -item[1]):
            spans = tags_to_spans(numpy.frombuffer(key, dtype="int64"))
            (entities,) = spans_to_entities([doc], spans, folding.labels)
            doc_predictions.append(EntityPrediction(entities, min(probability, 1.0)))
        predictions.append(doc_predictions)
    return predictions


def find_candidates(
    distribution: TagDistribution, min_probability: float, folding: Folding
) -> tuple[TypedSpans, Floats1d]:
    """Find all spans that are entities with at least the given probability.

    distribution (TagDistribution): The distribution.
    min_probability (float): Minimum probability, above 0.
    folding (Folding): The types of the spans.
    RETURNS (tuple[TypedSpans, Floats1d]): S possibly overlapping spans from left to right, the more
        probable ones first, and (S,) their probabilities.
    """
    chart = distribution.make_chart()
    # A folded span may reach the probability if none of those that are folded into it does.
    spans = candidate_spans(chart, min_probability / folding.max_size)
    spans = folding.fold_spans(spans.select(~distribution.is_space[spans.ends - 1]))
    finer, owners = folding.unfold(spans)
    posteriors = numpy.bincount(
        owners,
        weights=entity_posteriors(distribution, chart, finer),
        minlength=len(spans.starts),
    )
    order = numpy.lexsort((-posteriors, spans.starts))
    order = order[posteriors[order] >= min_probability]
    return spans.select(order), posteriors[order]


def candidate_groups(
    docs: Sequence[Doc],
    distribution: TagDistribution,
    min_probability: float,
    folding: Folding,
    name: str,
) -> list[SpanGroup]:
    """Find all spans that are entities with at least the given probability.

    docs (Sequence[Doc]): The docs.
    distribution (TagDistribution): Their distribution.
    min_probability (float): Minimum probability, above 0.
    folding (Folding): The types of the spans.
    name (str): Name of the span groups.
    RETURNS (list[SpanGroup]): One group of possibly overlapping spans per doc, from left to right,
        the more probable ones first. attrs["scores"] contains their probabilities.
    """
    spans, posteriors = find_candidates(distribution, min_probability, folding)
    groups: list[SpanGroup] = []
    first = 0
    for doc, entities in zip(docs, spans_to_entities(docs, spans, folding.labels), strict=True):
        scores = posteriors[first : first + len(entities)]
        groups.append(AnchoredSpanGroup(doc, name=name, attrs={"scores": scores}, spans=entities))
        first += len(entities)
    return groups


class AnchoredSpanGroup(SpanGroup):
    """A span group whose spans keep their character offsets when the doc is retokenized. spaCy's
    own keeps token indices, which become wrong or invalid, so that even Doc.to_bytes fails. A span
    that is part of a merged token is expanded to that token.
    """

    def __getitem__(self, i: int) -> Span:
        try:
            span = super().__getitem__(i)
            if _is_anchored(span):
                return span
        except IndexError:  # spaCy's E035: the doc has fewer tokens now
            pass
        self._anchor()
        return super().__getitem__(i)

    def __iter__(self) -> Iterator[Span]:
        return (self[i] for i in range(len(self)))

    def to_bytes(self) -> bytes:
        for _ in self:
            pass
        return super().to_bytes()

    def _anchor(self) -> None:
        # Spans can only be read in a doc that has enough tokens for their indices.
        n_tokens = 1 + len(self.doc.text)
        dummy = Doc(self.doc.vocab, words=["-"] * n_tokens)
        anchored = [
            self.doc.char_span(
                span.start_char,
                span.end_char,
                label=span.label,
                kb_id=span.kb_id,
                span_id=span.id,
                alignment_mode="expand",
            )
            or self.doc[:0]
            for span in SpanGroup(dummy).from_bytes(super().to_bytes())
        ]
        group = SpanGroup(self.doc, name=self.name, attrs=self.attrs, spans=anchored)
        self.from_bytes(group.to_bytes())


def _is_anchored(span: Span) -> bool:
    if span.start == span.end:
        return True
    last = span.doc[span.end - 1]
    return span.doc[span.start].idx == span.start_char and last.idx + len(last) == span.end_char


@dataclass(frozen=True)
class SpanScoreGetter:
    """Getter of an extension attribute for a span's score.

    spans_key (str): Key of the span group in doc.spans.
    """

    spans_key: str

    def __call__(self, span: Span) -> float | None:
        """RETURNS (Optional[float]): The score, or None if the span has none."""
        return get_score(span, self.spans_key)


def get_score(span: Span, key: str) -> float | None:
    """Get the stored score of a span, even if the doc has been retokenized since.

    span (Span): The span.
    key (str): Key of the span group in doc.spans.
    RETURNS (Optional[float]): The score, or None if no span with the same offsets and label has
        one.
    """
    return _get_scores(span.doc, key).get(_offsets(span))


def request_scores(nlp: Language) -> dict[str, dict[str, Any]]:
    """Request the scores of entities from all twitter_bilstm_ner components, whatever their
    settings, for `get_confidence`.

    nlp (Language): The pipeline.
    RETURNS (dict[str, dict[str, Any]]): The component_cfg to pass to nlp.pipe.
    """
    ners = find_ners(nlp)
    return {name: {"spans_key": SPANS_KEY} for name, pipe in nlp.pipeline if pipe in ners}


def get_confidence(span: Span, ners: Sequence[Any]) -> float | None:
    """Get the confidence of an entity, predicted with `request_scores`.

    span (Span): The entity.
    ners (Sequence[TwitterBiLSTMNER]): The pipeline's components, from `find_ners`.
    RETURNS (Optional[float]): Its probability, or None if none of the components predicted it.
    """
    # The last component that sets entities has the final say.
    for ner in reversed(ners):
        score = get_score(span, ner.spans_key or SPANS_KEY)
        if score is not None:
            return score
    return None


def set_score_extension(name: str, spans_key: str) -> None:
    """Set the extension attribute span._.<name>, which returns the span's score.

    name (str): Name of the attribute.
    spans_key (str): Key of the span group in doc.spans.
    RAISES (ValueError): If Span already has another extension attribute of this name.
    """
    getter = SpanScoreGetter(spans_key)
    if not Span.has_extension(name):
        Span.set_extension(name, getter=getter)
    elif Span.get_extension(name)[2] != getter:
        raise ValueError(
            f"Span._.{name} already exists and isn't the score in doc.spans[{spans_key!r}]: "
            "choose another name for the extension attribute"
        )


def set_scores(doc: Doc, key: str, entities: list[Span], confidences: Floats1d) -> None:
    """Store entities and their confidences in a span group. Existing scores of entities are kept.

    doc (Doc): The doc, whose entities are already set.
    key (str): Key of the span group in doc.spans.
    entities (list[Span]): New entities, in order.
    confidences (Floats1d): (S,) their probabilities.
    """
    scores = dict(zip(map(_offsets, entities), confidences.tolist(), strict=True))
    existing = _get_scores(doc, key)
    if existing:
        scores = {**existing, **scores}
        entities = [ent for ent in doc.ents if _offsets(ent) in scores]
        scores = {offsets: scores[offsets] for offsets in map(_offsets, entities)}
    doc.spans[key] = AnchoredSpanGroup(
        doc,
        name=key,
        spans=entities,
        attrs={
            "scores": numpy.asarray(list(scores.values()), dtype="float64"),
            BY_OFFSETS: scores,
        },
    )


def _offsets(span: Span) -> str:
    """Make a key from a span's character offsets and label. msgpack only allows strings."""
    return f"{span.start_char}:{span.end_char}:{span.label_}"


def _get_scores(doc: Doc, key: str) -> Mapping[str, float]:
    """RETURNS (Mapping[str, float]): The scores of a span group by offsets and label."""
    group = doc.spans.get(key)
    if group is None:
        return {}
    if BY_OFFSETS in group.attrs:
        return group.attrs[BY_OFFSETS]
    # The group was made by another component.
    scores = group.attrs.get("scores", ())
    if len(scores) != len(group):
        return {}
    try:
        return dict(zip(map(_offsets, group), map(float, scores), strict=True))
    except IndexError:  # spaCy's E035: the doc has fewer tokens now
        return {}
