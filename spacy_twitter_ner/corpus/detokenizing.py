"""Guesses the text that a tweet's tokens were cut from, as token/tag files have lost the spaces.

There is no space before a full stop, a closing bracket or 's, none after an opening bracket, an
opening quotation mark or #, none between $ and a number; there is one between all other tokens.
Of two quotation marks of a kind the first opens and the second closes. An odd one, which is the
last, is an apostrophe or a sign of inches if it can be (Giants' 13.3"), and else opens.
"""

import re
from collections.abc import Iterator, Sequence

# Sentence punctuation and closing brackets, each also with quotation marks after it (.").
_CLOSING = re.compile(r"""(?:[.,!?;:…]+|[)}\]»”’]+|%)["'.,!?;:…]*\Z""")
_CLITIC = re.compile(r"(?:['’](?:s|m|d|re|ve|ll)|n['’]t)\Z", re.IGNORECASE)
_OPENING = re.compile(r"[({\[«“‘#]+\Z")
_CURRENCY = re.compile(r"[$£€¥₹]\Z")
_HEART = re.compile(r"(?:<|&lt;) 3+\Z")
# Quotation marks of a kind, and punctuation that stands with them in one token; and after what an
# odd one is none.
_QUOTES = (
    (re.compile(r"""([^\w\s"]*)(?:"+|&quot;)([^\w\s"]*)\Z"""), re.compile(r"\d\Z")),
    (re.compile(r"([^\w\s']*)'+([^\w\s']*)\Z"), re.compile(r"[^\W_]\Z")),
)


def detokenize(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Guess the text that the tokens of a tweet were cut from.

    tokens (Sequence[str]): The tokens.
    RETURNS (tuple[str, list[tuple[int, int]]]): The text, and where in it each token starts and
        ends.
    """
    text = ""
    offsets: list[tuple[int, int]] = []
    for token, has_space in zip(tokens, guess_spaces(tokens), strict=True):
        offsets.append((len(text), len(text) + len(token)))
        text += f"{token} " if has_space else token
    return text, offsets


def guess_spaces(tokens: Sequence[str]) -> list[bool]:
    """Guess after which tokens of a tweet there was a space.

    tokens (Sequence[str]): The tokens.
    RETURNS (list[bool]): For each token, whether a space followed; False for the last.
    """
    joined = {left for left in range(len(tokens) - 1) if _are_joined(*tokens[left : left + 2])}
    for quote, apostrophe in _QUOTES:
        joined.update(_joined_by_quotes(tokens, quote, apostrophe))
    return [left not in joined for left in range(len(tokens) - 1)] + [False] * bool(tokens)


def _are_joined(left: str, right: str) -> bool:
    if _OPENING.match(left) or _CLOSING.match(right) or _CLITIC.match(right):
        return True
    is_amount = bool(_CURRENCY.match(left)) and right[:1].isdigit()
    return is_amount or bool(_HEART.match(f"{left} {right}"))


def _joined_by_quotes(
    tokens: Sequence[str], quote: re.Pattern[str], apostrophe: re.Pattern[str]
) -> Iterator[int]:
    """Yield the tokens that quotation marks of a kind join to the token after them."""
    found = [(index, match) for index, token in enumerate(tokens) if (match := quote.match(token))]
    is_open = False
    for rank, (index, match) in enumerate(found):
        is_last = rank + 1 == len(found)
        is_odd = is_last and not is_open
        before, after = match.groups()
        closes = is_open or (is_odd and index > 0 and bool(apostrophe.search(tokens[index - 1])))
        if closes and not before:
            yield index - 1
        if not closes and not after:
            yield index
        is_open = not is_open
