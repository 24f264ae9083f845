"""Where confidences are found on a doc: a span group with attrs["scores"], as those of spaCy's
spancat, and an extension attribute of spans that reads it. A span group survives to_bytes, DocBin
and several processes."""

from dataclasses import dataclass

import numpy
from spacy.tokens import Doc, Span, SpanGroup
from thinc.types import Floats1d


@dataclass(frozen=True)
class ConfidenceOf:
    """Getter of the extension attribute: a span's score in a span group of its doc.

    spans_key (str): The group's key in doc.spans.
    """

    spans_key: str

    def __call__(self, span: Span) -> float | None:
        """RETURNS (Optional[float]): The score; None for a span that is not in the group."""
        group = span.doc.spans.get(self.spans_key)
        scores = () if group is None else group.attrs.get("scores", ())
        for scored, score in zip(group or (), scores, strict=False):
            if (scored.start, scored.end, scored.label) == (span.start, span.end, span.label):
                return float(score)
        return None


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
    """Store entities and how sure they are in a span group. Those that are in the group already,
    and still are entities of the doc, stay there.

    doc (Doc): The doc; its entities are set.
    key (str): The group's key in doc.spans.
    entities (list[Span]): New entities, in order.
    confidences (Floats1d): (S,) their probabilities.
    """
    scored = list(zip(entities, confidences.tolist(), strict=True))
    known = doc.spans.get(key)
    if known is not None and len(known) == len(known.attrs.get("scores", ())):
        kept = {(ent.start, ent.end, ent.label) for ent in doc.ents}
        kept -= {(ent.start, ent.end, ent.label) for ent in entities}
        scored += [
            (span, float(score))
            for span, score in zip(known, known.attrs["scores"], strict=True)
            if (span.start, span.end, span.label) in kept
        ]
        scored.sort(key=lambda pair: pair[0].start)
    doc.spans[key] = SpanGroup(
        doc,
        name=key,
        spans=[span for span, _ in scored],
        attrs={"scores": numpy.asarray([score for _, score in scored], dtype="float64")},
    )
