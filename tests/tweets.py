"""Texts for tests: what tweets are made of, and what nobody would call a tweet."""

import re

from hypothesis import strategies as st

# What tweets are made of, so that drawn texts hold more of it than chance would put there.
PIECES = """
@kim #tag $AAPL http://t.co/x www.x.com x.com/y me@x.com :) :-( <3 ^_^ (: D: don't I'm Kim's NASA’s
&amp; &#39;s &lt; 😂 👍🏽 👨\u200d👩\u200d👧 🇺🇸 1️⃣ ... !!! ?! … -- -> 7:30pm 1,000.50 $5 10% U.S.
w/ RT via . , ' " “ ” ( ) [ ] - _ / \\ * ~ | = + % é e\u0301 हिन्दी 東京 \u200b \u200d \ufe0f \u2066
\x00
"""
SPACES = [" ", "  ", "\n", "\t", "\x85", "\u00a0", "\u3000"]
TEXTS = st.lists(
    st.sampled_from(PIECES.split()) | st.text(max_size=3) | st.sampled_from(SPACES)
).map("".join)

# By what is odd about them.
ODD_TEXTS = {
    "empty": "",
    "a space": " ",
    "white space": "\n \t\u00a0\u3000\r\n\x85\u2028",
    "one letter": "a",
    "one token": "Chicago",
    "NULs": "\x00 in\x00Chicago \x00\x00",
    "control characters": "\x01\x02 Chicago\x1b[31m \x7f",
    "lone surrogates": "\ud83d Chicago \udc00\ud83d",
    "pairs of surrogates": "\ud83d\ude02 Chicago",
    "right to left": "في شيكاغو \u202eogacihC\u202c @kim \u2067שיקגו\u2069",
    "unclosed bidi marks": "\u202e\u202d\u2066 Chicago \u2068",
    "combining marks": "C\u0301" + "\u0316\u0301\u0489" * 300 + "hicago",
    "only marks": "\u0301\u0301 \u200d\u200d \ufe0f",
    "only emoji": "😂😂👨\u200d👩\u200d👧🇺🇸🏴\U000e0067\U000e0062\U000e007f 👍🏽",
    "many emoji": "😂😍" * 3000,
    "half a flag": "🇺 🇺🇸🇺",
    "a long token": "a" * 10_000,
    "a long hashtag": "#" + "GoChicago" * 1200,
    "a long URL": "http://t.co/" + "?" * 10_000,
    "long punctuation": "!?" * 5000,
    "many mentions": "@" * 10_000,
    "noncharacters": "\ufffe \uffff \U0010ffff Chicago",
    "private use": "\ue000\uf8ff Chicago",
    "markup": "<script>alert('Chicago')</script> &lt;b&gt; %s {0} ${x} ../../etc",
    "other scripts": "東京 हिन्दी ไทย ქართული Ελλάδα Чикаго ᚛ᚑᚌᚐᚋ᚜",
    "zero width": "\u200b\ufeff\u2060 Chi\u200bcago \u180e",
    "capitals": "RT @KIM SAW DRAKE IN CHICAGO",
    "digits": "0" * 300 + " " + "1.2,3:4" * 100,
}


def without_surrogates(text: str) -> str:
    """A text as a Doc can hold it; what was at a place is still there."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
