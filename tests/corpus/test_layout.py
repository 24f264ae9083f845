from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.corpus.layout import FileFormat
from spacy_twitter_ner.corpus.tagfile import parse_tag_lines

FILE = Path("tweets.txt")


def parse(text, scheme="auto", **settings):
    lines = text.encode("utf-8").split(b"\n")
    return parse_tag_lines(lines, path=FILE, scheme=scheme, file_format=FileFormat(**settings))


def rows_of(file):
    return [list(zip(tweet.tokens, tweet.tags, strict=True)) for tweet in file.tweets]


def found(file):
    return [(problem.line, problem.kind) for problem in file.problems]


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)


@given(
    tweets=st.lists(
        st.lists(st.lists(WORDS, min_size=1, max_size=3).map(" ".join), min_size=1), min_size=1
    ),
    n_others=st.integers(0, 3),
)
def test_tabs_allow_spaces_in_tokens(tweets, n_others):
    others = "\t_" * n_others
    text = "\n".join("".join(f"{token}{others}\tO\n" for token in tweet) for tweet in tweets)
    # With token_column, numbers in the first column aren't skipped.
    file = parse(text, token_column=1)
    assert file.problems == []
    assert [tweet.tokens for tweet in file.tweets] == tweets


@pytest.mark.parametrize(
    ("text", "lines", "repaired"),
    [
        # An extra space in a file separated by spaces.
        ("in O\nSao Paulo B-x\nnow O\n", [2], [("in", "O"), ("Sao Paulo", "B-x"), ("now", "O")]),
        ("in O\nLos\tAngeles B-x\nok O\n", [2], [("in", "O"), ("Los Angeles", "B-x"), ("ok", "O")]),
        # An extra tab in a file separated by tabs.
        (
            "a b\tO\nc d\tO\ne\tf\tB-x\n",
            [3],
            [("a b", "O"), ("c d", "O"), ("e f", "B-x")],
        ),
        # Tabs in some rows only.
        ("ok N O\nin N O\nNew York\tB-x\n", [3], [("ok", "O"), ("in", "O"), ("New", None)]),
        # It's unknown which of several columns is missing or extra.
        ("a N O\nb N B-x\nc B-x\n", [3], [("a", "O"), ("b", "B-x"), ("c", None)]),
        ("a N O\nb N B-x\nc N N B-x\n", [3], [("a", "O"), ("b", "B-x"), ("c", None)]),
        ("a\tN\tO\nb\tN\tB-x\nc\tB-x\n", [3], [("a", "O"), ("b", "B-x"), ("c", None)]),
    ],
)
def test_rows_with_wrong_number_of_columns(text, lines, repaired):
    file = parse(text)
    assert found(file) == [(line, "number of columns") for line in lines]
    assert rows_of(file) == [repaired]


def test_row_without_tab_in_tabbed_file():
    file = parse("New York\tB-x\nSan Jose\tB-x\nok O\n")
    assert found(file) == [(3, "missing tag")]
    assert "in a file separated by tabs" in file.problems[0].message


@pytest.mark.parametrize("text", ["a\tN\tO\t\nb\t\tB-x\n", "a\t_\tO\nb\t\tB-x\t\t\n"])
def test_empty_columns_are_kept(text):
    file = parse(text)
    assert (rows_of(file), file.problems) == ([[("a", "O"), ("b", "B-x")]], [])


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("a B-x\nb O\n", {}),
        ("B-x a\nO b\n", {"token_column": 2, "tag_column": 1}),
        ("B-x a\nO b\n", {"token_column": -1, "tag_column": 1}),
        ("7\tN\ta\tB-x\tV\n7\tN\tb\tO\tV\n", {"token_column": 3, "tag_column": 4}),
        ("7\tN\ta\tB-x\tV\n7\tN\tb\tO\tV\n", {"token_column": -3, "tag_column": -2}),
        # The first column numbers tokens, rows of the file or tweets.
        ("1\ta\tB-x\n2\tb\tO\n", {}),
        ("0 a N B-x\n1 b N O\n", {}),
        ("17 a B-x\n18 b O\n", {}),
        ("3 a B-x\n3 b O\n", {}),
        # Multiword tokens and empty nodes in CoNLL-U.
        ("1-2\tab\tO\n1\ta\tB-x\n2\tb\tO\n2.1\tc\tO\n", {}),
        # Chunk tags aren't entity tags.
        ("a NN B-NP B-x\nb VB B-VP O\n", {}),
    ],
)
def test_token_and_tag_columns(text, settings):
    file = parse(text, **settings)
    assert (rows_of(file), file.problems) == ([[("a", "B-x"), ("b", "O")]], [])


