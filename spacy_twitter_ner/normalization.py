"""What a token of a tweet is: user name, URL, hashtag, number, elongated word → normal form; its
kind, its orthography, its emoji, the words of a hashtag.

Pure functions over a token's text. The text itself is never changed: these forms are features. All
features, tables and lists read a word as normalize_word spells it; the other functions expect such
words.
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
# As on Twitter, a hashtag has a letter: "#1" is a number.
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

# Python knows no property of emoji, so their ranges are written out. All of U+1F000–1FAFF, which
# are pictographs, flags' letters and skin tones, and of the blocks Miscellaneous Symbols and
# Dingbats; of other blocks, what Unicode shows as an emoji unless told otherwise, and a few that
# tweets use so. The rest of emoji-data.txt is text unless U+FE0F follows, as © and ™.
PICTOGRAPH = (
    r"(?:[\U0001F000-\U0001FAFF\u2600-\u27BF\u231A\u231B\u2328\u23CF\u23E9-\u23F3\u23F8-\u23FA"
    r"\u24C2\u25AA\u25AB\u25B6\u25C0\u25FB-\u25FE\u2B05-\u2B07\u2B1B\u2B1C\u2B50\u2B55\u303D"
    r"\u3297\u3299]"
    r"|[\u00A9\u00AE\u203C\u2049\u2122\u2139\u2194-\u2199\u21A9\u21AA\u2934\u2935\u3030]\uFE0F)"
)
KEYCAP = r"[0-9#*]\uFE0F?\u20E3"
# What may follow a pictograph: variation selectors, the joiner, and the tags of a region's flag.
_EXTENDERS = r"[\uFE0E\uFE0F\u200D\U000E0020-\U000E007F]*"
_EMOJI = re.compile(rf"(?:(?:{PICTOGRAPH}|{KEYCAP}){_EXTENDERS})+")
# A skin tone that follows nothing is an emoji of its own.
_EMOJI_VARIANT = re.compile(r"[\uFE0E\uFE0F]|(?<!^)[\U0001F3FB-\U0001F3FF]")

# Letters in circles, parentheses and squares. A lone one is a symbol, as Ⓜ and 🅿, and U+FE0F makes
# an emoji of the letter before it.
_ENCLOSED = (
    r"\u249C-\u24E9\U0001F110-\U0001F129\U0001F130-\U0001F149\U0001F150-\U0001F169"
    r"\U0001F170-\U0001F189"
)
_ENCLOSED_WORD = re.compile(rf"[{_ENCLOSED}]{{2,}}(?![\uFE00-\uFE0F])")
_SMALL_CAPITAL = re.compile(r"LATIN LETTER SMALL CAPITAL ([A-Z])\Z")
# Letters that have a compatibility form, but are no other style of it: an emoji, and the usual
# spelling of Thai, Lao and of single Korean letters.
_NO_STYLE = re.compile(r"[ℹำຳ\u3131-\u318E\uFFA0-\uFFDC]")

# Invisible characters; variation selectors after letters; joiners, except in scripts that spell
# with them; and strokes, lines and frames that are drawn over anything but emoji and other symbols.
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

# Of a hashtag's body with each character replaced by its class: U an upper-case letter, s the
# letter s, l any other letter, d a digit, _ an underscore, x anything else.
_HASHTAG_PIECE = re.compile(
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
    """Spell a word in the one way in which features, clusters, vectors, gazetteers and caches know
    it: composed (NFC), in plain letters and digits, without invisible characters.

    Canonically equivalent words get the same spelling. Case, punctuation, emoji and elongation are
    kept: see normal_form.

    text (str): A token's text, or any other text.
    RETURNS (str): Its spelling, never empty unless the text is.
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)
    return fold_letters(_DECORATION.sub("", text) or text)


def fold_letters(text: str) -> str:
    """Compose a text (NFC) and replace letters and digits of other styles by plain ones: bold,
    script, double-struck, full-width, superscript, small capitals, ligatures, and words of letters
    in circles or squares. So are the full-width # and @. Emoji are kept.

    text (str): The text.
    RETURNS (str): The text in plain letters.
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text).translate(_PLAIN_LETTERS)
    return unicodedata.normalize("NFC", _ENCLOSED_WORD.sub(_release, text))


def split_alike(text: str, tokens: Sequence[str]) -> list[str]:
    """Split a text where its folded letters were split.

    text (str): The text.
    tokens (Sequence[str]): Joined, they are fold_letters(text).
    RETURNS (list[str]): For each token, what stands for it in the text. A token that would begin
        within a character, or with a mark of the character before it, is empty: that goes to the
        token before it.
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
    """Replace a user name or a URL by a placeholder; leave any other token as it is.

    The rule of the article this project began from: a token that begins with @ is a user, one
    that begins with http:// or https:// a URL. A lone "@" is a word.

    text (str): A token's text.
    RETURNS (str): "<USR>", "<URL>" or the text.
    """
    if text.startswith("@") and len(text) > 1:
        return USER
    if text.startswith(("http://", "https://")):
        return URL
    return text


def placeholder(text: str) -> str | None:
    """Find what stands for a token of which all that is told here, its forms, its kind and its
    orthography, is that it is a user name or a URL.

    text (str): A token's text.
    RETURNS (Optional[str]): "<USR>", "<URL>", or None for any other token, such as "@me:" or
        "t.co/x", of which at least one of them tells more.
    """
    masked = mask_user_and_url(text)
    return masked if masked is not text and normal_form(text) == masked else None


