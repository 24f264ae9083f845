"""The corpus that all compete on."""

from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.tokens import Doc, DocBin

from . import project
from .project import BenchmarkError

SPLITS = ("validation", "test")

Span = tuple[int, int, str]


class Gold(NamedTuple):
    """A corpus.

    docs (dict[str, list[Doc]]): The docs of train, validation and test, none empty.
    labels (list[str]): All entity types.
    """

    docs: dict[str, list[Doc]]
    labels: list[str]


def read_gold(corpus: str) -> Gold:
    """Read a corpus whose every token is annotated.

    corpus (str): Name of a folder in corpus/.
    RETURNS (Gold): Its docs.
    RAISES (BenchmarkError): If a file is absent, or cannot be scored as `spacy evaluate` would.
    """
    vocab, docs = spacy.blank("xx").vocab, {}
    for split in ("train", *SPLITS):
        path = corpus_path(corpus, split)
        if not path.exists():
            command = f"python -m spacy project run convert . --vars.corpus {corpus}"
            raise BenchmarkError(f"no {path}: run `{command}`")
        # spaCy's reader passes over empty docs too.
        docs[split] = [doc for doc in DocBin().from_disk(path).get_docs(vocab) if len(doc)]
        for index, doc in enumerate(docs[split]):
            if not doc.has_unknown_spaces or not all(token.ent_iob for token in doc):
                raise BenchmarkError(
                    f"{path}, tweet {index + 1}: needs gold tokens without spaces, each of them "
                    "annotated: make the file with `python -m spacy twitter-ner convert`"
                )
    labels = {ent.label_ for split in docs.values() for doc in split for ent in doc.ents}
    return Gold(docs, sorted(labels))


def corpus_path(corpus: str, split: str) -> Path:
    return project.ROOT / "corpus" / corpus / f"{split}.spacy"


def doc_spans(doc: Doc) -> list[Span]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]
