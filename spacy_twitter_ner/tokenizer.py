"""A non-destructive tokenizer for tweets that follows the conventions of Twitter NER corpora.

Texts are split at whitespace into chunks. Chunks are split by a single regular expression, whose
alternatives are the rules: the first one that matches at a position makes a token. The tokens of
chunks are cached.
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

from .normalization import CASHTAG, CURRENCY, KEYCAP, PICTOGRAPH, fold_letters, split_alike

CACHE_SIZE = 20_000
# Longer chunks are mostly URLs, which rarely recur.
MAX_CACHED_LENGTH = 50
# Maximum number of tokens after an abbreviation that can't start a sentence.
MAX_MARKED = 4

# Abbreviations whose period doesn't end a sentence. Those in title case are words in lower case.
_ABBREVIATION_LIST = """
    adm atty brig capt cdr cmdr col cpl cpt det dr gen gov hon insp lt maj messrs mlle mme mr mrs ms
    msgr ofc ph pres prof pvt rep rev sen sgt st ste supt
    assn assoc bros co corp dept esq inc intl jr llc ltd mfg natl phd plc sr univ
    ave bldg blvd ft hwy mt mtn mts pkwy pt rd
    jan feb apr jun jul aug sep sept oct nov dec tue tues thu thur thurs fri Mar Mon Wed Sat Sun
    al approx apt cf eds eg etc feat ie viz vol vols v vs
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_LIST.split())
# Only abbreviations before a number.
_NUMBERED = {"art", "ch", "fig", "no", "nos", "nr", "p", "pp", "sec"}

# As in spaCy, one space after a token belongs to it. Other whitespace is a token.
_CHUNK = re.compile(r"(\S+|\s+)( ?)")
_SURROGATE = re.compile(r"[\uD800-\uDFFF]")

# Python's \w excludes vowel signs and other marks, so words would be split in many languages and
# at decomposed accents. The other characters are letters on Twitter: Tibetan tshegs, Hebrew geresh
# and gershayim, kana voicing marks and the ditto mark.
_MARKS = "".join(
    char for char in map(chr, range(0x300, 0xFE00)) if unicodedata.category(char) in ("Mn", "Mc")
)
_W = rf"[\w{_MARKS}\u0F0B\u0F0C\u05F3\u05F4\u309B\u309C\u3003]"
_LETTER = r"[^\W\d_]"
# Letters in URLs: Latin and Cyrillic.
_LATIN = r"A-Za-z0-9À-ɏЀ-ӿ"
_CJK = r"[\u1100-\u11FF\u3040-\u30FF\u3130-\u318F\u3400-\u9FFF\uAC00-\uD7AF\uFF66-\uFFDC]"
_APOSTROPHE = r"(?:['’ʼ`´]|&(?:apos|\#0?39);)"

# Repeats are bounded if a rule can fail at many positions, which would take quadratic time
# otherwise.

_AT_HOST = r"@ (?:[A-Za-z0-9-]{1,63}\.){1,5} [A-Za-z]{2,24} (?!\w)"
_EMAIL = rf"(?<![\w@.+-]) [A-Za-z0-9] [\w.+-]{{0,63}} {_AT_HOST}"

