import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_twitter_ner.iob import bio_tags, spans_to_bio, tags_to_spans
from spacy_twitter_ner.pipeline.annotation import (
    entity_constraints,
    set_entities,
    tags_to_entities,
    trim_white_space,
)

from .util import add_fake_ner, entities

TYPES = ["LOC", "PERSON"]
TAGS = bio_tags(TYPES)
VOCAB = spacy.blank("xx").vocab


def make_doc(words: str | list[str], **annotation) -> Doc:
    words = words.split() if isinstance(words, str) else words
    return Doc(VOCAB, words=words, **annotation)


def numbers(tags: str) -> numpy.ndarray:
    return numpy.asarray([TAGS.index(tag) for tag in tags.split()], dtype="int64")


def iob(doc: Doc) -> str:
    return " ".join(token.ent_iob_ or "-" for token in doc)


def masks(docs: list[Doc]) -> list[str]:
    """Each of the three masks, as one string with an x where it holds."""
    found = entity_constraints(docs)
    assert all(mask.dtype == bool for mask in found)
    return ["".join("x" if marked else "." for marked in mask) for mask in found]


# entity_constraints: a doc's first token is a sentence start by itself


def test_nothing_is_forbidden_in_a_bare_doc():
    assert masks([make_doc("in New York")]) == ["...", "x..", "..."]


def test_no_entity_touches_a_preset_one():
    doc = make_doc("in New York or Rome", ents=["O", "B-LOC", "I-LOC", "", ""])
    assert masks([doc]) == [".xx..", "xxx..", "....."]


def test_no_entity_touches_a_blocked_token():
    doc = make_doc("in New York or Rome")
    doc.set_ents([], blocked=[doc[1:3]], default="missing")
    assert masks([doc]) == [".xx..", "xxx..", "....."]


def test_outside_is_no_obstacle():
    doc = make_doc("in Rome")
    doc.set_ents([], default="outside")
    assert masks([doc]) == ["..", "x.", ".."]


def test_no_entity_begins_on_white_space():
    assert masks([make_doc([" ", "New", "\n\t", "York", "\u3000"])]) == ["x.x.x", "x....", "x.x.x"]


@pytest.mark.parametrize(
    ("sent_starts", "no_inside"),
    [
        ([True, False, True], "x.x"),
        ([False, False, True], "..x"),
        ([None, None, None], "..."),
        ([-1, 0, 1], "..x"),
    ],
)
def test_no_entity_crosses_a_sentence_start(sent_starts, no_inside):
    doc = make_doc("New York Rome", sent_starts=sent_starts)
    assert masks([doc]) == ["...", no_inside, "..."]


def test_batches_with_empty_docs():
    preset = make_doc("in Rome", ents=["O", "B-LOC"])
    white = make_doc(["\n", "Rome"], sent_starts=[True, True])
    empty = make_doc([])
    expected = [".xx.", "xxxx", "..x."]
    assert masks([preset, white]) == expected
    assert masks([empty, preset, empty, empty, white, empty]) == expected
    assert masks([empty, empty]) == masks([]) == ["", "", ""]


# trim_white_space


@pytest.mark.parametrize(
    ("tags", "is_space", "expected"),
    [
        ("B-LOC I-LOC", "..", "B-LOC I-LOC"),
        ("B-LOC I-LOC", ".x", "B-LOC O"),
        ("B-LOC I-LOC I-LOC", ".xx", "B-LOC O O"),
        ("B-LOC I-LOC I-LOC", ".x.", "B-LOC I-LOC I-LOC"),
        ("B-LOC I-LOC I-LOC I-LOC I-LOC", ".xx.x", "B-LOC I-LOC I-LOC I-LOC O"),
        # followed by an entity of the same type, and of another one
        ("B-LOC I-LOC B-LOC I-LOC", ".x.x", "B-LOC O B-LOC O"),
        ("B-LOC I-LOC B-PERSON", ".x.", "B-LOC O B-PERSON"),
        ("B-LOC I-LOC O", ".xx", "B-LOC O O"),
        ("O O", "xx", "O O"),
        ("", "", ""),
    ],
)
def test_trim_white_space(tags, is_space, expected):
    mask = numpy.asarray([mark == "x" for mark in is_space], dtype=bool)
    array = numbers(tags)
    assert trim_white_space(array, mask) is array
    assert array.tolist() == numbers(expected).tolist()


# tags_to_entities

SEQUENCES = st.lists(st.lists(st.sampled_from(TAGS), max_size=8), max_size=5)


@given(SEQUENCES)
def test_entities_are_those_of_the_tags(sequences):
    valid = [spans_to_bio(tags_to_spans(tags), len(tags)) for tags in sequences]
    docs = [make_doc(["word"] * len(tags)) for tags in valid]
    found = tags_to_entities(docs, [numbers(" ".join(tags)) for tags in valid], TYPES)
    assert [[(ent.start, ent.end, ent.label_) for ent in ents] for ents in found] == [
        tags_to_spans(tags) for tags in valid
    ]
    assert all(ent.doc is doc for doc, ents in zip(docs, found, strict=True) for ent in ents)


def test_an_entity_ends_with_its_doc():
    docs = [make_doc("New York"), make_doc([]), make_doc("Rome now"), make_doc([])]
    tags = [numbers("B-LOC I-LOC"), numbers(""), numbers("B-LOC O"), numbers("")]
    found = tags_to_entities(docs, tags, TYPES)
    assert [[str(ent) for ent in ents] for ents in found] == [["New York"], [], ["Rome"], []]


