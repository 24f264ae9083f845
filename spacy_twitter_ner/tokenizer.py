"""TweetTokenizer: cuts the text of a tweet into tokens, in the manner of the Twitter corpora of
named entity recognition, and loses nothing of it.

A text is first cut at white space. What stands between, a chunk, is cut by one regular expression,
whose alternatives are the rules: of those that match at a place, the first makes a token. Chunks
occur again and again, so their tokens are kept.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import from_bytes, to_bytes
from spacy.vocab import Vocab

from .normalization import KEYCAP, PICTOGRAPH, fold_letters, split_alike

CACHE_SIZE = 20_000
# Longer chunks are URLs for the most part, which do not occur again.
MAX_CACHED_LENGTH = 50

# A space after a token belongs to the token, as always in spaCy; other white space is a token.
_CHUNK = re.compile(r"(\S+|\s+)( ?)")
_SURROGATE = re.compile(r"[\uD800-\uDFFF]")
# Where a URL begins that lacks the space before it.
_GLUED_URL = re.compile(r"(?<=\w)(?=https?://|pic\.twitter\.com/)")

# Python's \w leaves out vowel signs and other marks, at which words of many languages, and words
# with accents that are characters of their own, would be cut.
_MARKS = "".join(
    char for char in map(chr, range(0x300, 0xAC00)) if unicodedata.category(char) in ("Mn", "Mc")
)
_W = rf"[\w{_MARKS}]"
_LETTER = r"[^\W\d_]"
_APOSTROPHE = r"(?:['’ʼ`´]|&(?:apos|\#0?39);)"
_CURRENCY = r"[$£€¥₹]"

# What may be tried in vain at many places of a text repeats itself a bounded number of times:
# otherwise there would be texts that take quadratic time.

_EMAIL = r"""
    (?<![\w@.+-]) [A-Za-z0-9] [\w.+-]{0,63} @ (?:[A-Za-z0-9-]{1,63}\.){1,5} [A-Za-z]{2,24} (?!\w)
