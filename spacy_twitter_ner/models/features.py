"""Features of a lexeme: strings computed from its text alone, once per distinct lexeme."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ..lazy import lazy_property
from ..normalization import (
    emoji_form,
    mask_user_and_url,
    normal_form,
    normalize_word,
    orthography,
    token_kind,
)

MAX_AFFIX = 4
# As in spaCy: of longer texts no shape is made, and longer runs of one character are cut.
LONGEST_SHAPE = 100
LONGEST_RUN = 4
_LONG_RUN = re.compile(r"(.)\1{4,}", re.DOTALL)


class _ShapeClasses(dict):
    """What each character is in a shape, by its code; each is looked at once."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char.isalpha():
            char = "X" if char.isupper() else "x"
        elif char.isdigit():
            char = "d"
        self[code] = char
        return char


_SHAPE_CLASSES = _ShapeClasses()


def word_shape(text: str) -> str:
    """spacy.lang.lex_attrs.word_shape, without a step for each character.

    text (str): A lexeme's text.
    RETURNS (str): Its shape: capitals X, other letters x, digits d, anything else itself, at most
        four of each in a row; "LONG" of a long text.
    """
    if len(text) >= LONGEST_SHAPE:
        return "LONG"
    shape = text.translate(_SHAPE_CLASSES)
    return shape if len(text) <= LONGEST_RUN else _cut_runs(shape)


# Many lexemes share few shapes.
@lru_cache(maxsize=2**12)
def _cut_runs(shape: str) -> str:
    return _LONG_RUN.sub(_first_four, shape)


def _first_four(match: re.Match[str]) -> str:
    return match[0][:LONGEST_RUN]


def _identity(text: str) -> str:
    return text


def _flags(text: str) -> str:
    kind = token_kind(text)
    # How a name or an address is written says nothing: their forms hide it as well.
    return kind if kind in ("user", "url") else " ".join((kind, *orthography(text)))


# What takes long is remembered: training sees the same lexemes in every epoch.
_remember = lru_cache(maxsize=2**15)

_OF_TEXT: dict[str, Callable[[str], str]] = {
    "orth": _identity,
    "masked": mask_user_and_url,
    "shape": word_shape,
    "kind": _remember(token_kind),
    "flags": _remember(_flags),
    "emoji": _remember(emoji_form),
}
# These share the normal form, which is computed once for all of them.
_OF_FORM: dict[str, Callable[[str], str]] = {
    "norm": _identity,
    # Each is taken of every new lexeme, for which a function of ours takes several times as long.
    **{f"prefix{n}": itemgetter(slice(n)) for n in range(1, MAX_AFFIX + 1)},
    **{f"suffix{n}": itemgetter(slice(-n, None)) for n in range(1, MAX_AFFIX + 1)},
}
FEATURES = (*_OF_TEXT, *_OF_FORM)
# What differs between user names, and between URLs. All others are those of their placeholders.
FEATURES_OF_NAMES = ("orth", "shape", "emoji")


def see_no_names(model: Model[Any, Any], lexemes: "Lexemes") -> list[None]:
    """What a model sees of user names and of URLs if it reads their placeholders.

    lexemes (Lexemes): User names and URLs: what normalization.placeholder says is one.
    RETURNS (list[None]): Nothing, for each.
    """
    return [None] * len(lexemes.texts)


def validate_features(features: Sequence[str]) -> None:
    """RAISES (ValueError): If a feature is unknown or named twice, or if there is none."""
    if not features:
        raise ValueError("features: name at least one of " + ", ".join(FEATURES))
    for name in features:
        if name not in FEATURES:
            raise ValueError(f"features: unknown {name!r}; available are " + ", ".join(FEATURES))
        if list(features).count(name) > 1:
            raise ValueError(f"features: {name!r} is named twice")


def lexeme_features(text: str, features: tuple[str, ...]) -> tuple[str, ...]:
    """Compute a lexeme's features.

    text (str): The lexeme's text.
    features (tuple[str, ...]): Names of features, of FEATURES.
    RETURNS (tuple[str, ...]): Their values, in order.
    """
    text = normalize_word(text)
    form = normal_form(text)
    return tuple(
        _OF_TEXT[name](text) if name in _OF_TEXT else _OF_FORM[name](form) for name in features
    )


@dataclass(frozen=True, eq=False)
class Lexemes:
    """The distinct lexemes of a batch.

    texts (list[str]): Each distinct lexeme's text, nU in all. It is normalized: lexemes that differ
        in their letters' style only have the same text here.
    inverse (numpy.ndarray): (N,) for each token of the batch, its lexeme's index in texts.
    lengths (list[int]): How many tokens each doc has.
    vocabs (list[Vocab]): For each distinct lexeme, the vocab it was found in.
    """

    texts: list[str]
    inverse: numpy.ndarray
    lengths: list[int]
    vocabs: list[Vocab]

    def __post_init__(self) -> None:
        # Most are ASCII, which takes less than a call.
        texts = [text if text.isascii() else normalize_word(text) for text in self.texts]
        object.__setattr__(self, "texts", texts)

    @classmethod
    def of_texts(cls, texts: list[str], vocabs: list[Vocab]) -> "Lexemes":
        """RETURNS (Lexemes): Lexemes that are a text by themselves, each once."""
        return cls(texts, numpy.arange(len(texts)), [len(texts)], vocabs)

    def select(self, indices: Iterable[int]) -> "Lexemes":
        """RETURNS (Lexemes): Some of the lexemes, as of_texts."""
        chosen = list(indices)
        return self.of_texts([self.texts[i] for i in chosen], [self.vocabs[i] for i in chosen])

    @lazy_property
    def forms(self) -> list[str]:
        """RETURNS (list[str]): Each distinct lexeme's normal form."""
        return [normal_form(text) for text in self.texts]

    def feature(self, name: str) -> list[str]:
        """Compute a feature of all lexemes.

        name (str): One of FEATURES.
        RETURNS (list[str]): Each distinct lexeme's value.
        """
        if name in _OF_TEXT:
            return list(map(_OF_TEXT[name], self.texts))
        return list(map(_OF_FORM[name], self.forms))

    @property
    def occurrences(self) -> list[int]:
        """RETURNS (list[int]): How many tokens of the batch each distinct lexeme has."""
        return numpy.bincount(self.inverse, minlength=len(self.texts)).tolist()


def count_texts(docs: Iterable[Doc]) -> Counter[str]:
    """RETURNS (Counter[str]): How many tokens have each normalized text, in docs that are read
    once."""
    counts: Counter[str] = Counter()
    for doc in docs:
        counts.update(normalize_word(token.text) for token in doc)
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
