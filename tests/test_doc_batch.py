import numpy
import pytest
from spacy.attrs import ENT_IOB, IS_SPACE, ORTH, SENT_START
from spacy.tokens import Doc

from spacy_twitter_ner.doc_batch import DocBatch

from .models.docs import VOCAB, make_docs

ANNOTATED = Doc(
    VOCAB,
    words=["in", "New", "York", " ", "now"],
    ents=["O", "B-LOC", "I-LOC", "", ""],
    sent_starts=[True, False, False, False, True],
)


@pytest.mark.parametrize("attribute", [ORTH, IS_SPACE, ENT_IOB, SENT_START])
@pytest.mark.parametrize(
    "docs",
    [[], make_docs(""), make_docs("", "a cat", ""), [ANNOTATED, *make_docs("a", ""), ANNOTATED]],
)
def test_attributes_are_those_of_the_docs(docs: list[Doc], attribute: int) -> None:
    found = DocBatch.of(docs).attribute(attribute)
    expected = [value for doc in docs for value in doc.to_array(attribute).tolist()]
    assert found.dtype == numpy.uint64
    assert found.tolist() == expected


def test_a_batch_stays_the_same_one() -> None:
    batch = DocBatch.of(doc for doc in [ANNOTATED])
    assert batch == [ANNOTATED]
    assert DocBatch.of(batch) is batch
    assert DocBatch.of(list(batch)) is not batch
