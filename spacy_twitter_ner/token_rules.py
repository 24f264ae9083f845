"""The rules of TweetTokenizer, as one regular expression, and those of the scheme "ud"."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from .normalization import CASHTAG, CURRENCY, KEYCAP, PICTOGRAPH, fold_letters, split_hashtag

# The settings of tokenizers that were saved without them.
DEFAULTS: dict[str, Any] = {
    "split_contractions": False,
    "split_slashes": False,
    "scheme": "twitter",
    "split_hashtags": False,
    "special_cases": {},
}
SCHEMES = ("twitter", "ud")

# Abbreviations whose period doesn't end a sentence. Those in title case are words in lower case.
_ABBREVIATION_LIST = """
    adm atty brig capt cdr cmdr col cpl cpt det dr gen gov hon insp lt maj messrs mlle mme mr mrs ms
    msgr ofc ph pres prof pvt rep rev sen sgt st ste supt
    assn assoc bros co corp dept esq inc intl jr llc ltd mfg natl phd plc sr univ
    ave bldg blvd ft hwy mt mtn mts pkwy pt rd
    jan feb apr jun jul aug sep sept oct nov dec tue tues thu thur thurs fri Mar Mon Wed Sat Sun
    al approx apt cf eds eg etc feat ie viz vol vols v vs
