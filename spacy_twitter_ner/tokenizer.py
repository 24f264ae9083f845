"""A non-destructive tokenizer for tweets that follows the conventions of Twitter NER corpora.

Texts are split at whitespace into chunks. Chunks are split by a single regular expression, whose
alternatives are the rules: the first one that matches at a position makes a token. The tokens of
chunks are cached.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.scorer import Scorer
from spacy.symbols import ORTH
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import from_bytes, to_bytes
from spacy.vocab import Vocab

from .normalization import fold_letters, split_alike
from .token_rules import (
    ABBREVIATIONS,
    DEFAULTS,
    GLUED,
    NUMBERED,
    check_settings,
    compile_rules,
    split_match,
    split_words,
)

CACHE_SIZE = 20_000
# Longer chunks are mostly URLs, which rarely recur.
MAX_CACHED_LENGTH = 50
# Maximum number of tokens after an abbreviation that can't start a sentence.
MAX_MARKED = 4

# As in spaCy, one space after a token belongs to it. Other whitespace is a token.
_CHUNK = re.compile(r"(\S+|\s+)( ?)")
_SURROGATE = re.compile(r"[\uD800-\uDFFF]")


def create_tweet_tokenizer(
    split_contractions: bool = False,
    split_slashes: bool = False,
    scheme: str = "twitter",
    split_hashtags: bool = False,
    special_cases: dict[str, list[str]] | None = None,
) -> Callable[[Language], "TweetTokenizer"]:
    """Create a factory for the tokenizer: "spacy-twitter-ner.TweetTokenizer.v1".

    split_contractions (bool): Whether to split contractions as in the Penn Treebank, such as don't
        into do and n't. 's is always split off.
    split_slashes (bool): Whether to split words of at least three letters at slashes, such as
        Obama/Biden into three tokens.
    scheme (str): "twitter" for the tokens of Twitter NER corpora, or "ud" for those of English
        Universal Dependencies treebanks. "ud" implies the two settings above.
    split_hashtags (bool): Whether to split hashtags in camel case, such as #JustinBieber into #,
        Justin and Bieber.
    special_cases (Optional[dict[str, list[str]]]): The tokens of exceptions to the rules, such as
        {"gimme": ["gim", "me"]}. Case-sensitive.
    RETURNS (Callable[[Language], TweetTokenizer]): The factory.
    """

    def make_tweet_tokenizer(nlp: Language) -> TweetTokenizer:
        return TweetTokenizer(
            nlp.vocab,
            split_contractions=split_contractions,
            split_slashes=split_slashes,
            scheme=scheme,
            split_hashtags=split_hashtags,
            special_cases=special_cases or {},
        )

    return make_tweet_tokenizer


class TweetTokenizer:
    """Split tweets into tokens. The original text is preserved, except that lone surrogates, which
    spaCy can't store, become U+FFFD."""

    def __init__(self, vocab: Vocab, **settings: Any) -> None:
        """Initialize the tokenizer.

        vocab (Vocab): The shared vocab.
        **settings (Any): See create_tweet_tokenizer.
        RAISES (ValueError): If a setting is unknown or invalid.
        """
        self.vocab = vocab
        self._set_rules({**DEFAULTS, **settings})

    def _set_rules(self, settings: dict[str, Any]) -> None:
        check_settings(settings)
        self._settings = settings
        self._rules = compile_rules(**settings)
        self._split_match = partial(
            split_match,
            split_hashtags=settings["split_hashtags"],
            special_cases={
                fold_letters(case): [fold_letters(token) for token in tokens]
                for case, tokens in settings["special_cases"].items()
            },
        )
        self._split_cached = lru_cache(CACHE_SIZE)(self._split)
        # Otherwise, ASCII letters and digits are always one token.
        self._splits_words = settings["scheme"] == "ud" or bool(settings["special_cases"])

    @property
    def settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The settings of create_tweet_tokenizer."""
        return deepcopy(self._settings)

    def add_special_case(self, string: str, substrings: Iterable[Mapping[Any, str]]) -> None:
        """Add a special case, like the tokenizer of spaCy.

        string (str): The word, without whitespace. Case-sensitive.
        substrings (Iterable[Mapping]): The ORTH of each token: [{"ORTH": "gim"}, {"ORTH": "me"}].
            Other attributes aren't supported.
        RAISES (ValueError): If the tokens don't concatenate to the word.
        """
        tokens = []
        for attributes in map(dict, substrings):
            orth = attributes.pop(ORTH, None) or attributes.pop("ORTH", None)
            if orth is None or attributes:
                raise ValueError(
                    f"special case {string!r}: each token must have ORTH and no other attribute"
                )
            tokens.append(orth)
        special_cases = {**self._settings["special_cases"], string: tokens}
        self._set_rules({**self._settings, "special_cases": special_cases})

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self._settings), (self.vocab,)

    def __call__(self, text: str) -> Doc:
        """Tokenize a text. Tokens after the period of an abbreviation are marked as not starting a
        sentence, so that sentence segmenters keep "St. Louis" together.

        text (str): The text.
        RETURNS (Doc): The tokens.
        """
        words: list[str] = []
        spaces: list[bool] = []
        periods: list[int] = []
        for chunk, space in self._find_chunks(text):
            if not self._splits_words and chunk.isalnum() and chunk.isascii():
                words.append(chunk)
            else:
                is_short = len(chunk) <= MAX_CACHED_LENGTH
                tokens, found = self._split_cached(chunk) if is_short else self._split(chunk)
                if found:
                    periods += [len(words) + i for i in found]
                words += tokens
                spaces += [False] * (len(tokens) - 1)
            spaces.append(space != "")
        try:
            doc = Doc(self.vocab, words=words, spaces=spaces)
        except UnicodeEncodeError:
            return self(_SURROGATE.sub("\ufffd", text))
        for period in periods:
            _continue_sentence(doc, words, period)
        return doc

    def pipe(self, texts: Iterable[str], batch_size: int = 1000) -> Iterator[Doc]:
        """Tokenize a stream of texts.

        texts (Iterable[str]): The texts.
        batch_size (int): Not used, for compatibility with spaCy's tokenizers.
        YIELDS (Doc): The tokens of each text, in order.
        """
        for text in texts:
            yield self(text)

    def explain(self, text: str) -> list[tuple[str, str]]:
        """Explain which rule matched each token. Whitespace is skipped.

        text (str): The text.
        RETURNS (list[tuple[str, str]]): The rules and tokens, in order.
        """
        chunks = [chunk for chunk, _ in self._find_chunks(text) if not chunk.isspace()]
        return [token for chunk in chunks for token in self._find_tokens(chunk)]

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the tokenization.

        examples (Iterable[Example]): The examples. References with unknown spaces are skipped.
        RETURNS (dict[str, Any]): See Scorer.score_tokenization.
        """
        examples = list(examples)
        validate_examples(examples, "TweetTokenizer.score")
        return Scorer.score_tokenization(examples)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the tokenizer.

        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg".
        RETURNS (bytes): The serialized tokenizer.
        """
        fields: dict[str, Callable[[], Any]] = {
            "vocab": lambda: self.vocab.to_bytes(exclude=exclude),
            "cfg": lambda: self._settings,
        }
        return to_bytes(fields, exclude)

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "TweetTokenizer":
        """Load the tokenizer, in place.

        data (bytes): The serialized tokenizer.
        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg".
        RETURNS (TweetTokenizer): The tokenizer itself.
        RAISES (ValueError): If the data belongs to another tokenizer class.
        """
        cfg: dict[str, Any] = {}
        fields: dict[str, Callable[[Any], Any]] = {
            "vocab": lambda vocab: self.vocab.from_bytes(vocab, exclude=exclude),
            "cfg": cfg.update,
        }
        from_bytes(data, fields, exclude)
        if "cfg" not in exclude:
            if "split_contractions" not in cfg:
                raise ValueError(
                    "this isn't the data of a TweetTokenizer: if you changed the tokenizer in the "
                    "config of a saved pipeline, save the pipeline again with that tokenizer"
                )
            self._set_rules({**DEFAULTS, **cfg})
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the tokenizer to a file.

        path (str | Path): The file.
        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg".
        """
        Path(path).write_bytes(self.to_bytes(exclude=exclude))

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "TweetTokenizer":
        """Load the tokenizer from a file, in place.

        path (str | Path): The file.
        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg".
        RETURNS (TweetTokenizer): The tokenizer itself.
        RAISES (ValueError): If the file is damaged or belongs to another tokenizer class.
        """
        try:
            return self.from_bytes(Path(path).read_bytes(), exclude=exclude)
        except ValueError as error:
            raise ValueError(f"the tokenizer can't be loaded from {path}: {error}") from error

    def _find_chunks(self, text: str) -> Iterable[tuple[str, str]]:
        """Split a text at whitespace into chunks, each with the space after it."""
        chunks = _CHUNK.findall(text)
        return split_words(chunks) if self._settings["scheme"] == "ud" else chunks

    def _split(self, chunk: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Split a chunk into tokens, and find the indices of periods after abbreviations."""
        if chunk.isspace():
            return (chunk,), ()
        found = self._find_tokens(chunk)
        tokens = tuple(token for _, token in found)
        periods: tuple[int, ...] = ()
        if "." in chunk and "://" not in chunk:
            for i, (rule, text) in enumerate(found):
                is_period = i > 0 and text == "."
                if rule == "CLOSED" or (is_period and _is_abbreviation(tokens[i - 1])):
                    periods += (i,)
        return tokens, periods

    def _find_tokens(self, chunk: str) -> list[tuple[str, str]]:
        """Find each token's rule and text. Rules are applied to folded letters, so that equivalent
        spellings have the same tokens."""
        # Others can't contain glued URLs or keycaps.
        is_simple = chunk.isascii() and "/" not in chunk
        parts = [chunk] if is_simple else GLUED.split(fold_letters(chunk))
        matches = (match for part in parts for match in self._rules.finditer(part))
        found = [token for match in matches for token in self._split_match(match)]
        if is_simple:
            return found
        tokens = split_alike(chunk, [token for _, token in found])
        rules = [rule for rule, _ in found]
        return [(rule, token) for rule, token in zip(rules, tokens, strict=True) if token]


def _is_abbreviation(word: str) -> bool:
    word = fold_letters(word)
    form = word.lower()
    return (
        word in ABBREVIATIONS
        or form in ABBREVIATIONS
        or form in NUMBERED
        or (len(word) == 1 and word.isupper() and word != "I")  # J. Cole
    )


def _continue_sentence(doc: Doc, words: list[str], period: int) -> None:
    """Mark the next word after an abbreviation's period, and punctuation before it, as not starting
    a sentence."""
    following = words[period + 1 : period + 1 + MAX_MARKED]
    # In the scheme "ud", the period is part of the abbreviation.
    abbreviation = words[period].rstrip(".") or words[period - 1]
    if not following or (
        fold_letters(abbreviation).lower() in NUMBERED
        and not fold_letters(following[0])[0].isdigit()
    ):
        return
    for i, word in enumerate(following, start=period + 1):
        doc[i].is_sent_start = False
        if any(map(str.isalnum, word)):
            break
