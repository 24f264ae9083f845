from collections.abc import Iterable
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from thinc.api import SGD, Model

from spacy_twitter_ner.models.embed import TweetEmbed
from spacy_twitter_ner.models.gazetteer import (
    Gazetteer,
    GazetteerEmbed,
    fit_gazetteer,
    make_gazetteer,
)
from spacy_twitter_ner.models.lexeme_features import LexemeFeatures

from ..layers.gradients import central_differences, relative_error
from .docs import VOCAB, make_doc, make_docs

Ents = list[tuple[int, int, str]]
# Token, type, "B" or "I", and "list" or how many of the phrase's occurrences are entities.
Feature = tuple[int, str, str, str]

GRADES = ["list"] + [f"{share}, {n}" for share in ("<10%", "<50%", "<90%", ">=90%") for n in "1+"]


def gold_doc(text: str, *ents: tuple[int, int, str], vocab: Vocab = VOCAB) -> Doc:
    doc = make_doc(text, vocab)
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in ents])
    return doc


TRAIN = [
    gold_doc("in New York now", (1, 3, "geo")),
    gold_doc("new york is big", (0, 2, "geo")),
    gold_doc("The New York Times", (1, 4, "company")),
    gold_doc("apple pie"),
    gold_doc("apple juice"),
    gold_doc("Apple store", (0, 1, "company")),
    gold_doc("may I"),
    gold_doc("Bob may go", (0, 1, "person")),
]
LISTS = {"geo": ["Paris", "New York", "the New York area"], "person": ["Paris Hilton", "Paris"]}


