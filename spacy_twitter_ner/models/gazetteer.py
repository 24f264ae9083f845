"""Gazetteer embeddings: which known phrases a token is in.

Phrases come from lists and from the entities of the training data. For the latter, the gazetteer
stores how often each one occurs and how often it is an entity of each type, so that "apple", "may"
and "microsoft" differ. Since every entity of the training data is in the gazetteer, the model would
learn to trust it blindly. So in training, the counts from a doc's own text are held out.
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
from spacy.util import load_model
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr
from thinc.types import Floats2d, Ints1d, Ints2d

from ..lazy import lazy_property
from ..lexical.phrases import Matches, PhraseTrie, find_longest
from ..normalization import URL, USER, normal_form, normalize_word
from .interface import PhrasePart
from .lexemes import Lexemes, distinct_lexemes
from .tables import add_gradient, init_table

InT: TypeAlias = list[Doc]
OutT: TypeAlias = list[Floats2d]
Phrase: TypeAlias = tuple[str, ...]
# Combinations of a type and a grade.
Kinds: TypeAlias = tuple[int, ...]

# A phrase's grade depends on the share of its occurrences that are entities of a type, and on
# whether there is more than one of these. The first grade is for listed phrases.
SHARES = (0.1, 0.5, 0.9)
N_GRADES = 1 + 2 * (len(SHARES) + 1)
N_POSITIONS = 2


def GazetteerEmbed(
    width: int, *, from_training: bool = True, min_count: int = 1, max_length: int = 8
) -> Model[InT, OutT]:
    """Embed the phrases that each token is in, from lists and from the training data.

    Texts and phrases are compared by their tokens' normal forms. From each of the two sources, the
    longest matches are used: those that aren't inside another match. They may overlap. A token's
    vector is the sum of the learned vectors of its features: source, entity type, begin or inside,
    and the grade of phrases from the training data. Tokens outside all phrases are zeros.

    width (int): Width of the vectors.
    from_training (bool): Whether to use the entities of the training data as phrases.
    min_count (int): Minimum number of times a phrase of the training data is an entity.
    max_length (int): Maximum number of tokens in a phrase.
    RETURNS (Model[list[Doc], list[Floats2d]]): One (nT, width) array per doc.
    RAISES (ValueError): If a number is less than 1.
    """
    settings = {"width": width, "min_count": min_count, "max_length": max_length}
    for name, value in settings.items():
        if value < 1:
            raise ValueError(f"GazetteerEmbed: {name} must be at least 1, not {value}")
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
            "part": PhrasePart(fit_gazetteer, number_words, embed_words),
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Initialize the vectors from N(0, 1 / width)."""
    init_table(model, "E", model.attrs["gazetteer"].n_features, model.get_dim("nO"))


