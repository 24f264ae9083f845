import gc
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_twitter_ner.corpus import tagfile
from spacy_twitter_ner.corpus.tagfile import (
    CorpusError,
    Problem,
    TaggedTweet,
    check_problems,
    parse_tag_lines,
    read_tag_file,
    resolve_scheme,
)
from spacy_twitter_ner.iob import find_violations

FILE = Path("tweets.txt")
TAGS = ("O", "B-x", "I-x", "B-y", "I-y", "L-x", "U-y", "", "?", "B-")
SEPARATED = st.lists(st.sampled_from(["", " ", "\t"]), max_size=2).map("".join)
# Tokens may contain any characters except those that separate columns and lines. A carriage return
# is part of the token unless it's at the end of the line.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n")
TOKENS = st.text(CHARACTERS, min_size=1, max_size=8).filter(lambda token: token != "-DOCSTART-")


def parse(text, scheme="auto"):
    content = text if isinstance(text, bytes) else text.encode("utf-8")
    return parse_tag_lines(content.split(b"\n"), path=FILE, scheme=scheme)


def tokens_and_tags(file):
    return [list(zip(tweet.tokens, tweet.tags, strict=True)) for tweet in file.tweets]


def found(file):
    return [(problem.line, problem.kind) for problem in file.problems]


START = "unknown entity start"
SEQUENCE = "invalid sequence"
TWO_TWEETS = [[("Hi", "O"), ("Bob", "B-x")], [("ok", "O")]]


@pytest.mark.parametrize(
    "text",
    [
        "Hi O\nBob B-x\n\nok O\n",
        "Hi O\nBob B-x\n\nok O",  # no final line feed
        "\n\nHi O\nBob B-x\n\n\n\nok O\n\n\n",  # blank lines everywhere
        "Hi\tO\nBob  \t B-x \t\n\nok O\n",  # tabs, several separators, separators at the end
        "Hi O\r\nBob B-x\r\n\r\nok O\r\n",
        "Hi O\nBob B-x\n \t \nok O\n",  # spaces and tabs between tweets
        "Hi O\nBob B-x\n\u3000\u00a0\nok O\n",  # other whitespace between tweets
        "\ufeffHi O\nBob B-x\n\nok O\n",
        "Hi UH _ O\nBob NNP _ B-x\n\nok JJ _ O\n",  # more columns
        "-DOCSTART- -X- O O\n\nHi O\nBob B-x\n-DOCSTART-\nok O\n",  # also ends a tweet
    ],
)
def test_parse_separators_and_blank_lines(text):
    file = parse(text)
    assert tokens_and_tags(file) == TWO_TWEETS
    assert file.problems == []


def test_parse_line_numbers():
    file = parse("\n-DOCSTART- O\n\na O\nb O\n\n\nc O\n")
    assert [(tweet.line, tweet.lines) for tweet in file.tweets] == [(4, [4, 5]), (8, [8])]


@pytest.mark.parametrize(
    "token",
    [
        "a\u00a0b", "\u00a0", "\u200b", "\u200d", "a\u2028b", "\u2029", "a\x85b", "\x0b", "a\x0cb",
        "\x1c", "\x00", "a\rb", "\ufeff", "\u3000", "-DOCSTART-x", "\U0001f469\u200d\U0001f680",
        "O",
    ],
)  # fmt: skip
def test_parse_keeps_other_whitespace_in_tokens(token):
    file = parse(f"first O\n{token} B-x\nlast O\n")
    expected = "O" if token.isspace() else "B-x"
    assert tokens_and_tags(file) == [[("first", "O"), (token, expected), ("last", "O")]]


def test_parse_keeps_other_whitespace_at_line_end():
    assert tokens_and_tags(parse("a\u00a0\nb O\n")) == [[("a\u00a0", None), ("b", "O")]]


@pytest.mark.parametrize(
    ("text", "scheme", "expected"),
    [
        ("a I-x\nb B-x\nc O\n", "IOB1", ["B-x", "B-x", "O"]),
        ("a B-x\nb I-x\nc O\n", "BIO", ["B-x", "I-x", "O"]),
        ("a B-x\nb L-x\nc U-y\n", "BILUO", ["B-x", "I-x", "B-y"]),
        ("a B-x\nb E-x\nc S-y\n", "BILUO", ["B-x", "I-x", "B-y"]),
    ],
)
def test_parse_schemes(text, scheme, expected):
    for name in ("auto", scheme, scheme.lower()):
        file = parse(text, name)
        assert (file.scheme, file.tweets[0].tags, file.problems) == (scheme, expected, [])


