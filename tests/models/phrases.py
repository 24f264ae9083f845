"""Annotated docs and lists of phrases for the tests of the gazetteer."""

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_twitter_ner.models.gazetteer import Gazetteer

from .docs import VOCAB, make_doc

# Token, type, "B" or "I", and "list" or how many of the phrase's occurrences are entities.
Feature = tuple[int, str, str, str]

GRADES = ["list"] + [f"{share}, {n}" for share in ("<10%", "<50%", "<90%", ">=90%") for n in "1+"]


def gold_doc(text: str, *ents: tuple[int, int, str], vocab: Vocab = VOCAB) -> Doc:
    doc = make_doc(text, vocab)
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in ents])
    return doc


TRAIN = [
    gold_doc("in New York now", (1, 3, "geo")),
    gold_doc("new york is big", (0, 2, "geo")),
    gold_doc("The New York Times", (1, 4, "company")),
    gold_doc("apple pie"),
    gold_doc("apple juice"),
    gold_doc("Apple store", (0, 1, "company")),
    gold_doc("may I"),
    gold_doc("Bob may go", (0, 1, "person")),
]
LISTS = {"geo": ["Paris", "New York", "the New York area"], "person": ["Paris Hilton", "Paris"]}


def found(gazetteer: Gazetteer, *docs: Doc, hold_out: bool = False) -> list[Feature]:
    tokens, rows = gazetteer.features(docs, hold_out=hold_out)
    n_types = len(gazetteer.types)
    return [
        (token, gazetteer.types[row // 2 % n_types], "BI"[row % 2], GRADES[row // 2 // n_types])
        for token, row in zip(tokens.tolist(), rows.tolist(), strict=True)
    ]
