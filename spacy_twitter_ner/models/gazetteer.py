"""A gazetteer: embeds for each token the known phrases it stands in.

Phrases come from lists and from the entities of the training data. Of the latter the gazetteer
knows how often each occurs and how often it is an entity of each type, so that "apple", "may" and
"microsoft" differ. Every entity of the training data is in a gazetteer made of it; were it matched
as it stands, the model would learn to trust the gazetteer blindly. So each doc is looked up, in
training, as if the gazetteer were made of all others.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy
import srsly
from spacy.attrs import ENT_IOB
from spacy.tokens import Doc
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr
from thinc.types import Floats2d, Ints1d, Ints2d

from ..lazy import lazy_property
from ..lexical.phrases import Matches, PhraseTrie
from ..normalization import URL, USER, normal_form, normalize_word
from .features import Lexemes, distinct_lexemes, see_no_names
from .tables import add_gradient, draw_table

InT: TypeAlias = list[Doc]
OutT: TypeAlias = list[Floats2d]
Phrase: TypeAlias = tuple[str, ...]

# A phrase is graded by the share of its occurrences that are entities of a type, and by whether
# there is more than one of these. The first grade is for phrases of lists.
SHARES = (0.1, 0.5, 0.9)
N_GRADES = 1 + 2 * (len(SHARES) + 1)
N_POSITIONS = 2


def GazetteerEmbed(
    width: int, *, from_training: bool = True, min_count: int = 1, max_length: int = 8
) -> Model[InT, OutT]:
    """Embed the phrases that each token stands in, of lists and of the training data.

    Texts and phrases are compared by their tokens' normal forms. Of each of both sources the
    longest matches count, those that lie in no other match, even if they overlap. A token gets
    the sum of the learned vectors of its features: source, entity type, begin or inside, and for
    phrases of the training data their grade. A token outside of all phrases gets zeros.

    width (int): The vectors' width.
    from_training (bool): Whether to take phrases from the entities of the training data.
    min_count (int): Such phrases that are entities less often are left out.
    max_length (int): Phrases of more tokens are left out.
    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, width) array a doc.
    RAISES (ValueError): If a number is less than 1.
    """
    settings = {"width": width, "min_count": min_count, "max_length": max_length}
    for name, value in settings.items():
        if value < 1:
            raise ValueError(f"GazetteerEmbed: {name} must be 1 or more, not {value}")
    return Model(
        "gazetteer_embed",
        forward,
        init=init,
        dims={"nO": width},
        params={"E": None},
        attrs={
            "gazetteer": make_gazetteer(),
            "from_training": from_training,
            "min_count": min_count,
            "max_length": max_length,
            "fit_gazetteer": fit_gazetteer,
            "number_words": number_words,
            "see_names": see_no_names,
            "embed_words": embed_words,
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Draw the vectors from N(0, 1 / width)."""
    draw_table(model, "E", model.attrs["gazetteer"].n_features, model.get_dim("nO"))


