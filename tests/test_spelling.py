"""normalize_word, fold_letters and split_alike: one spelling per word."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.vocab import Vocab

from spacy_twitter_ner.normalization import fold_letters, normalize_word, split_alike
from spacy_twitter_ner.tokenizer import TweetTokenizer

from .spellings import CASELESS, INSERTED, STYLES, inserted, spelled_otherwise, styled
from .tweets import TEXTS

VOCAB = Vocab()
# Not styled letters.
KEPT = """
Flamingo Zoë don’t “no” … ™ № ½ m² ① İstanbul Straße ΟΔΟΣ ≠ ！ Ⓜ Ⓥegan 🅿 ㅋㅋㅋ ㅠㅠ น้ำ हिन्दी
"""
MARKED = st.text(
    st.characters(codec="utf-8")
    | st.sampled_from("aeoKÅΩ;`ᄀ가ᅡᆨｶﾞﾟẛ=Ⓐⓑ🅱1ﬁ\u0301\u0323\u0327\u0338\u0344\u0f73\u20e3\ufe0f\u200d"),
    max_size=12,
)


@pytest.mark.parametrize("style", STYLES)
def test_normalize_word_replaces_styled_letters(style: str) -> None:
    expected = "FLAMINGO" if style in CASELESS else "Flamingo"
    assert normalize_word(styled("Flamingo", style)) == expected


@pytest.mark.parametrize("sign", INSERTED)
def test_normalize_word_removes_inserted_signs(sign: str) -> None:
    assert normalize_word(inserted("Flamingo", sign)) == "Flamingo"
    assert normalize_word(inserted("Málaga", sign)) == "Málaga"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zoe\u0308", "Zoë"),
        ("\u0336n\u0336o\u0336!\u0336", "no!"),
        ("e\u0301\u0323", "ẹ\u0301"),
        ("\u212bngstro\u0308m", "Ångström"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국"),
        ("ﬁnally", "finally"),
        ("oﬃce", "office"),
        ("ᶠˡᵃᵐⁱⁿᵍᵒ", "flamingo"),
        ("ꜰʟᴀᴍɪɴɢᴏ", "flamingo"),
        ("Fʟᴀᴍɪɴɢᴏ", "Flamingo"),
        ("ｶﾞﾝﾀﾞﾑ", "ガンダム"),
        ("２０１４", "2014"),
        ("𝟕𝟎𝟕", "707"),
        ("＃ｆｌａｍｉｎｇｏ", "#flamingo"),
        ("＠ｋｉｍ", "@kim"),
        ("\u200bFlamingo\ufeff", "Flamingo"),
        ("\u202eFlamingo\u202c", "Flamingo"),
        ("\u2066@kim\u2069", "@kim"),
        ("葛\U000e0100", "葛"),
        ("Flamingo\ufe0f", "Flamingo"),
    ],
)
def test_normalize_word(text: str, expected: str) -> None:
    assert normalize_word(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *KEPT.split(),
        *("a b\nc", "\u00a0"),
        # Emoji, and words with joiners.
        *(
            "🅰\ufe0f🅱\ufe0f",
            "Ⓜ\ufe0f",
            "ℹ\ufe0f",
            "1\ufe0f\u20e3",
            "❤\ufe0f",
            "👨\u200d👩\u200d👧",
            "🇺🇸",
        ),
        *("می\u200cخواهم", "क्\u200dष"),
        # Nothing else is left.
        *("\u200b", "\u200d", "\ufe0f", "\u0336", "\u00ad\u2060"),
    ],
)
def test_normalize_word_keeps_meaningful_characters(text: str) -> None:
    assert normalize_word(text) == text


@given(MARKED | TEXTS, st.integers())
def test_equivalent_words_have_the_same_spelling(text: str, seed: int) -> None:
    other = spelled_otherwise(text, seed)
    assert normalize_word(other) == normalize_word(text)
    assert fold_letters(other) == fold_letters(text)


@given(MARKED | TEXTS)
def test_normalize_word_is_composed_and_idempotent(text: str) -> None:
    spelled = normalize_word(text)
    assert unicodedata.is_normalized("NFC", spelled)
    assert normalize_word(spelled) == spelled
    assert bool(spelled) == bool(text)


def test_normalize_word_of_every_character() -> None:
    for code in (*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)):
        char = chr(code)
        spelled = normalize_word(char)
        assert spelled
        assert normalize_word(spelled) == spelled
        assert normalize_word(unicodedata.normalize("NFD", char)) == spelled


@given(st.data())
def test_split_alike_maps_tokens_to_the_text(data: st.DataObject) -> None:
    text = data.draw(MARKED | TEXTS)
    folded = fold_letters(text)
    n_cuts = st.integers(0, len(folded))
    cuts = sorted(data.draw(st.lists(n_cuts, max_size=5)))
    bounds = zip([0, *cuts], [*cuts, len(folded)], strict=True)
    tokens = [token for start, end in bounds if (token := folded[start:end])]
    pieces = split_alike(text, tokens)
    assert "".join(pieces) == text
    assert len(pieces) == len(tokens)


@given(MARKED | TEXTS | st.lists(MARKED | TEXTS).map(" ".join), st.integers())
def test_equivalent_texts_have_the_same_tokens(text: str, seed: int) -> None:
    tokenizer = TweetTokenizer(VOCAB)
    doc, other = tokenizer(text), tokenizer(spelled_otherwise(text, seed))
    assert [fold_letters(t.text) for t in other] == [fold_letters(t.text) for t in doc]
    assert [t.whitespace_ for t in other] == [t.whitespace_ for t in doc]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("http://x.com/cafe\u0301s", "http://x.com/cafe\u0301s"),
        ("#cafe\u0301s!", "#cafe\u0301s !"),
        ("me@x.come\u0301", "me@x . come\u0301"),
        ("so\u0308:D", "so\u0308 :D"),
        ("don\u1feft", "don\u1feft"),
        ("wait!?\u037e", "wait !?\u037e"),
        ("≠\u0301 =\u0301\u0338", "≠\u0301 =\u0301\u0338"),
        ("𝗞𝗶𝗺'𝘀", "𝗞𝗶𝗺 '𝘀"),
        ("Ⓚⓘⓜ", "Ⓚⓘⓜ"),
        ("#🅺🅸🅼", "#🅺🅸🅼"),
        ("🅺🅸🅼🅾️", "🅺🅸🅼 🅾️"),
        ("🅿🅿 Ⓜ", "🅿🅿 Ⓜ"),
        ("oﬃce-ﬁ", "oﬃce-ﬁ"),
    ],
)
def test_tokens_of_styled_and_decomposed_texts(text: str, tokens: str) -> None:
    doc = TweetTokenizer(VOCAB)(text)
    assert doc.text == text
    assert [token.text for token in doc] == tokens.split()
    assert [token for _, token in TweetTokenizer(VOCAB).explain(text)] == tokens.split()
