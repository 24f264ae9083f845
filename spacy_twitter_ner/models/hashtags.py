"""Learned vectors for the words a hashtag is made of, so that an unseen hashtag of seen words has
one as well."""

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
from .features import Lexemes, count_texts, see_no_names
from .tables import add_gradient, draw_table
from .vocabulary import N_SPARE, Vocabulary

InT: TypeAlias = Lexemes
OutT: TypeAlias = Floats2d

MAX_WORD_LENGTH = 20
CACHE_SIZE = 2**16

# Unknown names are easily taken for several short words ("do no van", "is is"). So nothing shorter
# than this is split, a word of two letters must be frequent to be a part, and one letter is none.
SHORTEST_COMPOUND = 6
SHORT_WORD = 2
SHORT_WORD_PROBABILITY = 1e-3
# With each letter an unknown word is so many times less probable. On words that no hashtag of the
# training data holds, 7 to 9 do equally well; less leaves more whole, more splits names.
BRANCHING = 8
_LOG_BRANCHING = log(BRANCHING)


def HashtagEmbed(width: int, *, min_freq: int = 2) -> Model[InT, OutT]:
    """Embed each distinct hashtag by the mean of its words' vectors; other lexemes are zeros.

    The words are found by the hashtag's spelling and, within a stretch of one case, by how often
    words occur in the training data. Those of the training data's hashtags have vectors; others
    share one. What is known of words is stored with the model.

    width (int): The vectors' width.
    min_freq (int): Words that occur less often in hashtags of the training data are unknown. With
        1, the vector of unknown words is not learned.
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
            "fit_vocabulary": fit_vocabulary,
            "see_names": see_no_names,
            "vocabulary": Vocabulary(n_spare=N_SPARE),
            "segmenter": HashtagSegmenter(),
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Draw the vectors from N(0, 1 / width)."""
    draw_table(model, "E", len(model.attrs["vocabulary"]), model.get_dim("nO"))


def fit_vocabulary(model: Model[InT, OutT], docs: Iterable[Doc], *, n_spare: int = 0) -> None:
    """Count the words of the training data. If there are vectors, they are drawn again.

    docs (Iterable[Doc]): All docs of the training data, read once.
    n_spare (int): The number of rows for words that are first seen in training.
    """
    texts = count_texts(docs)
    segmenter = HashtagSegmenter.from_texts(texts)
    # Plain words help to find a hashtag's words, but only words of hashtags learn a vector here.
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
    # The mean of no words is zero; of nothing but such means Thinc takes none.
    Y = ops.reduce_mean(E[rows], lengths) if len(rows) else ops.alloc2f(len(words), E.shape[1])

    def backprop(dY: OutT) -> InT:
        add_gradient(model, "E", rows, ops.backprop_reduce_mean(dY, lengths))
        return lexemes

    return Y, backprop


class HashtagSegmenter:
    """Splits hashtags into words.

    counts (Optional[Mapping[str, int]]): How often each word occurs, by its normal form.
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
        # Good and Turing: unseen words are as probable together as those seen once.
        n_once = sum(count == 1 for count in self.counts.values())
        self._log_unknown = log(max(n_once, 1) / total) if total else -inf
        self._cache: dict[str, tuple[str, ...]] = {}

    @classmethod
    def from_texts(cls, texts: Mapping[str, int]) -> "HashtagSegmenter":
        """Count the plain words, and the words of the hashtags whose spelling shows some: one of
        one case may be any number of words.

        texts (Mapping[str, int]): How often each token's text occurs.
        RETURNS (HashtagSegmenter): A segmenter that knows these words.
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
        """Find the words of a hashtag. What was found is remembered.

        text (str): A lexeme's text.
        RETURNS (tuple[str, ...]): The normal forms of its words; none if it is no hashtag.
        """
        if not text.startswith(HASH_SIGNS):
            return ()
        # Of letters alone it is one, which takes longer to find otherwise.
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
        for piece in self._pieces(text):
            form = normal_form(piece)
            words += self._segment_piece(form) if form.isalpha() else [form]
        return words

    def _pieces(self, text: str) -> list[str]:
        """RETURNS (list[str]): The pieces that are words or numbers. Spelling leaves open whether
        the last capital begins the next word (USArmy) or not (BBCnews): what is known decides."""
        pieces = [piece for piece in split_hashtag(unescape(text)) if piece[0].isalnum()]
        for i in range(len(pieces) - 1):
            left, right = pieces[i : i + 2]
            is_open = left.isupper() and len(left) > 1 and right.istitle() and len(right) > 1
            if is_open and not self._is_known(right) and self._is_known(right[1:]):
                pieces[i : i + 2] = [left + right[0], right[1:]]
        return pieces

    def _is_known(self, piece: str) -> bool:
        return normal_form(piece) in self._log_probabilities

    def _segment_piece(self, form: str) -> list[str]:
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


# Thinc stores a model's attributes by their type; one of an unknown type is silently left out.
@serialize_attr.register(HashtagSegmenter)
def _serialize_segmenter(_: Any, value: HashtagSegmenter, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(HashtagSegmenter)
def _deserialize_segmenter(_: Any, value: bytes, name: str, model: Any) -> HashtagSegmenter:
    return HashtagSegmenter.from_bytes(value)
