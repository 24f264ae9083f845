"""Cut unlabelled tweets into words, simply and fast, for training vectors and clusters."""

import re

from ..normalization import normal_form, normalize_word

_TOKEN = re.compile(
    r"""
      https?://\S+ | www\.\S+                       # URLs
    | (?:t\.co|bit\.ly|goo\.gl|ow\.ly|youtu\.be)/\w+
    | @\w+ | [\#＃]\w+ | \$[A-Za-z]+                 # users, hashtags, stocks
    | &\#?\w+;                                      # HTML entities
    | [<>]?[:;=8][-o*']?[)\](\[dDpP/:}{@|\\*]+(?!\w)  # emoticons
    | [)\](\[dD/}{@|\\][-o*']?[:;=](?![\w)])
    | <3+ | -_+-
    | \d+(?:[.,:/]\d+)+\w*                          # times, amounts, dates
    | (?:[A-Za-z]\.){2,}                            # U.S.
    | \w+(?:(?:[-'’.]|&(?!\w+;))\w+)*               # words
    | ([^\w\s\x00-\x1f\x7f])(?:\1|[\u200d\ufe0f\U0001f3fb-\U0001f3ff])*  # marks, emoji
    """,
    re.VERBOSE,
)


def split_words(tweet: str) -> list[str]:
    """Cut a tweet into words. White space, and control characters, are left out.

    tweet (str): The tweet's text.
    RETURNS (list[str]): The words as they stand.
    """
    return [match.group() for match in _TOKEN.finditer(tweet)]


def normal_words(tweet: str) -> list[str]:
    """Cut a tweet into words and bring them to their normal form.

    tweet (str): The tweet's text.
    RETURNS (list[str]): The normal forms, none of which has white space in it.
    """
    words: list[str] = []
    for word in split_words(normalize_word(tweet)):
        # An HTML entity may stand for white space, such as &nbsp;.
        words.extend(normal_form(word).split())
    return words
