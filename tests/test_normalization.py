from collections.abc import Callable
from itertools import combinations
from math import inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.normalization import (
    URL,
    USER,
    emoji_form,
    mask_user_and_url,
    normal_form,
    orthography,
    placeholder,
    segment_words,
    split_hashtag,
    token_kind,
)

# Random letters would rarely match the rules.
tokens = (
    st.text()
    | st.text("@#＃_aAi0٣é&;<>:/.w\U0001f600 \n", max_size=9)
    | st.sampled_from(
        ["&amp;", "&#1;", "&#x3;&#x4;", "&lt;USR&gt;", "https://t.co/a", "www.b", "#@bob", "İ"]
    )
)

# Tokens of each kind, separated by spaces.
KINDS = {
    "user": "@bob @Bob_99",
    "url": "http://t.co/1 HTTPS://example.org www.example.org bit.ly/x1",
    "email": "bob@example.org b.ob+news@mail.example.co.uk",
    "hashtag": "#Arsenal ＃Arsenal #_1a #日本 #2012london #Obama's #R&amp;B",
    "cashtag": "$AAPL $brk.b",
    "emoji": (
        "😀 😂😂 👍🏽 👩‍💻 👨‍👩‍👧 🇺🇸 🏴\U000e0067\U000e0062\U000e007f 🏽 ❤ ❤️ ❤︎ ☀️ ⚽ ⭐ ▶️ 1️⃣ "
        "#️⃣ *⃣ ©️ ↔️ 🤔❤️🇺🇸"
    ),
    "emoticon": (
        ":) :-)) ;P =D :'( :’-( :/ :O >:( xD XDD 8-) (: D: ))= <3 &lt;3 </3 ^^ ^_^ >_< "
        ">.< -_- -__- o_O T_T (ಠ_ಠ) u.u \\o/ ¯\\_(ツ)_/¯"
    ),
    "number": (
        "2012 ٣ 1,000 3.5 .5 -3 +1 5-3 1/2 50% 30° -5°C $5 £3.5m 5€ 7:30 7pm 7:30p.m. "
        "4th 80s 80's 10k 2x 50+ ~50 #1 #14 ½ Ⅷ ②"
    ),
    "html": "&amp; &lt; &nbsp &#39; &#x27; &#1;",
    "punctuation": ". ... !?! # ## @ $ -- & &quot;. … ” © ™ :// :: >< ] _ #_",
    "word": (
        "Paris U.S. don't AT&amp;T é 日本 RT XP 3D iPhone6s @bob: .@bob C# A$AP &foo; o/ "
        "love❤️ ❤️love 8) x3 :30 http a@b \u200b"
    ),
}
SPACES = ["", " ", "\n \t", "\u3000"]


@pytest.mark.parametrize(
    ("text", "masked", "normal"),
    [
        ("Paris", "Paris", "paris"),
        ("ÉCOLE", "ÉCOLE", "école"),
        ("", "", ""),
        # Users. mask_user_and_url accepts anything that starts with @.
        ("@Bob_99", USER, USER),
        ("@", "@", "@"),
        ("@bob:", USER, "@bob:"),
        ("@@", USER, "@@"),
        ("bob@example.org", "bob@example.org", "bob@example.org"),
        ("@bob\n", USER, "@bob\n"),
        # URLs. Only normal_form recognizes those without a scheme or with an uppercase one.
        ("http://t.co/aB1", URL, URL),
        ("https://example.org", URL, URL),
        ("HTTP://EXAMPLE.ORG", "HTTP://EXAMPLE.ORG", URL),
        ("www.example.org", "www.example.org", URL),
        ("bit.ly/x1", "bit.ly/x1", URL),
        ("T.co/x1", "T.co/x1", URL),
        ("www.", "www.", "ww."),
        ("t.co", "t.co", "t.co"),
        ("example.org", "example.org", "example.org"),
        ("http", "http", "http"),
        # Hashtags lose their "#". Other texts with "#" keep it.
        ("#Arsenal", "#Arsenal", "arsenal"),
        ("＃Arsenal", "＃Arsenal", "arsenal"),
        ("#", "#", "#"),
        ("##", "##", "##"),
        ("##a", "##a", "##a"),
        ("#1", "#1", "0"),
        ("C#", "C#", "c#"),
        # Digits of any script are never elongations.
        ("2012", "2012", "0000"),
        ("7:30pm", "7:30pm", "0:00pm"),
        ("٣", "٣", "0"),
        # Elongations, after lower-casing.
        ("sooooo", "sooooo", "soo"),
        ("SoOo", "SoOo", "soo"),
        ("good", "good", "good"),
        ("!!!!", "!!!!", "!!"),
        ("....", "....", ".."),
        ("hahahaha", "hahahaha", "hahahaha"),
        ("😀😀😀", "😀😀😀", "😀😀"),
        # HTML entities. Invalid ones are kept.
        ("&amp;", "&amp;", "&"),
        ("AT&amp;T", "AT&amp;T", "at&t"),
        ("Zoe&#776;", "Zoe&#776;", "zoë"),
        ("&lt;3", "&lt;3", "<0"),
        ("&#39;s", "&#39;s", "'s"),
        ("&", "&", "&"),
        ("&#1;", "&#1;", "&#0;"),
    ],
)
def test_forms(text: str, masked: str, normal: str) -> None:
    assert mask_user_and_url(text) == masked
    assert normal_form(text) == normal


