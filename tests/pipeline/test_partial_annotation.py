import itertools

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_twitter_ner.iob import bio_tags
from spacy_twitter_ner.partial import map_entities
from spacy_twitter_ner.pipeline.constraints import find_misaligned_entities, get_possible_tags

from .util import SMALL_CRF, add_small_ner, make_examples, train

LABELS = ["LOC", "PER", "BAND", "EVENT"]
TYPE_INDEX = {label: index for index, label in enumerate(LABELS)}
TAGS = bio_tags(LABELS)
COARSE = {"NAME": ["PER", "BAND"], "LOC": ["LOC"]}
WORDS = ["Daft", "Punk", "in", "Paris"]
ENTS = ["B-NAME", "I-NAME", "O", "B-LOC"]


def partial_example(words=WORDS, ents=ENTS, predicted=None, unannotated=("EVENT",)) -> Example:
    vocab = spacy.blank("xx").vocab
    reference = Doc(vocab, words=words, ents=ents)
    map_entities(reference, COARSE, unannotated)
    return Example(Doc(vocab, words=predicted or words), reference)


def possible_names(example: Example) -> list[set[str]]:
    possible = get_possible_tags(example, TYPE_INDEX, len(TAGS))
    return [{TAGS[tag] for tag in numpy.flatnonzero(row)} for row in possible]


def test_possible_tags():
    assert possible_names(partial_example()) == [
        {"B-PER", "B-BAND"},
        {"I-PER", "I-BAND"},
        {"O", "B-EVENT", "I-EVENT"},
        {"B-LOC"},
    ]


def test_possible_tags_of_missing_annotation():
    example = partial_example(ents=["", "O", "", "B-LOC"])
    assert possible_names(example) == [
        set(TAGS),
        {"O", "B-EVENT", "I-EVENT"},
        set(TAGS),
        {"B-LOC"},
    ]


def test_possible_tags_of_other_tokens():
    example = partial_example(predicted=["Da", "ft", "Punk", "in", "Paris"])
    assert possible_names(example)[:4] == [
        {"B-PER", "B-BAND"},
        {"I-PER", "I-BAND"},
        {"I-PER", "I-BAND"},
        {"O", "B-EVENT", "I-EVENT"},
    ]


def test_possible_tags_of_misaligned_entities():
    example = partial_example(predicted=["Daft", "Punkin", "Paris"])
    assert possible_names(example) == [set(TAGS), set(TAGS), {"B-LOC"}]
    misaligned = find_misaligned_entities(example)
    assert {(entity.text, entity.label_) for entity in misaligned} == {
        ("Daft Punk", "PER"),
        ("Daft Punk", "BAND"),
    }


def test_possible_tags_of_white_space():
    example = partial_example(words=["so", "\n", "tired"], ents=["O", "O", "O"])
    assert possible_names(example)[1] == {"O"}


def test_unannotated_type_that_the_component_lacks():
    example = partial_example(unannotated=["EVENT", "PRODUCT"])
    assert possible_names(example)[2] == {"O", "B-EVENT", "I-EVENT"}


def test_spare_outputs_are_only_possible_where_annotation_is_missing():
    example = partial_example(ents=["", "O", "O", "B-LOC"])
    possible = get_possible_tags(example, TYPE_INDEX, len(TAGS) + 2)
    assert possible[:, -1].tolist() == [True, False, False, False]


COMPLETE_DATA = [
    ("I like London and Berlin", {"entities": [(7, 13, "LOC"), (18, 24, "LOC")]}),
    ("Who is Shaka Khan ?", {"entities": [(7, 17, "PER")]}),
    ("I hear Daft Punk", {"entities": [(7, 16, "BAND")]}),
]
COARSE_DATA = [
    ("Who is Daft Punk ?", {"entities": [(7, 16, "NAME")]}),
    ("Shaka Khan likes London", {"entities": [(0, 10, "NAME")]}),
]


def make_data(nlp) -> list[Example]:
    coarse = make_examples(nlp, COARSE_DATA)
    for example in coarse:
        map_entities(example.reference, COARSE, ["LOC"])
    return make_examples(nlp, COMPLETE_DATA) + coarse


def test_train_on_complete_and_partial_annotation(nlp, small):
    ner = add_small_ner(nlp, **small)
    examples = make_data(nlp)
    train(nlp, examples)
    assert set(ner.labels) == {"LOC", "PER", "BAND"}
    found = [[(e.text, e.label_) for e in nlp(eg.reference.text).ents] for eg in examples]
    assert found[:3] == [
        [("London", "LOC"), ("Berlin", "LOC")],
        [("Shaka Khan", "PER")],
        [("Daft Punk", "BAND")],
    ]
    # The types of names are learned from the complete annotation. LOC isn't annotated there, and
    # its absence isn't learned.
    assert [text for text, _ in found[3]] == ["Daft Punk"]
    assert found[4] == [("Shaka Khan", "PER"), ("London", "LOC")]
    assert nlp.evaluate(make_data(nlp))["ents_f"] == 1.0


def test_crf_loss_equals_sum_over_complete_annotations(nlp):
    """Also after a DocBin."""
    ner = add_small_ner(nlp, **SMALL_CRF)
    train(nlp, make_data(nlp), steps=3)
    example = make_data(nlp)[3]
    saved = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=[example.reference]).to_bytes()
    (reference,) = DocBin().from_bytes(saved).get_docs(nlp.vocab)
    n_tokens = len(reference)
    predicted = example.predicted
    scores = ner.model.predict([predicted])
    loss, _ = ner.get_loss([Example(predicted, reference)], scores)

    def probability(tags) -> float:
        gold = Example(predicted, Doc(nlp.vocab, words=[t.text for t in predicted], ents=tags))
        return float(numpy.exp(-n_tokens * ner.get_loss([gold], scores)[0]))

    outside = ["O", "B-LOC", "I-LOC"]
    total = sum(
        probability([first, second, f"B-{label}", f"I-{label}", last])
        for label in ("PER", "BAND")
        for first, second, last in itertools.product(outside, repeat=3)
        if first != "I-LOC" and last != "I-LOC" and (first, second) != ("O", "I-LOC")
    )
    assert numpy.exp(-n_tokens * loss) == pytest.approx(total, rel=1e-4)
