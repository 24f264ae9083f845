"""Features of a lexeme: strings computed from its text alone, once per distinct lexeme."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy
from spacy.attrs import ORTH
from spacy.lang.lex_attrs import word_shape
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..normalization import emoji_form, mask_user_and_url, normal_form, orthography, token_kind

MAX_AFFIX = 4


def _identity(text: str) -> str:
    return text


def _prefix(text: str, *, length: int) -> str:
    return normal_form(text)[:length]


def _suffix(text: str, *, length: int) -> str:
    return normal_form(text)[-length:]


def _flags(text: str) -> str:
    kind = token_kind(text)
    # How a name or an address is written says nothing: their forms hide it as well.
    return kind if kind in ("user", "url") else " ".join((kind, *orthography(text)))


FEATURES: dict[str, Callable[[str], str]] = {
    "orth": _identity,
    "masked": mask_user_and_url,
    "norm": normal_form,
    "shape": word_shape,
    "kind": token_kind,
    "flags": _flags,
    "emoji": emoji_form,
    **{f"prefix{n}": partial(_prefix, length=n) for n in range(1, MAX_AFFIX + 1)},
    **{f"suffix{n}": partial(_suffix, length=n) for n in range(1, MAX_AFFIX + 1)},
}


def validate_features(features: Sequence[str]) -> None:
    """RAISES (ValueError): If a feature is unknown or named twice, or if there is none."""
    if not features:
        raise ValueError("features: name at least one of " + ", ".join(FEATURES))
    for name in features:
        if name not in FEATURES:
            raise ValueError(f"features: unknown {name!r}; available are " + ", ".join(FEATURES))
        if list(features).count(name) > 1:
            raise ValueError(f"features: {name!r} is named twice")


@lru_cache(maxsize=2**16)
def lexeme_features(text: str, features: tuple[str, ...]) -> tuple[str, ...]:
    """Compute a lexeme's features.

    text (str): The lexeme's text.
    features (tuple[str, ...]): Names of features, keys of FEATURES.
    RETURNS (tuple[str, ...]): Their values, in order.
    """
    return tuple(FEATURES[name](text) for name in features)


class Lexemes(NamedTuple):
    """The distinct lexemes of a batch.

    texts (list[str]): Each distinct lexeme's text, nU in all.
    inverse (numpy.ndarray): (N,) for each token of the batch, its lexeme's index in texts.
    lengths (list[int]): How many tokens each doc has.
    vocabs (list[Vocab]): For each distinct lexeme, the vocab it was found in.
    """

    texts: list[str]
    inverse: numpy.ndarray
    lengths: list[int]
    vocabs: list[Vocab]

    @property
    def occurrences(self) -> list[int]:
        """RETURNS (list[int]): How many tokens of the batch each distinct lexeme has."""
        return numpy.bincount(self.inverse, minlength=len(self.texts)).tolist()

    @property
    def text_counts(self) -> Counter[str]:
        """RETURNS (Counter[str]): The same by text."""
        return Counter(dict(zip(self.texts, self.occurrences, strict=True)))


def count_texts(docs: Iterable[Doc]) -> Counter[str]:
    """RETURNS (Counter[str]): How many tokens have each text, in docs that are read once."""
    counts: Counter[str] = Counter()
    for doc in docs:
        counts.update(token.text for token in doc)
    return counts


def distinct_lexemes(docs: Sequence[Doc]) -> Lexemes:
    """Find the distinct lexemes of a batch, so that work is done once for each.

    docs (Sequence[Doc]): The batch; the docs may have different vocabs.
    RETURNS (Lexemes): The lexemes and where they stand.
    """
    lengths = [len(doc) for doc in docs]
    orths = numpy.concatenate([numpy.zeros(0, "uint64"), *(doc.to_array(ORTH) for doc in docs)])
    unique, first, inverse = numpy.unique(orths, return_index=True, return_inverse=True)
    owners = numpy.searchsorted(numpy.cumsum(lengths), first, side="right")
    vocabs = [docs[owner].vocab for owner in owners.tolist()]
    texts = [vocab.strings[orth] for orth, vocab in zip(unique.tolist(), vocabs, strict=True)]
    return Lexemes(texts, inverse, lengths, vocabs)
