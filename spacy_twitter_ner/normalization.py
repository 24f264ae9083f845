"""Normalize and classify tokens of tweets: normal form, kind, orthography, emoji, hashtag words.

Pure functions of a token's text, used as features. Documents keep their text. Except for
normalize_word, fold_letters and split_alike, they expect the output of normalize_word.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from html.entities import html5
from itertools import accumulate, pairwise

HASH_SIGNS = ("#", "＃")
USER = "<USR>"
URL = "<URL>"

_USER = re.compile(r"@\w+\Z")
_URL = re.compile(r"https?://", re.IGNORECASE)
_BARE_URL = re.compile(r"www\.\w|(?:t\.co|bit\.ly|goo\.gl|ow\.ly|youtu\.be|instagr\.am)/\w", re.I)
_DIGIT = re.compile(r"\d")
_ELONGATION = re.compile(r"(\D)\1{2,}")

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+\Z")
# As on Twitter, a hashtag contains a letter: "#1" is a number.
_HASHTAG = re.compile(r"[#＃]\w*[^\W\d_]")
# A ticker symbol, with a suffix or an exchange: $BRK.B, $VOW:GR, $6758:JP.
CASHTAG = (
    r"\$(?:[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2}|-[A-Z]{1,2}|:(?:[A-Z]{2,4}|[0-9]{4,6}))?"
    r"|[0-9]{1,6}:[A-Z]{2,4})"
)
_CASHTAG = re.compile(rf"{CASHTAG}\Z")
# Unicode's currency signs.
CURRENCY = (
    r"[$\u00A2-\u00A5\u058F\u060B\u09F2\u09F3\u09FB\u0AF1\u0BF9\u0E3F\u17DB\u20A0-\u20CF\uA838\uFDFC"
    r"\uFE69\uFF04\uFFE0\uFFE1\uFFE5\uFFE6]"
)
_NUMERIC_REFERENCE = re.compile(r"&#(?:\d+|x[\da-f]+);?\Z", re.I)
_NUMBER = re.compile(
    rf"""[#№+±~<>−-]? {CURRENCY}?
    (?: \d+ (?: [.,:/×x−–-] \d+ )* | [.,] \d+ )
    (?: [%‰°+] | {CURRENCY} | °[CF] | ['’]?s | st | nd | rd | th | k | m | b | mm | mn | bn
      | [ap]m | [ap]\.m\.? | x )? \Z""",
    re.I | re.X,
)
_EMOTICON = re.compile(
    r"""(?: [<>]? [:;=] ['’]? [o*^~-]? (?: (?P<mouth>[)(dp]) (?P=mouth)* | [][{}b3sxco0/\\|@*$] )
      | 8 - [)(d] | x (?P<grin>[d)(]) (?P=grin)*                    # 8-) xD
      | (?P<turned>[)(d]) (?P=turned)* [o*^-]? ['’]? [:;=]          # (: D:
      | <[/\\]? 3+ | \\[om]/ | ¯\\_\(ツ\)_/¯                         # <3 </3 \o/
      | \^ [_.o-]* \^ | > [_.-]+ <                                  # ^^ >.<
      | [(]? [-;ot.u=@*•◕ಠ] _+ [-;ot.u=@*•◕ಠ] [)]?                 # -_- o_O
      | (?P<eye>[-ou]) [.] (?P=eye) ) \Z""",
    re.I | re.X,
)

# The unicodedata module has no emoji property, hence the ranges: U+1F000–1FAFF (pictographs, flag
# letters and skin tones), Miscellaneous Symbols, Dingbats, characters of other blocks with emoji
# presentation by default, and a few that tweets use as emoji. The other characters in
# emoji-data.txt, such as © and ™, are text unless followed by U+FE0F.
PICTOGRAPH = (
    r"(?:[\U0001F000-\U0001FAFF\u2600-\u27BF\u231A\u231B\u2328\u23CF\u23E9-\u23F3\u23F8-\u23FA"
    r"\u24C2\u25AA\u25AB\u25B6\u25C0\u25FB-\u25FE\u2B05-\u2B07\u2B1B\u2B1C\u2B50\u2B55\u303D"
    r"\u3297\u3299]"
    r"|[\u00A9\u00AE\u203C\u2049\u2122\u2139\u2194-\u2199\u21A9\u21AA\u2934\u2935\u3030]\uFE0F)"
)
KEYCAP = r"[0-9#*]\uFE0F?\u20E3"
# Extenders of a pictograph: variation selectors, the joiner, and the tags of region flags.
_EXTENDERS = r"[\uFE0E\uFE0F\u200D\U000E0020-\U000E007F]*"
_EMOJI = re.compile(rf"(?:(?:{PICTOGRAPH}|{KEYCAP}){_EXTENDERS})+")
# A skin tone at the start is a separate emoji.
_EMOJI_VARIANT = re.compile(r"[\uFE0E\uFE0F]|(?<!^)[\U0001F3FB-\U0001F3FF]")

# Letters in circles, parentheses and squares. Single ones are symbols, such as Ⓜ and 🅿, and U+FE0F
# turns the preceding letter into an emoji.
_ENCLOSED = (
    r"\u249C-\u24E9\U0001F110-\U0001F129\U0001F130-\U0001F149\U0001F150-\U0001F169"
    r"\U0001F170-\U0001F189"
)
_ENCLOSED_WORD = re.compile(rf"[{_ENCLOSED}]{{2,}}(?![\uFE00-\uFE0F])")
_SMALL_CAPITAL = re.compile(r"LATIN LETTER SMALL CAPITAL ([A-Z])\Z")
# Letters with a compatibility form that isn't a style variant: an emoji, and the usual spelling of
# Thai, Lao and single Korean letters.
_NO_STYLE = re.compile(r"[ℹำຳ\u3131-\u318E\uFFA0-\uFFDC]")

# Invisible characters; variation selectors after letters; joiners, except in scripts that use them
# in spelling; and combining strokes, lines and frames, except over emoji and other symbols.
_INVISIBLE = (
    r"\u00AD\u034F\u061C\u115F\u1160\u180B-\u180F\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069"
    r"\u3164\uFEFF\uFFA0"
)
_OVERLAYS = (
    r"\u0305\u0332-\u0338\u033F\u035F\u0488\u0489\u20D2\u20D3\u20D8-\u20E2\u20E4-\u20E6\u20EA\u20EB"
)
_DECORATION = re.compile(
    rf"""
      [{_INVISIBLE}]
    | (?<=\w) (?<!ℹ) [\uFE00-\uFE0F\U000E0100-\U000E01EF]+ (?!\u20E3)
    | (?<=[\w\u0300-\u036F{_ENCLOSED}]) (?<![\u0590-\u1CFF]) [\u200C\u200D]+
    | (?<![^\w\x21-\x7E\u0300-\u036F{_INVISIBLE}]) [{_OVERLAYS}]+
    """,
    re.X,
)

_IMPOSSIBLE = float("-inf")

_HYPHENS = frozenset("-‐‑")
_APOSTROPHES = frozenset("'’ʼ")
_INNER_DOT = re.compile(r"[^\W_]\.[^\W_]")

# Matches a hashtag's body with each character replaced by its class: U for upper case, s for the
# letter s, l for other letters, d for digits, _ for underscores, x for anything else.
_HASHTAG_SEGMENT = re.compile(
    r"""\A [ls] U (?: U* (?=U[ls]) | [ls]+ | U* )    # iPhone, iOS, eBayShop
    | UU+ s (?![ls])                               # DVDs
    | U+ (?=U[ls])                                 # NFL before Draft
    | U [ls]+ | [ls]+ | U+
    | d+ [ls]{1,2} (?![ls])                        # 13th, 6s
    | d+ U (?=U[ls]|[^Uls]|\Z)                     # 4G, 3D
    | d+ | x+""",
    re.X,
)


def normalize_word(text: str) -> str:
    """Normalize the Unicode spelling of a word, as used in features, clusters, vectors, gazetteers
    and caches: NFC, plain letters and digits, no invisible characters.

    Canonically equivalent words have the same result. Case, punctuation, emoji and elongation are
    preserved: see normal_form.

    text (str): A token's text, or any other text.
    RETURNS (str): The normalized text. Only empty if the text is.
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)
    return fold_letters(_DECORATION.sub("", text) or text)


def fold_letters(text: str) -> str:
    """Compose a text (NFC) and replace styled letters and digits by plain ones: bold, script,
    double-struck, full-width, superscript, small capitals, ligatures, words of letters in circles
    or squares, and the full-width # and @. Emoji are preserved.

    text (str): The text.
    RETURNS (str): The text in plain letters.
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text).translate(_PLAIN_LETTERS)
    return unicodedata.normalize("NFC", _ENCLOSED_WORD.sub(_plain_enclosed, text))


def split_alike(text: str, tokens: Sequence[str]) -> list[str]:
    """Split a text like its folded form.

    text (str): The text.
    tokens (Sequence[str]): Tokens that concatenate to fold_letters(text).
    RETURNS (list[str]): The original text of each token. A token that begins inside a character of
        the text, or with a combining mark, is empty: its text belongs to the token before it.
    """
    if text.isascii():
        return list(tokens)
    if "".join(tokens) == text and not any(_joins(token[0]) for token in tokens[1:]):
        return list(tokens)
    ends = [0]
    characters = _split_characters(text)
    end = folded = 0
    for token_end in accumulate(map(len, tokens)):
        while folded < token_end:
            character = next(characters)
            end += len(character)
            folded += len(fold_letters(character))
        ends.append(end)
    return [text[start:end] for start, end in pairwise(ends)]


def mask_user_and_url(text: str) -> str:
    """Replace a user name or URL by a placeholder. Other tokens are returned unchanged.

    The rule is that of the article: a token that begins with @ is a user name, and one that begins
    with http:// or https:// is a URL. A single "@" is a word.

    text (str): A token's text.
    RETURNS (str): "<USR>", "<URL>" or the text.
    """
    if text.startswith("@") and len(text) > 1:
        return USER
    if text.startswith(("http://", "https://")):
        return URL
    return text


def placeholder(text: str) -> str | None:
    """Get the placeholder of a user name or URL that has the same normal form, kind and orthography
    as all others.

    text (str): A token's text.
    RETURNS (Optional[str]): "<USR>", "<URL>", or None for other tokens, including ones such as
        "@me:" and "t.co/x", for which at least one of these functions differs.
    """
    masked = mask_user_and_url(text)
    return masked if masked is not text and normal_form(text) == masked else None


def normal_form(text: str) -> str:
    """Normalize a token's case, digits and elongation.

    User names and URLs (with or without scheme) are replaced by placeholders, HTML entities by
    their characters, digits by 0, and runs of more than two of the same character by two. Letters
    are lower-cased, and the "#" of hashtags is removed.

    text (str): A token's text.
    RETURNS (str): The normal form. Only empty if the text is.
    """
    if text.isalpha():  # fast path: no other rule applies
        form = text.lower()
        return form if len(form) < 3 else _ELONGATION.sub(_twice, form)
    if _USER.match(text):
        return USER
    if _URL.match(text) or _BARE_URL.match(text):
        return URL
    form = _without_hash(unescape(text).lower())
    return _ELONGATION.sub(_twice, _DIGIT.sub("0", form))


def token_kind(text: str) -> str:
    """Classify a token. HTML entities are replaced by their characters.

    A hashtag may have a suffix, as in "#Obama's". The other kinds apply to the whole token.

    text (str): A token's text.
    RETURNS (str): "user", "url", "email", "hashtag", "cashtag", "emoji", "emoticon", "number"
        (including "50%", "$3.5m", "7:30pm", "4th", "#1"), "html" (a single entity), "space" (or
        empty), "punctuation" (only punctuation and symbols) or "word" (anything else).
    """
    if _is_html_entity(text):
        return "html"
    text = unescape(text)
    if not text.strip():
        return "space"
    for kind, matches in _KINDS.items():
        if matches(text):
            return kind
    return "word"


def orthography(text: str) -> tuple[str, ...]:
    """Describe a token's orthography. HTML entities are replaced by their characters.

    text (str): A token's text.
    RETURNS (tuple[str, ...]): The case of its letters: "lower", "upper", "title" (only the first
        letter is upper-case), "mixed" or "none" (no cased letters); followed by the flags that
        apply: "single" (one character), "digit", "hyphen", "apostrophe", "dot" (between letters or
        digits), "elongated" (three or more of the same character in a row, except for digits).
    """
    text = unescape(text)
    flags = {
        "single": len(text) == 1,
        "digit": bool(_DIGIT.search(text)),
        "hyphen": not _HYPHENS.isdisjoint(text),
        "apostrophe": not _APOSTROPHES.isdisjoint(text),
        "dot": bool(_INNER_DOT.search(text)),
        "elongated": bool(_ELONGATION.search(text.lower())),
    }
    return (_case(text), *(name for name, holds in flags.items() if holds))


def emoji_form(text: str) -> str:
    """Extract a token's emoji, without skin tones and variation selectors.

    text (str): A token's text.
    RETURNS (str): The emoji, in order; "" if there are none.
    """
    return _EMOJI_VARIANT.sub("", "".join(match[0] for match in _EMOJI.finditer(text)))


def split_hashtag(text: str) -> list[str]:
    """Split a hashtag at camel case, digits and underscores: #NFLDraft → NFL, Draft;
    #WorldCup2014 → World, Cup, 2014.

    A single lower-case letter before the first capital belongs to it (iPhone). One or two
    lower-case letters (13th, 6s) or a single capital (4G) after a number belong to the number.

    text (str): A hashtag's text, with or without its "#".
    RETURNS (list[str]): The segments. They concatenate to the text without "#" and underscores.
        Characters other than letters and digits are in separate segments.
    """
    body = _without_hash(text)
    classes = body.translate(_CHARACTER_CLASSES)
    return [body[slice(*match.span())] for match in _HASHTAG_SEGMENT.finditer(classes)]


def segment_words(
    body: str,
    log_probability: Callable[[str], float | None],
    max_word_length: int,
    unknown: float = _IMPOSSIBLE,
) -> list[str]:
    """Segment a text without spaces into the most probable words under a unigram model (Norvig
    2009). Ties are resolved in favor of longer first words.

    body (str): The text, normalized like the known words.
    log_probability (Callable[[str], Optional[float]]): Returns a word's log probability, or None or
        -inf if it is unknown.
    max_word_length (int): Maximum word length, except for the whole text.
    unknown (float): Log probability of the whole text if it isn't a known word.
    RETURNS (list[str]): The words. They concatenate to the text. Only the text itself if no
        segmentation is possible or more probable.
    """
    if not body:
        return []
    length = len(body)
    # For each offset, the best score of the remaining text, and the end of its first word.
    scores, ends = [_IMPOSSIBLE] * length + [0.0], [length] * length
    # Offsets from which words reach the end, last first. There are few in a long name.
    reachable = [length]
    for start in reversed(range(length)):
        best = _IMPOSSIBLE
        for end in reachable:
            word_score = log_probability(body[start:end])
            if word_score is None or end - start > max_word_length:
                continue
            score = word_score + scores[end]
            if score > best:
                best, ends[start] = score, end
        if best > _IMPOSSIBLE:
            scores[start] = best
            reachable.append(start)
    whole = log_probability(body)
    if scores[0] <= (unknown if whole is None else whole):
        return [body]
    words, start = [], 0
    while start < length:
        words.append(body[start : ends[start]])
        start = ends[start]
    return words


def unescape(text: str) -> str:
    """Replace the HTML entities in a word by their characters.

    text (str): A token's text.
    RETURNS (str): The text, normalized again if it has entities. Only empty if the text is:
        a word that consists of references to invalid characters, such as &#1;, is unchanged.
    """
    return normalize_word(html.unescape(text)) or text if "&" in text else text


def _twice(match: re.Match[str]) -> str:
    # A function, since re.sub with a template is slow even without matches.
    return match[1] * 2


def _plain_enclosed(match: re.Match[str]) -> str:
    return "".join(map(_plain_enclosed_letter, match[0]))


def _plain_enclosed_letter(char: str) -> str:
    name = unicodedata.name(char)  # such as NEGATIVE CIRCLED LATIN CAPITAL LETTER A
    return name[-1] if "CAPITAL" in name else name[-1].lower()


class _PlainLetters(dict):
    """Maps character codes to plain forms, computed on first access."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _plain_letter(chr(code))
        return found


_PLAIN_LETTERS = _PlainLetters({ord("＃"): "#", ord("＠"): "@"})


def _plain_letter(char: str) -> str:
    if not (char.isalpha() or char.isdecimal()) or _NO_STYLE.match(char):
        return char
    form = unicodedata.normalize("NFKC", char)
    if small := _SMALL_CAPITAL.match(unicodedata.name(form[0], "")):
        return small[1].lower()
    # Other compatibility forms are words and signs instead of letters.
    return form if all(unicodedata.category(each)[0] in "LMN" for each in form) else char


def _split_characters(text: str) -> Iterator[str]:
    """Split a text before each character that normalization doesn't combine with the last one."""
    start = 0
    for end in range(1, len(text)):
        if not _joins(text[end]):
            yield text[start:end]
            start = end
    if text:
        yield text[start:]


@lru_cache(maxsize=2**12)
def _joins(char: str) -> bool:
    first = unicodedata.normalize("NFD", char)[0]
    if unicodedata.category(first) in ("Mn", "Mc"):
        return not "\ufe00" <= first <= "\ufe0f"
    # Vowels and final consonants of Korean syllables; sound marks of half-width Japanese.
    return "\u1161" <= first <= "\u11c2" or first in "ﾞﾟ"


def _without_hash(text: str) -> str:
    is_hashtag = len(text) > 1 and text[0] in HASH_SIGNS and text[1] not in HASH_SIGNS
    return text[1:] if is_hashtag else text


def _is_html_entity(text: str) -> bool:
    return text[:1] == "&" and (text[1:] in html5 or bool(_NUMERIC_REFERENCE.match(text)))


def _is_number(text: str) -> bool:
    if _NUMBER.match(text):
        return True
    # Fractions, Roman and circled numbers.
    return all(unicodedata.category(char) in ("No", "Nl") for char in text)


def _is_punctuation(text: str) -> bool:
    return all(unicodedata.category(char)[0] in "PS" for char in text)


# The first match wins.
_KINDS: dict[str, Callable[[str], object]] = {
    "user": _USER.match,
    "url": lambda text: _URL.match(text) or _BARE_URL.match(text),
    "email": _EMAIL.match,
    "emoji": _EMOJI.fullmatch,
    "hashtag": _HASHTAG.match,
    "cashtag": _CASHTAG.match,
    "emoticon": _EMOTICON.match,
    "number": _is_number,
    "punctuation": _is_punctuation,
}


def _case(text: str) -> str:
    is_upper = [char.isupper() for char in text if char.isupper() or char.islower()]
    if not is_upper:
        return "none"
    if not any(is_upper):
        return "lower"
    if all(is_upper):
        return "upper"
    return "title" if is_upper[0] and not any(is_upper[1:]) else "mixed"


class _CharacterClasses(dict):
    """Maps character codes to the classes of _HASHTAG_SEGMENT, computed on first access."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _character_class(chr(code))
        return found


_CHARACTER_CLASSES = _CharacterClasses()


def _character_class(char: str) -> str:
    if char in "s_":
        return char
    if char.isupper() or char.istitle():
        return "U"
    # Combining marks belong to the letter before them.
    if char.isalpha() or unicodedata.category(char).startswith("M"):
        return "l"
    return "d" if char.isdigit() else "x"
