from itertools import pairwise

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_twitter_ner import iob
from spacy_twitter_ner.pipeline import constraints
from spacy_twitter_ner.pipeline.constraints import (
    MISSING,
    OUTSIDE,
    entity_constraints,
    find_misaligned_entities,
    get_aligned_tags,
    set_entities,
    spans_to_entities,
    strip_whitespace,
    tags_to_spans,
)

from .util import add_fake_ner, entities

TYPES = ["LOC", "geo-loc", "PERSON"]
TAGS = iob.bio_tags(TYPES)
TYPE_INDEX = {label: index for index, label in enumerate(TYPES)}
VOCAB = spacy.blank("xx").vocab


def make_doc(words: str | list[str], **annotation) -> Doc:
    words = words.split() if isinstance(words, str) else words
    return Doc(VOCAB, words=words, **annotation)


def joined_doc(marked: str | list[str]) -> Doc:
    """Make a doc of words, of which those that end in "_" have no space after them."""
    marked = marked.split() if isinstance(marked, str) else marked
    words = [word.rstrip("_") for word in marked]
    return make_doc(words, spaces=[not word.endswith("_") for word in marked])


def bare_copy(doc: Doc, words: list[str] | None = None) -> Doc:
    words = [token.text for token in doc] if words is None else words
    return make_doc(words, spaces=[bool(token.whitespace_) for token in doc])


def to_array(tags: str | list[str]) -> numpy.ndarray:
    tags = tags.split() if isinstance(tags, str) else tags
    return numpy.asarray([TAGS.index(tag) for tag in tags], dtype="int64")


def ent_iob(doc: Doc) -> str:
    return " ".join(token.ent_iob_ or "-" for token in doc)


# entity_constraints


def masks(docs: list[Doc]) -> list[str]:
    """Each of the three masks as a string with an x where it is True."""
    found = entity_constraints(docs)
    assert all(mask.dtype == bool for mask in found)
    return ["".join("x" if marked else "." for marked in mask) for mask in found]


def blocked_doc(words: str, blocked: slice) -> Doc:
    doc = make_doc(words)
    doc.set_ents([], blocked=[doc[blocked]], default="missing")
    return doc


# A doc's first token is always a sentence start.
@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        (make_doc("in New York"), ["...", "x..", "..."]),
        (make_doc("in New York or", ents=["O", "B-X", "I-X", ""]), [".xx.", "xxx.", "...."]),
        (blocked_doc("in New York or", slice(1, 3)), [".xx.", "xxx.", "...."]),
        (make_doc("in Rome", ents=["O", "O"]), ["..", "x.", ".."]),
        (make_doc([" ", "a", "\n\t", "b", "\u3000"]), ["x.x.x", "x....", "x.x.x"]),
        (make_doc("a b c", sent_starts=[True, False, True]), ["...", "x.x", "..."]),
        (make_doc("a b c", sent_starts=[False, False, True]), ["...", "..x", "..."]),
        (make_doc("a b c", sent_starts=[None, None, None]), ["...", "...", "..."]),
        (make_doc("a b c", sent_starts=[-1, 0, 1]), ["...", "..x", "..."]),
    ],
)
def test_entity_constraints(doc, expected):
    assert masks([doc]) == expected


def test_entity_constraints_of_batch_with_empty_docs():
    preset = make_doc("in Rome", ents=["O", "B-LOC"])
    white = make_doc(["\n", "Rome"], sent_starts=[True, True])
    empty = make_doc([])
    expected = [".xx.", "xxxx", "..x."]
    assert masks([preset, white]) == expected
    assert masks([empty, preset, empty, empty, white, empty]) == expected
    assert masks([empty, empty]) == masks([]) == ["", "", ""]


# Tags to entities


