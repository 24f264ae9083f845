"""Hashtag embeddings from the words of a hashtag: vectors for unseen hashtags of known words."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import inf, log
from typing import Any, TypeAlias

import srsly
from spacy.tokens import Doc
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr
from thinc.types import Floats2d

from ..normalization import (
    HASH_SIGNS,
    normal_form,
    orthography,
    segment_words,
    split_hashtag,
    token_kind,
    unescape,
)
from .interface import EmbedPart, no_name_keys
from .lexemes import Lexemes, count_orths
from .tables import N_SPARE, Vocabulary, add_gradient, init_table

InT: TypeAlias = Lexemes
OutT: TypeAlias = Floats2d

MAX_WORD_LENGTH = 20
CACHE_SIZE = 2**16

# Unknown names are easily split into short words ("do no van", "is is"). So nothing shorter than
# this is split, words of two letters must be frequent, and single letters aren't words.
SHORTEST_COMPOUND = 6
SHORT_WORD = 2
SHORT_WORD_PROBABILITY = 1e-3
# Each letter divides the probability of an unknown word by this. Lower values leave more words
# whole, higher values split names.
BRANCHING = 8
_LOG_BRANCHING = log(BRANCHING)


def HashtagEmbed(width: int, *, min_freq: int = 2) -> Model[InT, OutT]:
    """Embed each distinct hashtag as the mean of its words' vectors. Other lexemes are zeros.

    Hashtags are split by their spelling and, within a run of one case, by the frequencies of words
    in the training data, which are stored with the model. Words in hashtags of the training data
    have vectors. Unknown words share one.

    width (int): Width of the vectors.
    min_freq (int): Words that are less frequent in hashtags of the training data are unknown. With
        1, the vector of unknown words isn't learned.
    RETURNS (Model[Lexemes, Floats2d]): nU lexemes -> (nU, width)
    """
    return Model(
        "hashtag_embed",
        forward,
        init=init,
        dims={"nO": width},
        params={"E": None},
        attrs={
            "min_freq": min_freq,
            "part": EmbedPart(fit_vocabulary, no_name_keys),
            "vocabulary": Vocabulary(n_spare=N_SPARE),
            "segmenter": HashtagSegmenter(),
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Initialize the vectors from N(0, 1 / width)."""
    init_table(model, "E", len(model.attrs["vocabulary"]), model.get_dim("nO"))


def fit_vocabulary(model: Model[InT, OutT], docs: Iterable[Doc], *, n_spare: int = 0) -> None:
    """Count the words of the training data. Existing vectors are reinitialized.

    docs (Iterable[Doc]): All docs of the training data. Iterated once.
    n_spare (int): The number of rows for words that are first seen in training.
    """
    texts = count_orths(docs)
    segmenter = HashtagSegmenter.from_texts(texts)
    # Plain words only help to split hashtags. Words of hashtags have vectors.
    words: Counter[str] = Counter()
    for text, count in texts.items():
        for word in segmenter.words(text):
            words[word] += count
    model.attrs["segmenter"] = segmenter
    model.attrs["vocabulary"] = Vocabulary.from_counts(
        words, min_freq=model.attrs["min_freq"], n_spare=n_spare
    )
    if model.has_param("E"):
        init(model)


def forward(model: Model[InT, OutT], lexemes: InT, is_train: bool) -> tuple[OutT, Callable]:
    ops = model.ops
    vocabulary, segmenter = model.attrs["vocabulary"], model.attrs["segmenter"]
    words = [segmenter.words(text) for text in lexemes.texts]
    if is_train:
        vocabulary.learn(word for lexeme in words for word in lexeme)
    lengths = ops.asarray1i([len(lexeme_words) for lexeme_words in words])
    rows = ops.asarray1i([vocabulary.row(word) for lexeme in words for word in lexeme])
    E = model.get_param("E")
    # Thinc's reduce_mean doesn't support an empty array.
    Y = ops.reduce_mean(E[rows], lengths) if len(rows) else ops.alloc2f(len(words), E.shape[1])

    def backprop(dY: OutT) -> InT:
        add_gradient(model, "E", rows, ops.backprop_reduce_mean(dY, lengths))
        return lexemes

    return Y, backprop


