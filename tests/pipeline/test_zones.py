"""What memory zones leave behind in the hash tables of a vocab, and that it is cleared away."""

from collections.abc import Iterator

import pytest
import spacy
from preshed.maps import PreshMap
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_twitter_ner.pipeline import zones
from spacy_twitter_ner.pipeline.zones import clear_removed, hash_tables, rebuild

from .util import TEST_TEXTS, entities, predicted_entities

N_WORDS = 100
N_ZONES = 200


def new_words() -> Iterator[list[str]]:
    """Zone by zone, words that never come again."""
    for zone in range(N_ZONES):
        yield [f"word{zone * N_WORDS + number}" for number in range(N_WORDS)]


def capacities(vocab: Vocab) -> list[int]:
    return [table.capacity for table in hash_tables(vocab)]


def most_places(vocab: Vocab) -> int:
    """RETURNS (int): The most places of a table in which as many removed entries are left as
    entries there are, and to which a zone's words come: of each the word and its suffix."""
    n_taken = 2 * len(vocab.strings) + 2 * N_WORDS
    # A table that has three fifths taken doubles.
    return 2 * n_taken * 5 // 3


@pytest.fixture
def vocab() -> Vocab:
    return spacy.blank("en").vocab


def test_the_tables_of_strings_and_lexemes_are_found(vocab: Vocab) -> None:
    strings, lexemes = len(vocab.strings), sum(1 for _ in vocab)
    n_entries = [sum(1 for _ in table.items()) for table in hash_tables(vocab)]
    assert sorted(n_entries) == sorted([strings, lexemes])


def test_tables_would_grow_with_all_words_of_a_stream(vocab: Vocab) -> None:
    """If this fails, spaCy or preshed have mended it: zones.py can go."""
    before, bound = len(vocab.strings), most_places(vocab)
    for words in new_words():
        with vocab.memory_zone():
            Doc(vocab, words=words)
    assert len(vocab.strings) == before
    assert min(capacities(vocab)) > bound


def test_in_zones_of_the_pipeline_tables_do_not_grow(
    trained: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zones, "N_SPARE", 0)
    n_strings, bound = len(trained.vocab.strings), most_places(trained.vocab)
    for words in new_words():
        with trained.memory_zone():
            assert [len(doc) for doc in trained.pipe([" ".join(words)])] == [N_WORDS]
    assert len(trained.vocab.strings) == n_strings
    assert max(capacities(trained.vocab)) <= bound


def test_entries_stay_as_they_are(vocab: Vocab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "N_SPARE", -(2**20))  # clears away whatever there is
    doc = Doc(vocab, words=["plugh", "Xyzzy"])
    vocab["plugh"].is_stop = True
    strings, lexemes = list(vocab.strings), {lexeme.orth for lexeme in vocab}
    tables = hash_tables(vocab)
    entries = [dict(table.items()) for table in tables]
    with vocab.memory_zone():
        Doc(vocab, words=["only", "here"])
    assert any(len(table) > len(known) for table, known in zip(tables, entries, strict=True))
    clear_removed(vocab)
    assert hash_tables(vocab) == tables
    assert [dict(table.items()) for table in tables] == entries
    assert [len(table) for table in tables] == [len(known) for known in entries]
    assert list(vocab.strings) == strings
    assert {lexeme.orth for lexeme in vocab} == lexemes
    assert "only" not in vocab.strings
    assert vocab["plugh"].is_stop
    assert [token.text for token in doc] == ["plugh", "Xyzzy"]
    assert doc[0].is_stop


def test_few_removed_entries_are_left(vocab: Vocab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else each zone, however small, would take the time of looking at all entries."""
    rebuilt: list[PreshMap] = []
    monkeypatch.setattr(zones, "rebuild", rebuilt.append)
    for zone in range(10):
        with vocab.memory_zone():
            Doc(vocab, words=[f"word{zone}"])
        clear_removed(vocab)
    assert not rebuilt


def test_a_table_keeps_its_entries_and_capacity() -> None:
    table = PreshMap(64)
    # 0 and 1 are the keys that mark places as empty and removed.
    entries = {key: key // 2 + 7 for key in (0, 1, 2, 3, 2**64 - 1)}
    for key in range(10, 30):
        table[key] = key
        del table[key]
    for key, value in entries.items():
        table[key] = value
    assert len(table) > len(entries)
    rebuild(table)
    assert dict(table.items()) == entries
    assert all(table[key] == value for key, value in entries.items())
    assert 10 not in table
    assert table.capacity == 64
    assert len(table) == 3  # without those two keys, which have no places


def test_an_interrupted_table_keeps_its_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting:
        @staticmethod
        def __init__(table: PreshMap, capacity: int) -> None:
            PreshMap.__init__(table, capacity)
            raise KeyboardInterrupt

    table = PreshMap(64)
    table[5] = 6
    monkeypatch.setattr(zones, "PreshMap", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        rebuild(table)
    assert dict(table.items()) == {5: 6}


def test_predictions_stay_the_same(trained: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "N_SPARE", -(2**20))
    expected = predicted_entities(trained)
    for zone in range(3):
        with trained.memory_zone():
            found = entities(trained.pipe([f"Plugh{zone} likes Xyzzy{zone}", *TEST_TEXTS]))
            assert found[1:] == expected
    assert predicted_entities(trained) == expected
