import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_twitter_ner.evaluation.scorer import make_entity_scorer, score_entities

VOCAB = spacy.blank("xx").vocab
NOTHING = dict.fromkeys(("ents_p", "ents_r", "ents_f", "ents_per_type"))
TAGS = st.sampled_from(["O", "B-LOC", "I-LOC", "B-TEAM", ""])


def make_doc(words: str, *ents: tuple[int, int, str], text: str | None = None) -> Doc:
    """A doc of words with entities; with the spaces of a text, if one is given."""
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
        # Right, of another type, another span, and nothing found.
        (make_doc("a b", (0, 2, "X")), make_doc("a b", (0, 2, "X")), (1, 1)),
        (make_doc("a b", (0, 2, "Y")), make_doc("a b", (0, 2, "X")), (0, 0)),
        (make_doc("a b", (0, 1, "X")), make_doc("a b", (0, 2, "X")), (0, 0)),
        (make_doc("a b"), make_doc("a b", (0, 2, "X")), (0, 0)),
        (make_doc("a b", (0, 1, "X"), (1, 2, "X")), make_doc("a b", (0, 1, "X")), (0.5, 1)),
        # Cut in the same places by other tokens: right.
        (
            make_doc("# Arsenal won", (0, 2, "X"), text="#Arsenal won"),
            make_doc("#Arsenal won", (0, 1, "X"), text="#Arsenal won"),
            (1, 1),
        ),
        # Cut in another place: wrong, although it touches no other gold token.
        (
            make_doc("# Arsenal won", (1, 2, "X"), text="#Arsenal won"),
            make_doc("#Arsenal won", (0, 1, "X"), text="#Arsenal won"),
            (0, 0),
        ),
        # The texts differ in their spaces: the docs of token/tag files have one between any two.
        (
            make_doc("Kim 's cat", (0, 1, "X"), (2, 3, "X"), text="Kim's cat"),
            make_doc("Kim 's cat", (0, 1, "X"), (2, 3, "X")),
            (1, 1),
        ),
    ],
)
def test_what_counts_as_right(predicted, reference, expected):
    assert counts(predicted, reference) == expected


def test_spacys_scorer_forgives_what_this_one_does_not():
    predicted = make_doc("# Arsenal won", (1, 2, "X"), text="#Arsenal won")
    reference = make_doc("#Arsenal won", (0, 1, "X"), text="#Arsenal won")
    assert get_ner_prf([Example(predicted, reference)])["ents_f"] == 1
    assert score_entities([Example(predicted, reference)])["ents_f"] == 0


def test_missing_annotation_counts_for_nothing():
    reference = Doc(VOCAB, words=["a", "b", "c", "d"], ents=["B-X", "", "", "O"])
    assert counts(make_doc("a b c d", (0, 1, "X"), (2, 3, "X")), reference) == (1, 1)
    assert counts(make_doc("a b c d", (0, 1, "X"), (2, 4, "X")), reference) == (1, 1)
    assert counts(make_doc("a b c d", (0, 1, "X"), (3, 4, "X")), reference) == (0.5, 1)
    nothing = Doc(VOCAB, words=["a", "b"])
    assert score_entities([Example(make_doc("a b", (0, 1, "X")), nothing)]) == NOTHING


def test_nothing_to_score():
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
def test_on_gold_tokens_it_is_spacys_scorer(batch):
    examples = []
    for predicted, reference in batch:
        words = ["w"] * len(reference)
        # I-LOC begins an entity where it cannot continue one.
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


def test_it_is_a_pipelines_scorer(nlp):
    assert nlp.add_pipe("twitter_bilstm_ner").scorer is make_entity_scorer()
    scorer = {"@scorers": "spacy-twitter-ner.entity_scorer.v1"}
    assert nlp.add_pipe("ner", config={"scorer": scorer}).scorer is make_entity_scorer()
