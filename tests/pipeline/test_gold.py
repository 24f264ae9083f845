from itertools import pairwise

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_twitter_ner.iob import bio_tags, tags_to_spans
from spacy_twitter_ner.pipeline import gold
from spacy_twitter_ner.pipeline.gold import MISSING, find_cut_entities, gold_tags

TYPES = ["LOC", "geo-loc", "PERSON"]
TYPE_INDEX = {label: index for index, label in enumerate(TYPES)}
VOCAB = spacy.blank("xx").vocab

WORDS = st.sampled_from(["in", "London", "#nlp", "@user", "a", "😀", " ", "\n", "\t "])
# What a token may be; an entity of a type goes on while its type is drawn again without "B".
STATES = st.sampled_from(["missing", "O", "blocked", *bio_tags(TYPES)[1:]])
ANNOTATED_WORDS = st.lists(st.tuples(WORDS, STATES, st.booleans()), max_size=12)


def annotated_doc(annotated_words: list[tuple[str, str, bool]]) -> Doc:
    words, states, spaces = zip(*annotated_words, strict=True) if annotated_words else ((), (), ())
    doc = Doc(VOCAB, words=list(words), spaces=list(spaces))
    spans: dict[str, list] = {"missing": [], "O": [], "blocked": [], "entities": []}
    start = 0
    for index, state in enumerate(states):
        if state in spans:
            spans[state].append(doc[index : index + 1])
            continue
        previous = states[index - 1] if index else "O"
        if not state.startswith("I-") or previous[2:] != state[2:]:
            start = index
        if index + 1 == len(states) or states[index + 1] != f"I-{state[2:]}":
            spans["entities"].append(Span(doc, start, index + 1, label=state[2:]))
    doc.set_ents(
        spans["entities"],
        blocked=spans["blocked"],
        missing=spans["missing"],
        outside=spans["O"],
    )
    return doc


def bare_copy(doc: Doc, words: list[str] | None = None) -> Doc:
    words = [token.text for token in doc] if words is None else words
    return Doc(doc.vocab, words=words, spaces=[bool(token.whitespace_) for token in doc])


def spacys_tags(example: Example) -> list[int]:
    """The tags as spaCy aligns them, which is slow, in our numbers."""
    numbers = {tag: number for number, tag in enumerate(bio_tags(TYPES))}
    numbers |= {f"U{tag[1:]}": number for tag, number in numbers.items() if tag[0] == "B"}
    numbers |= {f"L{tag[1:]}": number for tag, number in numbers.items() if tag[0] == "I"}
    return [numbers.get(tag, MISSING) for tag in example.get_aligned_ner()]


def named(tags: numpy.ndarray) -> list[str | None]:
    return [None if tag == MISSING else bio_tags(TYPES)[tag] for tag in tags]


@given(ANNOTATED_WORDS)
def test_equal_tokens_give_what_spacy_aligns(annotated_words):
    reference = annotated_doc(annotated_words)
    example = Example(bare_copy(reference), reference)
    assert gold_tags(example, TYPE_INDEX).tolist() == spacys_tags(example)


@given(ANNOTATED_WORDS)
def test_both_ways_to_the_tags_agree(annotated_words):
    reference = annotated_doc(annotated_words)
    # Upper case keeps spaCy's alignment one to one, but makes the tokens different ones.
    upper = bare_copy(reference, [token.text.upper() for token in reference])
    aligned = gold_tags(Example(upper, reference), TYPE_INDEX)
    direct = gold_tags(Example(bare_copy(reference), reference), TYPE_INDEX)
    assert aligned.tolist() == direct.tolist()
    assert aligned.dtype == direct.dtype == numpy.int64