def test_parse_reports_violations_of_given_scheme():
    file = parse("a O\nb I-x\n", "BIO")
    assert file.problems == [
        Problem(FILE, 2, "invalid sequence", "I-x without its B-x", "read as B-x")
    ]
    assert file.tweets[0].tags == ["O", "B-x"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bio", "BIO"), ("IOB2", "BIO"), ("iob1", "IOB1"), ("iobes", "BILUO"), ("BILUO", "BILUO")],
)
def test_resolve_scheme_names(name, expected):
    assert resolve_scheme(name) == expected


def test_unknown_scheme_raises_error():
    with pytest.raises(ValueError, match="unknown tag scheme 'BOI': expected one of auto, BIO"):
        parse("a O\n", "BOI")


# Each kind of problem: the file, (line, kind, repair) of each problem, the repaired tags.
PROBLEMS = [
    ("a O\nb\nc O\n", [(2, "missing tag", "label left missing")], [["O", None, "O"]]),
    ("a O\nb \t\n", [(2, "missing tag", "label left missing")], [["O", None]]),
    ("a O\n\tO\nc O\n", [(2, "missing token", "row skipped")], [["O", "O"]]),
    (" b O\nc O\n", [(1, "missing token", "row skipped")], [["O"]]),
    ("a O\n\nb Q-x\n", [(3, "unknown tag", "label left missing")], [["O"], [None]]),
    ("a o\nb O\n", [(1, "unknown tag", "label left missing")], [[None, "O"]]),
    ("a B-\nb O\n", [(1, "unknown tag", "label left missing")], [[None, "O"]]),
    # Lines end in carriage returns, as on classic Mac OS.
    ("a O\rb B-x\rc I-x\r", [(1, "unknown tag", "label left missing")], [[None]]),
    ("a B-x\u200b\n", [(1, "unknown tag", "label left missing")], [[None]]),
    ("a B-x\n\nb I-x\n", [(3, "invalid sequence", "read as B-x")], [["B-x"], ["B-x"]]),
    ("a B-x\nb I-y\n", [(2, "invalid sequence", "read as B-y")], [["B-x", "B-y"]]),
    ("a U-x\nb B-x\nc O\n", [(3, "invalid sequence", "entity ends before")], [["B-x", "B-x", "O"]]),
    (b"a O\nb\xff O\n", [(2, "undecodable bytes", "replaced by U+FFFD")], [["O", "O"]]),
    # Lone surrogates aren't UTF-8 either.
    (b"\xed\xa0\x80 O\n", [(1, "undecodable bytes", "replaced by U+FFFD")], [["O"]]),
    (
        "\u00a0 B-x\na I-x\n\u2028 I-x\n\x0b O\n",
        [(n, "whitespace at an entity's edge", "label removed") for n in (1, 3)],
        [["O", "B-x", "O", "O"]],
    ),
    ("\u00a0 B-x\n", [(1, "whitespace at an entity's edge", "label removed")], [["O"]]),
    ("", [(1, "no tweets", None)], []),
    ("\ufeff\r\n \t\n", [(1, "no tweets", None)], []),
    ("-DOCSTART- O\n", [(1, "no tweets", None)], []),
    ("\tO\n", [(1, "no tweets", None), (1, "missing token", "row skipped")], []),
]


@pytest.mark.parametrize(("text", "problems", "tags"), PROBLEMS)
def test_parse_reports_and_repairs_problems(text, problems, tags):
    file = parse(text)
    assert sorted((p.line, p.kind, p.repair) for p in file.problems) == sorted(problems)
    assert [tweet.tags for tweet in file.tweets] == tags
    for problem in file.problems:
        assert str(problem) == f"tweets.txt:{problem.line}: {problem.message}"


def test_problem_table_is_complete():
    names = ("MISSING", "UNKNOWN", "INVALID", "UNDECODABLE", "WHITE", "NEW", "NO_")
    kinds = {value for name, value in vars(tagfile).items() if name.startswith(names)}
    # The last two are tested below and in test_convert.py.
    assert kinds == {kind for _, found, _ in PROBLEMS for _, kind, _ in found} | {
        tagfile.UNKNOWN_START,
        tagfile.NEW_TYPE,
    }