def fit_gazetteer(
    model: Model[InT, OutT],
    docs: Iterable[Doc],
    phrases: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Make the gazetteer. If there are vectors, they are drawn again.

    docs (Iterable[Doc]): All docs of the training data with their gold entities, read once.
    phrases (Optional[Mapping[str, Iterable[str]]]): Lists of phrases by type, their tokens
        separated by spaces, as spacy-twitter-ner.PhraseLists.v1 reads them. None keeps those of
        an earlier initialization, as the vocab keeps its lookups and vectors.
    """
    attrs = model.attrs
    if phrases is None:
        phrases = attrs["gazetteer"].lists
    attrs["gazetteer"] = make_gazetteer(
        docs if attrs["from_training"] else [],
        phrases,
        min_count=attrs["min_count"],
        max_length=attrs["max_length"],
    )
    if model.has_param("E"):
        init(model)


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> tuple[OutT, Callable]:
    ops = model.ops
    E = model.get_param("E")
    lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
    tokens, rows = model.attrs["gazetteer"].features(docs, hold_out=is_train)
    tokens, rows = ops.asarray1i(tokens), ops.asarray1i(rows)
    Y = ops.xp.zeros((int(lengths.sum()), E.shape[1]), dtype=E.dtype)
    if len(rows):
        ops.scatter_add(Y, tokens, E[rows])

    def backprop(dYs: OutT) -> InT:
        add_gradient(model, "E", rows, ops.flatten(dYs)[tokens])
        return []

    return ops.unflatten(Y, lengths), backprop


def number_words(model: Model[InT, OutT], lexemes: Lexemes) -> Ints1d:
    """RETURNS (Ints1d): (nU,) what embed_words has to know of each lexeme."""
    return model.attrs["gazetteer"].trie.numbers(lexemes.forms)


def embed_words(
    model: Model[InT, OutT], words: Ints1d, lengths: Sequence[int]
) -> tuple[Ints1d, Floats2d]:
    """Predict what the layer predicts, but for few tokens only.

    words (Ints1d): (N,) what number_words has found of each token's lexeme.
    lengths (Sequence[int]): How many tokens each doc has.
    RETURNS (tuple[Ints1d, Floats2d]): (k,) the tokens whose vectors are not zeros, in order, and
        (k, width) these vectors.
    """
    pairs, rows = model.attrs["gazetteer"].features_of_words(words, lengths)
    vectors = model.get_param("E")[model.ops.asarray1i(rows)]
    # The pairs are sorted by token.
    firsts = numpy.flatnonzero(numpy.diff(pairs, prepend=-1))
    if len(firsts) < len(pairs):
        vectors = model.ops.xp.add.reduceat(vectors, firsts, axis=0)
    return pairs[firsts], vectors


@dataclass(frozen=True, eq=False)
class Gazetteer:
    """Phrases of nK types, and what is known of them. It is never changed, only replaced.

    types (list[str]): The types.
    phrases (Sequence[Sequence[str]]): The nP phrases' normal forms, first those of the nT phrases
        that are entities in the training data.
    listed (Ints2d): (nP, nK) whether a phrase is listed as of a type.
    counts (Ints2d): (nT, 1 + nK) how often a phrase occurs in the training data in all, and how
        often as an entity of each type.
    own_keys (Ints1d): (nC,) sorted 64-bit keys, each of a count and a text that adds to it.
    own_counts (Ints1d): (nC,) what that text adds.
    min_count (int): Phrases that are entities less often count for nothing.
    """

    types: list[str]
    phrases: Sequence[Sequence[str]]
    listed: Ints2d
    counts: Ints2d
    own_keys: Ints1d
    own_counts: Ints1d
    min_count: int

    @lazy_property
    def trie(self) -> PhraseTrie:
        return PhraseTrie(self.phrases)

    @property
    def lists(self) -> dict[str, list[str]]:
        """RETURNS (dict[str, list[str]]): The listed phrases by type."""
        return {
            label: [" ".join(self.phrases[row]) for row in numpy.flatnonzero(is_listed).tolist()]
            for label, is_listed in zip(self.types, self.listed.T, strict=True)
            if is_listed.any()
        }

    @property
    def n_features(self) -> int:
        """RETURNS (int): Types times grades times positions."""
        return N_POSITIONS * len(self.types) * (N_GRADES if len(self.counts) else 1)

    def features(self, docs: Sequence[Doc], *, hold_out: bool) -> tuple[Ints1d, Ints1d]:
        """Find the features of the tokens of a batch. Most tokens have none.

        docs (Sequence[Doc]): The batch.
        hold_out (bool): Whether to look up each doc as if the training data lacked its text.
        RETURNS (tuple[Ints1d, Ints1d]): Token and feature of each pair, distinct and sorted.
        """
        text_keys = _text_keys(docs) if hold_out else None
        return self._features(_find(self.trie, docs), [len(doc) for doc in docs], text_keys)

    def features_of_words(self, words: Ints1d, lengths: Sequence[int]) -> tuple[Ints1d, Ints1d]:
        """Find the features of the tokens of a batch whose words are looked up already.

        words (Ints1d): (N,) the number of each token's normal form in the trie.
        lengths (Sequence[int]): How many tokens each doc has.
        RETURNS (tuple[Ints1d, Ints1d]): Token and feature of each pair, distinct and sorted.
        """
        return self._features(self.trie.find_numbers(words, lengths), lengths, None)

    def _features(
        self, matches: Matches, lengths: Sequence[int], text_keys: Ints1d | None
    ) -> tuple[Ints1d, Ints1d]:
        """text_keys (Optional[Ints1d]): The docs' keys, if they are to be held out."""
        if not len(matches.starts):
            return matches.starts, matches.starts
        listed = self._listed_features(matches)
        trained = self._trained_features(matches, lengths, text_keys)
        # Where matches overlap, a token may get the same feature twice.
        pairs = numpy.unique(numpy.concatenate([listed, trained]))
        return numpy.divmod(pairs, self.n_features)

    def _listed_features(self, matches: Matches) -> Ints1d:
        matches = matches.select(self.listed[matches.phrases].any(axis=1))
        matches = matches.select(matches.longest())
        which, types = numpy.nonzero(self.listed[matches.phrases])
        return self._spread(matches.select(which), types)

    def _trained_features(
        self, matches: Matches, lengths: Sequence[int], text_keys: Ints1d | None
    ) -> Ints1d:
        matches = matches.select(matches.phrases < len(self.counts))
        if text_keys is not None:
            keys = text_keys[_doc_numbers(lengths, matches)]
            counts = self.counts[matches.phrases] - self._own(keys, matches.phrases)
        else:
            counts = self.counts[matches.phrases]
        known = numpy.flatnonzero(counts[:, 1:].sum(axis=1) >= self.min_count)
        # The longest are chosen only now: what is held out hides no shorter phrase.
        chosen = known[matches.select(known).longest()]
        matches, counts = matches.select(chosen), counts[chosen]
        which, types = numpy.nonzero(counts[:, 1:])
        n_entities = counts[which, 1 + types]
        share_grades = numpy.searchsorted(SHARES, n_entities / counts[which, 0], side="right")
        grades = 1 + 2 * share_grades + (n_entities > 1)
        return self._spread(matches.select(which), grades * len(self.types) + types)

    def _own(self, text_keys: Ints1d, phrases: Ints1d) -> Ints2d:
        """What texts add to the counts of phrases: (nM, 1 + nK); 0 for texts that are new."""
        columns = numpy.arange(self.counts.shape[1])
        keys = _count_keys(text_keys[:, None], phrases[:, None], columns, len(columns))
        places = numpy.minimum(numpy.searchsorted(self.own_keys, keys), len(self.own_keys) - 1)
        return numpy.where(self.own_keys[places] == keys, self.own_counts[places], 0)

    def _spread(self, matches: Matches, kinds: Ints1d) -> Ints1d:
        """Give each token of a match the feature of the match's kind and the token's position,
        as one number for both: token * features + feature."""
        lengths = matches.lengths
        ends = numpy.cumsum(lengths)
        offsets = numpy.arange(lengths.sum()) - numpy.repeat(ends - lengths, lengths)
        tokens = numpy.repeat(matches.starts, lengths) + offsets
        features = N_POSITIONS * numpy.repeat(kinds, lengths) + (offsets > 0)
        return tokens * self.n_features + features

    def to_bytes(self) -> bytes:
        return srsly.msgpack_dumps({f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Gazetteer":
        return cls(**srsly.msgpack_loads(data))


def make_gazetteer(
    docs: Iterable[Doc] = (),
    lists: Mapping[str, Iterable[str]] | None = None,
    *,
    min_count: int = 1,
    max_length: int = 8,
) -> Gazetteer:
    """Make a gazetteer of annotated docs and of lists of phrases. Without any, it is empty.

    A listed phrase with a user name or a URL is left out: its normal form is that of all users.

    docs (Iterable[Doc]): Docs with gold entities, read once. Unannotated tokens tell nothing.
    lists (Optional[Mapping[str, Iterable[str]]]): Phrases by type, tokens separated by spaces.
    min_count (int): Phrases of the docs that are entities less often are left out.
    max_length (int): Phrases of more tokens are left out.
    RETURNS (Gazetteer): The gazetteer.
    """
    docs = list(docs)
    listed = {
        label: _listed_phrases(phrases, max_length) for label, phrases in (lists or {}).items()
    }
    types = sorted({ent.label_ for doc in docs for ent in doc.ents}.union(listed))
    trained = _entity_phrases(docs, min_count, max_length)
    phrases = [*trained, *sorted(set().union(*listed.values()).difference(trained))]
    is_listed = [[phrase in listed.get(label, ()) for label in types] for phrase in phrases]
    counts, own_keys, own_counts = _count(docs, trained, types)
    return Gazetteer(
        types=types,
        phrases=phrases,
        listed=numpy.asarray(is_listed, dtype="bool").reshape(len(phrases), len(types)),
        counts=counts,
        own_keys=own_keys,
        own_counts=own_counts,
        min_count=min_count,
    )


def _listed_phrases(phrases: Iterable[str], max_length: int) -> set[Phrase]:
    split = (_forms(phrase.split()) for phrase in phrases)
    return {
        phrase
        for phrase in split
        if 0 < len(phrase) <= max_length and USER not in phrase and URL not in phrase
    }


def _entity_phrases(docs: Sequence[Doc], min_count: int, max_length: int) -> list[Phrase]:
    entities = Counter(
        _forms(token.text for token in ent)
        for doc in docs
        for ent in doc.ents
        if len(ent) <= max_length
    )
    return sorted(phrase for phrase, count in entities.items() if count >= min_count)


def _count(
    docs: Sequence[Doc], phrases: Sequence[Phrase], types: Sequence[str]
) -> tuple[Ints2d, Ints1d, Ints1d]:
    """Count the phrases' occurrences: Gazetteer.counts, own_keys and own_counts."""
    matches = _find(PhraseTrie(phrases), docs)
    lengths, labels, n_missing = _gold(docs, types)
    ends = matches.starts + matches.lengths
    matches = matches.select(n_missing[ends] == n_missing[matches.starts])
    keys = _text_keys(docs)[_doc_numbers([len(doc) for doc in docs], matches)]
    is_entity = lengths[matches.starts] == matches.lengths
    entities = matches.select(is_entity)
    rows = numpy.concatenate([matches.phrases, entities.phrases])
    columns = numpy.concatenate([numpy.zeros_like(matches.starts), 1 + labels[entities.starts]])
    width = 1 + len(types)
    counts = numpy.bincount(rows * width + columns, minlength=len(phrases) * width)
    count_keys = _count_keys(numpy.concatenate([keys, keys[is_entity]]), rows, columns, width)
    own_keys, own_counts = numpy.unique(count_keys, return_counts=True)
    return counts.reshape(len(phrases), width), own_keys, own_counts.astype("int32")


def _gold(docs: Sequence[Doc], types: Sequence[str]) -> tuple[Ints1d, Ints1d, Ints1d]:
    """The gold entities of a batch of N tokens.

    RETURNS (tuple[Ints1d, Ints1d, Ints1d]): For each token (N,) the length of the entity that
        begins there, or 0, and its type's number; for each place between tokens (N + 1,) how
        many tokens before it have no annotation.
    """
    type_index = {label: number for number, label in enumerate(types)}
    n_tokens = sum(len(doc) for doc in docs)
    lengths, labels = numpy.zeros((2, n_tokens), dtype="int64")
    first = 0
    for doc in docs:
        for ent in doc.ents:
            lengths[first + ent.start] = len(ent)
            labels[first + ent.start] = type_index[ent.label_]
        first += len(doc)
    missing = [numpy.zeros(1, dtype="bool"), *(doc.to_array(ENT_IOB) == 0 for doc in docs)]
    return lengths, labels, numpy.cumsum(numpy.concatenate(missing))


def _find(trie: PhraseTrie, docs: Sequence[Doc]) -> Matches:
    lexemes = distinct_lexemes(docs)
    return trie.find(lexemes.forms, lexemes.inverse, lexemes.lengths)


def _forms(texts: Iterable[str]) -> Phrase:
    return tuple(normal_form(normalize_word(text)) for text in texts)


def _doc_numbers(lengths: Sequence[int], matches: Matches) -> Ints1d:
    """RETURNS (Ints1d): (nM,) the number of the doc that each match stands in."""
    return numpy.searchsorted(numpy.cumsum(lengths), matches.starts, side="right")


def _text_keys(docs: Iterable[Doc]) -> Ints1d:
    """Find a 64-bit key of each doc's text. It is blind to case, white space and the style of
    letters: the docs of training may be tokenized otherwise than the gold ones, or changed by an
    augmenter."""
    texts = (normalize_word("".join(doc.text.split())).casefold() for doc in docs)
    digests = (blake2b(text.encode("utf8"), digest_size=8).digest() for text in texts)
    return numpy.frombuffer(b"".join(digests), dtype="<u8").astype("uint64")


def _count_keys(text_keys: Ints1d, rows: Ints1d, columns: Ints1d, width: int) -> Ints1d:
    """A key of a count and a text. The texts' keys are spread over all 64 bits, so that adding
    the count's number, modulo 2^64, makes keys as distinct as hashing both anew."""
    return text_keys + (rows * width + columns).astype("uint64")


# Thinc stores a model's attributes by their type; one of an unknown type is silently left out.
@serialize_attr.register(Gazetteer)
def _serialize_gazetteer(_: Any, value: Gazetteer, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(Gazetteer)
def _deserialize_gazetteer(_: Any, value: bytes, name: str, model: Any) -> Gazetteer:
    return Gazetteer.from_bytes(value)