# Punctuation is only included before other URL characters, and brackets only in pairs. Quotation
# marks that are escaped as HTML entities end the URL.
_URL_CHAR = rf"(?:[{_LATIN}_/%=~\#+$@-]|&(?!(?:quot|apos|[lg]t|\#0?39);))"
_URL_MARK = r"[.,:;!?'*|]"
_URL_REST = rf"(?:{_URL_MARK}*(?:{_URL_CHAR}|\((?:{_URL_CHAR}|{_URL_MARK})*\)))+"
_SCHEME = r"(?i:https?|ftp)://"
_PICTURE = r"(?i:pic\.twitter\.com/)"
# Paths of Twitter's own links consist of letters and digits.
_SHORT_URL = rf"""
    (?i:t\.co|pic\.twitter\.com) (?![{_LATIN}_@-]|\.[{_LATIN}])
    (?:/[A-Za-z0-9]*(?:(?=\?\w){_URL_REST})?)?
"""
_HOST_CHAR = rf"(?:{_W}|[\u2600-\u27BF-])"
_HOST = rf"""
    (?:(?![_-]){_HOST_CHAR}{{1,63}}(?<![_-])\.){{0,7}} (?!-)(?:(?!_){_HOST_CHAR}){{1,63}}(?<!-)\.
    (?: (?i:xn--[a-z0-9-]{{1,59}}|[a-z]{{2,24}}) (?![{_LATIN}_]) | (?:(?![{_LATIN}_]){_W}){{2,24}} )
"""
_DOMAIN = r"(?:[A-Za-z0-9À-ɏ][A-Za-z0-9À-ɏ-]{0,62}\.){1,5}"
# URLs without a scheme have a top-level domain that isn't a word, or any short one and a path.
_URL = rf"""
    (?<![\#＃@＠$]) {_SCHEME} (?: {_SHORT_URL} | {_HOST} (?:(?=[/?\#]|:\d){_URL_REST})? )
    | (?i:www\.) (?=[{_LATIN}]) {_URL_REST} | {_PICTURE} [A-Za-z0-9]+
    | (?<![{_LATIN}_@＠$\#＃.-]) (?: {_SHORT_URL} | {_DOMAIN} (?:
        (?i:(?:com|net|org|edu|gov|info|biz)(?:\.[a-z]{{2}})?|(?:co|ac)\.[a-z]{{2}}|co|tv)
        (?![{_LATIN}_@-]|\.[{_LATIN}_]) (?:(?=/|[?\#]\w|:\d){_URL_REST})?
      | [A-Za-z]{{2,3}} (?=/[\w@\#?~$%-]) {_URL_REST} ) )
"""
# A URL or keycap without a space before it. The first lookahead saves time.
_GLUED = re.compile(
    rf"""
    (?=[hHfFpP_0-9]) (?:
        (?={_SCHEME}) (?<={_W}|[,;|-]) | (?=_{{1,5}}{_SCHEME}) (?<=[^\W_])
      | (?={_PICTURE}) (?<=[^/]) | (?={KEYCAP}) (?<={_W}) )
    | (?<={_CJK}) (?={_DOMAIN}[A-Za-z]{{2}})
    """,
    re.VERBOSE,
)

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
    | </?3+ (?!{_W}) | \\[oOmM]/ | ¯\\*_*\(ツ\)_*/¯                  # <3 \o/ \m/
    | \^ [_.o-]{{0,3}} \^+ | > [_.-]{{1,3}} [<>] | < _{{1,3}} <     # ^_^ >.<
    | [-;=*.•◕¬ಠ] _{{1,5}} [-;=*.•◕¬ಠ] | @ _{{1,5}} @ (?!{_W})      # -_- ;_; @_@
    | -\.- | \*[-_^.]{{1,2}}\*
    | \( [-^<>;*@oOTuUxX=.'•◕¬ಠ] [_.oO‿益-]{{1,3}} [-^<>;*@oOTuUxX=.'•◕¬ಠ] \)   # (^-^) (ಠ_ಠ)
"""

# A period that doesn't start an ellipsis.
_PERIOD = r"\.(?!\.{1,2}(?!\.))"
# U.S. and p.m., but p.m... is p.m and an ellipsis.
_ABBREVIATION = rf"(?<!{_W}) {_LETTER}(?:\.{_LETTER})+ (?:{_PERIOD})? (?!{_W})"
# 8p.m. and 8:30a.m.-5p.m.
_HOURS = r"\d[\d:.-]{0,10}"
_TIME = rf"""
    (?=\d) (?<!{_W}) {_HOURS} (?:(?i:[ap]\.?m)\.?[–-]{_HOURS})? (?i:[ap]\.m) (?:{_PERIOD})? (?!{_W})
