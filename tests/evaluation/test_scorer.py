import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_twitter_ner.evaluation.scorer import is_correct, make_entity_scorer, score_entities
from spacy_twitter_ner.partial import map_entities

VOCAB = spacy.blank("xx").vocab
NOTHING = dict.fromkeys(("ents_p", "ents_r", "ents_f", "ents_per_type"))
TAGS = st.sampled_from(["O", "B-LOC", "I-LOC", "B-TEAM", ""])


def make_doc(words: str, *ents: tuple[int, int, str], text: str | None = None) -> Doc:
    """Make a doc from words and entities, with the spaces of the text if given."""
    spaces, rest = None, text
    if rest is not None:
        spaces = []
        for word in words.split():
            rest = rest[len(word) :]
            spaces.append(rest.startswith(" "))
            rest = rest.removeprefix(" ")
    doc = Doc(VOCAB, words=words.split(), spaces=spaces)
    doc.set_ents([Span(doc, start, end, label) for start, end, label in ents])
    return doc


def counts(predicted: Doc, reference: Doc) -> tuple[float, float]:
    scores = score_entities([Example(predicted, reference)])
    return scores["ents_p"], scores["ents_r"]


@pytest.mark.parametrize(
    ("predicted", "reference", "expected"),
    [
        (make_doc("a b", (0, 2, "X")), make_doc("a b", (0, 2, "X")), (1, 1)),
        (make_doc("a b", (0, 2, "Y")), make_doc("a b", (0, 2, "X")), (0, 0)),
        (make_doc("a b", (0, 1, "X")), make_doc("a b", (0, 2, "X")), (0, 0)),
        (make_doc("a b"), make_doc("a b", (0, 2, "X")), (0, 0)),
        (make_doc("a b", (0, 1, "X"), (1, 2, "X")), make_doc("a b", (0, 1, "X")), (0.5, 1)),
        # Same boundaries, other tokens.
        (
            make_doc("# Arsenal won", (0, 2, "X"), text="#Arsenal won"),
            make_doc("#Arsenal won", (0, 1, "X"), text="#Arsenal won"),
            (1, 1),
        ),
        # Other boundaries within the same gold token.
        (
            make_doc("# Arsenal won", (1, 2, "X"), text="#Arsenal won"),
            make_doc("#Arsenal won", (0, 1, "X"), text="#Arsenal won"),
            (0, 0),
        ),
        # Other whitespace, as in docs from token/tag files.
        (
            make_doc("Kim 's cat", (0, 1, "X"), (2, 3, "X"), text="Kim's cat"),
            make_doc("Kim 's cat", (0, 1, "X"), (2, 3, "X")),
            (1, 1),
        ),
    ],
)
def test_score_entities_compares_types_and_characters(predicted, reference, expected):
    assert counts(predicted, reference) == expected


def test_score_entities_is_stricter_than_spacy_on_raw_text():
    predicted = make_doc("# Arsenal won", (1, 2, "X"), text="#Arsenal won")
    reference = make_doc("#Arsenal won", (0, 1, "X"), text="#Arsenal won")
    assert get_ner_prf([Example(predicted, reference)])["ents_f"] == 1
    assert score_entities([Example(predicted, reference)])["ents_f"] == 0


def test_score_entities_ignores_missing_annotation():
    reference = Doc(VOCAB, words=["a", "b", "c", "d"], ents=["B-X", "", "", "O"])
    assert counts(make_doc("a b c d", (0, 1, "X"), (2, 3, "X")), reference) == (1, 1)
    assert counts(make_doc("a b c d", (0, 1, "X"), (2, 4, "X")), reference) == (1, 1)
    assert counts(make_doc("a b c d", (0, 1, "X"), (3, 4, "X")), reference) == (0.5, 1)
    nothing = Doc(VOCAB, words=["a", "b"])
    assert score_entities([Example(make_doc("a b", (0, 1, "X")), nothing)]) == NOTHING


def test_score_entities_without_entities_returns_none():
    assert score_entities([]) == NOTHING
    assert score_entities([Example(make_doc("a"), make_doc("a"))]) == NOTHING


@given(
    st.lists(
        st.integers(0, 6).flatmap(
            lambda n: st.tuples(*(st.lists(TAGS, min_size=n, max_size=n) for _ in range(2)))
        ),
        max_size=4,
    )
)
def test_score_entities_equals_spacy_on_gold_tokens(batch):
    examples = []
    for predicted, reference in batch:
        words = ["w"] * len(reference)
        # Doc doesn't accept an I-LOC that continues no entity.
        tags = [
            [
                "B-LOC" if tag == "I-LOC" and (i == 0 or tags[i - 1][2:] != "LOC") else tag
                for i, tag in enumerate(tags)
            ]
            for tags in (predicted, reference)
        ]
        docs = [Doc(VOCAB, words=words, ents=doc_tags) for doc_tags in tags]
        examples.append(Example(*docs))
    expected = get_ner_prf(examples)
    found = score_entities(examples)
    for key in ("ents_p", "ents_r", "ents_f"):
        assert found[key] == pytest.approx(expected[key])
    assert (found["ents_per_type"] or {}) == {
        label: pytest.approx(scores) for label, scores in (expected["ents_per_type"] or {}).items()
    }


def test_make_entity_scorer_in_pipeline_config(nlp):
    assert nlp.add_pipe("twitter_bilstm_ner").scorer is make_entity_scorer()
    scorer = {"@scorers": "spacy-twitter-ner.entity_scorer.v1"}
    assert nlp.add_pipe("ner", config={"scorer": scorer}).scorer is make_entity_scorer()


def partial_scores(*predicted: tuple[int, int, str]) -> tuple[float, float]:
    """Score against "a b" of type X or Y, and "d" of type Z; W is not annotated."""
    reference = make_doc("a b c d", (0, 2, "XY"), (3, 4, "Z"))
    map_entities(reference, {"XY": ["X", "Y"], "Z": ["Z"]}, ["W"])
    return counts(make_doc("a b c d", *predicted), reference)


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([(0, 2, "X"), (3, 4, "Z")], (1, 1)),
        ([(0, 2, "Y"), (3, 4, "Z")], (1, 1)),
        ([(0, 2, "Z"), (3, 4, "Z")], (1 / 2, 1 / 2)),
        ([(0, 1, "X"), (3, 4, "Z")], (1 / 2, 1 / 2)),
        ([(0, 2, "X"), (2, 3, "W"), (3, 4, "Z")], (1, 1)),
        ([(0, 2, "X"), (2, 3, "Z"), (3, 4, "Z")], (2 / 3, 1)),
        ([(0, 2, "W"), (3, 4, "Z")], (1, 1 / 2)),
        ([], (0, 0)),
    ],
    ids=str,
)
def test_partial_annotation(
    predicted: list[tuple[int, int, str]], expected: tuple[float, float]
) -> None:
    assert partial_scores(*predicted) == pytest.approx(expected)


def test_correctness_with_partial_annotation() -> None:
    reference = make_doc("a b c d", (0, 2, "XY"))
    map_entities(reference, {"XY": ["X", "Y"]}, ["W"])
    doc = make_doc("a b c d")
    spans = [Span(doc, 0, 2, "Y"), Span(doc, 0, 2, "Z"), Span(doc, 3, 4, "W"), Span(doc, 3, 4, "X")]
    assert is_correct(reference, spans) == [True, False, None, False]
