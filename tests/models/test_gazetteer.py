from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_twitter_ner.models.gazetteer import (
    Gazetteer,
    create_pipeline_phrases,
    make_gazetteer,
)

from .docs import make_doc, make_docs
from .phrases import LISTS, TRAIN, Feature, found, gold_doc

PREFIX = "spacy-twitter-ner"
NORM = {"features": ["norm"], "widths": [3]}


def found_in(text: str, docs: Iterable[Doc] = (), **kwargs: Any) -> list[Feature]:
    return found(make_gazetteer(docs, **kwargs), make_doc(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing here", []),
        ("", []),
        ("paris", [(0, "geo", "B", "list"), (0, "person", "B", "list")]),
        ("PARIS !", [(0, "geo", "B", "list"), (0, "person", "B", "list")]),
        ("#paris", [(0, "geo", "B", "list"), (0, "person", "B", "list")]),
        ("oh paris hilton", [(1, "person", "B", "list"), (2, "person", "I", "list")]),
        ("hilton paris", [(1, "geo", "B", "list"), (1, "person", "B", "list")]),
        ("the new york", [(1, "geo", "B", "list"), (2, "geo", "I", "list")]),
        ("the new", []),
        ("new", []),
    ],
)
def test_listed_phrases(text: str, expected: list[Feature]) -> None:
    assert found_in(text, lists=LISTS) == expected


def test_phrases_do_not_cross_docs() -> None:
    gazetteer = make_gazetteer(lists=LISTS)
    docs = make_docs("new", "york", "", "new york", "paris")
    assert [token for token, *_ in found(gazetteer, *docs)] == [2, 3, 4, 4]


def test_features_of_overlapping_matches_are_distinct() -> None:
    lists = {"geo": ["a b", "b c"], "person": ["c d"]}
    assert found_in("a b c d", lists=lists) == [
        (0, "geo", "B", "list"),
        (1, "geo", "B", "list"),
        (1, "geo", "I", "list"),
        (2, "geo", "I", "list"),
        (2, "person", "B", "list"),
        (3, "person", "I", "list"),
    ]
    # "c" is inside of two phrases.
    assert found_in("a b c d", lists={"geo": ["a b c", "b c d"]}) == [
        (0, "geo", "B", "list"),
        (1, "geo", "B", "list"),
        (1, "geo", "I", "list"),
        (2, "geo", "I", "list"),
        (3, "geo", "I", "list"),
    ]


@pytest.mark.parametrize("phrase", ["@nasa", "www.nasa.gov", "by @nasa", "", "  ", "a b c d"])
def test_skipped_listed_phrases(phrase: str) -> None:
    gazetteer = make_gazetteer(lists={"company": [phrase]}, max_length=3)
    assert gazetteer.phrases == []
    assert gazetteer.types == ["company"]
    assert found(gazetteer, make_doc("by @bob https://x.y a b c d")) == []


@pytest.mark.parametrize(
    ("n_entities", "n_others", "grade"),
    [
        (1, 0, ">=90%, 1"),
        (2, 0, ">=90%, +"),
        (9, 1, ">=90%, +"),
        (1, 1, "<90%, 1"),
        (8, 1, "<90%, +"),
        (1, 2, "<50%, 1"),
        (2, 3, "<50%, +"),
        (1, 9, "<50%, 1"),
        (1, 10, "<10%, 1"),
        (2, 19, "<10%, +"),
    ],
)
def test_phrases_of_the_training_data_are_graded(
    n_entities: int, n_others: int, grade: str
) -> None:
    docs = [gold_doc("may", (0, 1, "person"))] * n_entities + [gold_doc("may")] * n_others
    assert found_in("in May", docs) == [(1, "person", "B", grade)]


def test_each_type_has_its_own_grade() -> None:
    docs = [gold_doc("apple", (0, 1, label)) for label in ("product", "company", "company")]
    assert found_in("apple", docs) == [
        (0, "product", "B", "<50%, 1"),
        (0, "company", "B", "<90%, +"),
    ]