@pytest.mark.parametrize(
    ("tags", "is_space", "expected"),
    [
        ("B-LOC I-LOC", "..", "B-LOC I-LOC"),
        ("B-LOC I-LOC", ".x", "B-LOC O"),
        ("B-LOC I-LOC I-LOC", ".xx", "B-LOC O O"),
        ("B-LOC I-LOC I-LOC", ".x.", "B-LOC I-LOC I-LOC"),
        ("B-LOC I-LOC I-LOC I-LOC I-LOC", ".xx.x", "B-LOC I-LOC I-LOC I-LOC O"),
        ("B-LOC I-LOC B-LOC I-LOC", ".x.x", "B-LOC O B-LOC O"),
        ("B-LOC I-LOC B-PERSON", ".x.", "B-LOC O B-PERSON"),
        ("B-LOC I-LOC O", ".xx", "B-LOC O O"),
        ("O O", "xx", "O O"),
        ("", "", ""),
    ],
)
def test_strip_whitespace(tags, is_space, expected):
    mask = numpy.asarray([mark == "x" for mark in is_space], dtype=bool)
    array = to_array(tags)
    assert strip_whitespace(array, mask) is array
    assert array.tolist() == to_array(expected).tolist()


@given(st.lists(st.lists(st.sampled_from(TAGS), max_size=8), max_size=5))
def test_tags_to_spans_and_entities(sequences):
    valid = [iob.to_bio(tags) for tags in sequences]
    docs = [make_doc(["word"] * len(tags)) for tags in valid]
    spans = tags_to_spans(to_array([tag for tags in valid for tag in tags]))
    found = spans_to_entities(docs, spans, TYPES)
    assert [[(ent.start, ent.end, ent.label_) for ent in ents] for ents in found] == [
        iob.tags_to_spans(tags) for tags in valid
    ]
    assert all(ent.doc is doc for doc, ents in zip(docs, found, strict=True) for ent in ents)


# set_entities


def test_set_entities_of_bare_doc():
    doc = make_doc("in New York")
    set_entities(doc, [Span(doc, 1, 3, label="LOC")])
    assert entities([doc]) == [[(1, 3, "LOC")]]
    assert ent_iob(doc) == "O B I"


@pytest.mark.parametrize("words", ["", "so tired"])
def test_set_no_entities(words):
    doc = make_doc(words)
    set_entities(doc, [])
    assert not doc.ents
    assert doc.has_annotation("ENT_IOB")
    assert all(token.ent_iob_ == "O" for token in doc)


def test_set_entities_keeps_annotation():
    doc = make_doc("Bob in New York or Rome now ok")
    person = Span(doc, 0, 1, label="PERSON", kb_id="Q1", span_id="rule-7")
    doc.set_ents([person], blocked=[doc[1:2]], outside=[doc[7:8]], default="missing")
    set_entities(doc, [Span(doc, 2, 4, label="LOC"), Span(doc, 5, 6, label="LOC")])
    assert entities([doc]) == [[(0, 1, "PERSON"), (2, 4, "LOC"), (5, 6, "LOC")]]
    assert (doc.ents[0].kb_id_, doc.ents[0].id_) == ("Q1", "rule-7")
    # Token.ent_iob is B for a blocked token too, but without a type.
    assert ent_iob(doc) == "B B B I O B O O"
    assert [token.ent_type_ for token in doc][:2] == ["PERSON", ""]


def test_set_entities_overwrites_outside():
    """Like spaCy's ner: O only means that an earlier component found no entity."""
    doc = make_doc("in New York")
    doc.set_ents([], default="outside")
    set_entities(doc, [Span(doc, 1, 3, label="LOC")])
    assert entities([doc]) == [[(1, 3, "LOC")]]


def test_set_adjacent_entities():
    doc = make_doc("Rome Rome Rome")
    doc.set_ents([Span(doc, 1, 2, label="LOC")], default="missing")
    set_entities(doc, [Span(doc, 0, 1, label="LOC"), Span(doc, 2, 3, label="LOC")])
    assert entities([doc]) == [[(0, 1, "LOC"), (1, 2, "LOC"), (2, 3, "LOC")]]


# Constraints in a pipeline whose model would predict one entity for the whole text


@pytest.fixture
def eager(nlp):
    add_fake_ner(nlp, ["LOC"], lambda token: ["I-LOC", "B-LOC"])
    return nlp


def test_pipeline_without_constraints(eager):
    assert entities([eager("New York Rome")]) == [[(0, 3, "LOC")]]


