"""Measure how well a tokenizer agrees with the gold tokens of a corpus."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..tokenizer import TweetTokenizer
from .convert import docs_from_tweets
from .detokenize import detokenize
from .tagfile import TaggedTweet

Tokenizer = Callable[[str], Doc]


class TokenizerAgreement(NamedTuple):
    """The agreement of a tokenizer with gold docs.

    tokens (int): The number of tokens.
    gold_tokens (int): The number of gold tokens.
    same_tokens (int): The number of tokens that are gold tokens.
    entities (int): The number of gold entities.
    reachable_entities (int): The number of those aligned with the tokens.
    """

    tokens: int
    gold_tokens: int
    same_tokens: int
    entities: int
    reachable_entities: int

    @property
    def precision(self) -> float | None:
        """RETURNS (float | None): The share of tokens that are gold tokens."""
        return self.same_tokens / self.tokens if self.tokens else None

    @property
    def recall(self) -> float | None:
        """RETURNS (float | None): The share of gold tokens that are found."""
        return self.same_tokens / self.gold_tokens if self.gold_tokens else None

    @property
    def f1(self) -> float | None:
        """RETURNS (float | None): The harmonic mean of precision and recall."""
        total = self.tokens + self.gold_tokens
        return 2 * self.same_tokens / total if total else None

    @property
    def entity_recall(self) -> float | None:
        """RETURNS (float | None): The share of entities aligned with the tokens."""
        return self.reachable_entities / self.entities if self.entities else None

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The counts and the shares."""
        shares = ("precision", "recall", "f1", "entity_recall")
        return {**self._asdict(), **{name: getattr(self, name) for name in shares}}


def tokenizer_agreement(docs: Iterable[Doc], tokenizer: Tokenizer) -> TokenizerAgreement:
    """Compare a tokenizer with the gold tokens of docs. Whitespace tokens don't count.

    docs (Iterable[Doc]): The gold docs. If a doc has unknown spaces, its text is guessed.
    tokenizer (Tokenizer): A function that turns a text into a Doc.
    RETURNS (TokenizerAgreement): The counts over all docs.
    """
    counts = [0] * len(TokenizerAgreement._fields)
    for doc in docs:
        for index, count in enumerate(_compare(doc, tokenizer)):
            counts[index] += count
    return TokenizerAgreement(*counts)


def compare_tokenizers(
    splits: Iterable[Sequence[TaggedTweet]],
) -> dict[str, list[TokenizerAgreement]]:
    """Compare TweetTokenizer, with either setting, and spaCy's English tokenizer with the tokens of
    a corpus.

    splits (Iterable[Sequence[TaggedTweet]]): The tweets of each split.
    RETURNS (dict[str, list[TokenizerAgreement]]): The agreement with each split, by tokenizer.
    """
    vocab = Vocab()
    tokenizers: dict[str, Tokenizer] = {
        "TweetTokenizer": TweetTokenizer(vocab),
        "TweetTokenizer, split_contractions": TweetTokenizer(vocab, split_contractions=True),
        "spaCy's English": spacy.blank("en").tokenizer,
    }
    found: dict[str, list[TokenizerAgreement]] = {name: [] for name in tokenizers}
    for tweets in splits:
        docs = list(docs_from_tweets(tweets, vocab))
        for name, tokenizer in tokenizers.items():
            found[name].append(tokenizer_agreement(docs, tokenizer))
    return found


def _compare(doc: Doc, tokenizer: Tokenizer) -> TokenizerAgreement:
    if doc.has_unknown_spaces:
        text, offsets = detokenize([token.text for token in doc])
    else:
        text, offsets = doc.text, _offsets(doc)
    gold = {span for span in offsets if not text[slice(*span)].isspace()}
    found = {
        (start, end) for start, end in _offsets(tokenizer(text)) if not text[start:end].isspace()
    }
    starts, ends = {start for start, _ in found}, {end for _, end in found}
    edges = [(offsets[ent.start][0], offsets[ent.end - 1][1]) for ent in doc.ents]
    reachable = sum(start in starts and end in ends for start, end in edges)
    return TokenizerAgreement(len(found), len(gold), len(found & gold), len(edges), reachable)


def _offsets(doc: Doc) -> list[tuple[int, int]]:
    return [(token.idx, token.idx + len(token)) for token in doc]
