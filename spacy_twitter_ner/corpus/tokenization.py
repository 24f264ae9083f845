"""How well a tokenizer agrees with the tokens of a corpus: what a model that learned on those
will meet on raw text."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..tokenizer import TweetTokenizer
from .converting import docs_from_tweets
from .detokenizing import detokenize
from .reading import TaggedTweet

Tokenizer = Callable[[str], Doc]


class TokenizerAgreement(NamedTuple):
    """What a tokenizer makes of the texts of gold docs: how many tokens it finds and how many of
    them are gold tokens, out of how many; how many entities begin and end where tokens do."""

    tokens: int
    gold_tokens: int
    same_tokens: int
    entities: int
    reachable_entities: int

    @property
    def precision(self) -> float | None:
        """RETURNS (float | None): The share of the tokens that are gold tokens."""
        return self.same_tokens / self.tokens if self.tokens else None

    @property
    def recall(self) -> float | None:
        """RETURNS (float | None): The share of the gold tokens that are found."""
        return self.same_tokens / self.gold_tokens if self.gold_tokens else None

    @property
    def f1(self) -> float | None:
        """RETURNS (float | None): The harmonic mean of precision and recall."""
        total = self.tokens + self.gold_tokens
        return 2 * self.same_tokens / total if total else None

    @property
    def entity_recall(self) -> float | None:
        """RETURNS (float | None): The share of entities that could be found on these tokens."""
        return self.reachable_entities / self.entities if self.entities else None

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The counts and the shares."""
        shares = ("precision", "recall", "f1", "entity_recall")
        return {**self._asdict(), **{name: getattr(self, name) for name in shares}}


def tokenizer_agreement(docs: Iterable[Doc], tokenizer: Tokenizer) -> TokenizerAgreement:
    """Compare a tokenizer's tokens with the gold tokens of docs. White space does not count.

    docs (Iterable[Doc]): The gold docs. Where a doc does not know its spaces, its text is guessed
        (see detokenize).
    tokenizer (Tokenizer): Any function from a text to a Doc.
    RETURNS (TokenizerAgreement): The counts over all docs.
    """
    counts = [0] * len(TokenizerAgreement._fields)
    for doc in docs:
        for place, count in enumerate(_compare(doc, tokenizer)):
            counts[place] += count
    return TokenizerAgreement(*counts)


def compare_tokenizers(
    splits: Iterable[Sequence[TaggedTweet]],
) -> dict[str, list[TokenizerAgreement]]:
    """Compare the tokenizers at hand with the tokens of a corpus: TweetTokenizer, with both of
    its settings, and spaCy's for English.

    splits (Iterable[Sequence[TaggedTweet]]): The tweets of each split.
    RETURNS (dict[str, list[TokenizerAgreement]]): The agreement on each split, by the tokenizer's
        name.
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