def test_pipeline_keeps_preset_entity(eager):
    doc = eager.make_doc("a b Bob c d")
    doc.set_ents([Span(doc, 2, 3, label="PERSON")], default="missing")
    assert entities([eager(doc)]) == [[(0, 2, "LOC"), (2, 3, "PERSON"), (3, 5, "LOC")]]


def test_pipeline_keeps_entities_of_ruler_before(eager):
    ruler = eager.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "PERSON", "pattern": "Bob Ross", "id": "painter"}])
    doc = eager("a Bob Ross b")
    assert entities([doc]) == [[(0, 1, "LOC"), (1, 3, "PERSON"), (3, 4, "LOC")]]
    assert doc.ents[1].ent_id_ == "painter"


def test_pipeline_with_ruler_after(eager):
    ruler = eager.add_pipe("entity_ruler", config={"overwrite_ents": True})
    ruler.add_patterns([{"label": "PERSON", "pattern": "Bob"}])
    assert entities([eager("a Bob")]) == [[(1, 2, "PERSON")]]


def test_pipeline_keeps_blocked_tokens(eager):
    doc = eager.make_doc("a b c d")
    doc.set_ents([], blocked=[doc[1:2]], default="missing")
    eager(doc)
    assert entities([doc]) == [[(0, 1, "LOC"), (2, 4, "LOC")]]
    assert (doc[1].ent_iob, doc[1].ent_type_) == (3, "")
    doc = eager.make_doc("a b")
    doc.set_ents([], default="blocked")
    eager(doc)
    assert not doc.ents
    assert [token.ent_iob for token in doc] == [3, 3]


def test_pipeline_respects_sentence_starts(eager):
    eager.add_pipe("sentencizer", first=True)
    assert entities([eager("a b . c d")]) == [[(0, 3, "LOC"), (3, 5, "LOC")]]


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
def test_pipeline_strips_whitespace(eager, text, expected):
    doc = eager(text)
    assert [ent.text for ent in doc.ents] == expected
    assert doc.has_annotation("ENT_IOB")


def test_pipeline_with_second_component(nlp):
    add_fake_ner(nlp, ["LOC"], lambda token: ["B-LOC"] if token.text == "b" else [], "first")
    add_fake_ner(nlp, ["X"], lambda token: ["I-X", "B-X"], "second")
    assert entities([nlp("a b c d")]) == [[(0, 1, "X"), (1, 2, "LOC"), (2, 4, "X")]]


# get_aligned_tags

WORDS = st.sampled_from(["in", "London", "#nlp", "@user", "a", "😀", " ", "\n", "\t "])
# An I without a B or I of the same type before it begins an entity.
STATES = st.sampled_from(["missing", "O", "blocked", *TAGS[1:]])
ANNOTATED_WORDS = st.lists(st.tuples(WORDS, STATES, st.booleans()), max_size=12)


def annotated_doc(annotated_words: list[tuple[str, str, bool]]) -> Doc:
    words, states, spaces = zip(*annotated_words, strict=True) if annotated_words else ((), (), ())
    doc = make_doc(list(words), spaces=list(spaces))
    tags = ["O" if state in ("missing", "blocked") else state for state in states]
    doc.set_ents(
        [Span(doc, *span) for span in iob.tags_to_spans(tags)],
        **{
            name: [doc[i : i + 1] for i, state in enumerate(states) if state == mark]
            for name, mark in (("blocked", "blocked"), ("missing", "missing"), ("outside", "O"))
        },
    )
    return doc


def spacy_tags(example: Example) -> list[int]:
    """The tags that spaCy aligns, as indices."""
    indices = {tag: index for index, tag in enumerate(TAGS)}
    indices |= {f"U{tag[1:]}": index for tag, index in indices.items() if tag[0] == "B"}
    indices |= {f"L{tag[1:]}": index for tag, index in indices.items() if tag[0] == "I"}
    return [indices.get(tag, MISSING) for tag in example.get_aligned_ner()]


def aligned_tags(example: Example) -> list[str | None]:
    tags = get_aligned_tags(example, TYPE_INDEX)
    return [None if tag == MISSING else TAGS[tag] for tag in tags]


