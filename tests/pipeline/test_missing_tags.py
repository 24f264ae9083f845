import itertools

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from spacy_twitter_ner.iob import find_violations, spans_to_bio
from spacy_twitter_ner.pipeline.constraints import MISSING, get_aligned_tags

from .util import (
    NAME,
    SMALL_CRF,
    TAGS,
    TEXTS,
    WORDS,
    add_small_ner,
    assert_same_arrays,
    gold_entities,
    gradients,
    make_examples,
    parameter_gradients,
    params,
    predicted_entities,
    predicted_spans,
    tagged_example,
    train,
)

PARTIAL_DATA = [
    ("I like London and Berlin", {"entities": ["O", "O", "U-LOC", "-", "-"]}),
    ("I like London and Berlin", {"entities": ["-", "-", "-", "O", "U-LOC"]}),
    ("Who is Shaka Khan ?", {"entities": ["O", "O", "B-PERSON", "L-PERSON", "-"]}),
    # Misaligned tokens
    (
        "Shaka Khan sings in London",
        {
            "words": ["Shaka Khan", "sings", "in", "Lon", "don"],
            "entities": ["U-PERSON", "O", "-", "B-LOC", "L-LOC"],
        },
    ),
    ("so tired", {"entities": ["-", "-"]}),
]


def test_train_with_missing_tags(nlp, small):
    ner = add_small_ner(nlp, **small)
    examples = make_examples(nlp, PARTIAL_DATA)
    train(nlp, examples)
    type_index = {label: index for index, label in enumerate(ner.labels)}
    for example in examples:
        gold = get_aligned_tags(example, type_index)
        spans = predicted_spans(ner, [example.predicted])
        tags = spans_to_bio(spans, len(example.predicted))
        known = numpy.flatnonzero(gold != MISSING)
        assert [tags[i] for i in known] == [ner.tags[tag] for tag in gold[known]]
    # The two partial annotations of the text are both learned.
    assert predicted_entities(nlp, TEXTS[:1]) == gold_entities(make_examples(nlp)[:1])


@pytest.mark.parametrize("loss_reduction", ["mean", "sum"])
def test_missing_tokens_have_no_gradient(nlp, loss_reduction):
    ner = add_small_ner(nlp, loss_reduction=loss_reduction)
    full = tagged_example(nlp, WORDS, TAGS)
    nlp.initialize(lambda: [full])
    partial = tagged_example(nlp, WORDS, ["O", None, *TAGS[2:4], None, None])
    scores = ner.model.predict([partial.predicted])
    loss, (gradient,) = ner.get_loss([partial], scores)
    assert (gradient[[1, 4, 5]] == 0.0).all()
    assert (gradient[[0, 2, 3]] != 0.0).all()
    gold = scores[0][[0, 2, 3], [0, 1, 2]]
    divisor = {"mean": 3, "sum": 1}[loss_reduction]
    assert loss == pytest.approx(-numpy.log(gold).sum() / divisor, rel=1e-5)
    one_hot = numpy.eye(5)[[0, 1, 2]]
    assert_allclose(gradient[[0, 2, 3]], (scores[0][[0, 2, 3]] - one_hot) / divisor, atol=1e-6)


def test_crf_marginalizes_missing_tags(nlp):
    ner = add_small_ner(nlp, loss_reduction="sum", **SMALL_CRF)
    words = WORDS[1:4]
    nlp.initialize(lambda: make_examples(nlp))

    def likelihood(tags: list[str | None]) -> float:
        example = tagged_example(nlp, words, tags)
        return numpy.exp(-ner.get_loss([example], ner.model.predict([example.predicted]))[0])

    expected = sum(
        likelihood(["O", *rest])
        for rest in itertools.product(("O", "B-LOC", "I-LOC", "B-PERSON", "I-PERSON"), repeat=2)
        if not find_violations(["O", *rest])
    )
    assert likelihood(["O", None, None]) == pytest.approx(expected)
    assert likelihood([None] * 3) == 1.0


def test_crf_unannotated_docs_have_no_gradient(nlp):
    ner = add_small_ner(nlp, loss_reduction="sum", **SMALL_CRF)
    full = tagged_example(nlp, WORDS, TAGS)
    nlp.initialize(lambda: [full])
    bare = tagged_example(nlp, WORDS[2:], [None] * 4)
    with_bare = parameter_gradients(ner, [bare, full, bare])
    for key, gradient in parameter_gradients(ner, [full]).items():
        assert_allclose(with_bare[key], gradient, atol=1e-5)


def test_gradients_of_partial_annotations_add_up(nlp):
    ner = add_small_ner(nlp, loss_reduction="sum")
    full = tagged_example(nlp, WORDS, TAGS)
    nlp.initialize(lambda: [full])
    halves = [
        tagged_example(nlp, WORDS, [*TAGS[:1], None, *TAGS[2:4], None, None]),
        tagged_example(nlp, WORDS, [None, TAGS[1], None, None, *TAGS[4:]]),
    ]
    whole = parameter_gradients(ner, [full])
    first, second = (parameter_gradients(ner, [half]) for half in halves)
    for key, gradient in whole.items():
        assert_allclose(first[key] + second[key], gradient, atol=1e-5)


@pytest.mark.parametrize("loss_reduction", ["mean", "sum"])
def test_update_with_only_missing_tags(nlp, loss_reduction, small):
    ner = add_small_ner(nlp, loss_reduction=loss_reduction, **small)
    nlp.initialize(lambda: make_examples(nlp))
    optimizer = Adam(0.01, L2=0.0)  # L2 would change weights without a gradient
    before = params(ner.model)
    bare = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in TEXTS]
    assert ner.update(bare) == {NAME: 0.0}
    assert all((gradient == 0.0).all() for gradient in gradients(ner.model).values())
    ner.update(bare, sgd=optimizer)
    assert_same_arrays(before, params(ner.model))


def test_misaligned_tokens_have_no_gradient(nlp):
    ner = add_small_ner(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    words = ["She", "isinNew", "York", "now"]
    tags = ["O", "O", "O", "B-LOC", "L-LOC", "O"]
    example = Example.from_dict(
        Doc(nlp.vocab, words=words),
        {"words": ["She", "is", "in", "New", "York", "now"], "entities": tags},
    )
    _, (gradient,) = ner.get_loss([example], ner.model.predict([example.predicted]))
    assert (gradient[[1, 2]] == 0.0).all()
    assert (gradient[[0, 3]] != 0.0).all()
