"""Read several corpora with different entity types as one training corpus.

Each corpus has a label map: one of its types is mapped to one of ours, to several possible ones, or
to none. It also names our types that it doesn't annotate. In a config:

    [corpora.train]
    @readers = "spacy-twitter-ner.MultiCorpus.v1"

    [corpora.train.corpora]

    [corpora.train.corpora.ours]
    @readers = "spacy-twitter-ner.MappedCorpus.v1"
    path = "corpus/train.spacy"

    [corpora.train.corpora.news]
    @readers = "spacy-twitter-ner.MappedCorpus.v1"
    path = "assets/news.jsonl"
    weight = 0.5
    unannotated = ["product"]

    [corpora.train.corpora.news.labels]
    PER = ["person", "musicartist"]
    LOC = "geo-loc"
    MISC = []
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import load_config, registry
from spacy.vocab import Vocab

from ..partial import map_entities
from .reader import make_example, read_docs

Reader = Callable[[Language], Iterable[Example]]


def load_readers(path: Path) -> dict[str, Any]:
    """Load the readers of a config, without anything else in it.

    path (Path): The config.
    RETURNS (dict[str, Any]): The readers in [corpora] by name.
    RAISES (ValueError): If the config is invalid.
    RAISES (OSError): If it can't be read.
    """
    return registry.resolve(load_config(path, interpolate=True)["corpora"])


def create_mapped_corpus(
    path: Path | None,
    labels: dict[str, str | list[str]] | None = None,
    unannotated: list[str] | None = None,
    weight: float = 1.0,
) -> "MappedCorpus":
    """Create a reader of a corpus with other entity types: "spacy-twitter-ner.MappedCorpus.v1".

    path (Path | None): A .spacy file, a folder of them, a token/tag file, or JSON lines with spans.
    labels (dict[str, str | list[str]] | None): Our type for each type of the corpus, a list of the
        possible ones, or an empty list. All types must be named. By default they are ours.
    unannotated (list[str] | None): Our types that the corpus doesn't annotate.
    weight (float): How often MultiCorpus.v1 repeats the corpus: 2 is twice, 0.5 a random half.
    RETURNS (MappedCorpus): The reader.
    RAISES (ValueError): If the path is not set or the weight is not above 0.
    """
    if path is None:
        raise ValueError("MappedCorpus: the setting 'path' is empty: name the corpus")
    if not weight > 0:
        raise ValueError(f"MappedCorpus: weight must be above 0, got {weight} for {path}")
    lists = {
        label: [names] if isinstance(names, str) else names
        for label, names in (labels or {}).items()
    }
    return MappedCorpus(Path(path), lists, unannotated or [], weight)


@dataclass(frozen=True)
class MappedCorpus:
    """Iterate over the examples of a corpus with mapped types. See create_mapped_corpus."""

    path: Path
    labels: Mapping[str, Sequence[str]]
    unannotated: Sequence[str]
    weight: float

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield the examples. References are partially annotated (see partial.py) where an entity
        has several possible types, and if some types are not annotated.

        nlp (Language): The pipeline, for its vocab and tokenizer.
        YIELDS (Example): The examples.
        RAISES (ValueError): If the corpus has a type that isn't mapped, or can't be read.
        """
        for reference in self._docs.get_docs(nlp.vocab):
            yield make_example(nlp, reference)

    @cached_property
    def _docs(self) -> DocBin:
        # Cached, since corpora are read several times for initialization alone.
        docs = DocBin(attrs=["ENT_IOB", "ENT_TYPE"])
        for doc in read_docs(self.path, Vocab()):
            map_entities(doc, self.resolve(ent.label_ for ent in doc.ents), self.unannotated)
            docs.add(doc)
        return docs

    def resolve(self, labels: Iterable[str]) -> Mapping[str, Sequence[str]]:
        """Look up the map of the labels of a corpus.

        labels (Iterable[str]): The labels.
        RETURNS (Mapping[str, Sequence[str]]): The setting 'labels', or a map to themselves.
        RAISES (ValueError): If a label isn't in it.
        """
        labels = set(labels)
        if not self.labels:
            return {label: [label] for label in sorted(labels)}
        if missing := sorted(labels - self.labels.keys()):
            raise ValueError(
                f"MappedCorpus: {self.path} has the label {missing[0]!r}, which isn't in its "
                "setting 'labels'. Map it to a type, a list of possible types, or []"
            )
        return self.labels


def create_multi_corpus(corpora: dict[str, Any], seed: int = 0) -> "MultiCorpus":
    """Create a reader of several corpora: "spacy-twitter-ner.MultiCorpus.v1".

    corpora (dict[str, Callable[[Language], Iterable[Example]]]): Readers by name, usually
        MappedCorpus.v1, whose weights are respected. Others have weight 1.
    seed (int): Random seed for corpora that are not read as a whole.
    RETURNS (MultiCorpus): The reader.
    RAISES (ValueError): If there are no corpora.
    """
    if not corpora:
        raise ValueError("MultiCorpus: the setting 'corpora' is empty: add readers to it")
    return MultiCorpus(corpora, seed)


@dataclass(frozen=True)
class MultiCorpus:
    """Iterate over the examples of several corpora, one after another."""

    corpora: Mapping[str, Reader]
    seed: int = 0

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield the examples. spaCy shuffles them.

        nlp (Language): The pipeline.
        YIELDS (Example): The examples.
        RAISES (ValueError): If a corpus can't be read.
        """
        rng = random.Random(self.seed)  # noqa: S311 (not for cryptography)
        for reader in self.corpora.values():
            copies, rest = divmod(getattr(reader, "weight", 1.0), 1)
            for _ in range(int(copies)):
                yield from reader(nlp)
            if rest:
                yield from (example for example in reader(nlp) if rng.random() < rest)
