"""Store confidences on a doc: in a span group with attrs["scores"], as spaCy's spancat does, and as
an extension attribute of spans.

Both survive to_bytes, DocBin, Doc.copy, several processes and retokenization. Scores are also
stored by character offsets and label, which stay the same when tokens are merged or split. The
extension attribute reads these.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy
from spacy.tokens import Doc, Span, SpanGroup
from thinc.types import Floats1d

# The span group's attribute with the scores by offsets and label.
BY_OFFSETS = "scores_by_offsets"


class AnchoredSpanGroup(SpanGroup):
    """A span group that finds its spans again when the doc was retokenized, by their character
    offsets. spaCy's own keeps their token indices, which then belong to other tokens or to none, so
    that even Doc.to_bytes fails. A span that is only a part of a token now becomes that token.
    """

    def __getitem__(self, i: int) -> Span:
        try:
            span = super().__getitem__(i)
            if _is_anchored(span):
                return span
        except IndexError:  # spaCy's E035: there are fewer tokens now
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
        # Spans can only be read in a doc with enough tokens for their indices.
        n_tokens = 1 + len(self.doc.text)
        stand_in = Doc(self.doc.vocab, words=["-"] * n_tokens)
        spans = SpanGroup(stand_in).from_bytes(super().to_bytes())
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
            for span in spans
        ]
        group = SpanGroup(self.doc, name=self.name, attrs=self.attrs, spans=anchored)
        self.from_bytes(group.to_bytes())


def _is_anchored(span: Span) -> bool:
    if span.start == span.end:
        return True
    last = span.doc[span.end - 1]
    return span.doc[span.start].idx == span.start_char and last.idx + len(last) == span.end_char


@dataclass(frozen=True)
class ConfidenceOf:
    """Getter of the extension attribute: a span's score in a span group of its doc.

    spans_key (str): The group's key in doc.spans.
    """

    spans_key: str

    def __call__(self, span: Span) -> float | None:
        """RETURNS (Optional[float]): The score, or None if the span has none."""
        return find_score(span, self.spans_key)


def find_score(span: Span, key: str) -> float | None:
    """Find the score that was stored for a span, also if the doc was retokenized since.

    span (Span): The span.
    key (str): The span group's key in doc.spans.
    RETURNS (Optional[float]): The score, or None if no span with these offsets and this label has
        one.
    """
    return _stored_scores(span.doc, key).get(_offsets(span))


def register_confidence(name: str, spans_key: str) -> None:
    """Make span._.<name> give the span's score in doc.spans[spans_key]. It is enough to do this
    once, also to read docs that were annotated elsewhere.

    name (str): The attribute's name.
    spans_key (str): The group's key in doc.spans.
    RAISES (ValueError): If Span has an extension attribute of this name that does something else.
    """
    getter = ConfidenceOf(spans_key)
    if not Span.has_extension(name):
        Span.set_extension(name, getter=getter)
    elif Span.get_extension(name)[2] != getter:
        raise ValueError(
            f"Span._.{name} exists already and is something else than the scores in "
            f"doc.spans[{spans_key!r}]: give the extension attribute another name"
        )


def set_scores(doc: Doc, key: str, entities: list[Span], confidences: Floats1d) -> None:
    """Store entities and their confidences in a span group. Entities of the doc that have a score
    there already keep it.

    doc (Doc): The doc; its entities are set.
    key (str): The group's key in doc.spans.
    entities (list[Span]): New entities, in order.
    confidences (Floats1d): (S,) their probabilities.
    """
    scores = dict(zip(map(_offsets, entities), confidences.tolist(), strict=True))
    known = _stored_scores(doc, key)
    if known:
        scores = {**known, **scores}
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
    """A span's character offsets and label. A string, since msgpack has no other keys."""
    return f"{span.start_char}:{span.end_char}:{span.label_}"


def _stored_scores(doc: Doc, key: str) -> Mapping[str, float]:
    """RETURNS (Mapping[str, float]): The scores in a doc's span group, by offsets and label."""
    group = doc.spans.get(key)
    if group is None:
        return {}
    if BY_OFFSETS in group.attrs:
        return group.attrs[BY_OFFSETS]
    # A group from elsewhere, such as an earlier version.
    scores = group.attrs.get("scores", ())
    if len(scores) != len(group):
        return {}
    try:
        return dict(zip(map(_offsets, group), map(float, scores), strict=True))
    except IndexError:  # spaCy's E035: there are fewer tokens now
        return {}