def found(gazetteer: Gazetteer, *docs: Doc, hold_out: bool = False) -> list[Feature]:
    tokens, rows = gazetteer.features(docs, hold_out=hold_out)
    n_types = len(gazetteer.types)
    return [
        (token, gazetteer.types[row // 2 % n_types], "BI"[row % 2], GRADES[row // 2 // n_types])
        for token, row in zip(tokens.tolist(), rows.tolist(), strict=True)
    ]


def found_in(text: str, docs: Iterable[Doc] = (), **kwargs: Any) -> list[Feature]:
    return found(make_gazetteer(docs, **kwargs), make_doc(text))


def make_model(docs: Iterable[Doc] = TRAIN, lists: Any = None, **kwargs: Any) -> Model:
    model = GazetteerEmbed(4, **kwargs)
    fit_gazetteer(model, docs, lists)
    model.initialize()
    return model


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


def test_features_of_overlapping_matches_count_once() -> None:
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
def test_listed_phrases_that_are_left_out(phrase: str) -> None:
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


def test_both_sources_are_told_apart() -> None:
    assert found_in("new york", TRAIN, lists=LISTS) == [
        (0, "geo", "B", "list"),
        (0, "geo", "B", "<90%, +"),
        (1, "geo", "I", "list"),
        (1, "geo", "I", "<90%, +"),
    ]
    # Each has its longest matches: a phrase of one does not hide one of the other.
    features = found_in("the new york area", TRAIN, lists=LISTS)
    assert [f for f in features if f[3] != "list"] == [
        (1, "geo", "B", "<90%, +"),
        (2, "geo", "I", "<90%, +"),
    ]
    assert [f[0] for f in features if f[3] == "list"] == [0, 1, 2, 3]


def test_rare_and_long_phrases_of_the_training_data_are_left_out() -> None:
    assert make_gazetteer(TRAIN, min_count=2).phrases == [("new", "york")]
    assert make_gazetteer(TRAIN, max_length=1).phrases == [("apple",), ("bob",)]
    assert make_gazetteer(TRAIN, min_count=3).phrases == []
    assert found_in("new york", TRAIN, min_count=3) == []


def test_docs_without_annotation_tell_nothing() -> None:
    unannotated = make_docs(*["apple"] * 10)
    partly = make_doc("apple apple")
    partly.set_ents([], outside=[partly[:1]], default="missing")
    assert found_in("apple", [gold_doc("apple", (0, 1, "company")), *unannotated]) == [
        (0, "company", "B", ">=90%, 1")
    ]
    assert found_in("apple", [gold_doc("apple", (0, 1, "company")), partly]) == [
        (0, "company", "B", "<90%, 1")
    ]


def test_an_entity_seen_once_is_unknown_to_its_own_doc() -> None:
    gazetteer = make_gazetteer(TRAIN)
    bob = make_doc("Bob may go")
    assert found(gazetteer, bob, hold_out=True) == []
    assert found(gazetteer, bob, hold_out=False) == [(0, "person", "B", ">=90%, 1")]
    # In another doc it is known, in training too.
    other = make_doc("hello Bob")
    assert found(gazetteer, bob, other, hold_out=True) == [(4, "person", "B", ">=90%, 1")]


def test_own_occurrences_are_discounted() -> None:
    gazetteer = make_gazetteer(TRAIN)
    # As an entity: of "new york", one is left, beside the one in "new york times".
    assert {f[3] for f in found(gazetteer, TRAIN[0], hold_out=True)} == {"<90%, 1"}
    # As no entity: of "apple", two are left, one of them an entity; and one of four before.
    assert found(gazetteer, TRAIN[3], hold_out=True) == [(0, "company", "B", "<90%, 1")]
    assert found(gazetteer, TRAIN[3], hold_out=False) == [(0, "company", "B", "<50%, 1")]


def test_what_is_held_out_hides_no_shorter_phrase() -> None:
    gazetteer = make_gazetteer(TRAIN)
    assert [f[:3] for f in found(gazetteer, TRAIN[2], hold_out=True)] == [
        (1, "geo", "B"),
        (2, "geo", "I"),
    ]


def test_all_docs_of_a_text_are_held_out_together() -> None:
    docs = [gold_doc("Bob !", (0, 1, "person")), gold_doc("Bob !", (0, 1, "person"))]
    gazetteer = make_gazetteer(docs)
    assert found(gazetteer, *docs, hold_out=True) == []
    assert found(gazetteer, make_doc("Bob ?"), hold_out=True) == [(0, "person", "B", ">=90%, +")]


@pytest.mark.parametrize("text", ["bob may go", "BOB MAY GO", "Bob ma y go", "Bob may g o"])
def test_doc_is_recognised_in_other_case_and_tokens(text: str) -> None:
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


@hypothesis_settings(max_examples=150, deadline=None)
@given(docs=st.lists(gold_docs(), min_size=1, max_size=8), min_count=st.integers(1, 2))
def test_training_looks_up_each_doc_as_if_it_were_new(docs: list[Doc], min_count: int) -> None:
    lists: dict[str, list[str]] = {"X": ["a b"], "Y": []}
    gazetteer = make_gazetteer(docs, lists, min_count=min_count)
    for doc in docs:
        others = [other for other in docs if other.text != doc.text]
        without = make_gazetteer(others, lists, min_count=min_count)
        assert found(gazetteer, doc, hold_out=True) == found(without, doc, hold_out=False)
        new = gold_doc(f"{doc.text} d", *((e.start, e.end, e.label_) for e in doc.ents))
        assert found(gazetteer, new, hold_out=True) == found(gazetteer, new, hold_out=False)


def test_vectors_are_the_sum_of_the_features() -> None:
    model = make_model(lists=LISTS)
    docs = make_docs("new york", "", "nothing", "in paris")
    E, Ys = model.get_param("E"), model.predict(docs)
    assert E.shape == (model.attrs["gazetteer"].n_features, 4) == (2 * 3 * 9, 4)
    expected = numpy.zeros((5, 4), dtype="float32")
    for token, row in zip(*model.attrs["gazetteer"].features(docs, hold_out=False), strict=True):
        expected[token] += E[row]
    assert [Y.shape for Y in Ys] == [(2, 4), (0, 4), (1, 4), (2, 4)]
    assert numpy.concatenate(Ys) == pytest.approx(expected)
    assert Ys[0].any(axis=1).all()
    assert not Ys[2].any()
    assert Ys[0].dtype == "float32"


def test_only_training_holds_out() -> None:
    model = make_model()
    doc = [make_doc("Bob may go")]
    assert model.predict(doc)[0][0].any()
    assert model(doc, is_train=False)[0][0].any()
    assert not model(doc, is_train=True)[0][0].any()


def test_gradient() -> None:
    model = make_model(lists=LISTS)
    docs = make_docs("new york new york", "", "nothing", "in paris hilton", "apple , Paris")
    model.set_param("E", model.get_param("E").astype("float64"))

    def loss() -> float:
        Ys, _ = model(docs, is_train=True)
        return sum(float((Y * dY).sum()) for Y, dY in zip(Ys, dYs, strict=True))

    Ys, backprop = model(docs, is_train=True)
    random = numpy.random.RandomState(0)
    dYs = [random.normal(size=Y.shape) for Y in Ys]
    assert backprop(dYs) == []
    expected = central_differences(loss, model.get_param("E"))
    assert expected.any()
    # The gradient's buffer is float32.
    assert relative_error(model.get_grad("E"), expected) < 1e-6


def test_gradients_of_batches_add_up() -> None:
    model = make_model()
    for _ in range(2):
        Ys, backprop = model(make_docs("new york"), is_train=True)
        backprop([numpy.ones_like(Y) for Y in Ys])
    assert model.get_grad("E").sum() == 2 * 2 * 4


def test_vectors_are_trained() -> None:
    model = make_model()
    before = model.get_param("E").copy()
    Ys, backprop = model(make_docs("new york"), is_train=True)
    backprop([numpy.ones_like(Y) for Y in Ys])
    model.finish_update(SGD(0.1, grad_clip=0.0))
    changed = (model.get_param("E") != before).any(axis=1)
    _, rows = model.attrs["gazetteer"].features(make_docs("new york"), hold_out=False)
    assert numpy.flatnonzero(changed).tolist() == sorted(set(rows.tolist()))


def test_initial_vectors_have_variance_of_one_over_width() -> None:
    numpy.random.seed(0)
    model = GazetteerEmbed(50)
    fit_gazetteer(model, TRAIN)
    model.initialize()
    E = model.get_param("E")
    assert E.dtype == "float32"
    assert E.std() == pytest.approx(50**-0.5, rel=0.05)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["nothing"]])
