import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.normalization import URL, USER, mask_user_and_url, normal_form

# Letters alone would seldom draw what the rules look at.
tokens = (
    st.text()
    | st.text("@#＃_aAi0٣é&;<>:/.w\U0001f600 \n", max_size=9)
    | st.sampled_from(
        ["&amp;", "&#1;", "&#x3;&#x4;", "&lt;USR&gt;", "https://t.co/a", "www.b", "#@bob", "İ"]
    )
)


@pytest.mark.parametrize(
    ("text", "masked", "normal"),
    [
        ("Paris", "Paris", "paris"),
        ("ÉCOLE", "ÉCOLE", "école"),
        ("", "", ""),
        # Users. Only the article's rule takes anything that begins with @.
        ("@Bob_99", USER, USER),
        ("@", "@", "@"),
        ("@bob:", USER, "@bob:"),
        ("@@", USER, "@@"),
        ("bob@example.org", "bob@example.org", "bob@example.org"),
        ("@bob\n", USER, "@bob\n"),
        # URLs. Only the normal form knows those without scheme, or with one in capitals.
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
        # Hashtags lose one "#", unless that is all there is or more of it follow.
        ("#Arsenal", "#Arsenal", "arsenal"),
        ("＃Arsenal", "＃Arsenal", "arsenal"),
        ("#", "#", "#"),
        ("##", "##", "##"),
        ("##a", "##a", "##a"),
        ("#1", "#1", "0"),
        ("C#", "C#", "c#"),
        # Digits, of any script, are never taken for an elongation.
        ("2012", "2012", "0000"),
        ("7:30pm", "7:30pm", "0:00pm"),
        ("٣", "٣", "0"),
        # Elongations, after case is gone.
        ("sooooo", "sooooo", "soo"),
        ("SoOo", "SoOo", "soo"),
        ("good", "good", "good"),
        ("!!!!", "!!!!", "!!"),
        ("....", "....", ".."),
        ("hahahaha", "hahahaha", "hahahaha"),
        ("😀😀😀", "😀😀😀", "😀😀"),
        # HTML entities. What stands for no character stays.
        ("&amp;", "&amp;", "&"),
        ("AT&amp;T", "AT&amp;T", "at&t"),
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
def test_normal_form_changes_little_when_taken_twice(text: str) -> None:
    """It need not be idempotent, for it is only ever taken of a token as it was written: a
    placeholder would be lower-cased as any word, the hashtag of a user or URL becomes a
    placeholder, and "&amp;amp;" holds one entity inside another. There is nothing else."""
    form = normal_form(text)
    if form not in (USER, URL):
        assert normal_form(form) in (form, USER, URL)
        if text[:1] not in ("#", "＃"):
            assert normal_form(form) == form


@pytest.mark.parametrize("text", ["#@bob", "&amp;amp;", "@bob"])
def test_normal_form_is_not_idempotent(text: str) -> None:
    assert normal_form(normal_form(text)) != normal_form(text)


@given(tokens.filter(lambda text: normal_form(text) not in (USER, URL)))
def test_normal_form_has_no_long_runs(text: str) -> None:
    form = normal_form(text)
    runs = zip(form, form[1:], form[2:], strict=False)
    assert all(len(set(run)) > 1 or run[0].isdigit() for run in runs)