def test_no_docs():
    assert tags_to_entities([], [], TYPES) == []


# set_entities


def test_the_rest_of_a_bare_doc_becomes_outside():
    doc = make_doc("in New York")
    set_entities(doc, [Span(doc, 1, 3, label="LOC")])
    assert entities([doc]) == [[(1, 3, "LOC")]]
    assert iob(doc) == "O B I"


@pytest.mark.parametrize("words", ["", "so tired"])
def test_no_entities(words):
    doc = make_doc(words)
    set_entities(doc, [])
    assert not doc.ents
    assert doc.has_annotation("ENT_IOB")
    assert all(token.ent_iob_ == "O" for token in doc)


def test_what_others_annotated_stays():
    doc = make_doc("Bob in New York or Rome now ok")
    person = Span(doc, 0, 1, label="PERSON", kb_id="Q1", span_id="rule-7")
    doc.set_ents([person], blocked=[doc[1:2]], outside=[doc[7:8]], default="missing")
    set_entities(doc, [Span(doc, 2, 4, label="LOC"), Span(doc, 5, 6, label="LOC")])
    assert entities([doc]) == [[(0, 1, "PERSON"), (2, 4, "LOC"), (5, 6, "LOC")]]
    assert (doc.ents[0].kb_id_, doc.ents[0].id_) == ("Q1", "rule-7")
    # Token.ent_iob is B for a blocked token too, but without a type.
    assert iob(doc) == "B B B I O B O O"
    assert [token.ent_type_ for token in doc][:2] == ["PERSON", ""]


def test_outside_may_become_an_entity():
    """As in spaCy's ner: O is no more than what an earlier component did not find."""
    doc = make_doc("in New York")
    doc.set_ents([], default="outside")
    set_entities(doc, [Span(doc, 1, 3, label="LOC")])
    assert entities([doc]) == [[(1, 3, "LOC")]]


def test_entities_side_by_side():
    doc = make_doc("Rome Rome Rome")
    doc.set_ents([Span(doc, 1, 2, label="LOC")], default="missing")
    set_entities(doc, [Span(doc, 0, 1, label="LOC"), Span(doc, 2, 3, label="LOC")])
    assert entities([doc]) == [[(0, 1, "LOC"), (1, 2, "LOC"), (2, 3, "LOC")]]


# all of it, in a pipeline whose model wants an entity everywhere


@pytest.fixture
def eager(nlp):
    """A pipeline that would make one entity of everything."""
    add_fake_ner(nlp, ["LOC"], lambda token: ["I-LOC", "B-LOC"])
    return nlp


def test_one_entity_after_another(eager):
    assert entities([eager("New York Rome")]) == [[(0, 3, "LOC")]]


def test_preset_entities_in_a_pipeline(eager):
    doc = eager.make_doc("a b Bob c d")
    doc.set_ents([Span(doc, 2, 3, label="PERSON")], default="missing")
    assert entities([eager(doc)]) == [[(0, 2, "LOC"), (2, 3, "PERSON"), (3, 5, "LOC")]]


def test_an_entity_ruler_before(eager):
    ruler = eager.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "PERSON", "pattern": "Bob Ross", "id": "painter"}])
    doc = eager("a Bob Ross b")
    assert entities([doc]) == [[(0, 1, "LOC"), (1, 3, "PERSON"), (3, 4, "LOC")]]
    assert doc.ents[1].ent_id_ == "painter"


def test_an_entity_ruler_behind(eager):
    ruler = eager.add_pipe("entity_ruler", config={"overwrite_ents": True})
    ruler.add_patterns([{"label": "PERSON", "pattern": "Bob"}])
    assert entities([eager("a Bob")]) == [[(1, 2, "PERSON")]]


def test_blocked_tokens_in_a_pipeline(eager):
    doc = eager.make_doc("a b c d")
    doc.set_ents([], blocked=[doc[1:2]], default="missing")
    eager(doc)
    assert entities([doc]) == [[(0, 1, "LOC"), (2, 4, "LOC")]]
    assert (doc[1].ent_iob, doc[1].ent_type_) == (3, "")


def test_a_blocked_doc(eager):
    doc = eager.make_doc("a b")
    doc.set_ents([], default="blocked")
    eager(doc)
    assert not doc.ents
    assert [token.ent_iob for token in doc] == [3, 3]


def test_sentence_starts_in_a_pipeline(eager):
    eager.add_pipe("sentencizer", first=True)
    doc = eager("a b . c d")
    assert entities([doc]) == [[(0, 3, "LOC"), (3, 5, "LOC")]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  New York", ["New York"]),
        ("New York  \n", ["New York"]),
        ("New \n York", ["New \n York"]),
        (" \n ", []),
        ("\n\n a \t\n", ["a"]),
        ("", []),
    ],
)
def test_white_space_in_a_pipeline(eager, text, expected):
    doc = eager(text)
    assert [ent.text for ent in doc.ents] == expected
    assert doc.has_annotation("ENT_IOB")


def test_a_second_component_fills_what_the_first_left(nlp):
    add_fake_ner(nlp, ["LOC"], lambda token: ["B-LOC"] if token.text == "b" else [], "first")
    add_fake_ner(nlp, ["X"], lambda token: ["I-X", "B-X"], "second")
    assert entities([nlp("a b c d")]) == [[(0, 1, "X"), (1, 2, "LOC"), (2, 4, "X")]]