def normal_form(text: str) -> str:
    """What remains of a token when spelling, case and number are taken away.

    User names and URLs (with or without scheme) become placeholders, HTML entities their
    characters, digits 0, and a character that stands more than twice in a row stands twice;
    letters are lower-cased and a hashtag loses its "#".

    text (str): A token's text.
    RETURNS (str): Its normal form, never empty unless the text is.
    """
    if text.isalpha():  # the usual case: none of the other rules applies
        form = text.lower()
        return form if len(form) < 3 else _ELONGATION.sub(_twice, form)
    if _USER.match(text):
        return USER
    if _URL.match(text) or _BARE_URL.match(text):
        return URL
    form = _without_hash(unescape(text).lower())
    return _ELONGATION.sub(_twice, _DIGIT.sub("0", form))


def token_kind(text: str) -> str:
    """Tell what kind of token this is. HTML entities in it are read as their characters.

    A hashtag may be followed by something else, as in "#Obama's"; the other kinds are what the
    whole token is.

    text (str): A token's text.
    RETURNS (str): "user", "url", "email", "hashtag", "cashtag", "emoji", "emoticon", "number"
        (also "50%", "$3.5m", "7:30pm", "4th", "#1"), "html" (nothing but an entity), "space" (or
        nothing), "punctuation" (nothing but punctuation and symbols) or "word": all others.
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
    """Describe how a token is written. HTML entities in it are read as their characters.

    text (str): A token's text.
    RETURNS (tuple[str, ...]): First the case of its letters, "lower", "upper", "title" (the first
        letter alone is upper-case), "mixed" or "none" (no letter has case); then those of
        "single" (one character), "digit", "hyphen", "apostrophe", "dot" (between letters or
        digits) and "elongated" (a character that is no digit thrice or more in a row) that hold.
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
    """Find a token's emoji and bring them to a form that their variants share: without skin tone
    and variation selectors. What else the token holds is left out.

    text (str): A token's text.
    RETURNS (str): The emoji, in order; "" if there are none.
    """
    return _EMOJI_VARIANT.sub("", "".join(match[0] for match in _EMOJI.finditer(text)))


def split_hashtag(text: str) -> list[str]:
    """Split a hashtag where its spelling shows that a word begins: by camel case, at digits and
    at underscores. #NFLDraft → NFL, Draft; #WorldCup2014 → World, Cup, 2014.

    A lone lower-case letter before the first upper-case one belongs to it (iPhone), one or two
    that end a number belong to the number (13th, 6s), and so does a lone upper-case one (4G).

    text (str): A hashtag's text, with or without its "#".
    RETURNS (list[str]): Its pieces: joined, they are the text without "#" and underscores. What is
        neither a letter nor a digit makes pieces of its own.
    """
    body = _without_hash(text)
    classes = body.translate(_CHARACTER_CLASSES)
    return [body[slice(*match.span())] for match in _HASHTAG_PIECE.finditer(classes)]


def segment_words(
    body: str,
    log_probability: Callable[[str], float | None],
    max_word_length: int,
    unknown: float = _IMPOSSIBLE,
) -> list[str]:
    """Find the most probable words that make up a text without spaces, each word independent of
    the others (Norvig 2009). Of equally probable segmentations the one with the longest first
    words is taken.

    body (str): The text, in the form in which words are known.
    log_probability (Callable[[str], Optional[float]]): The logarithm of a word's probability; None
        or -inf if there is no such word.
    max_word_length (int): No longer words are tried, but for the whole text.
    unknown (float): The logarithm of the whole text's probability if it is no known word.
    RETURNS (list[str]): The words: joined, they are the text. The whole text is left as it is if
        no segmentation is more probable than it, or possible at all.
    """
    if not body:
        return []
    length = len(body)
    # For each place, the best score of what follows, and where the first of its words ends.
    scores, ends = [_IMPOSSIBLE] * length + [0.0], [length] * length
    # From where words lead to the end, the last place first: few places in a long name.
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
    """Replace the HTML entities of a word by their characters.

    text (str): A token's text.
    RETURNS (str): The text, normalized again if there are any, never empty unless the text is. A
        reference to a character that HTML forbids, such as &#1;, stands for nothing and is kept.
    """
    return normalize_word(html.unescape(text)) or text if "&" in text else text


def _twice(match: re.Match[str]) -> str:
    # A function is faster than a template, which costs time even where nothing matches.
    return match[1] * 2


def _release(match: re.Match[str]) -> str:
    return "".join(map(_released_letter, match[0]))


def _released_letter(char: str) -> str:
    name = unicodedata.name(char)  # such as NEGATIVE CIRCLED LATIN CAPITAL LETTER A
    return name[-1] if "CAPITAL" in name else name[-1].lower()


class _PlainLetters(dict):
    """The plain form of each character, by its code; each is looked at once."""

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
    # The rest are words and signs, not letters.
    return form if all(unicodedata.category(each)[0] in "LMN" for each in form) else char


def _split_characters(text: str) -> Iterator[str]:
    """Split a text before each character that no normalization changes with the one before it."""
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
    # Vowels and last consonants of Korean syllables; sound marks of half-width Japanese.
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


# The first that matches holds.
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
    """What each character is in a hashtag, by its code; each is looked at once."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _character_class(chr(code))
        return found


_CHARACTER_CLASSES = _CharacterClasses()


def _character_class(char: str) -> str:
    if char in "s_":
        return char
    if char.isupper() or char.istitle():
        return "U"
    # A mark belongs to the letter before it.
    if char.isalpha() or unicodedata.category(char).startswith("M"):
        return "l"
    return "d" if char.isdigit() else "x"