@given(tokens)
def test_forms_are_never_empty(text: str) -> None:
    assert bool(normal_form(text)) is bool(text)
    assert bool(mask_user_and_url(text)) is bool(text)


@given(tokens)
def test_mask_is_idempotent(text: str) -> None:
    masked = mask_user_and_url(text)
    assert mask_user_and_url(masked) == masked


@given(tokens.filter(lambda text: "&" not in text))
def test_normal_form_is_idempotent_for_most_texts(text: str) -> None:
    """Except for placeholders, hashtags of users or URLs, and nested HTML entities such as
    "&amp;amp;". It is only applied to tokens as written."""
    form = normal_form(text)
    if form not in (USER, URL):
        assert normal_form(form) in (form, USER, URL)
        if text[:1] not in ("#", "＃"):
            assert normal_form(form) == form


@pytest.mark.parametrize("text", ["#@bob", "&amp;amp;", "@bob"])
def test_normal_form_of_placeholders_is_not_idempotent(text: str) -> None:
    assert normal_form(normal_form(text)) != normal_form(text)


@given(tokens.filter(lambda text: normal_form(text) not in (USER, URL)))
def test_normal_form_has_no_long_runs(text: str) -> None:
    form = normal_form(text)
    runs = zip(form, form[1:], form[2:], strict=False)
    assert all(len(set(run)) > 1 or run[0].isdigit() for run in runs)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(kind, text) for kind, texts in KINDS.items() for text in texts.split()]
    + [("space", text) for text in SPACES],
)
def test_token_kind(kind: str, text: str) -> None:
    assert token_kind(text) == kind


@given(tokens)
def test_every_text_has_a_kind(text: str) -> None:
    kind = token_kind(text)
    assert kind in (*KINDS, "space")
    assert (kind == "user") is (normal_form(text) == USER and text.startswith("@"))
    assert (kind == "space") is not text.strip()
    if kind == "emoji":
        assert emoji_form(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("paris", "lower"),
        ("PARIS", "upper"),
        ("Paris", "title"),
        ("ÉCOLE", "upper"),
        ("École", "title"),
        ("pARIS", "mixed"),
        ("WorldCup", "mixed"),
        ("日本", "none"),
        ("", "none"),
        ("#Arsenal", "title"),
        ("I", "upper single"),
        ("a", "lower single"),
        ("!", "none single"),
        ("&amp;", "none single"),
        ("4", "none single digit"),
        ("2012", "none digit"),
        ("7pm", "lower digit"),
        ("AT&amp;T", "upper"),
        ("Coca-Cola", "mixed hyphen"),
        ("co‑op", "lower hyphen"),
        ("-", "none single hyphen"),
        ("don't", "lower apostrophe"),
        ("Obama’s", "title apostrophe"),
        ("it&#39;s", "lower apostrophe"),
        ("U.S.", "upper dot"),
        ("end.", "lower"),
        ("...", "none elongated"),
        ("1.5", "none digit dot"),
        ("Sooo", "title elongated"),
        ("SoOo", "mixed elongated"),
        ("1000", "none digit"),
        ("N.Y.-1's", "mixed digit hyphen apostrophe dot"),
    ],
)
def test_orthography(text: str, expected: str) -> None:
    assert " ".join(orthography(text)) == expected


