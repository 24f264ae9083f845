"""Check the label maps of the corpora in a config."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spacy.vocab import Vocab

from .multi import MappedCorpus, MultiCorpus, load_readers
from .reader import read_docs


@dataclass
class MappedCorpusStats:
    """What a label map does to a corpus.

    name (str): The corpus's name in the config.
    path (str): Its file.
    weight (float): Its weight.
    tweets (int): Number of tweets.
    labels (dict[str, list[str]]): The types that each label is mapped to.
    counts (dict[str, int]): Number of entities per label.
    unannotated (list[str]): The types that the corpus doesn't annotate.
    """

    name: str
    path: str
    weight: float
    tweets: int
    labels: dict[str, list[str]]
    counts: dict[str, int]
    unannotated: list[str]


@dataclass
class MapCheck:
    """The results for all corpora of a config, and warnings about likely mistakes."""

    corpora: list[MappedCorpusStats]
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The check, in JSON types."""
        return asdict(self)


def check_maps(path: Path) -> MapCheck:
    """Check the label maps of the readers in a config's [corpora].

    path (Path): The config.
    RETURNS (MapCheck): The results.
    RAISES (ValueError): If the config is invalid, has no MappedCorpus.v1, or a label isn't mapped.
    RAISES (OSError): If a file can't be read.
    """
    readers = dict(_find_readers(load_readers(path)))
    if not readers:
        raise ValueError(
            f"{path} has no label maps: no reader in [corpora] is a "
            "spacy-twitter-ner.MappedCorpus.v1. Check token/tag files by naming them instead"
        )
    corpora = [_check_corpus(name, reader) for name, reader in readers.items()]
    return MapCheck(corpora, list(_find_mistakes(corpora)))


def _find_readers(corpora: Mapping[str, Any]) -> Iterator[tuple[str, MappedCorpus]]:
    for name, reader in corpora.items():
        if isinstance(reader, MultiCorpus):
            yield from _find_readers(
                {f"{name}.{part}": each for part, each in reader.corpora.items()}
            )
        elif isinstance(reader, MappedCorpus):
            yield name, reader


def _check_corpus(name: str, reader: MappedCorpus) -> MappedCorpusStats:
    counts: Counter[str] = Counter()
    n_tweets = 0
    for doc in read_docs(reader.path, Vocab()):
        n_tweets += 1
        counts.update(ent.label_ for ent in doc.ents)
    labels = reader.resolve(counts)
    return MappedCorpusStats(
        name,
        str(reader.path),
        reader.weight,
        n_tweets,
        {label: list(types) for label, types in labels.items()},
        {label: counts[label] for label in labels},
        list(reader.unannotated),
    )


def _find_mistakes(corpora: list[MappedCorpusStats]) -> Iterator[str]:
    certain, named = set(), set()
    for corpus in corpora:
        for label, types in corpus.labels.items():
            named.update(types)
            if not corpus.counts[label]:
                yield f"{corpus.name}: no entity has the label {label!r} of its map"
            elif len(types) == 1:
                certain.update(types)
    for corpus in corpora:
        for label in sorted(set(corpus.unannotated) - named):
            yield f"{corpus.name}: no corpus annotates {label!r}, which it lists as unannotated"
    for label in sorted(named - certain):
        yield (
            f"No entity is certain to be {label!r}: it's always one of several possible types, so "
            "it can't be told from the others"
        )