def test_equal_tokens_are_not_aligned(monkeypatch):
    # Alignment costs more than all the rest of an update's preparation together.
    monkeypatch.delattr(gold, "_tag_number")
    reference = Doc(VOCAB, words=["in", "London"], ents=["O", "B-LOC"])
    example = Example(bare_copy(reference), reference)
    assert named(gold_tags(example, TYPE_INDEX)) == ["O", "B-LOC"]


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
def test_biluo(biluo, bio, form):
    words = ["one", "two", "three"][: len(biluo)]
    predicted = Doc(VOCAB, words=[form(word) for word in words])
    example = Example.from_dict(predicted, {"words": words, "entities": biluo})
    assert named(gold_tags(example, TYPE_INDEX)) == bio


# Words that are written without a space between them are joined by "_".
@pytest.mark.parametrize(
    ("reference", "predicted", "expected"),
    [
        # split
        ("NewYork/B-LOC wins/O", "New_York wins", ["B-LOC", "I-LOC", "O"]),
        ("so/O good/O", "s_o good", ["O", "O", "O"]),
        ("wow/- good/O", "w_ow good", [None, None, "O"]),
        ("New/B-LOC York/I-LOC City/I-LOC", "New Y_ork City", ["B-LOC", *["I-LOC"] * 3]),
        # merged, nothing lost
        ("New_/B-LOC York/I-LOC wins/O", "NewYork wins", ["B-LOC", "O"]),
        ("so_/O good/O", "sogood", ["O"]),
        ("wow_/- so/-  good/O", "wowso good", [None, "O"]),
        # an entity cut: not an entity, but not outside of one either
        ("New_/B-LOC Yorker/O wins/O", "NewYorker wins", [None, "O"]),
        ("in_/O New/B-LOC York/I-LOC", "inNew York", [None, None]),
        ("New/B-LOC York_/I-LOC wins/O now/O", "New Yorkwins now", [None, None, "O"]),
        ("London_/B-LOC Bob/B-PERSON wins/O", "LondonBob wins", [None, "O"]),
        ("London/B-LOC Bob_/B-PERSON wins/O", "London Bobwins", ["B-LOC", None]),
        ("wow_/- so/O good/O", "wowso good", [None, "O"]),
        # as many tokens, but not the same ones
        ("in_/O NewYork/B-LOC wins/O", "inNew_York wins", [None, None, "O"]),
    ],
)
def test_other_tokens(reference, predicted, expected):
    pairs = [word.split("/") for word in reference.split()]
    words, spaces = split_words([word for word, _ in pairs])
    reference_doc = Doc(VOCAB, words=words, spaces=spaces)
    tags = [tag for _, tag in pairs]
    missing = [reference_doc[i : i + 1] for i, tag in enumerate(tags) if tag == "-"]
    spans = tags_to_spans(["O" if tag == "-" else tag for tag in tags])
    reference_doc.set_ents([Span(reference_doc, *span) for span in spans], missing=missing)
    words, spaces = split_words(predicted.replace("_", "_ ").split())
    example = Example(Doc(VOCAB, words=words, spaces=spaces), reference_doc)
    assert example.text == example.reference.text
    assert named(gold_tags(example, TYPE_INDEX)) == expected


def split_words(marked: list[str]) -> tuple[list[str], list[bool]]:
    return [word.rstrip("_") for word in marked], [not word.endswith("_") for word in marked]


@pytest.mark.parametrize("form", [str.lower, str.upper])
def test_an_unknown_type_is_a_key_error(form):
    predicted = Doc(VOCAB, words=[form("in"), form("london")])
    example = Example.from_dict(predicted, {"words": ["in", "london"], "entities": ["O", "U-city"]})
    with pytest.raises(KeyError, match="city"):
        gold_tags(example, TYPE_INDEX)


def test_empty_doc():
    example = Example(Doc(VOCAB), Doc(VOCAB))
    assert gold_tags(example, TYPE_INDEX).tolist() == []


def cut_entities(reference: Doc, *predicted: str) -> list[str]:
    """The entities of a doc that are cut by other tokens, which stand with "_" where there is no
    space after them."""
    words, spaces = split_words(list(predicted))
    example = Example(Doc(VOCAB, words=words, spaces=spaces), reference)
    assert example.text == reference.text
    return [entity.text for entity in find_cut_entities(example)]