class HashtagSegmenter:
    """Splits hashtags into words.

    counts (Optional[Mapping[str, int]]): The frequency of each word's normal form.
    """

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self.counts = dict(counts or {})
        total = sum(self.counts.values())
        self._log_probabilities = {
            word: log(count / total)
            for word, count in self.counts.items()
            if len(word) > SHORT_WORD
            or (len(word) == SHORT_WORD and count >= SHORT_WORD_PROBABILITY * total)
        }
        # Good-Turing: the total probability of unseen words equals that of words seen once.
        n_once = sum(count == 1 for count in self.counts.values())
        self._log_unknown = log(max(n_once, 1) / total) if total else -inf
        self._cache: dict[str, tuple[str, ...]] = {}

    @classmethod
    def from_texts(cls, texts: Mapping[str, int]) -> "HashtagSegmenter":
        """Count plain words, and the words of hashtags in mixed case. A hashtag in one case may be
        any number of words.

        texts (Mapping[str, int]): The frequency of each token's text.
        RETURNS (HashtagSegmenter): A segmenter with these words.
        """
        counts: Counter[str] = Counter()
        for text, count in texts.items():
            if token_kind(text) == "word":
                counts[normal_form(text)] += count
        plain = cls(_letters_only(counts))
        for text, count in texts.items():
            if orthography(text)[0] in ("title", "mixed"):
                for word in plain.words(text):
                    counts[word] += count
        return cls(_letters_only(counts))

    def words(self, text: str) -> tuple[str, ...]:
        """Split a hashtag into words. Results are cached.

        text (str): A lexeme's text.
        RETURNS (tuple[str, ...]): The normal forms of its words. Empty if it isn't a hashtag.
        """
        if not text.startswith(HASH_SIGNS):
            return ()
        # "#" and letters is always a hashtag: skip the slower check.
        if not text[1:].isalpha() and token_kind(text) != "hashtag":
            return ()
        words = self._cache.get(text)
        if words is None:
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            words = self._cache[text] = tuple(self._segment(text))
        return words

    def _segment(self, text: str) -> list[str]:
        words = []
        for segment in self._segments(text):
            form = normal_form(segment)
            words += self._segment_word(form) if form.isalpha() else [form]
        return words

    def _segments(self, text: str) -> list[str]:
        """RETURNS (list[str]): The segments that are words or numbers. Whether the last capital
        begins the next word (USArmy) or not (BBCnews) depends on which words are known."""
        segments = [segment for segment in split_hashtag(unescape(text)) if segment[0].isalnum()]
        for i in range(len(segments) - 1):
            left, right = segments[i : i + 2]
            is_open = left.isupper() and len(left) > 1 and right.istitle() and len(right) > 1
            if is_open and not self._is_known(right) and self._is_known(right[1:]):
                segments[i : i + 2] = [left + right[0], right[1:]]
        return segments

    def _is_known(self, segment: str) -> bool:
        return normal_form(segment) in self._log_probabilities

    def _segment_word(self, form: str) -> list[str]:
        if len(form) < SHORTEST_COMPOUND:
            return [form]
        whole = self._log_unknown - len(form) * _LOG_BRANCHING
        return segment_words(form, self._log_probabilities.get, MAX_WORD_LENGTH, whole)

    def to_bytes(self) -> bytes:
        return srsly.msgpack_dumps({"counts": self.counts})

    @classmethod
    def from_bytes(cls, data: bytes) -> "HashtagSegmenter":
        return cls(**srsly.msgpack_loads(data))


def _letters_only(counts: Mapping[str, int]) -> dict[str, int]:
    return {word: count for word, count in counts.items() if word.isalpha()}


# Thinc serializes attributes by type and silently skips unknown types.
@serialize_attr.register(HashtagSegmenter)
def _serialize_segmenter(_: Any, value: HashtagSegmenter, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(HashtagSegmenter)
def _deserialize_segmenter(_: Any, value: bytes, name: str, model: Any) -> HashtagSegmenter:
    return HashtagSegmenter.from_bytes(value)
