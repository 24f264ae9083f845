"""Scores of predicted entities."""

from collections.abc import Sequence
from typing import Any

from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from .tables import Table


def score(nlp: Language, references: Sequence[Doc]) -> dict[str, Any]:
    """Score a pipeline on gold tokens.

    nlp (Language): The pipeline.
    references (Sequence[Doc]): The annotated docs.
    RETURNS (dict[str, Any]): The keys ents_p, ents_r, ents_f and ents_per_type of spaCy's scorer,
        as fractions.
    """
    copies = (Doc(nlp.vocab, words=[token.text for token in doc]) for doc in references)
    pairs = zip(nlp.pipe(copies), references, strict=True)
    scores: dict[str, Any] = get_ner_prf(Example(doc, reference) for doc, reference in pairs)
    return scores


def score_table(title: str, scores: dict[str, Any]) -> Table:
    """RETURNS (Table): Scores overall and by type, in percent."""
    rows = [("all", *(scores[f"ents_{key}"] for key in "prf"))]
    per_type = scores["ents_per_type"] or {}
    rows += [(label, *(prf[key] for key in "prf")) for label, prf in sorted(per_type.items())]
    return Table(
        title,
        ("type", "P", "R", "F1"),
        [
            (label, *("-" if value is None else f"{100 * value:.2f}" for value in values))
            for label, *values in rows
        ],
    )