"""
ABBREVIATIONS = frozenset(_ABBREVIATION_LIST.split())
# Only abbreviations before a number.
NUMBERED = {"art", "ch", "fig", "no", "nos", "nr", "p", "pp", "sec"}

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
GLUED = re.compile(
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
# A slash between words, but not n/a or w/o.
_UD_SLASH = rf"(?:(?<={_LETTER}{_LETTER})/(?={_LETTER})|(?<={_LETTER})/(?={_LETTER}{_LETTER}))"

# Contractions and colloquial forms that UD's English treebanks split, as "first + rest". The words
# before nt are those that can't be anything else.
_UD_SPLITS = """
    gon+na wan+na got+ta can+not gim+me lem+me c['’]m+on ['’]t+is ['’]t+was
    do+nt does+nt did+nt is+nt was+nt are+nt were+nt has+nt have+nt had+nt ca+nt wo+nt could+nt
    would+nt should+nt must+nt need+nt ai+nt
    i+m i+ve you+re you+ve you+ll you+d they+re they+ve they+ll they+d we+ve it+ll that+ll
    would+ve could+ve should+ve might+ve must+ve
    he+s she+s that+s what+s there+s here+s where+s who+s how+s let+s y['’]?+all
"""
_UD_UNITS = """
    am pm a\\.m p\\.m k m mn mil bn mm cm km kms ft kg kgs lb lbs oz ml mph kph mb gb tb h hrs?
    mins? secs? yrs? hours? days? percent
"""
# Words that show that "its", "ill" or "id" before them lacks an apostrophe: those that are far more
# frequent after it's, I'll and I'd in tweets than after its, ill and id.
_FOLLOWER_LISTS = {
    "it+s": """
        a about absolutely actually all almost already also always amazing an another as at
        available awesome bad basically beautiful because become been being better beyond called
        clear cold coming cool crazy damn dangerous definitely different difficult done easier easy
        either essential even far finally fine for free friday from fucking fun funny getting going
        gon gone gonna good got gotta great happening hard here hilarious hot how important
        impossible in incredible interesting just kind kinda like likely lit literally long looking
        made making me monday more much my national nearly never nice no not nothing now obvious
        official ok okay on one only our out over past possible pretty probably quite raining real
        really ridiculous right sad safe saturday simple simply snowing so something starting still
        such sunday supposed taken that the their them there these they this those time to today
        tomorrow too totally tough true truly very weird well what when where why working worth
        wrong yet you your
    """,
    "i+ll": """
        admit also always answer ask be bet bring buy call check come continue definitely die dm do
        ever find follow get give gladly go have help join just keep leave let make meet miss need
        never only pass pay pick probably put remember say see send share show start stay stick
        still stop take talk tell think try use wait watch write
    """,
    "i+d": """
        also appreciate argue ask be bet better buy consider definitely do expect get give go guess
        hate have imagine just kill let like love make never pay prefer probably put rather really
        recommend say see still suggest take tell think try want
    """,
}
_FOLLOWERS = {
    contraction.replace("+", ""): (contraction.index("+"), frozenset(words.split()))
    for contraction, words in _FOLLOWER_LISTS.items()
}
_CLOSING = ".,!?:;…\"'”’)"

_UD_NUMBER = rf"""
    (?<!{_W}) [+−-]? \.? \d{{1,15}} (?:[.,:–-]\d{{1,15}}){{0,5}}
    (?= (?i:{"|".join(_UD_UNITS.split())}) (?!{_W}) | (?!\$){CURRENCY} | % )
"""
_MIXED_RUN = rf"(?: (?!{_EMOTICON}) [.?!,:;\"'] )+"
_UD_RUN = rf"""[.?!,]+ | (?: (?!{_EMOTICON}) [:;] )+ | (?P<_mark> ["'] ) (?P=_mark)*"""
# The apostrophe stands for letters: 'em, 'n', '90s, goin'.
_ELISION = rf"""
    (?<!{_W}) ['’] (?: (?i:em|till?|bout|cause|cuz|cos|coz|round) | \d0s ) (?!{_W}|['’])
    | (?<!{_W}) ['’] [nN] ['’]? (?!{_W})
    | (?<!{_W})(?<!['’‘]) {_LETTER}{{2,20}} (?i:in)['’] (?!{_W})
"""


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


# After a currency sign: the end of the number, or a unit.
_UD_END = rf"(?:(?i:{_any_of(_UD_UNITS.split())}))?(?!{_W})"


def _ud_rules() -> str:
    """RETURNS (str): The rules that only apply in the scheme "ud", to be tried before others."""
    splits = [word.split("+") for word in _UD_SPLITS.split()]
    words = _any_of(f"{first}(?={rest}(?!{_W}))" for first, rest in splits)
    closed = [word for word in ABBREVIATIONS if word.islower()]
    names = [word for word in ABBREVIATIONS if not word.islower()]
    return rf"""
        | (?P<SPLIT> (?<!{_W}) (?i:{words}) )
        | (?P<CLOSED> (?<!{_W})(?<!\.) (?: (?i:{_any_of(closed)}) | {_any_of(names)} | [A-HJ-Z] )
            {_PERIOD} (?!{_W}) | (?<!{_W})(?<!\.) (?:(?i:ph\.d)\.? (?!{_W}) | (?i:nos?)\.(?=\d)) )
        | (?P<ELISION> {_ELISION} )
        | (?P<HEART> &lt;/?3+ (?!{_W}) )
        | (?P<SIGN> (?<!{_W}) (?: [\#＃](?=\d+(?!{_W})) | [+−-](?={CURRENCY}\.?\d)
              | {CURRENCY}(?=\.?\d[\d.,–-]*{_UD_END}) ) )
        | (?P<AMOUNT> {_UD_NUMBER} )
        | (?P<HALF> (?<=\d) (?: (?i:[ap]\.m) (?:{_PERIOD})? (?!{_W}) | (?i:[ap]m)(?=[–-]\d) ) )
    """


def compile_rules(
    *,
    split_contractions: bool,
    split_slashes: bool,
    scheme: str,
    split_hashtags: bool,
    special_cases: Mapping[str, Iterable[str]],
) -> re.Pattern[str]:
    """Compile the rules of a tokenizer. Group names are rule names. Hashtags and special cases are
    split later, by split_match.

    See create_tweet_tokenizer for the settings.
    RETURNS (re.Pattern[str]): A pattern that matches one token at each position.
    """
    is_ud = scheme == "ud"
    slash = _UD_SLASH if is_ud else _SLASH
    joint = rf"(?!{slash}){_JOINT}" if split_slashes or is_ud else _JOINT
    clitic = rf"{_APOSTROPHE}(?i:s)(?!{_W})"
    part = f"{_W}+"
    if split_contractions or is_ud:
        clitic = rf"(?i:n{_APOSTROPHE}t|{_APOSTROPHE}(?:s|m|re|ve|ll|d))(?!{_W})"
        # The shortest part before a clitic, or else all of it.
        part = f"(?:{_W}+?(?={clitic})|{_W}+)"
    part = rf"(?!{_SCHEME}|{_PICTURE}[A-Za-z0-9]|(?i:www\.)[{_LATIN}]){part}"
    word = rf"""
        {part} (?:(?!{clitic}){joint}{part})*
        (?:(?<=\d)(?:%|°[CcFf]?|(?!\$){CURRENCY})|\++(?!\+|{_W}))?
    """
    run, more_rules = (_UD_RUN, _ud_rules()) if is_ud else (_MIXED_RUN, "")
    rules = _rules(clitic, word, run, more_rules)
    if special_cases:
        rules = rf"(?P<SPECIAL> {_special_rule(special_cases)} ) | {rules}"
    return re.compile(rules, re.VERBOSE | re.DOTALL)


def _special_rule(special_cases: Iterable[str]) -> str:
    """RETURNS (str): A rule for special cases. Letters at either end are the end of a word."""
    cases = map(fold_letters, special_cases)
    return _any_of(rf"(?<!(?=\w){_W}){re.escape(case)}(?!(?<=\w){_W})" for case in cases)


def _rules(clitic: str, word: str, run: str, more_rules: str) -> str:
    return rf"""
          (?P<EMAIL> {_EMAIL} )
        | (?P<URL> {_URL} )
        | (?P<EMOJI> (?P<_emoji> {_EMOJI} ) (?P=_emoji)* )
        | (?P<EMOTICON> (?=[][()<>:;=8xXD\\¯^*@.•◕¬ಠ-]) (?:{_EMOTICON}) )
        {more_rules}
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
        | (?P<PUNCTUATION> {run} )
        | (?P<SYMBOL> (?P<_symbol> . ) (?P=_symbol)* )
        """


def split_match(
    match: re.Match[str], *, split_hashtags: bool, special_cases: Mapping[str, Iterable[str]]
) -> list[tuple[str, str]]:
    """Split a match of the rules into tokens.

    match (re.Match[str]): The match.
    split_hashtags (bool): Whether to split hashtags.
    special_cases (Mapping[str, Iterable[str]]): The tokens of each special case.
    RETURNS (list[tuple[str, str]]): The rule and the text of each token.
    """
    rule, text = str(match.lastgroup), match[0]
    tokens: Iterable[str] = (text,)
    if rule == "SPECIAL":
        tokens = special_cases[text]
    elif rule == "HASHTAG" and split_hashtags:
        tokens = _split_camel_case(text)
    return [(rule, token) for token in tokens]


def _split_camel_case(hashtag: str) -> list[str]:
    """Split a hashtag into #, its words, and underscores. A hashtag of one word is one token."""
    words = split_hashtag(hashtag)
    if sum(word.isalpha() for word in words) < 2 or not all(map(str.isalnum, words)):
        return [hashtag]
    starts = []
    offset = 1
    for word in words:
        start = hashtag.index(word, offset)
        starts += [offset, start] if start > offset else [start]
        offset = start + len(word)
    bounds = [0, *starts, offset, *([len(hashtag)] if offset < len(hashtag) else [])]
    return [hashtag[start:end] for start, end in pairwise(bounds)]


def split_words(chunks: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Split "its", "ill" and "id" where the next word shows that they stand for "it's", "I'll" and
    "I'd", for the scheme "ud".

    chunks (Iterable[tuple[str, str]]): Each chunk of a text and the space after it.
    YIELDS (tuple[str, str]): The same, with such chunks in two.
    """
    for (chunk, space), (following, _) in pairwise([*chunks, ("", "")]):
        index, followers = _FOLLOWERS.get(chunk.lower(), (0, frozenset()))
        if index and following.lower().rstrip(_CLOSING) in followers:
            yield chunk[:index], ""
            yield chunk[index:], space
        else:
            yield chunk, space


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check the settings of a tokenizer.

    settings (Mapping[str, Any]): The settings, by name.
    RAISES (ValueError): If the scheme or a special case is invalid.
    """
    unknown = sorted(settings.keys() - DEFAULTS.keys())
    if unknown:
        raise ValueError(
            f"TweetTokenizer has no setting {unknown[0]!r}. It was saved by a newer version: "
            "update spacy-twitter-ner"
        )
    if settings["scheme"] not in SCHEMES:
        raise ValueError(
            f"[nlp.tokenizer] scheme must be 'twitter' or 'ud', not {settings['scheme']!r}"
        )
    for case, tokens in settings["special_cases"].items():
        if not case or re.search(r"\s", case):
            raise ValueError(
                f"[nlp.tokenizer] special case {case!r} must be a string without whitespace"
            )
        is_split = not isinstance(tokens, str) and all(tokens)
        if not is_split or "".join(map(fold_letters, tokens)) != fold_letters(case):
            raise ValueError(
                f"[nlp.tokenizer] the tokens of special case {case!r} must be a list of strings "
                f"that concatenate to it, not {tokens!r}"
            )