@given(tokens)
def test_every_text_has_one_case(text: str) -> None:
    case, *flags = orthography(text)
    assert case in ("lower", "upper", "title", "mixed", "none")
    assert set(flags) <= {"single", "digit", "hyphen", "apostrophe", "dot", "elongated"}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("😀", "😀"),
        ("❤️", "❤"),
        ("❤︎", "❤"),
        ("👍🏽", "👍"),
        ("👍🏿👍🏻", "👍👍"),
        ("👩🏽‍💻", "👩‍💻"),
        ("🇺🇸", "🇺🇸"),
        ("1️⃣", "1⃣"),
        ("©️", "©"),
        ("🏽", "🏽"),
        ("love❤️you😀", "❤😀"),
        ("", ""),
        ("love", ""),
        ("©", ""),
        ("2012", ""),
        ("#1", ""),
        (":)", ""),
    ],
)
def test_emoji_form(text: str, form: str) -> None:
    assert emoji_form(text) == form


@given(st.text("😀👍🏽❤\ufe0f\u200d🇺🇸⚽a ", max_size=9))
def test_emoji_form_ignores_variants(text: str) -> None:
    form = emoji_form(text)
    assert emoji_form(form) == form
    assert "\ufe0f" not in form


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#WorldCup2014", "World Cup 2014"),
        ("＃WorldCup", "World Cup"),
        ("WorldCup", "World Cup"),
        ("#superbowl", "superbowl"),
        ("#NFLDraft", "NFL Draft"),
        ("#NFL", "NFL"),
        ("#USArmy", "US Army"),
        ("#TheRAC", "The RAC"),
        ("#FritzDLamons", "Fritz D Lamons"),
        ("#OnceUponATime", "Once Upon A Time"),
        ("#DayZ", "Day Z"),
        ("#DVDs", "DVDs"),
        ("#DVDsale", "DV Dsale"),
        ("#iPhone6s", "iPhone 6s"),
        ("#iPadMini", "iPad Mini"),
        ("#iOS9", "iOS 9"),
        ("#eBayShop", "eBay Shop"),
        ("#sOliver", "sOliver"),
        ("#iOSApp", "iOS App"),
        ("#myPhone", "my Phone"),
        ("#FridayThe13th", "Friday The 13th"),
        ("#100DaysOfCode", "100 Days Of Code"),
        ("#2014cup", "2014 cup"),
        ("#4GElite2", "4G Elite 2"),
        ("#3D", "3D"),
        ("#2Chainz", "2 Chainz"),
        ("#5SOS", "5 SOS"),
        ("#world_cup_2014", "world cup 2014"),
        ("#_a__b_", "a b"),
        ("#Oban-#Colonsay", "Oban -# Colonsay"),
        ("#Obama's", "Obama ' s"),
        ("#ÉcoleNormale", "École Normale"),
        ("#E\u0301coleNormale", "E\u0301cole Normale"),
        ("#東京Tower", "東京 Tower"),
        ("#maǅa", "ma ǅa"),
        ("#", "#"),
        ("##a", "## a"),
        ("#_", ""),
        ("", ""),
    ],
)
def test_split_hashtag(text: str, words: str) -> None:
    assert split_hashtag(text) == words.split()


@given(tokens | st.text("aBsSé_1'# 日\u0301ǅ²", max_size=9))
def test_words_of_a_hashtag_concatenate_to_its_body(text: str) -> None:
    words = split_hashtag("#" + text)
    body = "#" + text if text[:1] in ("#", "＃", "") else text
    assert "".join(words) == body.replace("_", "")
    assert all(words)


def probabilities(**words: float) -> Callable[[str], float]:
    return lambda word: log(words[word]) if word in words else -inf