def test_occurrences_inside_of_entities_count() -> None:
    gazetteer = make_gazetteer(TRAIN)
    assert gazetteer.types == ["company", "geo", "person"]
    assert found(gazetteer, make_doc("new york")) == [
        (0, "geo", "B", "<90%, +"),
        (1, "geo", "I", "<90%, +"),
    ]
    assert found(gazetteer, make_doc("a new york times")) == [
        (1, "company", "B", ">=90%, 1"),
        (2, "company", "I", ">=90%, 1"),
        (3, "company", "I", ">=90%, 1"),
    ]


def test_sources_have_different_features() -> None:
    assert found_in("new york", TRAIN, lists=LISTS) == [
        (0, "geo", "B", "list"),
        (0, "geo", "B", "<90%, +"),
        (1, "geo", "I", "list"),
        (1, "geo", "I", "<90%, +"),
    ]
    # Longest match per type: phrases of one type do not hide those of another.
    features = found_in("the new york area", TRAIN, lists=LISTS)
    assert [f for f in features if f[3] != "list"] == [
        (1, "geo", "B", "<90%, +"),
        (2, "geo", "I", "<90%, +"),
    ]
    assert [f[0] for f in features if f[3] == "list"] == [0, 1, 2, 3]


def test_rare_and_long_training_phrases_are_skipped() -> None:
    assert make_gazetteer(TRAIN, min_count=2).phrases == [("new", "york")]
    assert make_gazetteer(TRAIN, max_length=1).phrases == [("apple",), ("bob",)]
    assert make_gazetteer(TRAIN, min_count=3).phrases == []
    assert found_in("new york", TRAIN, min_count=3) == []


def test_unannotated_docs_are_ignored() -> None:
    unannotated = make_docs(*["apple"] * 10)
    partly = make_doc("apple apple")
    partly.set_ents([], outside=[partly[:1]], default="missing")
    assert found_in("apple", [gold_doc("apple", (0, 1, "company")), *unannotated]) == [
        (0, "company", "B", ">=90%, 1")
    ]
    assert found_in("apple", [gold_doc("apple", (0, 1, "company")), partly]) == [
        (0, "company", "B", "<90%, 1")
    ]


def test_entity_seen_once_is_held_out_from_its_doc() -> None:
    gazetteer = make_gazetteer(TRAIN)
    bob = make_doc("Bob may go")
    assert found(gazetteer, bob, hold_out=True) == []
    assert found(gazetteer, bob, hold_out=False) == [(0, "person", "B", ">=90%, 1")]
    # It is found in another doc, even in training.
    other = make_doc("hello Bob")
    assert found(gazetteer, bob, other, hold_out=True) == [(4, "person", "B", ">=90%, 1")]


def test_own_occurrences_are_discounted() -> None:
    gazetteer = make_gazetteer(TRAIN)
    # As an entity: of "new york", one is left, beside the one in "new york times".
    assert {f[3] for f in found(gazetteer, TRAIN[0], hold_out=True)} == {"<90%, 1"}
    # As no entity: of "apple", two are left, one of them an entity; and one of four before.
    assert found(gazetteer, TRAIN[3], hold_out=True) == [(0, "company", "B", "<90%, 1")]
    assert found(gazetteer, TRAIN[3], hold_out=False) == [(0, "company", "B", "<50%, 1")]


def test_held_out_phrase_does_not_hide_shorter_ones() -> None:
    gazetteer = make_gazetteer(TRAIN)
    assert [f[:3] for f in found(gazetteer, TRAIN[2], hold_out=True)] == [
        (1, "geo", "B"),
        (2, "geo", "I"),
    ]


def test_docs_with_the_same_text_are_held_out_together() -> None:
    docs = [gold_doc("Bob !", (0, 1, "person")), gold_doc("Bob !", (0, 1, "person"))]
    gazetteer = make_gazetteer(docs)
    assert found(gazetteer, *docs, hold_out=True) == []
    assert found(gazetteer, make_doc("Bob ?"), hold_out=True) == [(0, "person", "B", ">=90%, +")]


