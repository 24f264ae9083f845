from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy import registry
from thinc.api import Config

from spacy_twitter_ner.lexical.phrases import (
    Matches,
    PhraseTrie,
    create_phrase_lists,
    find_longest,
)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf8"))
    return path


def find(phrases: Sequence[str], *texts: str) -> Matches:
    """Look for phrases in a batch of texts, both of words between spaces."""
    split = [text.split() for text in texts]
    tokens = [word for words in split for word in words]
    words = sorted(set(tokens))
    inverse = numpy.asarray([words.index(word) for word in tokens], dtype="int64")
    trie = PhraseTrie([phrase.split() for phrase in phrases])
    return trie.find(words, inverse, [len(words) for words in split])


def spans(matches: Matches, phrases: Sequence[str]) -> list[tuple[int, int, str]]:
    return named(zip(*(array.tolist() for array in matches), strict=True), phrases)


def named(
    matches: Iterable[tuple[int, int, int]], phrases: Sequence[str]
) -> list[tuple[int, int, str]]:
    return [(start, start + length, phrases[number]) for start, length, number in matches]


def longest(matches: Matches, phrases: Sequence[str]) -> list[tuple[int, int, str]]:
    return named(find_longest(zip(*(array.tolist() for array in matches), strict=True)), phrases)


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("New York\nParis\n", ["New York", "Paris"]),
        ("Paris", ["Paris"]),
        ("", []),
        ("\n \nParis\n\n\t\n", ["Paris"]),
        ("# cities\n#\n#nasa\n#1 fan\n", ["#nasa", "#1 fan"]),
        ("  New \t York  \r\nSão Paulo\r\n", ["New York", "São Paulo"]),
        ("\ufeffParis\n", ["Paris"]),
        ("\ufeff# cities\nParis\n", ["Paris"]),
        ("Paris\nParis\n", ["Paris", "Paris"]),
    ],
)
def test_phrase_lists_format(tmp_path: Path, text: str, phrases: list[str]) -> None:
    path = write(tmp_path / "geo.txt", text)
    assert create_phrase_lists({"geo-loc": path}) == {"geo-loc": phrases}


def test_phrase_lists_by_type(tmp_path: Path) -> None:
    geo, person = write(tmp_path / "g", "Paris\n"), write(tmp_path / "p", "Paris Hilton\n")
    lists = create_phrase_lists({"person": person, "geo-loc": geo})
    assert lists == {"person": ["Paris Hilton"], "geo-loc": ["Paris"]}
    assert create_phrase_lists({}) == {}


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_phrase_lists_unreadable_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="phrases of 'person'") as error:
        create_phrase_lists({"person": tmp_path / name})
    assert f"phrases.paths] person = {str(tmp_path / name)!r}" in str(error.value)


def test_phrase_lists_wrong_encoding(tmp_path: Path) -> None:
    path = write(tmp_path / "geo.txt", "Paris\n\nSão Paulo\n".encode("latin1"))
    with pytest.raises(ValueError, match="0xe3 in the phrases of 'geo-loc'") as error:
        create_phrase_lists({"geo-loc": path})
    assert str(error.value).startswith(f"{path}:3: ")
    assert "phrases.paths] geo-loc" in str(error.value)


def test_phrase_lists_in_config(tmp_path: Path) -> None:
    path = write(tmp_path / "geo.txt", "Paris\n")
    block = '[phrases]\n@misc = "spacy-twitter-ner.PhraseLists.v1"\n[phrases.paths]\n'
    config = Config().from_str(f"{block}geo-loc = {str(path)!r}".replace("'", '"'))
    assert registry.resolve(config) == {"phrases": {"geo-loc": ["Paris"]}}


def test_phrase_lists_are_read_at_initialization(tmp_path: Path) -> None:
    block = {"@misc": "spacy-twitter-ner.PhraseLists.v1", "paths": {"geo": str(tmp_path / "x")}}
    config = {"initialize": {"components": {"twitter_bilstm_ner": {"phrases": block}}}}
    nlp = spacy.blank("en", config=config)
    nlp.add_pipe("twitter_bilstm_ner")
    with pytest.raises(ValueError, match="phrases of 'geo'"):
        nlp.initialize()


PHRASES = ["new york", "new york times", "york", "times square", "a b a b"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["york"], [(0, 1, "york")]),
        (["york york"], [(0, 1, "york"), (1, 2, "york")]),
        (["the new", "york"], [(2, 3, "york")]),
        (["", "york", ""], [(0, 1, "york")]),
        (["a b a"], []),
        (["in new york"], [(1, 3, "new york"), (2, 3, "york")]),
        (["a b a b a b"], [(0, 4, "a b a b"), (2, 6, "a b a b")]),
        (["a b", "a b"], []),
        (["unknown words"], []),
        ([""], []),
        ([], []),
    ],
)
def test_trie_find(texts: list[str], expected: list[tuple[int, int, str]]) -> None:
    assert spans(find(PHRASES, *texts), PHRASES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("new york times square", [(0, 3, "new york times"), (2, 4, "times square")]),
        ("new york new york times", [(0, 2, "new york"), (2, 5, "new york times")]),
        ("york new times", [(0, 1, "york")]),
        ("a b a b a b", [(0, 4, "a b a b"), (2, 6, "a b a b")]),
        ("nothing", []),
    ],
)
def test_find_longest(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert longest(find(PHRASES, text), PHRASES) == expected


def test_trie_without_phrases() -> None:
    matches = find([], "new york")
    assert [len(array) for array in matches] == [0, 0, 0]


WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(" ".join)
TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=7).map(" ".join), max_size=4)


@given(phrases=st.lists(WORDS, max_size=8, unique=True), texts=TEXTS)
def test_trie_find_matches_brute_force(phrases: list[str], texts: list[str]) -> None:
    expected, offset = set(), 0
    for text in texts:
        words = text.split()
        for start in range(len(words)):
            for end in range(start + 1, len(words) + 1):
                if (phrase := " ".join(words[start:end])) in phrases:
                    expected.add((offset + start, offset + end, phrase))
        offset += len(words)
    matches = find(phrases, *texts)
    # Left to right, the longest first.
    assert spans(matches, phrases) == sorted(expected, key=lambda span: (span[0], -span[1]))
    outermost = {
        (start, end, phrase)
        for start, end, phrase in expected
        if not any(a <= start and end <= b and (a, b) != (start, end) for a, b, _ in expected)
    }
    assert longest(matches, phrases) == sorted(outermost)
