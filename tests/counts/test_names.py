import pytest

from spacy_twitter_ner.counts.names import UNKNOWN, find_group, name_key, read_aliases


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("New York", "#NewYork"),
        ("New York", "NEW YORKKKK!"),
        ("AT&T", "AT&amp;T"),
        ("Drake", "𝗗𝗿𝗮𝗸𝗲"),
        ("Beyoncé", "BEYONCE\u0301"),
        ("$AAPL", "AAPL"),
    ],
)
def test_spellings_of_a_name_have_the_same_key(first, second):
    assert name_key(first) == name_key(second)


@pytest.mark.parametrize(("first", "second"), [("iPhone 12", "iPhone 13"), ("🐐", "🔥")])
def test_names_that_differ(first, second):
    assert name_key(first) != name_key(second)


@pytest.mark.parametrize(
    ("value", "by", "group"),
    [
        ("Wed Oct 10 20:19:24 +0000 2018", "day", "2018-10-10"),
        ("2018-10-10T20:19:24.000Z", "hour", "2018-10-10T20"),
        ("2018-10-10T23:30:00-02:00", "day", "2018-10-11"),
        ("Wed, 10 Oct 2018 20:19:24 GMT", "week", "2018-W41"),
        (1539202764, "month", "2018-10"),
        ("1539202764000", "month", "2018-10"),
        (2018, "year", "2018"),
        ("yesterday", "day", UNKNOWN),
        (None, "day", UNKNOWN),
        (10**30, "day", UNKNOWN),
        ({"nested": 1}, "day", UNKNOWN),
    ],
)
def test_dates(value, by, group):
    assert find_group({"created_at": value}, by) == group


def test_fields():
    fields = {"user": {"lang": "en", "id": 7}, "tags": ["a"]}
    assert find_group(fields, "user.lang") == "en"
    assert find_group(fields, "user.id") == "7"
    assert find_group(fields, "tags") == UNKNOWN
    assert find_group(fields, None) == ""


def test_aliases(tmp_path):
    path = tmp_path / "aliases.txt"
    path.write_text("# Cities\nNYC\tNew York\n\nThe Big Apple\tNew York\n", encoding="utf8")
    assert read_aliases(path) == {"nyc": "newyork", "thebigapple": "newyork"}
    path.write_text("NYC New York\n", encoding="utf8")
    with pytest.raises(ValueError, match=r"aliases\.txt:1: expected an alias, a tab and a name"):
        read_aliases(path)