def test_parse_keeps_whitespace_tokens_inside_entities():
    file = parse("a B-x\n\u00a0 I-x\nb I-x\n")
    assert (file.tweets[0].tags, file.problems) == (["B-x", "I-x", "I-x"], [])


@pytest.mark.parametrize(
    ("rows", "expected", "other_problems"),
    [
        # Labels that continue an entity across a missing label become missing.
        (["B-x", None, "I-x", "I-x", "O"], ["B-x", None, None, None, "O"], [(3, START)]),
        (["O", None, None, "I-x"], ["O", None, None, None], [(4, START)]),
        (
            ["B-x", None, "I-x", None, "I-x"],
            ["B-x", None, None, None, None],
            [(3, START), (5, START)],
        ),
        ([None, "I-x", "I-y", "O"], [None, None, "B-y", "O"], [(2, START), (3, SEQUENCE)]),
        # Other labels are kept.
        (["B-x", None, "O", "B-x"], ["B-x", None, "O", "B-x"], []),
        (["B-x", None, "B-x", "I-x"], ["B-x", None, "B-x", "I-x"], []),
    ],
)
def test_missing_labels_propagate_to_continued_entities(rows, expected, other_problems):
    text = "".join(f"t {tag}\n" if tag else "t\n" for tag in rows) + "\nt B-z\n"
    file = parse(text)
    assert file.tweets[0].tags == expected
    assert [p for p in found(file) if p[1] != "missing tag"] == other_problems


def test_missing_labels_in_biluo_and_iob1():
    biluo = "a U-x\nb B-x\nc\nd I-x\ne L-x\nf L-x\n"
    assert parse(biluo).tweets[0].tags == ["B-x", "B-x", None, None, None, "B-x"]
    assert found(parse(biluo)) == [
        (3, "missing tag"),
        (4, "unknown entity start"),
        (6, "invalid sequence"),
    ]
    iob1 = "a I-x\nb\nc I-x\nd B-x\n"
    assert parse(iob1).scheme == "IOB1"
    assert parse(iob1).tweets[0].tags == ["B-x", None, None, "B-x"]
    assert found(parse(iob1)) == [(2, "missing tag"), (3, "unknown entity start")]


def test_missing_labels_followed_by_tag_of_other_scheme():
    file = parse("a\nb L-x\n", "BIO")
    assert file.tweets[0].tags == [None, "B-x"]
    assert found(file) == [(1, "missing tag"), (2, "invalid sequence")]


def test_missing_labels_are_ignored_by_scheme_detection():
    # The B-x and I-x after a missing label may continue an entity.
    assert parse("a I-x\n\nb\nc B-x\n").scheme == "IOB1"
    assert parse("a O\nb\nc I-x\n").scheme == "BIO"
    assert parse("a\nb U-x\n").scheme == "BILUO"


def test_skipped_rows_keep_entities_intact():
    file = parse("a B-x\n\tI-x\nc I-x\n\tB-x\ne I-x\n\tB-y\n")
    assert tokens_and_tags(file) == [[("a", "B-x"), ("c", "I-x"), ("e", "B-x")]]
    assert found(file) == [(n, "missing token") for n in (2, 4, 6)]
    assert file.tweets[0].lines == [1, 3, 5]


def test_problems_are_sorted_by_line():
    file = parse("a B-x\n\nb I-x\n\nc\n\nd I-x\n")
    assert [problem.line for problem in file.problems] == [3, 5, 7]


