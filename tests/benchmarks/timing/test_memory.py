from collections.abc import Iterable
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc

from timing import memory
from timing.memory import MIB, READERS, places, stream_table, table_bytes

TOKENIZER = "spacy-twitter-ner.TweetTokenizer.v1"


def test_places_of_a_stream() -> None:
    assert places(1_000_000) == [10_000, *range(100_000, 1_000_001, 100_000)]
    assert places(50_000) == [*range(5_000, 50_001, 5_000)]
    assert places(15) == list(range(1, 16))
    assert places(25) == [*range(2, 25, 2), 25]


def test_tables_of_a_vocab_are_counted() -> None:
    vocab = spacy.blank("en").vocab
    before = table_bytes(vocab)
    Doc(vocab, words=[f"word{number}" for number in range(10_000)])
    # Three fifths of the places at most are taken.
    assert table_bytes(vocab) - before > 2 * 10_000 * 16


def test_readers(tmp_path: Path) -> None:
    """All have the same tokenizer, and zones at whose ends words are forgotten."""
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": TOKENIZER}}})
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path)
    for load in READERS.values():
        reader = load(tmp_path)
        assert type(reader.nlp.tokenizer) is type(nlp.tokenizer)
        n_strings = len(reader.nlp.vocab.strings)
        with reader.zone():
            list(reader.nlp.pipe(["plugh #xyzzy"]))
            assert "#xyzzy" in reader.nlp.vocab.strings
        assert len(reader.nlp.vocab.strings) == n_strings
    assert [bool(load(tmp_path).nlp.pipe_names) for load in READERS.values()] == [True, True, False]


def test_growth_is_from_the_first_two_places() -> None:
    ours = [(10, 100 * MIB, MIB), (20, 104 * MIB, 2 * MIB), (30, 105 * MIB, 2 * MIB)]
    blank = [(10, 50 * MIB, MIB), (20, 60 * MIB, 4 * MIB), (30, 90 * MIB, 8 * MIB)]
    table = stream_table({"ours": ours, "blank": blank})
    assert table.header == ("tweets", "ours", "its tables", "blank", "its tables")
    assert table.rows[0] == ("10", "100.0", "1.0", "50.0", "1.0")
    assert table.rows[-2:] == [
        ("growth from 10", "5.0", "1.0", "40.0", "7.0"),
        ("growth from 20", "1.0", "0.0", "30.0", "4.0"),
    ]


def test_a_zone_has_no_more_tweets_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def exhaust(docs: Iterable[Doc]) -> None:
        sizes.append(len(list(docs)))

    monkeypatch.setattr(memory, "ZONE", 3)
    monkeypatch.setattr(memory, "exhaust", exhaust)
    nlp = spacy.blank("en")
    texts = (f"tweet {number}" for number in range(100))
    reader = memory.Reader(nlp, nlp.memory_zone)
    points = list(memory.stream(reader, texts, 50))
    assert [point.n_docs for point in points] == [3, *range(5, 51, 5)]
    assert sum(sizes) == 50
    assert max(sizes) == 3