def test_batches_without_matches(texts: list[str]) -> None:
    docs = make_docs(*texts)
    for model in (make_model(), make_model([], {}), make_model([], LISTS)):
        Ys, backprop = model(docs, is_train=True)
        assert [Y.shape for Y in Ys] == [(len(doc), 4) for doc in docs]
        assert not any(Y.any() for Y in Ys)
        assert backprop(Ys) == []
        assert not model.has_grad("E")


def test_without_fit_there_are_no_phrases() -> None:
    model = GazetteerEmbed(4)
    assert model.get_dim("nO") == 4
    model.initialize(X=TRAIN)
    assert model.get_param("E").shape == (0, 4)
    assert not model.predict(TRAIN)[0].any()
    loaded = GazetteerEmbed(4).from_bytes(model.to_bytes())
    assert not loaded.predict(TRAIN)[0].any()


def test_lists_alone() -> None:
    model = make_model(lists=LISTS, from_training=False)
    gazetteer = model.attrs["gazetteer"]
    assert gazetteer.types == ["geo", "person"]
    assert len(model.get_param("E")) == 2 * 2
    assert {f[3] for f in found(gazetteer, *TRAIN)} == {"list"}
    assert not model.predict(make_docs("Bob"))[0].any()


def test_docs_are_read_once() -> None:
    model = make_model(iter(TRAIN))
    assert model.predict(make_docs("Bob"))[0].any()


def test_gazetteer_of_other_data_comes_with_new_vectors() -> None:
    model = make_model()
    before = model.get_param("E").copy()
    fit_gazetteer(model, [gold_doc("Ann", (0, 1, "person"))])
    after = model.get_param("E")
    assert after.shape == (2 * 9, 4)
    assert (after != before[: len(after)]).all()
    assert not model.predict(make_docs("Bob"))[0].any()
    assert model.predict(make_docs("Ann"))[0].any()


@pytest.mark.parametrize("lists", [None, LISTS])
@pytest.mark.parametrize("from_training", [False, True])
def test_survives_bytes(lists: Any, from_training: bool) -> None:
    def make() -> Model:
        return GazetteerEmbed(4, from_training=from_training, min_count=1, max_length=3)

    model = make()
    fit_gazetteer(model, TRAIN, lists)
    model.initialize()
    loaded = make().from_bytes(model.to_bytes())
    docs = [*TRAIN, *make_docs("paris hilton , new york", "")]
    assert loaded.get_param("E").shape == model.get_param("E").shape
    # What is held out is known after loading: training may go on.
    for is_train in (False, True):
        Ys, loaded_Ys = model(docs, is_train)[0], loaded(docs, is_train)[0]
        assert (numpy.concatenate(Ys) == numpy.concatenate(loaded_Ys)).all()
    assert not loaded([TRAIN[7]], is_train=True)[0][0].any()


def test_min_count_survives_bytes() -> None:
    gazetteer = Gazetteer.from_bytes(make_gazetteer(TRAIN, min_count=2).to_bytes())
    assert found(gazetteer, make_doc("new york")) != []
    assert found(gazetteer, TRAIN[0], hold_out=True) == []


def test_copy_has_a_gazetteer_of_its_own() -> None:
    model = make_model()
    copy = model.copy()
    fit_gazetteer(copy, [])
    assert model.predict(make_docs("Bob"))[0].any()
    assert not copy.predict(make_docs("Bob"))[0].any()


def test_does_not_depend_on_the_order_of_docs_and_lists() -> None:
    lists = {label: list(reversed(phrases)) for label, phrases in reversed(LISTS.items())}
    data = make_gazetteer(TRAIN, LISTS).to_bytes()
    assert make_gazetteer(reversed(TRAIN), lists).to_bytes() == data


def test_stands_beside_the_embeddings_of_lexemes() -> None:
    phrases = GazetteerEmbed(4)
    model = TweetEmbed(LexemeFeatures(["norm"], [3]), phrases=phrases)
    assert model.get_dim("nO") == 7
    fit_gazetteer(phrases, TRAIN)
    model.initialize(X=TRAIN)
    docs = make_docs("Bob !", "")
    Ys, backprop = model(docs, is_train=True)
    assert [Y.shape for Y in Ys] == [(2, 7), (0, 7)]
    assert (Ys[0][:, 3:] == phrases.predict(docs)[0]).all()
    backprop([numpy.ones_like(Y) for Y in Ys])
    assert phrases.get_grad("E").sum() == 4


@pytest.mark.parametrize("name", ["width", "min_count", "max_length"])
def test_wrong_settings(name: str) -> None:
    settings: dict[str, Any] = {"width": 4, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be 1 or more, not 0"):
        GazetteerEmbed(**settings)
