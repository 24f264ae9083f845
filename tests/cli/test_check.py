import json
from functools import partial

import pytest

from .util import run

TRAIN = "Hi O\nBob B-person\n\nApple B-company\n\nRT O\n\nRT O\n\napple B-product\n"
DEV = "RT O\n\nApple B-company\nLee I-company\nLee B-person\nJoe I-person\n"
BROKEN = "".join(f"word{number}\n" for number in range(30))

check = partial(run, "check", "--no-format")


@pytest.fixture
def paths(write):
    return [write("train.txt", TRAIN), write("dev.txt", DEV)]


def rows_of(result):
    return [line.split() for line in result.stdout.splitlines()]


def text_of(result):
    """The output without the line breaks that the printer puts in."""
    return " ".join(result.stdout.split())


def test_a_good_corpus(paths):
    result = check(*paths)
    assert result.exit_code == 0, result.output
    rows = rows_of(result)
    for row in (
        ["train", "dev"],
        ["Tweets", "5", "2"],
        ["Tokens", "6", "5"],
        ["Entities", "3", "2"],
        ["Tweets", "without", "entities", "40.0%", "50.0%"],
        ["Tokens", "per", "tweet", "1", "/", "1", "/", "2", "1", "/", "2.5", "/", "4"],
        ["Characters", "per", "token", "2", "/", "2.5", "/", "5", "2", "/", "3", "/", "5"],
        ["Tag", "scheme", "BIO", "BIO"],
        ["company", "1", "1"],
        ["product", "1", "0"],
        ["Entities", "100.0%"],
        ["Tokens", "60.0%"],
        ["apple", "company", "(1),", "product", "(1)"],
    ):
        assert row in rows
    text = text_of(result)
    assert f"{paths[1]} is valid (BIO)" in text
    assert f"{paths[1]} has no entities of type product" in text
    assert f"1 duplicate tweet in {paths[0]}" in text
    assert f"{paths[0]}:6 = {paths[0]}:8" in text
    assert f"{paths[0]}:6 = {paths[1]}:1" in text
    assert text.endswith("6 warnings The corpus can be converted")


def test_problems(paths, write):
    broken = write("broken.txt", BROKEN)
    result = check(*paths, broken)
    assert result.exit_code == 1
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert f"{broken}:20: no tag after the token 'word19'" in lines
    assert f"{broken}:21: no tag after the token 'word20'" not in lines
    assert "and 10 more: 10 missing tag" in lines
    assert "Found 30 problems that convert would stop at" in lines
    assert "30 errors" in lines
    assert f"30 tokens without a label in {broken}" in text_of(result)
    assert f"{broken} is valid" not in text_of(result)
    assert "The corpus can be converted" not in lines


def test_verbose_lists_all_problems_and_explains(write):
    path = write("broken.txt", BROKEN)
    result = check(path, "--verbose")
    assert f"  {path}:30: no tag after the token 'word29'" in result.stdout.splitlines()
    assert "your data should include at least 50 instances" in text_of(result)
    assert "your data should" not in text_of(check(path, "--no-verbose"))


def test_ignore_warnings(paths):
    text = text_of(check(*paths, "-IW"))
    assert "Low number" not in text
    assert "6 warnings" not in text
    assert "The corpus can be converted" in text


def test_tokenizers(paths):
    result = check(*paths, "--verbose")
    lines = [" ".join(row) for row in rows_of(result)]
    assert "TweetTokenizer: F1 of tokens 100.0% 100.0%" in lines
    assert "TweetTokenizer: entities 100.0% 100.0%" in lines
    assert "spaCy's English: F1 of tokens 100.0% 100.0%" in lines
    assert "tokens on the probable raw text" in text_of(result)
    assert "probable" not in text_of(check(*paths))


def test_good_marks_where_nothing_is_wrong(write):
    rows = "\n\n".join(f"{n} B-x" for n in range(50))
    result = check(write("train.txt", f"none O\n\n{rows}\n"), write("dev.txt", "other B-x\n"))
    text = text_of(result)
    for message in (
        "Good amount of examples for all labels",
        "No duplicates within a split",
        "No overlap between the splits",
        "No surface form has more than one entity type",
    ):
        assert message in text


def test_one_file_is_compared_with_nothing(paths):
    text = text_of(check(paths[0]))
    assert "Unseen" not in text
    assert "overlap" not in text


def test_scheme(write):
    path = write("train.txt", "a I-x\n")
    assert check(path).exit_code == 0
    assert check(path, "--scheme", "BIO").exit_code == 1


def test_files_of_the_same_name_are_told_apart(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    write("a.txt", TRAIN)
    write("b/a.txt", DEV)
    assert ["a.txt", "b/a.txt"] in rows_of(check("a.txt", "b/a.txt"))


def test_json_to_standard_output_is_all_there_is(paths):
    result = check(*paths, "--json", "-")
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert [split["tweets"] for split in data["splits"]] == [5, 2]
    assert data["problems"] == []
    train, dev = data["tokenizers"]["TweetTokenizer"]
    assert (train["gold_tokens"], dev["same_tokens"], train["f1"]) == (6, 5, 1.0)


def test_json_to_a_file(write, tmp_path):
    path = write("train.txt", BROKEN)
    result = check(path, "--json", tmp_path / "check.json")
    assert result.exit_code == 1
    assert "30 errors" in result.stdout
    data = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert data["problems"][29]["line"] == 30


def test_errors_do_not_spoil_standard_output(tmp_path):
    result = check(tmp_path / "none.txt", "--json", "-")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no such file" in result.stderr


def test_colours_and_icons(paths):
    result = run("check", *paths)
    assert "✔ " in result.stdout
    assert "⚠ " in result.stdout
