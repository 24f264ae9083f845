"""Guess the text of a tweet from its tokens. Token/tag files don't store the spaces.

There is no space before a period, a closing bracket or 's; none after an opening bracket, an
opening quotation mark or #; and none between $ and a number. All other tokens are separated by a
space. Quotation marks of the same kind open and close in turn. An unpaired last one is an
apostrophe or an inch sign where possible (Giants' 13.3"); otherwise it opens.
"""

import re
from collections.abc import Iterator, Sequence

# Sentence punctuation and closing brackets, optionally followed by quotation marks (.").
_CLOSING = re.compile(r"""(?:[.,!?;:…]+|[)}\]»”’]+|%)["'.,!?;:…]*\Z""")
_CLITIC = re.compile(r"(?:['’](?:s|m|d|re|ve|ll)|n['’]t)\Z", re.IGNORECASE)
_OPENING = re.compile(r"[({\[«“‘#]+\Z")
_CURRENCY = re.compile(r"[$£€¥₹]\Z")
_HEART = re.compile(r"(?:<|&lt;) 3+\Z")
# For each kind of quotation mark: a token with it and other punctuation, and the context before an
# unpaired one that is an apostrophe or inch sign.
_QUOTES = (
    (re.compile(r"""([^\w\s"]*)(?:"+|&quot;)([^\w\s"]*)\Z"""), re.compile(r"\d\Z")),
    (re.compile(r"([^\w\s']*)'+([^\w\s']*)\Z"), re.compile(r"[^\W_]\Z")),
)


def detokenize(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Guess the text of a tweet from its tokens.

    tokens (Sequence[str]): The tokens.
    RETURNS (tuple[str, list[tuple[int, int]]]): The text, and each token's start and end offset.
    """
    text = ""
    offsets: list[tuple[int, int]] = []
    for token, has_space in zip(tokens, guess_spaces(tokens), strict=True):
        offsets.append((len(text), len(text) + len(token)))
        text += f"{token} " if has_space else token
    return text, offsets


def guess_spaces(tokens: Sequence[str]) -> list[bool]:
    """Guess which tokens of a tweet are followed by a space.

    tokens (Sequence[str]): The tokens.
    RETURNS (list[bool]): One value per token; False for the last.
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
    """Yield the indices of tokens that a quotation mark joins to the next token."""
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