def test_cut_entities():
    words, spaces = split_words(["to_", "New", "York_", "-", "A_", "/_", "B"])
    reference = Doc(VOCAB, words=words, spaces=spaces)
    ents = [
        Span(reference, 1, 3, "LOC"),
        Span(reference, 4, 5, "LOC"),
        Span(reference, 6, 7, "PER"),
    ]
    reference.set_ents(ents)
    assert cut_entities(reference, "to_", "New", "York_", "-", "A_", "/_", "B") == []
    assert cut_entities(reference, "to_", "New", "Yo_", "rk_", "-", "A_", "/_", "B") == []
    assert cut_entities(reference, "toNew", "York_", "-", "A_", "/_", "B") == ["New York"]
    assert cut_entities(reference, "to_", "New", "York-", "A/B") == ["New York", "A", "B"]
    assert find_cut_entities(Example(Doc(VOCAB), Doc(VOCAB))) == []


@given(ANNOTATED_WORDS, st.data())
def test_an_entity_is_cut_or_learned(annotated_words, data):
    """Of each entity either all tokens are learned, or none of them is, and none as O."""
    reference = annotated_doc(annotated_words)
    text = reference.text
    cuts = data.draw(st.sets(st.integers(1, max(len(text) - 1, 1))))
    borders = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[a:b] for a, b in pairwise(borders) if a < b]
    predicted = Doc(VOCAB, words=pieces, spaces=[False] * len(pieces))
    example = Example(predicted, reference)
    tags = gold_tags(example, TYPE_INDEX)
    cut = find_cut_entities(example)
    for entity in reference.ents:
        begin = 2 * TYPE_INDEX[entity.label_] + 1
        tokens = sorted({*example.alignment.y2x[entity.start : entity.end].tolist()})
        visible = [tags[i] for i in tokens if not predicted[i].is_space]
        if entity in cut:
            assert not {begin, begin + 1} & {*tags[tokens]} or len(reference.ents) > 1
            assert gold.OUTSIDE not in visible
        else:
            assert tags[tokens].tolist() == [begin] + [begin + 1] * (len(tokens) - 1)


def test_cut_entities_are_listed(nlp, caplog):
    """When training begins: ten as a warning, all of them for those who want to know."""
    ner = nlp.add_pipe("twitter_bilstm_ner")
    examples = []
    for number in range(12):
        words, spaces = split_words([f"in_{number}", "“_", f"Drake{number}_", "”", "now_"])
        reference = Doc(VOCAB, words=words, spaces=spaces, ents=["O", "O", "B-band", "O", "O"])
        # The first quotation mark stays with the name.
        words, spaces = split_words([f"in_{number}", f"“Drake{number}_", "”", "now_"])
        examples.append(Example(Doc(nlp.vocab, words=words, spaces=spaces), reference))
    fine = Example.from_dict(nlp.make_doc("Drake now"), {"entities": [(0, 5, "band")]})
    nlp.initialize(lambda: [fine])
    assert not caplog.records
    with caplog.at_level("DEBUG", logger="spacy"):
        nlp.initialize(lambda: [*examples, fine])
    (warning,) = (r.getMessage() for r in caplog.records if r.levelname == "WARNING")
    assert "twitter_bilstm_ner: 12 of 13 entities of the training data do not begin" in warning
    assert "\n  'Drake9' (band) in 'in_9 “Drake9” now'\n  and 2 more: " in warning
    listed = [r.getMessage() for r in caplog.records if "cut by tokenization" in r.getMessage()]
    assert len(listed) == 12
    assert "Drake11" in listed[-1]
    # They teach nothing, least of all that there is no entity.
    losses = nlp.update(examples[:1], losses={})
    assert losses[ner.name] > 0
    tags = gold_tags(examples[0], {"band": 0})
    assert named_in(tags, examples[0].predicted) == {"in_0": 0, "“Drake0": -1, "”": 0, "now": 0}


def named_in(tags: numpy.ndarray, doc: Doc) -> dict[str, int]:
    return {token.text: int(tag) for token, tag in zip(doc, tags, strict=True)}