def test_read_ignores_carriage_returns_inside_lines(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(b"a\rb O\r\nc\x85\x0b O\r\n".replace(b"\x85", "\x85".encode()))
    assert [tweet.tokens for tweet in read_tag_file(path).tweets] == [["a\rb", "c\x85\x0b"]]


def test_read_reports_utf16(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("a O\nb O\n", encoding="utf-16")
    (problem,) = read_tag_file(path).problems
    assert str(problem) == f"{path}:1: the file is in UTF-16: save it as UTF-8"
    assert problem.repair is None


def test_read_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file: .*none\.txt$"):
        read_tag_file(tmp_path / "none.txt")
    with pytest.raises(FileNotFoundError, match="python -m spacy project assets"):
        read_tag_file(tmp_path / "assets" / "hse" / "none.txt")


def test_corpus_error_summarizes_problems():
    problems = parse("a\n" * 19 + "a ?\n" * 3 + "a\n" * 4).problems
    with pytest.raises(CorpusError) as caught:
        check_problems(problems, repair=False)
    lines = str(caught.value).splitlines()
    assert lines[0] == "26 problems in the corpus"
    assert lines[1] == "tweets.txt:1: no tag after the token 'a'"
    assert lines[20].startswith("tweets.txt:20: unknown tag '?'")
    assert lines[21:] == ["and 6 more: 4 missing tag, 2 unknown tag"]
    assert caught.value.problems == problems


def test_check_problems_ignores_repaired_problems_only():
    repaired = Problem(FILE, 1, "missing tag", "no tag", "label left missing")
    final = Problem(FILE, 1, "no tweets", "empty")
    check_problems([repaired], repair=True)
    with pytest.raises(CorpusError) as caught:
        check_problems([repaired, final], repair=True)
    assert caught.value.problems == [final]


def test_tagged_tweet_lines_and_spans():
    assert TaggedTweet(["a", "b"], ["O", None], 7).lines == [7, 8]
    assert TaggedTweet(["a", "b", "c"], ["B-x", None, "B-y"]).spans() == [(0, 1, "x"), (2, 3, "y")]


@given(tweets=st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=1, max_size=4))
@settings(max_examples=60)
def test_read_any_token(tmp_path_factory, tweets):
    path = tmp_path_factory.mktemp("tokens") / "tweets.txt"
    rows = ["".join(f"{token} O\n" for token in tokens) for tokens in tweets]
    # Not on the first line, where U+FEFF is a byte order mark.
    path.write_bytes(("-DOCSTART-\n" + "\n".join(rows)).encode("utf-8"))
    file = read_tag_file(path)
    assert [tweet.tokens for tweet in file.tweets] == tweets
    assert file.problems == []


@given(
    rows=st.lists(st.tuples(TOKENS | st.just(""), SEPARATED, st.sampled_from(TAGS))),
    scheme=st.sampled_from(["auto", "BIO", "IOB1", "BILUO"]),
)
@settings(max_examples=200)
def test_parse_yields_valid_bio(rows, scheme):
    file = parse("\n".join(f"{token}{space}{tag}" for token, space, tag in rows), scheme)
    for tweet in file.tweets:
        assert 0 < len(tweet.tokens) == len(tweet.tags) == len(tweet.lines)
        assert all(tweet.tokens)
        known = [tag or "O" for tag in tweet.tags]
        assert find_violations(known, "BIO") == []
        for start, end, _ in tweet.spans():
            assert not tweet.tokens[start].isspace()
            assert not tweet.tokens[end - 1].isspace()


@given(
    good=st.lists(st.sampled_from(["Hi O\nBob B-x\nLee I-x", "x B-y", "a O"]), min_size=1),
    bad=st.lists(st.sampled_from(["b", "b Q-x", "b I-x", "\u00a0 B-x", "\tO", "b B-x\n\nc I-x"])),
)
def test_parse_keeps_good_tweets_next_to_bad_ones(good, bad):
    clean = parse("x B-y\n\n" + "\n\n".join(good))
    mixed = parse("x B-y\n\n" + "\n\n".join([*bad, *good]))
    assert clean.problems == []
    assert tokens_and_tags(mixed)[-len(good) :] == tokens_and_tags(clean)[1:]


@given(content=st.binary(max_size=60))
def test_parse_any_bytes(content):
    file = parse(content)
    assert file.tweets or file.problems


@pytest.mark.slow
@pytest.mark.parametrize("row", [b"a I-x", b"a B-x", b"a L-x", b"a", b" O", b"\xc2\xa0 I-x"])
def test_parse_time_is_linear(row):
    def seconds(lines):
        # CPU time, since the machine may be busy.
        start = time.process_time()
        parse_tag_lines([row] * lines)
        return time.process_time() - start

    # Keep the garbage collector from scanning the objects of other tests.
    gc.collect()
    gc.freeze()
    try:
        few, many = (min(seconds(lines) for _ in range(3)) for lines in (2_000, 32_000))
    finally:
        gc.unfreeze()
    # 16 times the lines would take 256 times as long if parsing were quadratic.
    assert many < 80 * max(few, 0.001)