@given(ANNOTATED_WORDS)
def test_aligned_tags_are_those_of_spacy(annotated_words):
    reference = annotated_doc(annotated_words)
    example = Example(bare_copy(reference), reference)
    tags = get_aligned_tags(example, TYPE_INDEX)
    assert tags.tolist() == spacy_tags(example)
    # Upper case makes other tokens, which are aligned one to one.
    upper = bare_copy(reference, [token.text.upper() for token in reference])
    aligned = get_aligned_tags(Example(upper, reference), TYPE_INDEX)
    assert aligned.tolist() == tags.tolist()
    assert aligned.dtype == tags.dtype == numpy.int64


def test_same_tokens_are_not_aligned(monkeypatch):
    # Alignment would be slow.
    monkeypatch.delattr(constraints, "_parse_tag")
    reference = make_doc("in London", ents=["O", "B-LOC"])
    assert aligned_tags(Example(bare_copy(reference), reference)) == ["O", "B-LOC"]


@pytest.mark.parametrize(
    ("biluo", "bio"),
    [
        (["U-LOC", "U-LOC"], ["B-LOC", "B-LOC"]),
        (["B-LOC", "L-LOC", "O"], ["B-LOC", "I-LOC", "O"]),
        (["B-geo-loc", "I-geo-loc", "L-geo-loc"], ["B-geo-loc", "I-geo-loc", "I-geo-loc"]),
        (["B-LOC", "L-LOC", "U-PERSON"], ["B-LOC", "I-LOC", "B-PERSON"]),
        (["-", "U-LOC", "-"], [None, "B-LOC", None]),
        (["-", "-", "-"], [None, None, None]),
        (["O", "O", "-"], ["O", "O", None]),
    ],
)
@pytest.mark.parametrize("form", [str.lower, str.upper])
def test_aligned_tags_from_biluo(biluo, bio, form):
    words = ["one", "two", "three"][: len(biluo)]
    predicted = make_doc([form(word) for word in words])
    example = Example.from_dict(predicted, {"words": words, "entities": biluo})
    assert aligned_tags(example) == bio


@pytest.mark.parametrize(
    ("reference", "predicted", "expected"),
    [
        # Split tokens
        ("NewYork/B-LOC wins/O", "New_ York wins", ["B-LOC", "I-LOC", "O"]),
        ("so/O good/O", "s_ o good", ["O", "O", "O"]),
        ("wow/- good/O", "w_ ow good", [None, None, "O"]),
        ("New/B-LOC York/I-LOC City/I-LOC", "New Y_ ork City", ["B-LOC", *["I-LOC"] * 3]),
        # Merged tokens
        ("New_/B-LOC York/I-LOC wins/O", "NewYork wins", ["B-LOC", "O"]),
        ("so_/O good/O", "sogood", ["O"]),
        ("wow_/- so/-  good/O", "wowso good", [None, "O"]),
        # Misaligned entities are missing, not O
        ("New_/B-LOC Yorker/O wins/O", "NewYorker wins", [None, "O"]),
        ("in_/O New/B-LOC York/I-LOC", "inNew York", [None, None]),
        ("New/B-LOC York_/I-LOC wins/O now/O", "New Yorkwins now", [None, None, "O"]),
        ("London_/B-LOC Bob/B-PERSON wins/O", "LondonBob wins", [None, "O"]),
        ("London/B-LOC Bob_/B-PERSON wins/O", "London Bobwins", ["B-LOC", None]),
        ("wow_/- so/O good/O", "wowso good", [None, "O"]),
        # Same number of tokens
        ("in_/O NewYork/B-LOC wins/O", "inNew_ York wins", [None, None, "O"]),
    ],
)
def test_aligned_tags_of_other_tokens(reference, predicted, expected):
    pairs = [word.split("/") for word in reference.split()]
    doc = joined_doc([word for word, _ in pairs])
    tags = [tag for _, tag in pairs]
    missing = [doc[i : i + 1] for i, tag in enumerate(tags) if tag == "-"]
    spans = iob.tags_to_spans(["O" if tag == "-" else tag for tag in tags])
    doc.set_ents([Span(doc, *span) for span in spans], missing=missing)
    example = Example(joined_doc(predicted), doc)
    assert example.text == example.reference.text
    assert aligned_tags(example) == expected


