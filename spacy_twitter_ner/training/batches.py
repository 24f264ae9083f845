"""A batcher that adds examples of silver annotation to each batch of gold examples.

Silver annotation is cheap: there is far more of it than of gold annotation. Were both in one
corpus, as spaCy's readers would have it, few batches would see anything annotated by people, and
the vocabulary would be that of the silver data. Here the corpus is gold, and decides epochs and
vocabularies; each batch gets a share of silver examples besides. In a config:

    [training.batcher]
    @batchers = "spacy-twitter-ner.batch_with_silver.v1"
    path = ${paths.silver}
    ratio = 1.0

    [training.batcher.batcher]
    @batchers = "spacy.batch_by_sequence.v1"
    size = 32
"""

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.types import Ints1d, Ints2d

from ..corpus.readers import read_docs

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]

_NAME = "batch_with_silver"
_SETTING = "[training.batcher] path"
_ENTITY_ATTRIBUTES = [ENT_IOB, ENT_TYPE]


def batch_with_silver(path: Path | None, batcher: Batcher, ratio: float = 1.0) -> Batcher:
    """Add silver examples to batches: "spacy-twitter-ner.batch_with_silver.v1".

    The silver examples come in random order, each once before any comes again, from one epoch of
    the gold examples to the next. spaCy seeds that order by [training] seed. They are held in
    memory as arrays, some 2.5 KB a tweet.

    path (Path | None): A .spacy file of annotated docs, or a folder of such files, as
        `spacy twitter-ner silver` makes them. Annotation may be missing in part.
    batcher (Callable[[Iterable[Example]], Iterable[list[Example]]]): Makes the gold batches.
    ratio (float): How many silver examples are added for each gold example of a batch.
    RETURNS (Callable[[Iterable[Example]], Iterable[list[Example]]]): The batcher.
    RAISES (ValueError): If the path is not set or the ratio is not above 0.
    """
    if path is None:
        raise ValueError(
            f"{_NAME}: {_SETTING} is empty. Name the .spacy file of silver annotation there, or "
            "where it refers to, e.g. --paths.silver FILE"
        )
    if not ratio > 0:
        raise ValueError(f"{_NAME}: ratio has to be above 0, got {ratio}")
    return _SilverBatcher(Path(path), batcher, ratio)


class _SilverBatcher:
    def __init__(self, path: Path, batcher: Batcher, ratio: float) -> None:
        self.path = path
        self.batcher = batcher
        self.ratio = ratio
        self._silver: Iterator[_SilverDoc] | None = None
        self._vocab: Vocab | None = None
        # The part of an example that earlier batches were owed: ratios need not be whole.
        self._owed = 0.0

    def __call__(self, examples: Iterable[Example]) -> Iterator[list[Example]]:
        """Make the batches of an epoch.

        examples (Iterable[Example]): The gold examples.
        YIELDS (list[Example]): The gold examples of a batch, then the silver ones.
        RAISES (ValueError): If there are no silver docs.
        """
        for batch in self.batcher(examples):
            gold = list(batch)
            self._owed += self.ratio * len(gold)
            n_silver = int(self._owed)
            self._owed -= n_silver
            yield gold + [self._draw(gold[0].reference.vocab) for _ in range(n_silver)]

    def _draw(self, vocab: Vocab) -> Example:
        # Read only now: a config is resolved by commands, too, that do not train.
        if self._silver is None or self._vocab is None:
            self._vocab = _copy_vocab(vocab)
            self._silver = _cycle_shuffled(_read_docs(self.path, self._vocab))
        return next(self._silver).to_example(self._vocab)


class _SilverDoc(NamedTuple):
    """What an example is made of; a Doc takes many times the memory.

    words (Ints1d): (nT,) the words' hashes.
    spaces (list[bool] | None): Whether a space follows each word, if that is known.
    entities (Ints2d): (nT, 2) each token's ENT_IOB and ENT_TYPE.
    """

    words: Ints1d
    spaces: list[bool] | None
    entities: Ints2d

    @classmethod
    def from_doc(cls, doc: Doc) -> "_SilverDoc":
        spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
        return cls(doc.to_array(ORTH), spaces, doc.to_array(_ENTITY_ATTRIBUTES))

    def to_example(self, vocab: Vocab) -> Example:
        words = [vocab.strings[orth] for orth in self.words.tolist()]
        predicted, reference = (Doc(vocab, words=words, spaces=self.spaces) for _ in range(2))
        reference.from_array(_ENTITY_ATTRIBUTES, self.entities)
        return Example(predicted, reference)


def _copy_vocab(vocab: Vocab) -> Vocab:
    """RETURNS (Vocab): One with the same vectors and lookups. A pipeline is saved with all strings
    of its vocab; those of the silver words would make it larger by megabytes, for nothing."""
    getters = vocab.lex_attr_getters  # type: ignore[attr-defined]  # not in spaCy's stubs
    return Vocab(lex_attr_getters=getters).from_bytes(vocab.to_bytes())


def _read_docs(path: Path, vocab: Vocab) -> list[_SilverDoc]:
    if not path.exists():
        raise ValueError(
            f"{_SETTING} = {str(path)!r}: there is no such file or folder. Make it with "
            "`python -m spacy twitter-ner silver`, or name another"
        )
    silver = [_SilverDoc.from_doc(doc) for doc in read_docs(path, vocab) if len(doc)]
    if not silver:
        raise ValueError(f"{_SETTING} = {str(path)!r}: there are no docs with tokens in it")
    return silver


def _cycle_shuffled(docs: list[_SilverDoc]) -> Iterator[_SilverDoc]:
    while True:
        random.shuffle(docs)
        yield from docs