@pytest.mark.parametrize("text", ["bob may go", "BOB MAY GO", "Bob ma y go", "Bob may g o"])
def test_held_out_text_ignores_case_and_tokenization(text: str) -> None:
    gazetteer = make_gazetteer(TRAIN)
    assert found(gazetteer, make_doc(text, Vocab()), hold_out=True) == []
    assert found(gazetteer, make_doc(text), hold_out=False) != []


WORDS = ["a", "b", "c"]


SPANS = st.sampled_from([[], [(0, 1)], [(0, 2)], [(1, 2)], [(0, 1), (1, 2)], [(1, 3)], [(0, 3)]])


@st.composite
def gold_docs(draw: st.DrawFn) -> Doc:
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
    ents = [(start, end) for start, end in draw(SPANS) if end <= len(words)]
    labels = draw(st.lists(st.sampled_from("XY"), min_size=len(ents), max_size=len(ents)))
    return gold_doc(" ".join(words), *((*ent, ls) for ent, ls in zip(ents, labels, strict=True)))


@pytest.mark.slow
@hypothesis_settings(max_examples=150)
@given(docs=st.lists(gold_docs(), min_size=1, max_size=8), min_count=st.integers(1, 2))
def test_hold_out_equals_a_gazetteer_without_the_doc(docs: list[Doc], min_count: int) -> None:
    lists: dict[str, list[str]] = {"X": ["a b"], "Y": []}
    gazetteer = make_gazetteer(docs, lists, min_count=min_count)
    for doc in docs:
        others = [other for other in docs if other.text != doc.text]
        without = make_gazetteer(others, lists, min_count=min_count)
        assert found(gazetteer, doc, hold_out=True) == found(without, doc, hold_out=False)
        new = gold_doc(f"{doc.text} d", *((e.start, e.end, e.label_) for e in doc.ents))
        assert found(gazetteer, new, hold_out=True) == found(gazetteer, new, hold_out=False)


def test_min_count_is_serialized() -> None:
    gazetteer = Gazetteer.from_bytes(make_gazetteer(TRAIN, min_count=2).to_bytes())
    assert found(gazetteer, make_doc("new york")) != []
    assert found(gazetteer, TRAIN[0], hold_out=True) == []


def test_order_of_docs_and_lists_does_not_matter() -> None:
    lists = {label: list(reversed(phrases)) for label, phrases in reversed(LISTS.items())}
    data = make_gazetteer(TRAIN, LISTS).to_bytes()
    assert make_gazetteer(reversed(TRAIN), lists).to_bytes() == data


def save_pipeline(path: Path, lists: dict[str, list[str]]) -> str:
    nlp = spacy.blank("xx")
    parts = {"words": {"@architectures": f"{PREFIX}.LexemeFeatures.v1", **NORM}}
    phrases = {"@architectures": f"{PREFIX}.GazetteerEmbed.v1", "width": 3}
    embed = {"@architectures": f"{PREFIX}.TweetEmbed.v1", "*": parts, "phrases": phrases}
    encode = {"@architectures": f"{PREFIX}.BiLSTMEncoder.v1", "hidden_width": 2}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    tagger = {"@architectures": f"{PREFIX}.BiLSTMTagger.v1", "tok2vec": tok2vec}
    ner = nlp.add_pipe("twitter_bilstm_ner", config={"model": tagger})
    examples = [
        Example(
            make_doc("in paris", nlp.vocab), gold_doc("in paris", (1, 2, "geo"), vocab=nlp.vocab)
        )
    ]
    ner.initialize(lambda: examples, phrases=lists)
    nlp.to_disk(path)
    return str(path)


def test_phrases_of_a_pipeline(tmp_path: Path) -> None:
    lists = {"city": ["New York", "paris"], "name": ["bob"]}
    phrases = create_pipeline_phrases(save_pipeline(tmp_path, lists))
    assert {label: sorted(found) for label, found in phrases.items()} == {
        "city": ["new york", "paris"],
        "name": ["bob"],
    }


def test_pipeline_without_phrases(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no phrase lists"):
        create_pipeline_phrases(save_pipeline(tmp_path, {}))