"""
_HTML = r"&(?:[A-Za-z]{2,8}\d{0,2}|\#\d{2,7}|\#[xX][\dA-Fa-f]{2,6});"
# Invisible joiners, Catalan and katakana middle dots, Hebrew maqaf, wave dashes.
_INNER = r"\u200C\u200D\u00B7\u05BE\u30A0\u30FB\u301C\uFF5E"
# Joints inside words and numbers: wi-fi, and/or, R&B, d@mn, 7:30, 1,000.5. But so-_- is a word and
# an emoticon.
_JOINT = rf"""
    (?: [‐‑/+$] | -(?!_{{1,5}}-) | \*{{1,4}} | {_APOSTROPHE} | &(?:amp;|(?![\w\#]{{1,9}};))
      | (?<=[A-Za-z])@(?=[A-Za-z]) | (?<=\d)(?:[.:]|,(?=\d{{3}}(?!\d)))(?=\d)
      | [\u00AD\u2060{_INNER}] )
"""
_INVISIBLE = r"[\u00AD\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFE0E\uFE0F\uFEFF]"

_TAG_CHAR = rf"(?:{_W}|[{_INNER}])"
# As on Twitter, user names are ASCII and hashtags contain a letter.
_MENTION = r"""
    (?<![0-9_!\#＃$%&*@＠]) [@＠] [A-Za-z0-9_]+ (?![A-Za-z0-9_À-ɏ@＠]|://)
"""
_HASHTAG = rf"(?<!{_W})(?<!&) [\#＃] (?!{_SCHEME}) (?=[\d_{_MARKS}{_INNER}]*{_LETTER}) {_TAG_CHAR}+"
_CASHTAG = rf"{CASHTAG} (?!_?[^\W_]|://)"


# A slash between words of at least three letters, such as Obama/Biden, but not AC/DC or and/or.
_SLASH = rf"(?<={_LETTER}{_LETTER}{_LETTER})/(?={_LETTER}{_LETTER}{_LETTER})"


def _compile_rules(*, split_contractions: bool, split_slashes: bool) -> re.Pattern[str]:
    """Compile the rules. Group names are rule names."""
    joint = rf"(?!{_SLASH}){_JOINT}" if split_slashes else _JOINT
    clitic = rf"{_APOSTROPHE}(?i:s)(?!{_W})"
    part = f"{_W}+"
    if split_contractions:
        clitic = rf"(?i:n{_APOSTROPHE}t|{_APOSTROPHE}(?:s|m|re|ve|ll|d))(?!{_W})"
        # The shortest part before a clitic, or else all of it.
        part = f"(?:{_W}+?(?={clitic})|{_W}+)"
    part = rf"(?!{_SCHEME}|{_PICTURE}[A-Za-z0-9]|(?i:www\.)[{_LATIN}]){part}"
    word = rf"""
        {part} (?:(?!{clitic}){joint}{part})*
        (?:(?<=\d)(?:%|°[CcFf]?|(?!\$){CURRENCY})|\++(?!\+|{_W}))?
    """
    return re.compile(
        rf"""
          (?P<EMAIL> {_EMAIL} )
        | (?P<URL> {_URL} )
        | (?P<EMOJI> (?P<_emoji> {_EMOJI} ) (?P=_emoji)* )
        | (?P<EMOTICON> (?=[][()<>:;=8xXD\\¯^*@.•◕¬ಠ-]) (?:{_EMOTICON}) )
        | (?P<CLITIC> {clitic} )
        | (?P<HTML> {_HTML} )
        | (?=[@＠\#＃$hHfF]) (?:
            (?P<MENTION> {_MENTION} )
          | (?P<HASHTAG> {_HASHTAG} )
          | (?P<CASHTAG> (?<![\w$.]) {_CASHTAG} )
          # Twitter doesn't link these: http://t, #1, @me@x.social
          | (?P<UNLINKED> {_SCHEME} (?:{_URL_REST})?
              | [@＠\#＃] (?!{_SCHEME}) {_W}+ (?:{_AT_HOST})? | {_CASHTAG} )
          )
        | (?P<ABBREVIATION> {_ABBREVIATION} )
        | (?P<RETWEET> (?<!{_W}) (?i:rt|mt|ht|via|cc) (?=[@＠]) )                 # RT@user
        | (?P<WITH> (?<!{_W}) [wW]/ (?:o(?!{_W})|(?![A-Z](?!{_W}))) )             # w/ w/o, not W/L
        | (?P<NUMBER> {_TIME} | (?:(?<!{_W})[+−-]?{CURRENCY}?\.?)? (?=\d) {word} )
        | (?P<WORD> \$?(?={_W}) {word} )
        | (?P<ARROW> -{{1,5}}> | <-{{1,5}} | ={{1,5}}> )
        | (?P<INVISIBLE> {_INVISIBLE}+ )
        | (?P<PUNCTUATION> (?: (?!{_EMOTICON}) [.?!,:;"'] )+ )
        | (?P<SYMBOL> (?P<_symbol> . ) (?P=_symbol)* )
        """,
        re.VERBOSE | re.DOTALL,
    )


def create_tweet_tokenizer(
    split_contractions: bool = False, split_slashes: bool = False
) -> Callable[[Language], "TweetTokenizer"]:
    """Create a factory for the tokenizer: "spacy-twitter-ner.TweetTokenizer.v1".

    split_contractions (bool): Whether to split contractions as in the Penn Treebank, such as don't
        into do and n't. 's is always split off.
    split_slashes (bool): Whether to split words of at least three letters at slashes, such as
        Obama/Biden into three tokens.
    RETURNS (Callable[[Language], TweetTokenizer]): The factory.
    """

    def make_tweet_tokenizer(nlp: Language) -> TweetTokenizer:
        return TweetTokenizer(
            nlp.vocab, split_contractions=split_contractions, split_slashes=split_slashes
        )

    return make_tweet_tokenizer


class TweetTokenizer:
    """Split tweets into tokens. The original text is preserved, except that lone surrogates, which
    spaCy can't store, become U+FFFD."""

    def __init__(
        self, vocab: Vocab, *, split_contractions: bool = False, split_slashes: bool = False
    ) -> None:
        """Initialize the tokenizer. See create_tweet_tokenizer for the settings.

        vocab (Vocab): The shared vocab.
        """
        self.vocab = vocab
        self._set_rules(split_contractions=split_contractions, split_slashes=split_slashes)

    def _set_rules(self, **settings: bool) -> None:
        self._settings = settings
        self._rules = _compile_rules(**settings)
        self._split_cached = lru_cache(CACHE_SIZE)(self._split)

    @property
    def split_contractions(self) -> bool:
        """RETURNS (bool): Whether contractions are split."""
        return self._settings["split_contractions"]

    @property
    def split_slashes(self) -> bool:
        """RETURNS (bool): Whether words are split at slashes."""
        return self._settings["split_slashes"]

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(
            type(self),
            split_contractions=self.split_contractions,
            split_slashes=self.split_slashes,
        )
        return make, (self.vocab,)

    def __call__(self, text: str) -> Doc:
        """Tokenize a text. Tokens after the period of an abbreviation are marked as not starting a
        sentence, so that sentence segmenters keep "St. Louis" together.

        text (str): The text.
        RETURNS (Doc): The tokens.
        """
        words: list[str] = []
        spaces: list[bool] = []
        periods: list[int] = []
        for chunk, space in _CHUNK.findall(text):
            if chunk.isalnum() and chunk.isascii():
                words.append(chunk)  # always one token
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
        return [token for chunk in text.split() for token in self._find_tokens(chunk)]

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
        cfg: dict[str, bool] = {}
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
            # Tokenizers saved before 0.2 don't have split_slashes.
            self._set_rules(**{"split_slashes": False, **cfg})
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

    def _split(self, chunk: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Split a chunk into tokens, and find the indices of periods after abbreviations."""
        if chunk.isspace():
            return (chunk,), ()
        tokens = tuple(token for _, token in self._find_tokens(chunk))
        periods: tuple[int, ...] = ()
        if "." in chunk and "://" not in chunk:
            for i in range(1, len(tokens)):
                if tokens[i] == "." and _is_abbreviation(fold_letters(tokens[i - 1])):
                    periods += (i,)
        return tokens, periods

    def _find_tokens(self, chunk: str) -> list[tuple[str, str]]:
        """Find each token's rule and text. Rules are applied to folded letters, so that equivalent
        spellings have the same tokens."""
        if chunk.isascii() and "/" not in chunk:  # can't contain glued URLs or keycaps
            return [(str(match.lastgroup), match[0]) for match in self._rules.finditer(chunk)]
        parts = _GLUED.split(fold_letters(chunk))
        matches = [match for part in parts for match in self._rules.finditer(part)]
        tokens = split_alike(chunk, [match[0] for match in matches])
        rules = [str(match.lastgroup) for match in matches]
        return [(rule, token) for rule, token in zip(rules, tokens, strict=True) if token]


def _is_abbreviation(word: str) -> bool:
    form = word.lower()
    return (
        word in _ABBREVIATIONS
        or form in _ABBREVIATIONS
        or form in _NUMBERED
        or (len(word) == 1 and word.isupper() and word != "I")  # J. Cole
    )


def _continue_sentence(doc: Doc, words: list[str], period: int) -> None:
    """Mark the next word after an abbreviation's period, and punctuation before it, as not starting
    a sentence."""
    following = words[period + 1 : period + 1 + MAX_MARKED]
    if not following or (
        fold_letters(words[period - 1]).lower() in _NUMBERED
        and not fold_letters(following[0])[0].isdigit()
    ):
        return
    for i, word in enumerate(following, start=period + 1):
        doc[i].is_sent_start = False
        if any(map(str.isalnum, word)):
            break
