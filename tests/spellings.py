"""Other spellings of a text: canonically equivalent text and styled letters."""

import unicodedata
from random import Random

# Singletons: characters that Unicode normalization replaces.
_TWINS = {"K": "\u212a", "Å": "\u212b", "Ω": "\u2126", ";": "\u037e", "`": "\u1fef", "·": "\u0387"}

_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SCRIPT = "𝒜ℬ𝒞𝒟ℰℱ𝒢ℋℐ𝒥𝒦ℒℳ𝒩𝒪𝒫𝒬ℛ𝒮𝒯𝒰𝒱𝒲𝒳𝒴𝒵𝒶𝒷𝒸𝒹ℯ𝒻ℊ𝒽𝒾𝒿𝓀𝓁𝓂𝓃ℴ𝓅𝓆𝓇𝓈𝓉𝓊𝓋𝓌𝓍𝓎𝓏"
_DOUBLE_STRUCK = "𝔸𝔹ℂ𝔻𝔼𝔽𝔾ℍ𝕀𝕁𝕂𝕃𝕄ℕ𝕆ℙℚℝ𝕊𝕋𝕌𝕍𝕎𝕏𝕐ℤ𝕒𝕓𝕔𝕕𝕖𝕗𝕘𝕙𝕚𝕛𝕜𝕝𝕞𝕟𝕠𝕡𝕢𝕣𝕤𝕥𝕦𝕧𝕨𝕩𝕪𝕫"
_FRAKTUR = "𝔄𝔅ℭ𝔇𝔈𝔉𝔊ℌℑ𝔍𝔎𝔏𝔐𝔑𝔒𝔓𝔔ℜ𝔖𝔗𝔘𝔙𝔚𝔛𝔜ℨ𝔞𝔟𝔠𝔡𝔢𝔣𝔤𝔥𝔦𝔧𝔨𝔩𝔪𝔫𝔬𝔭𝔮𝔯𝔰𝔱𝔲𝔳𝔴𝔵𝔶𝔷"


def _alphabet(upper: int, lower: int) -> str:
    return "".join(chr(first + number) for first in (upper, lower) for number in range(26))


# Styles with all letters.
STYLES = {
    "bold": _alphabet(0x1D400, 0x1D41A),
    "bold sans-serif": _alphabet(0x1D5D4, 0x1D5EE),
    "italic sans-serif": _alphabet(0x1D608, 0x1D622),
    "monospace": _alphabet(0x1D670, 0x1D68A),
    "bold script": _alphabet(0x1D4D0, 0x1D4EA),
    "script": _SCRIPT,
    "double-struck": _DOUBLE_STRUCK,
    "fraktur": _FRAKTUR,
    "full-width": _alphabet(0xFF21, 0xFF41),
    "circled": _alphabet(0x24B6, 0x24D0),
    # Capitals only, or lower case only.
    "squared": _alphabet(0x1F130, 0x1F130),
    "negative circled": _alphabet(0x1F150, 0x1F150),
    "negative squared": _alphabet(0x1F170, 0x1F170),
    "parenthesized": _alphabet(0x1F110, 0x249C),
}
CASELESS = ("squared", "negative circled", "negative squared")
# Signs drawn over each letter, and invisible ones between letters.
INSERTED = {
    "strikethrough": "\u0336",
    "underline": "\u0332",
    "double underline": "\u0333",
    "slash": "\u0338",
    "circle": "\u20dd",
    "soft hyphen": "\u00ad",
    "word joiner": "\u2060",
    "zero-width joiner": "\u200d",
    "zero-width non-joiner": "\u200c",
    "grapheme joiner": "\u034f",
}


def styled(text: str, style: str) -> str:
    """Write a text in letters of another style."""
    return text.translate(dict(zip(map(ord, _PLAIN), STYLES[style], strict=True)))


def inserted(text: str, sign: str) -> str:
    """Put a sign between all letters of a text."""
    return " ".join(INSERTED[sign].join(word) for word in text.split(" "))


def spelled_otherwise(text: str, seed: int) -> str:
    """Draw a canonically equivalent text: partly decomposed, marks in another order."""
    random = Random(seed)
    chars = list(unicodedata.normalize("NFD", text))
    for place in range(len(chars) - 1):
        first, second = map(unicodedata.combining, chars[place : place + 2])
        if first and second and first != second and random.random() < 0.5:
            chars[place : place + 2] = chars[place + 1], chars[place]
    cuts = sorted(random.randrange(len(chars) + 1) for _ in range(4))
    pieces = [
        unicodedata.normalize(random.choice(["NFC", "NFD"]), "".join(chars[start:end]))
        for start, end in zip([0, *cuts], [*cuts, len(chars)], strict=True)
    ]
    spelled = "".join(
        _TWINS[char] if char in _TWINS and random.random() < 0.3 else char
        for char in "".join(pieces)
    )
    assert unicodedata.normalize("NFC", spelled) == unicodedata.normalize("NFC", text)
    return spelled