def test_numbering_column_is_skipped():
    text = "1\tone\tO\n2\ttwo\tO\n\n1\tone\tO\n"
    file = parse(text)
    assert [tweet.tokens for tweet in file.tweets] == [["one", "two"], ["one"]]
    assert "read from column 2" in file.notes[0]
    assert parse(text, token_column=1).tweets[0].tokens == ["1", "2"]
    # Numbers that aren't consecutive are tokens.
    text = "3 CD O\n2 CD O\nfor NN B-x\nmore NN O\n"
    assert parse(text).tweets[0].tokens == ["3", "2", "for", "more"]


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        # GermEval: outer and nested entities. Gold and predicted tags.
        ("1\tKim\tB-x\tO\n2\tLeeds\tB-y\tB-x\n3\tok\tO\tO\n", "columns 3 and 4 both"),
        ("1\tKim\tB-x\tO\n2\tok\tO\tO\n", "--tag-column 3"),
        ("Kim B-x -\nok O -\n", "--tag-column 2"),
        ("Kim B-x NN\nok O VB\n", "--tag-column 2"),
    ],
)
def test_ambiguous_tag_column_is_reported(text, choice):
    (problem,) = parse(text).problems
    assert (problem.line, problem.kind, problem.repair) == (1, "choice of columns", None)
    assert choice in problem.message
    assert parse(text, tag_column=2 if text[0] == "K" else 3).problems == []


@pytest.mark.parametrize(
    "settings",
    [
        *({"token_column": 0}, {"tag_column": 0}, {"token_column": 2, "tag_column": 2}),
        *({"comments": [""]}, {"label": ""}, {"label": "a,b"}, {"label": "a\x1b"}),
    ],
)
def test_file_format_validates_settings(settings):
    with pytest.raises(ValueError, match=r"column|comment|label"):
        FileFormat(**settings)


@pytest.mark.parametrize("settings", [{"tag_column": 3}, {"token_column": -3}, {"tag_column": 1}])
def test_missing_columns_are_reported(settings):
    (problem,) = parse("a O\nb O\n", **settings).problems
    assert problem.kind == "choice of columns"


COMMENTS = [
    ("# a comment", "#"),
    ("# sent_id = 7", "#"),
    ("#\thttp://example.org [2009-10-17]", "#"),
    ("## a heading of its own", "##"),
    ("IMGID:1234", "IMGID:"),
    ("IMGID: 1234", "IMGID:"),
    ("TWEETID:99", "TWEETID:"),
    ("ID: 5", "ID:"),
]


@pytest.mark.parametrize(("comment", "prefix"), COMMENTS)
@pytest.mark.parametrize("separator", [" ", "\t", "\tNN\t"])
def test_comments_are_reported_or_skipped(comment, prefix, separator):
    rows = f"Kim{separator}I-x\nin{separator}O\n#{separator}O\n"
    text = f"{comment}\n{rows}\n{comment}\n{rows}"
    expected = [[("Kim", "B-x"), ("in", "O"), ("#", "O")]] * 2
    file = parse(text)
    assert found(file) == [(1, "comment line"), (6, "comment line")]
    assert all(prefix in p.message and p.repair == "line skipped" for p in file.problems)
    assert rows_of(file) == expected
    file = parse(text, comments=[prefix])
    assert (rows_of(file), file.problems) == (expected, [])
    assert file.notes == ["tweets.txt: skipped 2 comment lines"]


