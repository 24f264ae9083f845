import numpy
import pytest

from spacy_twitter_ner.pipeline.distribution import TagDistribution
from spacy_twitter_ner.pipeline.folding import Folding

from ..layers.crf_oracle import make_lattice
from .util import NAME, SMALL_CRF, TEXTS, make_examples, trained_ner

LABELS = ["LOC", "PERSON"]
FOLD = {"LOC": "NAME", "PERSON": "NAME"}


@pytest.fixture(scope="module")
def nlp():
    """A pipeline that isn't certain."""
    nlp = trained_ner(**SMALL_CRF)
    nlp.get_pipe(NAME).cfg["temperature"] = 4.0
    return nlp


@pytest.fixture
def folded(nlp):
    ner = nlp.get_pipe(NAME)
    ner.cfg["fold"] = dict(FOLD)
    yield ner
    ner.cfg["fold"] = {}


def spans_with_scores(group) -> dict[tuple[int, int, str], float]:
    scores = group.attrs["scores"]
    return {(s.start, s.end, s.label_): p for s, p in zip(group, scores, strict=True)}


def sum_folded(probabilities: dict[tuple[int, int, str], float]) -> dict[tuple, float]:
    sums: dict[tuple, float] = {}
    for (start, end, label), probability in probabilities.items():
        key = (start, end, FOLD.get(label, label))
        sums[key] = sums.get(key, 0.0) + probability
    return sums


def test_folding():
    folding = Folding.make(["a", "b", "c"], {"a": "x", "c": "x"})
    assert folding.labels == ("x", "b")
    assert folding.fold_tags(numpy.arange(7)).tolist() == [0, 1, 2, 3, 4, 1, 2]
    assert not folding.is_trivial
    assert folding.max_size == 2


@pytest.mark.parametrize("fold", [{}, {"a": "x"}, {"a": "b", "b": "a"}], ids=str)
def test_trivial_folding(fold):
    assert Folding.make(["a", "b"], fold).is_trivial


def test_types_of_entities(nlp, folded):
    assert folded.labels == tuple(LABELS)
    assert folded.output_labels == ("NAME",)
    doc = nlp("I like London and Berlin")
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("London", "NAME"), ("Berlin", "NAME")]


def test_renamed_types(nlp, folded):
    folded.cfg["fold"] = {"LOC": "place"}
    doc = nlp("I like London and Berlin")
    assert {ent.label_ for ent in doc.ents} == {"place"}


def test_candidates_sum_probabilities(nlp, folded):
    docs = [nlp.make_doc(text) for text in TEXTS]
    found = folded.predict_spans(docs, 0.01)
    folded.cfg["fold"] = {}
    for group, fine in zip(found, folded.predict_spans(docs, 1e-6), strict=True):
        expected = {k: p for k, p in sum_folded(spans_with_scores(fine)).items() if p >= 0.01}
        assert spans_with_scores(group) == pytest.approx(expected, abs=1e-4)
        assert len(expected) > 1


def test_confidence_sums_probabilities(nlp, folded):
    folded.spans_key = "ents"
    try:
        docs = list(nlp.pipe(TEXTS))
    finally:
        folded.spans_key = None
    folded.cfg["fold"] = {}
    bare = [nlp.make_doc(text) for text in TEXTS]
    for doc, fine in zip(docs, folded.predict_spans(bare, 1e-6), strict=True):
        sums = sum_folded(spans_with_scores(fine))
        for key, score in spans_with_scores(doc.spans["ents"]).items():
            assert score == pytest.approx(sums[key], abs=1e-4)


def test_kbest_merges_predictions(nlp, folded):
    docs = [nlp.make_doc(text) for text in TEXTS]
    for predictions in folded.predict_kbest(docs, 20):
        probabilities = [prediction.probability for prediction in predictions]
        assert probabilities == sorted(probabilities, reverse=True)
        spans = [[(e.start, e.end) for e in prediction.entities] for prediction in predictions]
        assert len({str(each) for each in spans}) == len(spans)
        assert sum(probabilities) <= 1.0 + 1e-9


def test_entity_whose_type_is_uncertain_is_found():
    """Neither type is more probable than no entity, but the folded type is."""
    lattice = make_lattice([1], 5, scale=0.0)
    lattice.emissions[0] = numpy.log([0.4, 0.3, 0.0001, 0.3, 0.0001])
    nowhere = numpy.zeros(1, dtype=bool)
    distribution = TagDistribution(lattice, nowhere, nowhere, nowhere)
    folding = Folding.make(LABELS, FOLD)
    assert distribution.decode().tolist() == [0]
    assert distribution.decode_folded(folding).tolist() == [1]


@pytest.mark.parametrize("seed", range(5))
def test_folded_decoding_respects_constraints(seed):
    lattice = make_lattice([6], 5, seed=seed)
    random = numpy.random.RandomState(seed)
    no_begin, no_inside = random.uniform(size=(2, 6)) < 0.5
    distribution = TagDistribution(lattice, no_begin, no_inside, numpy.zeros(6, dtype=bool))
    tags = distribution.decode_folded(Folding.make(LABELS, FOLD))
    assert not (tags[no_begin] % 2 == 1).any()
    assert not ((tags[no_inside] > 0) & (tags[no_inside] % 2 == 0)).any()


def test_folded_probabilities_respect_constraints():
    """Token 0 is only a probable beginning if token 1 may continue the entity."""
    lattice = make_lattice([2], 3, scale=0.0)
    lattice.emissions[0] = [0.0, -1.0, 0.0]
    lattice.emissions[1] = [0.0, -9.0, 0.0]
    lattice.transitions[1, 2] = 5.0
    nowhere, second = numpy.zeros(2, dtype=bool), numpy.asarray([False, True])
    folding = Folding.make(["LOC"], {})
    free = TagDistribution(lattice, nowhere, nowhere, nowhere)
    assert free.decode_folded(folding).tolist() == [1, 2]
    constrained = TagDistribution(lattice, nowhere, second, nowhere)
    assert constrained.decode_folded(folding).tolist() == [0, 0]


def test_preset_entities_are_kept(nlp, folded):
    doc = nlp.make_doc("I like London and Berlin")
    doc.set_ents([doc.char_span(7, 13, label="MINE")], default="missing")
    doc = folded(doc)
    assert [ent.label_ for ent in doc.ents] == ["MINE", "NAME"]


def test_training_is_not_affected(nlp, folded):
    examples = make_examples(nlp)
    scores = folded.model.predict([eg.predicted for eg in examples])
    loss, _ = folded.get_loss(examples, scores)
    folded.cfg["fold"] = {}
    assert folded.get_loss(examples, scores)[0] == loss


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (["LOC"], "must map entity types"),
        ({"LOC": ""}, "must map entity types"),
        ({"LOC": None}, "must map entity types"),
        ({"CITY": "LOC"}, "names the type 'CITY'"),
    ],
    ids=str,
)
def test_invalid_fold(nlp, folded, fold, message):
    folded.cfg["fold"] = fold
    with pytest.raises(ValueError, match=message):
        nlp("I like London")
