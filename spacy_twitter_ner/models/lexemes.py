"""Distinct lexemes of a batch, their features, and their keys in pretrained tables."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

import numpy
from spacy.attrs import ORTH
from spacy.strings import get_string_id
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..lazy import lazy_property
from ..normalization import (
    HASH_SIGNS,
    emoji_form,
    mask_user_and_url,
    normal_form,
    normalize_word,
    orthography,
    token_kind,
)

MAX_AFFIX = 4
# As in spaCy: longer texts have no shape, and longer runs of one character are shortened.
MAX_SHAPE_LENGTH = 100
MAX_RUN = 4
_LONG_RUN = re.compile(r"(.)\1{4,}", re.DOTALL)

SHARE_VOCAB = (
    "A component from another pipeline needs the vocab of that pipeline. In Python: "
    'nlp = spacy.blank("en", vocab=source.vocab). In a training config: [initialize.before_init] '
    '@callbacks = "spacy.copy_from_base_model.v1", with the source pipeline as `vocab`'
)


class _ShapeClasses(dict):
    """Maps character codes to shape characters, computed on first access."""

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
    """Compute spacy.lang.lex_attrs.word_shape, without its Python loop over characters.

    text (str): A lexeme's text.
    RETURNS (str): Its shape: X for upper case, x for other letters, d for digits, other characters
        as they are, at most four of each in a row; "LONG" for a long text.
    """
    if len(text) >= MAX_SHAPE_LENGTH:
        return "LONG"
    shape = text.translate(_SHAPE_CLASSES)
    return shape if len(text) <= MAX_RUN else _shorten_runs(shape)


@lru_cache(maxsize=2**12)
def _shorten_runs(shape: str) -> str:
    return _LONG_RUN.sub(lambda match: match[0][:MAX_RUN], shape)


def _identity(text: str) -> str:
    return text


def _flags(text: str) -> str:
    kind = token_kind(text)
    # Spelling isn't informative for user names and URLs.
    return kind if kind in ("user", "url") else " ".join((kind, *orthography(text)))


# Training sees the same lexemes in every epoch.
_cached = lru_cache(maxsize=2**15)

_TEXT_FEATURES: dict[str, Callable[[str], str]] = {
    "orth": _identity,
    "masked": mask_user_and_url,
    "shape": word_shape,
    "kind": _cached(token_kind),
    "flags": _cached(_flags),
    "emoji": _cached(emoji_form),
}
# Features of the normal form, which is computed once for all of them.
_FORM_FEATURES: dict[str, Callable[[str], str]] = {
    "norm": _identity,
    # Faster than functions of ours.
    **{f"prefix{n}": itemgetter(slice(n)) for n in range(1, MAX_AFFIX + 1)},
    **{f"suffix{n}": itemgetter(slice(-n, None)) for n in range(1, MAX_AFFIX + 1)},
}
FEATURES = (*_TEXT_FEATURES, *_FORM_FEATURES)
# Features that differ between user names or between URLs. The others equal the placeholder's.
NAME_FEATURES = ("orth", "shape", "emoji")


def validate_features(features: Sequence[str]) -> None:
    """RAISES (ValueError): If there are no features, or one is unknown or repeated."""
    choose = "Choose from: " + ", ".join(FEATURES)
    if not features:
        raise ValueError(f"LexemeFeatures: features is empty. {choose}")
    for name in features:
        if name not in FEATURES:
            raise ValueError(f"LexemeFeatures: unknown feature {name!r}. {choose}")
        if list(features).count(name) > 1:
            raise ValueError(f"LexemeFeatures: feature {name!r} is repeated. List it once")


def lexeme_features(text: str, features: tuple[str, ...]) -> tuple[str, ...]:
    """Compute several features of a lexeme.

    text (str): The lexeme's text.
    features (tuple[str, ...]): Feature names, from FEATURES.
    RETURNS (tuple[str, ...]): Their values, in order.
    """
    text = normalize_word(text)
    form = normal_form(text)
    return tuple(
        _TEXT_FEATURES[name](text) if name in _TEXT_FEATURES else _FORM_FEATURES[name](form)
        for name in features
    )


@dataclass(frozen=True, eq=False)
class Lexemes:
    """The distinct lexemes of a batch.

    texts (list[str]): The text of each of nU distinct lexemes. Texts are normalized, so lexemes
        that only differ in letter style have the same text.
    inverse (numpy.ndarray): (N,) for each token of the batch, the index of its lexeme.
    lengths (list[int]): The docs' lengths.
    vocabs (list[Vocab]): The vocab of each distinct lexeme.
    """

    texts: list[str]
    inverse: numpy.ndarray
    lengths: list[int]
    vocabs: list[Vocab]

    def __post_init__(self) -> None:
        # Skip the call for ASCII texts, which most are.
        texts = [text if text.isascii() else normalize_word(text) for text in self.texts]
        object.__setattr__(self, "texts", texts)

    @classmethod
    def from_texts(cls, texts: list[str], vocabs: list[Vocab]) -> "Lexemes":
        """RETURNS (Lexemes): One lexeme per text, as if the texts were a single doc."""
        return cls(texts, numpy.arange(len(texts)), [len(texts)], vocabs)

    def select(self, indices: Iterable[int]) -> "Lexemes":
        """RETURNS (Lexemes): The lexemes at these indices, as by from_texts."""
        chosen = list(indices)
        return self.from_texts([self.texts[i] for i in chosen], [self.vocabs[i] for i in chosen])

    @lazy_property
    def forms(self) -> list[str]:
        """RETURNS (list[str]): The normal form of each lexeme."""
        return [normal_form(text) for text in self.texts]

    def feature(self, name: str) -> list[str]:
        """Compute a feature of all lexemes.

        name (str): One of FEATURES.
        RETURNS (list[str]): The value of each lexeme.
        """
        if name in _TEXT_FEATURES:
            return list(map(_TEXT_FEATURES[name], self.texts))
        return list(map(_FORM_FEATURES[name], self.forms))

    @property
    def occurrences(self) -> list[int]:
        """RETURNS (list[int]): The number of tokens of each lexeme."""
        return numpy.bincount(self.inverse, minlength=len(self.texts)).tolist()


def count_orths(docs: Iterable[Doc]) -> Counter[str]:
    """RETURNS (Counter[str]): The frequency of each normalized text in the docs."""
    counts: Counter[str] = Counter()
    for doc in docs:
        counts.update(normalize_word(token.text) for token in doc)
    return counts


def distinct_lexemes(docs: Sequence[Doc]) -> Lexemes:
    """Find the distinct lexemes of a batch.

    docs (Sequence[Doc]): The batch. The docs may have different vocabs.
    RETURNS (Lexemes): The lexemes.
    """
    lengths = [len(doc) for doc in docs]
    orths = numpy.concatenate([numpy.zeros(0, "uint64"), *(doc.to_array(ORTH) for doc in docs)])
    unique, first, inverse = numpy.unique(orths, return_index=True, return_inverse=True)
    owners = numpy.searchsorted(numpy.cumsum(lengths), first, side="right")
    vocabs = [docs[owner].vocab for owner in owners.tolist()]
    texts = [vocab.strings[orth] for orth, vocab in zip(unique.tolist(), vocabs, strict=True)]
    return Lexemes(texts, inverse, lengths, vocabs)


@lru_cache(maxsize=2**15)
def lookup_keys(text: str) -> tuple[int, ...]:
    """List the keys of a lexeme in pretrained tables, in the order to try them.

    text (str): The lexeme's text, normalized.
    RETURNS (tuple[int, ...]): StringStore hashes of the text, its lower-cased form, its normal form
        and, for hashtags, the normal form with the "#".
    """
    form = normal_form(text)
    forms = [text, text.lower(), form]
    if text.startswith(HASH_SIGNS) and not form.startswith(HASH_SIGNS):
        forms.append("#" + form)
    return tuple(get_string_id(key) for key in dict.fromkeys(forms))


def lookup(table: Mapping[int, int], text: str) -> int | None:
    """Look up a lexeme by each of its keys. Only the keys are cached, since the table may change.

    table (Mapping[int, int]): Values by string hash.
    text (str): The lexeme's text.
    RETURNS (Optional[int]): The first value found.
    """
    for key in lookup_keys(text):
        value = table.get(key)
        if value is not None:
            return value
    return None


def texts_by_vocab(lexemes: Lexemes) -> Iterator[tuple[Vocab, numpy.ndarray, Sequence[str]]]:
    """Group a batch's lexemes by vocab. In a pipeline, all docs share one.

    YIELDS (tuple[Vocab, numpy.ndarray, Sequence[str]]): A vocab, the indices of its lexemes and
        their texts.
    """
    vocabs = {id(vocab): vocab for vocab in lexemes.vocabs}
    if len(vocabs) == 1:
        yield lexemes.vocabs[0], numpy.arange(len(lexemes.texts)), lexemes.texts
        return
    owners = numpy.asarray([id(vocab) for vocab in lexemes.vocabs], dtype="uint64")
    for owner, vocab in vocabs.items():
        indices = numpy.flatnonzero(owners == owner)
        yield vocab, indices, [lexemes.texts[index] for index in indices.tolist()]