@pytest.mark.parametrize("row", ["#\tO", "#Leeds\tB-x", "# \tO"])
def test_complete_rows_are_not_comments(row):
    file = parse(f"{row}\nok\tO\n", comments=["#"])
    assert len(file.tweets[0].tokens) == 2
    assert file.problems == []


def test_hashtags_are_not_comments():
    assert found(parse("#Leeds Q-x\nok O\n", comments=["#"])) == [(1, "unknown tag")]
    assert found(parse("#Leeds\nok O\n")) == [(1, "missing tag")]


SEVERAL_LABELS = """
B-corporation,B-person B-person|B-location B-person|location B-person;B-location O,O O|B-person
B-person/B-location B-person+I-location B-person&B-location I-person,I-location B-person|O
B-person/O B-person, U-person|U-location
"""


@pytest.mark.parametrize("tag", SEVERAL_LABELS.split())
def test_several_labels_in_one_tag(tag):
    file = parse(f"Kim\t{tag}\nok\tO\nLee\tB-person\n")
    assert found(file) == [(1, "several labels in one tag")]
    assert rows_of(file) == [[("Kim", None), ("ok", "O"), ("Lee", "B-person")]]


@pytest.mark.parametrize("label", ["geo-loc", "PER/ORG", "tv_show", "LOCderiv", "T&A", "C++"])
def test_entity_types_may_contain_punctuation(label):
    file = parse(f"Kim B-{label}\n")
    assert (file.tweets[0].spans(), file.problems) == ([(0, 1, label)], [])


@pytest.mark.parametrize(
    ("tags", "scheme", "spans"),
    [
        # Without types.
        ("B I O B", "BIO", [(0, 2, "entity"), (3, 4, "entity")]),
        ("I I O I", "IOB1", [(0, 2, "entity"), (3, 4, "entity")]),
        ("B L O U", "BILUO", [(0, 2, "entity"), (3, 4, "entity")]),
        ("B M E S O", "BILUO", [(0, 3, "entity"), (3, 4, "entity")]),
        # Types without prefixes.
        ("PER PER O O O O LOC", "IOB1", [(0, 2, "PER"), (6, 7, "LOC")]),
        # BMES, BMEWO, BIES.
        ("B-x M-x E-x S-y O", "BILUO", [(0, 3, "x"), (3, 4, "y")]),
        ("B-x M-x E-x W-y O", "BILUO", [(0, 3, "x"), (3, 4, "y")]),
        ("B-x E-x S-y O", "BILUO", [(0, 2, "x"), (2, 3, "y")]),
        # IO.
        ("I-x I-x O I-y", "IOB1", [(0, 2, "x"), (3, 4, "y")]),
    ],
)
def test_tag_styles(tags, scheme, spans):
    file = parse("".join(f"t {tag}\n" for tag in tags.split()))
    assert (file.scheme, file.problems) == (scheme, [])
    assert file.tweets[0].spans() == spans


def test_label_for_untyped_tags():
    assert parse("a B\nb O\n", label="LOC").tweets[0].tags == ["B-LOC", "O"]


def test_io_scheme():
    file = parse("Kim PER\nLeeds LOC\n", "IO")
    assert (file.tweets[0].tags, file.problems) == (["B-PER", "B-LOC"], [])
    assert found(parse("Kim PER\nLeeds LOC\n")) == [(1, "unknown tag"), (2, "unknown tag")]


@pytest.mark.parametrize("tag", ["B", "I", "person", "0", "o", "OO"])
def test_unknown_tag_in_typed_file(tag):
    assert found(parse(f"a B-x\nb O\nc O\nd {tag}\n")) == [(4, "unknown tag")]


def test_bmes_tag_in_bio_file():
    file = parse("a B-x\nb O\n\nc B-x\nd I-x\n\ne B-x\nf M-x\ng O\n", "BIO")
    assert found(file) == [(8, "invalid sequence")]