def fit_gazetteer(
    model: Model[InT, OutT],
    docs: Iterable[Doc],
    phrases: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Build the gazetteer. Existing vectors are reinitialized.

    docs (Iterable[Doc]): All docs of the training data, with gold entities. Iterated once.
    phrases (Optional[Mapping[str, Iterable[str]]]): Phrases by type, with tokens separated by
        spaces, as read by spacy-twitter-ner.PhraseLists.v1. None keeps those of an earlier
        initialization, as the vocab keeps its lookups and vectors.
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
    """RETURNS (Ints1d): (nU,) the number of each lexeme's normal form in the trie."""
    return model.attrs["gazetteer"].trie.numbers(lexemes.forms)


def embed_words(
    model: Model[InT, OutT], words: Ints1d, lengths: Sequence[int]
) -> tuple[Ints1d, Floats2d]:
    """Predict the layer's output in sparse form.

    words (Ints1d): (N,) the number of each token's lexeme, from number_words.
    lengths (Sequence[int]): The docs' lengths.
    RETURNS (tuple[Ints1d, Floats2d]): (k,) the tokens with non-zero vectors, in order, and (k,
        width) these vectors.
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
    """Phrases of nK types, with their counts. Gazetteers aren't modified, only replaced.

    types (list[str]): The types.
    phrases (Sequence[Sequence[str]]): The normal forms of nP phrases. The first nT are entities in
        the training data.
    listed (Ints2d): (nP, nK) whether a phrase is listed with a type.
    counts (Ints2d): (nT, 1 + nK) how often a phrase occurs in the training data in total, and how
        often as an entity of each type.
    own_keys (Ints1d): (nC,) sorted 64-bit keys, each for a count and a text that contributes to it.
    own_counts (Ints1d): (nC,) the text's contribution.
    min_count (int): Phrases that are entities less often are ignored.
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
        """RETURNS (int): The number of features: types times grades times positions."""
        return N_POSITIONS * len(self.types) * (N_GRADES if len(self.counts) else 1)

    def features(self, docs: Sequence[Doc], *, hold_out: bool) -> tuple[Ints1d, Ints1d]:
        """Find the features of a batch's tokens. Most tokens have none.

        docs (Sequence[Doc]): The batch.
        hold_out (bool): Whether to subtract the counts from each doc's own text.
        RETURNS (tuple[Ints1d, Ints1d]): The tokens and features of distinct pairs, sorted.
        """
        matches = _find_phrases(self.trie, docs)
        if not hold_out:
            return self._features(matches, self._trained(matches.phrases))
        is_trained = matches.phrases < len(self.counts)
        trained, numbers = matches.phrases[is_trained], _doc_numbers(list(map(len, docs)), matches)
        counts = numpy.zeros((len(is_trained), self.counts.shape[1]), dtype=self.counts.dtype)
        counts[is_trained] = self.counts[trained]
        counts[is_trained] -= self._own(_text_keys(docs)[numbers[is_trained]], trained)
        return self._features(matches, self._grade(counts))

    def features_of_words(self, words: Ints1d, lengths: Sequence[int]) -> tuple[Ints1d, Ints1d]:
        """Find the features of a batch's tokens from their numbers in the trie.

        words (Ints1d): (N,) the number of each token's normal form.
        lengths (Sequence[int]): The docs' lengths.
        RETURNS (tuple[Ints1d, Ints1d]): The tokens and features of distinct pairs, sorted.
        """
        matches = self.trie.find_numbers(words, lengths)
        return self._features(matches, self._trained(matches.phrases))

    def _features(self, matches: Matches, trained: Iterable[Kinds]) -> tuple[Ints1d, Ints1d]:
        """trained (Iterable[Kinds]): The kinds of each match from the training data."""
        starts, lengths, phrases = (column.tolist() for column in matches)
        pairs, n_features = set(), self.n_features
        for kinds in (map(self._listed_kinds.__getitem__, phrases), trained):
            # Those without a kind don't hide shorter ones.
            used = (match for match in zip(starts, lengths, kinds, strict=True) if match[2])
            for start, length, match_kinds in find_longest(used):
                for kind in match_kinds:
                    first = start * self.n_features + N_POSITIONS * kind
                    pairs.add(first)
                    inside = range(
                        first + self.n_features + 1,
                        first + length * self.n_features,
                        self.n_features,
                    )
                    pairs.update(inside)
        # In overlapping matches, a token may have the same feature twice.
        return numpy.divmod(numpy.asarray(sorted(pairs), dtype="int64"), n_features)

    def _trained(self, phrases: Ints1d) -> list[Kinds]:
        """RETURNS (list[Kinds]): The kinds of phrases from the training data."""
        n_trained = len(self.counts)
        return [self._trained_kinds[p] if p < n_trained else () for p in phrases.tolist()]

    @lazy_property
    def _listed_kinds(self) -> list[Kinds]:
        """RETURNS (list[Kinds]): The kinds of each phrase from its lists, which are its types."""
        rows, inverse = numpy.unique(self.listed, axis=0, return_inverse=True)
        kinds = [tuple(numpy.flatnonzero(row).tolist()) for row in rows]
        return [kinds[index] for index in inverse.reshape(-1).tolist()]

    @lazy_property
    def _trained_kinds(self) -> list[Kinds]:
        """RETURNS (list[Kinds]): The kinds of each phrase of the training data."""
        return self._grade(self.counts)

    def _grade(self, counts: Ints2d) -> list[Kinds]:
        """RETURNS (list[Kinds]): The kinds of phrases, given their counts: for each type, the
        number of the grade and the type."""
        is_used = counts[:, 1:].sum(axis=1) >= self.min_count
        which, types = numpy.nonzero(counts[:, 1:] * is_used[:, None])
        n_entities = counts[which, 1 + types]
        share_grades = numpy.searchsorted(SHARES, n_entities / counts[which, 0], side="right")
        grades = 1 + 2 * share_grades + (n_entities > 1)
        kinds: list[Kinds] = [()] * len(counts)
        for row, kind in zip(
            which.tolist(), (grades * len(self.types) + types).tolist(), strict=True
        ):
            kinds[row] += (kind,)
        return kinds

    def _own(self, text_keys: Ints1d, phrases: Ints1d) -> Ints2d:
        """RETURNS (Ints2d): (nM, 1 + nK) the contribution of each match's text to the counts of its
        phrase. 0 for texts that aren't in the training data."""
        columns = numpy.arange(self.counts.shape[1])
        keys = _count_keys(text_keys[:, None], phrases[:, None], columns, len(columns))
        indices = numpy.minimum(numpy.searchsorted(self.own_keys, keys), len(self.own_keys) - 1)
        return numpy.where(self.own_keys[indices] == keys, self.own_counts[indices], 0)

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
    """Build a gazetteer from annotated docs and lists of phrases.

    Listed phrases with a user name or URL are skipped, since all users have the same normal form.

    docs (Iterable[Doc]): Docs with gold entities. Iterated once. Matches with unannotated tokens
        aren't counted.
    lists (Optional[Mapping[str, Iterable[str]]]): Phrases by type, tokens separated by spaces.
    min_count (int): Minimum number of times a phrase of the docs is an entity.
    max_length (int): Maximum number of tokens in a phrase.
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


def create_pipeline_phrases(pipeline: str | None) -> dict[str, list[str]]:
    """Get the listed phrases of a pipeline's gazetteers, for
    [initialize.components.twitter_bilstm_ner.phrases]: "spacy-twitter-ner.PipelinePhrases.v1".

    pipeline (str | None): The folder or package of a pipeline, such as "en_tweet_ner". None in the
        config of a saved pipeline means no phrases.
    RETURNS (dict[str, list[str]]): The phrases of each type.
    RAISES (OSError): If there is no such pipeline.
    RAISES (ValueError): If it has no phrase lists.
    """
    phrases: dict[str, list[str]] = {}
    if pipeline is None:
        return phrases
    for _, pipe in load_model(pipeline).pipeline:
        for node in pipe.model.walk() if hasattr(pipe, "model") else ():
            gazetteer = node.attrs.get("gazetteer")
            if isinstance(gazetteer, Gazetteer):
                phrases.update(gazetteer.lists)
    if not phrases:
        raise ValueError(
            f"[initialize.components.*.phrases] pipeline: {pipeline} has no phrase lists. Use "
            "en_tweet_ner, the pretrained pipeline, or spacy-twitter-ner.PhraseLists.v1 for files"
        )
    return phrases


def _listed_phrases(phrases: Iterable[str], max_length: int) -> set[Phrase]:
    split = (_normal_forms(phrase.split()) for phrase in phrases)
    return {
        phrase
        for phrase in split
        if 0 < len(phrase) <= max_length and USER not in phrase and URL not in phrase
    }


def _entity_phrases(docs: Sequence[Doc], min_count: int, max_length: int) -> list[Phrase]:
    entities = Counter(
        _normal_forms(token.text for token in ent)
        for doc in docs
        for ent in doc.ents
        if len(ent) <= max_length
    )
    return sorted(phrase for phrase, count in entities.items() if count >= min_count)


def _count(
    docs: Sequence[Doc], phrases: Sequence[Phrase], types: Sequence[str]
) -> tuple[Ints2d, Ints1d, Ints1d]:
    """RETURNS (tuple[Ints2d, Ints1d, Ints1d]): Gazetteer.counts, own_keys and own_counts."""
    matches = _find_phrases(PhraseTrie(phrases), docs)
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
    """Get the gold entities of a batch of N tokens.

    RETURNS (tuple[Ints1d, Ints1d, Ints1d]): (N,) the length of the entity that begins at each
        token, or 0; (N,) the index of its type; and (N + 1,) the number of unannotated tokens
        before each boundary between tokens.
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


def _find_phrases(trie: PhraseTrie, docs: Sequence[Doc]) -> Matches:
    lexemes = distinct_lexemes(docs)
    return trie.find(lexemes.forms, lexemes.inverse, lexemes.lengths)


def _normal_forms(texts: Iterable[str]) -> Phrase:
    return tuple(normal_form(normalize_word(text)) for text in texts)


def _doc_numbers(lengths: Sequence[int], matches: Matches) -> Ints1d:
    """RETURNS (Ints1d): (nM,) the index of each match's doc."""
    return numpy.searchsorted(numpy.cumsum(lengths), matches.starts, side="right")


def _text_keys(docs: Iterable[Doc]) -> Ints1d:
    """RETURNS (Ints1d): A 64-bit key of each doc's text. Case, whitespace and letter style are
    ignored, since training docs may be augmented or tokenized differently from the gold docs."""
    texts = (normalize_word("".join(doc.text.split())).casefold() for doc in docs)
    digests = (blake2b(text.encode("utf8"), digest_size=8).digest() for text in texts)
    return numpy.frombuffer(b"".join(digests), dtype="<u8").astype("uint64")


def _count_keys(text_keys: Ints1d, rows: Ints1d, columns: Ints1d, width: int) -> Ints1d:
    """RETURNS (Ints1d): A key for each count and text. Text keys are uniform over 64 bits, so
    adding the index of the count, modulo 2^64, is as good as hashing both."""
    return text_keys + (rows * width + columns).astype("uint64")


# Thinc serializes attributes by type and silently skips unknown types.
@serialize_attr.register(Gazetteer)
def _serialize_gazetteer(_: Any, value: Gazetteer, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(Gazetteer)
def _deserialize_gazetteer(_: Any, value: bytes, name: str, model: Any) -> Gazetteer:
    return Gazetteer.from_bytes(value)
