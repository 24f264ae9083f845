"""Add examples with silver annotation to each batch of gold examples.

There is far more silver than gold annotation. If both were in one corpus, few batches would contain
gold examples and silver data would dominate the vocabulary. With this batcher, the training corpus
is gold and determines epochs and vocabulary, and silver examples are added to each batch. In a
config:

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

from ..corpus.reader import read_docs

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]

_NAME = "batch_with_silver"
_SETTING = "[training.batcher] path"
_ENTITY_ATTRIBUTES = [ENT_IOB, ENT_TYPE]


def batch_with_silver(path: Path | None, batcher: Batcher, ratio: float = 1.0) -> Batcher:
    """Add silver examples to batches: "spacy-twitter-ner.batch_with_silver.v1".

    Silver examples are drawn in random order. Each is used once before any is used again, across
    epochs of the gold examples. The order depends on [training] seed. The examples are kept in
    memory as arrays, about 2.5 KB per tweet.

    path (Path | None): A .spacy file or a folder of .spacy files, as written by
        `spacy-twitter-ner silver`. Annotation may be partly missing.
    batcher (Callable[[Iterable[Example]], Iterable[list[Example]]]): The batcher for gold examples.
    ratio (float): Number of silver examples per gold example.
    RETURNS (Callable[[Iterable[Example]], Iterable[list[Example]]]): The batcher.
    RAISES (ValueError): If the path is not set or the ratio is not above 0.
    """
    if path is None:
        raise ValueError(
            f"{_NAME}: {_SETTING} is empty. Set it to the .spacy file of silver annotation, "
            "e.g. with --paths.silver FILE"
        )
    if not ratio > 0:
        raise ValueError(f"{_NAME}: ratio must be above 0, got {ratio}")
    return _SilverBatcher(Path(path), batcher, ratio)


class _SilverBatcher:
    def __init__(self, path: Path, batcher: Batcher, ratio: float) -> None:
        self.path = path
        self.batcher = batcher
        self.ratio = ratio
        self._silver: Iterator[_SilverDoc] | None = None
        self._vocab: Vocab | None = None
        # The fraction of an example carried over to the next batch.
        self._carry = 0.0

    def __call__(self, examples: Iterable[Example]) -> Iterator[list[Example]]:
        """Yield the batches of one epoch.

        examples (Iterable[Example]): The gold examples.
        YIELDS (list[Example]): A batch: gold examples, then silver ones.
        RAISES (ValueError): If there are no silver docs.
        """
        for batch in self.batcher(examples):
            gold = list(batch)
            self._carry += self.ratio * len(gold)
            n_silver = int(self._carry)
            self._carry -= n_silver
            yield gold + [self._draw(gold[0].reference.vocab) for _ in range(n_silver)]

    def _draw(self, vocab: Vocab) -> Example:
        # The file is read lazily, since configs are also resolved by commands that don't train.
        if self._silver is None or self._vocab is None:
            self._vocab = _copy_vocab(vocab)
            self._silver = _cycle_shuffled(_read_docs(self.path, self._vocab))
        return next(self._silver).to_example(self._vocab)


class _SilverDoc(NamedTuple):
    """The data of an example. A Doc would need many times the memory.

    words (Ints1d): (nT,) hashes of the words.
    spaces (list[bool] | None): Whether each word is followed by a space, if known.
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
    """RETURNS (Vocab): A vocab with the same vectors and lookups. The pipeline's own vocab is saved
    with all its strings, and silver words would add megabytes."""
    getters = vocab.lex_attr_getters  # type: ignore[attr-defined]  # not in spaCy's stubs
    return Vocab(lex_attr_getters=getters).from_bytes(vocab.to_bytes())


def _read_docs(path: Path, vocab: Vocab) -> list[_SilverDoc]:
    if not path.exists():
        raise ValueError(
            f"{_SETTING} = {str(path)!r}: no such file or folder. Create it with "
            "`spacy-twitter-ner silver`, or name another one"
        )
    silver = [_SilverDoc.from_doc(doc) for doc in read_docs(path, vocab) if len(doc)]
    if not silver:
        raise ValueError(f"{_SETTING} = {str(path)!r}: there are no docs with tokens")
    return silver


def _cycle_shuffled(docs: list[_SilverDoc]) -> Iterator[_SilverDoc]:
    while True:
        random.shuffle(docs)
        yield from docs