@pytest.mark.parametrize("form", [str.lower, str.upper])
def test_aligned_tags_of_unknown_type_is_key_error(form):
    predicted = make_doc([form("in"), form("london")])
    example = Example.from_dict(predicted, {"words": ["in", "london"], "entities": ["O", "U-city"]})
    with pytest.raises(KeyError, match="city"):
        get_aligned_tags(example, TYPE_INDEX)


def test_aligned_tags_of_empty_doc():
    assert aligned_tags(Example(make_doc([]), make_doc([]))) == []


# Misaligned entities


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ("to_ New York_ - A_ /_ B", []),
        ("to_ New Yo_ rk_ - A_ /_ B", []),
        ("toNew York_ - A_ /_ B", ["New York"]),
        ("to_ New York- A/B", ["New York", "A", "B"]),
    ],
)
def test_find_misaligned_entities(predicted, expected):
    reference = joined_doc("to_ New York_ - A_ /_ B")
    spans = [(1, 3, "LOC"), (4, 5, "LOC"), (6, 7, "PER")]
    reference.set_ents([Span(reference, *span) for span in spans])
    example = Example(joined_doc(predicted), reference)
    assert example.text == reference.text
    assert [entity.text for entity in find_misaligned_entities(example)] == expected


def test_find_misaligned_entities_of_empty_doc():
    assert find_misaligned_entities(Example(make_doc([]), make_doc([]))) == []


@given(ANNOTATED_WORDS, st.data())
def test_entities_are_either_misaligned_or_tagged(annotated_words, data):
    """Either all tokens of an entity have its tags, or all are missing, and none is O."""
    reference = annotated_doc(annotated_words)
    text = reference.text
    cuts = data.draw(st.sets(st.integers(1, max(len(text) - 1, 1))))
    offsets = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    words = [text[a:b] for a, b in pairwise(offsets) if a < b]
    predicted = make_doc(words, spaces=[False] * len(words))
    example = Example(predicted, reference)
    tags = get_aligned_tags(example, TYPE_INDEX)
    misaligned = find_misaligned_entities(example)
    for entity in reference.ents:
        begin = 2 * TYPE_INDEX[entity.label_] + 1
        tokens = sorted({*example.alignment.y2x[entity.start : entity.end].tolist()})
        visible = [tags[i] for i in tokens if not predicted[i].is_space]
        if entity in misaligned:
            assert not {begin, begin + 1} & {*tags[tokens]} or len(reference.ents) > 1
            assert OUTSIDE not in visible
        else:
            assert tags[tokens].tolist() == [begin] + [begin + 1] * (len(tokens) - 1)


def test_initialize_warns_about_misaligned_entities(nlp, caplog):
    ner = nlp.add_pipe("twitter_bilstm_ner")
    examples = []
    for number in range(12):
        reference = joined_doc(f"in_{number} “_ Drake{number}_ ” now_")
        reference.set_ents([Span(reference, 2, 3, "band")], default="outside")
        # The first quotation mark isn't split off.
        predicted = joined_doc(f"in_{number} “Drake{number}_ ” now_")
        examples.append(Example(predicted, reference))
    fine = Example.from_dict(nlp.make_doc("Drake now"), {"entities": [(0, 5, "band")]})
    nlp.initialize(lambda: [fine])
    assert not caplog.records
    with caplog.at_level("DEBUG", logger="spacy"):
        nlp.initialize(lambda: [*examples, fine])
    (warning,) = (r.getMessage() for r in caplog.records if r.levelname == "WARNING")
    assert "twitter_bilstm_ner: 12 of 13 entities in the training data are misaligned" in warning
    assert "\n  'Drake9' (band) in 'in_9 “Drake9” now'\n  and 2 more: " in warning
    listed = [r.getMessage() for r in caplog.records if "misaligned entity" in r.getMessage()]
    assert len(listed) == 12
    assert "Drake11" in listed[-1]
    assert nlp.update(examples[:1], losses={})[ner.name] > 0
    assert get_aligned_tags(examples[0], {"band": 0}).tolist() == [OUTSIDE, MISSING, 0, 0]