"""

# Latin and Cyrillic letters, as on Twitter; punctuation only before more of the URL; brackets in
# pairs. A quotation mark written as an HTML entity is no part of it.
_URL_CHAR = r"(?:[A-Za-z0-9À-ɏЀ-ӿ_/%=~\#+$@-]|&(?!(?:quot|apos|[lg]t|\#0?39);))"
_URL_MARK = r"[.,:;!?'*]"
_URL_REST = rf"(?:{_URL_MARK}*(?:{_URL_CHAR}|\((?:{_URL_CHAR}|{_URL_MARK})*\)))+"
# Without a scheme: a top-level domain that is no word, or any short one before a path.
_URL = rf"""
    (?:https?://|ftp://|www\.(?=\w)) {_URL_REST}
    | (?<![\w@.-]) (?:[A-Za-z0-9][A-Za-z0-9-]{{0,62}}\.){{1,5}} (?:
        (?i:(?:com|net|org|edu|gov|info|biz)(?:\.[a-z]{{2}})?|(?:co|ac)\.[a-z]{{2}})
        (?![\w-]|\.\w) (?:(?=[/?\#]\w|:\d){_URL_REST}|/)?
      | [A-Za-z]{{2,3}} (?=/\w) {_URL_REST} )
"""

_EXTENDERS = r"[\uFE0E\uFE0F\U0001F3FB-\U0001F3FF\U000E0020-\U000E007F]*"
_EMOJI = rf"""
    {KEYCAP} | [\U0001F1E6-\U0001F1FF]{{2}}
    | {PICTOGRAPH}{_EXTENDERS} (?:\u200D{PICTOGRAPH}{_EXTENDERS})*
"""

_EMOTICON = rf"""
    [<>]? [:;=] ['’"]? [o*^~-]?                                    # :) ;-) ='( :D
        (?: \)+ | \(+ | [][{{}}]+(?!{_W}) | [/\\|*@$](?![\w@/\\]) | (?:D+|P+|p+)(?!{_W}) )
    | (?<!{_W}) [<>]? [:;=] ['’]? [o*^~-]? [bcdosxOSX03] (?!{_W})   # :o =3, but 4:30
    | (?<!{_W}) [8xX] - [)(dD] (?!{_W})                             # 8-) x-D
    | [(\[]{{1,3}} [o*^~-]? ['’]? [:;=] (?!{_W})                    # (:
    | (?<!{_W}) D -? '? : (?![\w/])                                 # D:
    | </?3+ (?!{_W}) | \\[oO]/ | ¯\\*_*\(ツ\)_*/¯                    # <3 \o/
    | \^ [_.o-]{{0,3}} \^+ | > [_.-]{{1,3}} [<>] | < _{{1,3}} <     # ^_^ >.<
    | [-;=*.•◕ಠ] _{{1,5}} [-;=*.•◕ಠ] | -\.- | \*[-_^.]{{1,2}}\*     # -_- ;_;
    | \( [-^>;*oOTuU=.'] [_.oO-]{{1,3}} [-^<;*oOTuU=.'] \)          # (^-^)
"""

# U.S. and p.m, but p.m... is p.m and an ellipsis.
_ABBREVIATION = rf"(?<!{_W}) {_LETTER}(?:\.{_LETTER})+ (?:\.(?!\.{{1,2}}(?!\.)))? (?!{_W})"
_HTML = r"&(?:[A-Za-z]{2,8}\d{0,2}|\#\d{2,7}|\#[xX][\dA-Fa-f]{2,6});"
# What joins the parts of a word or of a number: wi-fi, and/or, R&B, d@mn, 7:30, 1,000.5. In
# so-_- it does not.
_JOINT = rf"""
    (?: [‐‑/+$] | -(?!_{{1,5}}-) | \*{{1,4}} | {_APOSTROPHE} | &(?:amp;|(?![\w\#]{{1,9}};))
      | (?<=[A-Za-z])@(?=[A-Za-z]) | (?<=\d)(?:[.:]|,(?=\d{{3}}(?!\d)))(?=\d)
      | [\u00AD\u200C\u200D\u2060] )
"""
_INVISIBLE = r"[\u00AD\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFE0E\uFE0F\uFEFF]"


def _compile_rules(split_contractions: bool) -> re.Pattern[str]:
    """Compile the rules; which of them made a token is told by the name of its group."""
    clitic = rf"{_APOSTROPHE}(?i:s)(?!{_W})"
    part = f"{_W}+"
    if split_contractions:
        clitic = rf"(?i:n{_APOSTROPHE}t|{_APOSTROPHE}(?:s|m|re|ve|ll|d))(?!{_W})"
        # As few letters as leave a clitic, or else all.
        part = f"(?:{_W}+?(?={clitic})|{_W}+)"
    word = rf"""
        {part} (?:(?!{clitic}){_JOINT}{part})*
        (?:(?<=\d)(?:%|°[CcFf]?|[€£¢])|\++(?!{_W}))?
    """
    return re.compile(
        rf"""
          (?P<EMAIL> {_EMAIL} )
        | (?P<URL> {_URL} )
        | (?P<EMOJI> (?P<_emoji> {_EMOJI} ) (?P=_emoji)* )
        | (?P<EMOTICON> {_EMOTICON} )
        | (?P<CLITIC> {clitic} )
        | (?P<HTML> {_HTML} )
        | (?P<MENTION> [@＠] {_W}+ )
        | (?P<HASHTAG> [\#＃] {_W}+ )
        | (?P<CASHTAG> \$ [A-Za-z]{{1,6}} (?:[._][A-Za-z]{{1,2}})? (?!{_W}) )
        | (?P<ABBREVIATION> {_ABBREVIATION} )
        | (?P<RETWEET> (?<!{_W}) (?:RT|MT|HT|via|cc) (?=@) )                      # RT@user
        | (?P<WITH> (?<!{_W}) [wW]/ (?:o(?!{_W})|(?![A-Z](?!{_W}))) )             # w/ w/o, not W/L
        | (?P<NUMBER> (?:(?<!{_W})[+−-]?{_CURRENCY}?\.?)? (?=\d) {word} )
        | (?P<WORD> \$?(?={_W}) {word} )
        | (?P<ARROW> -{{1,5}}> | <-{{1,5}} | ={{1,5}}> )
        | (?P<INVISIBLE> {_INVISIBLE}+ )
        | (?P<PUNCTUATION> (?: (?!{_EMOTICON}) [.?!,:;"'] )+ )
        | (?P<SYMBOL> (?P<_symbol> . ) (?P=_symbol)* )
        """,
        re.VERBOSE | re.DOTALL,
    )


def create_tweet_tokenizer(
    split_contractions: bool = False,
) -> Callable[[Language], "TweetTokenizer"]:
    """Create a function that makes the tokenizer: "spacy-twitter-ner.TweetTokenizer.v1".

    split_contractions (bool): Whether to split don't into do and n't, I'm into I and 'm, and so
        on, as the Penn Treebank does. The 's is always split off.
    RETURNS (Callable[[Language], TweetTokenizer]): Makes the tokenizer of a pipeline.
    """

    def make_tweet_tokenizer(nlp: Language) -> TweetTokenizer:
        return TweetTokenizer(nlp.vocab, split_contractions=split_contractions)

    return make_tweet_tokenizer


class TweetTokenizer:
    """Segments tweets into tokens. A Doc's text is the text that it was made of, with one
    exception: lone surrogates, which spaCy cannot store, become U+FFFD."""

    def __init__(self, vocab: Vocab, *, split_contractions: bool = False) -> None:
        """Initialize the tokenizer.

        vocab (Vocab): The shared vocab.
        split_contractions (bool): Whether to split don't into do and n't, I'm into I and 'm, and
            so on, as the Penn Treebank does. The 's is always split off.
        """
        self.vocab = vocab
        self._set_rules(split_contractions)

    def _set_rules(self, split_contractions: bool) -> None:
        self._split_contractions = split_contractions
        self._rules = _compile_rules(split_contractions)
        self._split_cached = lru_cache(CACHE_SIZE)(self._split)

    @property
    def split_contractions(self) -> bool:
        """RETURNS (bool): Whether contractions are split."""
        return self._split_contractions

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(type(self), split_contractions=self.split_contractions)
        return make, (self.vocab,)

    def __call__(self, text: str) -> Doc:
        """Tokenize a text.

        text (str): The text.
        RETURNS (Doc): Its tokens.
        """
        words: list[str] = []
        spaces: list[bool] = []
        for chunk, space in _CHUNK.findall(text):
            if chunk.isalnum() and chunk.isascii():
                words.append(chunk)  # a token by any of the rules
            else:
                is_short = len(chunk) <= MAX_CACHED_LENGTH
                tokens = self._split_cached(chunk) if is_short else self._split(chunk)
                words += tokens
                spaces += [False] * (len(tokens) - 1)
            spaces.append(space != "")
        try:
            return Doc(self.vocab, words=words, spaces=spaces)
        except UnicodeEncodeError:
            return self(_SURROGATE.sub("\ufffd", text))

    def pipe(self, texts: Iterable[str], batch_size: int = 1000) -> Iterator[Doc]:
        """Tokenize a stream of texts.

        texts (Iterable[str]): The texts.
        batch_size (int): Not used: texts are tokenized one by one. spaCy's tokenizers have it.
        YIELDS (Doc): The tokens of each text, in order.
        """
        for text in texts:
            yield self(text)

    def explain(self, text: str) -> list[tuple[str, str]]:
        """Tell which rule made each token. White space is left out.

        text (str): The text.
        RETURNS (list[tuple[str, str]]): The rule's name and the token, in order.
        """
        return [token for chunk in text.split() for token in self._find_tokens(chunk)]

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the tokens of the predicted docs against those of the reference docs.

        examples (Iterable[Example]): The examples. References that do not know their spaces are
            left out.
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
            "cfg": lambda: {"split_contractions": self.split_contractions},
        }
        return to_bytes(fields, exclude)

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "TweetTokenizer":
        """Load the tokenizer, in place.

        data (bytes): The serialized tokenizer.
        exclude (Iterable[str]): Names of fields to leave out: "vocab", "cfg".
        RETURNS (TweetTokenizer): The tokenizer itself.
        RAISES (ValueError): If the bytes were written by another kind of tokenizer.
        """
        cfg: dict[str, bool] = {}
        fields: dict[str, Callable[[Any], Any]] = {
            "vocab": lambda vocab: self.vocab.from_bytes(vocab, exclude=exclude),
            "cfg": cfg.update,
        }
        from_bytes(data, fields, exclude)
        if "cfg" not in exclude:
            if "split_contractions" not in cfg:
                raise ValueError(
                    "these are not the data of a TweetTokenizer: if the tokenizer in the config "
                    "of a saved pipeline was changed, save the pipeline anew with that tokenizer"
                )
            self._set_rules(cfg["split_contractions"])
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
        RAISES (ValueError): If the file is damaged or was written by another kind of tokenizer.
        """
        try:
            return self.from_bytes(Path(path).read_bytes(), exclude=exclude)
        except ValueError as error:
            raise ValueError(f"the tokenizer cannot be loaded from {path}: {error}") from error

    def _split(self, chunk: str) -> tuple[str, ...]:
        if chunk.isspace():
            return (chunk,)
        return tuple(token for _, token in self._find_tokens(chunk))

    def _find_tokens(self, chunk: str) -> list[tuple[str, str]]:
        """Find each token's rule and text. The rules read plain letters, so that equivalent
        spellings are split alike."""
        parts = _GLUED_URL.split(fold_letters(chunk))
        matches = [match for part in parts for match in self._rules.finditer(part)]
        tokens = split_alike(chunk, [match.group() for match in matches])
        rules = [str(match.lastgroup) for match in matches]
        return [(rule, token) for rule, token in zip(rules, tokens, strict=True) if token]