@pytest.mark.parametrize(
    ("body", "words", "expected"),
    [
        ("superbowl", {"super": 0.1, "bowl": 0.1}, "super bowl"),
        # The whole word is less, equally or more probable.
        ("superbowl", {"super": 0.1, "bowl": 0.1, "superbowl": 0.009}, "super bowl"),
        ("superbowl", {"super": 0.5, "bowl": 0.5, "superbowl": 0.25}, "superbowl"),
        ("superbowl", {"super": 0.1, "bowl": 0.1, "superbowl": 0.02}, "superbowl"),
        # One of the parts is unknown.
        ("superbowl", {"super": 0.1, "owl": 0.1}, "superbowl"),
        ("superbowl", {}, "superbowl"),
        # The product decides, not the longest word.
        ("nowhere", {"now": 0.1, "here": 0.1, "no": 0.3, "where": 0.1}, "no where"),
        ("nowhere", {"now": 0.4, "here": 0.1, "no": 0.3, "where": 0.1}, "now here"),
        ("abab", {"ab": 0.1, "a": 0.1, "b": 0.1}, "ab ab"),
        ("abcd", {"abc": 0.5, "d": 0.5, "a": 0.5, "bcd": 0.5}, "abc d"),
        ("goteamusa", {"go": 0.1, "team": 0.1, "usa": 0.1, "teamusa": 0.001}, "go team usa"),
        ("a", {"a": 0.1}, "a"),
        ("", {"a": 0.1}, ""),
    ],
)
def test_segment_words(body: str, words: dict[str, float], expected: str) -> None:
    assert segment_words(body, probabilities(**words), 9) == expected.split()


def test_segment_words_limits_word_length() -> None:
    known = {"abc": 0.5, "def": 0.5, "abcde": 0.5, "f": 0.9}
    assert segment_words("abcdef", probabilities(**known), 5) == ["abcde", "f"]
    assert segment_words("abcdef", probabilities(**known), 4) == ["abc", "def"]
    assert segment_words("abcdef", probabilities(**known), 2) == ["abcdef"]
    assert segment_words("abcdef", probabilities(**known, abcdef=0.25), 3) == ["abcdef"]
    assert segment_words("abcdef", probabilities(**known, abcdef=0.24), 3) == ["abc", "def"]


def test_segment_words_keeps_unknown_text_whole() -> None:
    known = {"abc": log(0.5), "def": log(0.5)}
    assert segment_words("abcdef", known.get, 9) == ["abc", "def"]
    assert segment_words("abcdef", known.get, 9, log(0.24)) == ["abc", "def"]
    assert segment_words("abcdef", known.get, 9, log(0.25)) == ["abcdef"]
    # A known word has its own probability, not that of unknown words.
    known["abcdef"] = log(0.24)
    assert segment_words("abcdef", known.get, 9, log(0.9)) == ["abc", "def"]


@given(
    st.text("ab", max_size=8),
    st.dictionaries(st.text("ab", min_size=1, max_size=4), st.floats(0.01, 0.9)),
)
def test_segment_words_is_the_most_probable(body: str, known: dict[str, float]) -> None:
    log_probability = probabilities(**known)
    segmentations = [
        [body[start:end] for start, end in zip((0, *cuts), (*cuts, len(body)), strict=True)]
        for n in range(len(body))
        for cuts in combinations(range(1, len(body)), n)
    ]
    words = segment_words(body, log_probability, 4)
    assert "".join(words) == body
    best = max((sum(map(log_probability, each)) for each in segmentations), default=0.0)
    assert sum(map(log_probability, words)) == pytest.approx(best)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("@bob", USER), ("@_1", USER), ("http://t.co/1", URL), ("https://", URL)),
        *((text, None) for text in ("@bob:", "@", "bob", "t.co/1", "HTTP://t.co", "&lt;USR&gt;")),
        *((text, None) for text in ("", USER, URL, "#@bob", "www.b.c")),
    ],
)
def test_placeholder(text: str, expected: str | None) -> None:
    assert placeholder(text) == expected


@given(st.text("@aZ0_:/.&;\U0001f600", max_size=6).map(lambda end: "http://" + end) | tokens)
def test_texts_with_a_placeholder_have_its_forms(text: str) -> None:
    example = {USER: "@x", URL: "http://x", None: text}[placeholder(text)]
    for form in (normal_form, mask_user_and_url, token_kind):
        assert form(text) == form(example)
