"""What all parts of TweetEmbed have in common. Their own tests check what they compute."""

from collections.abc import Callable
from typing import NamedTuple

import numpy
import pytest
from spacy.strings import StringStore
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import SGD, Model

from spacy_twitter_ner.lexical.clusters import TABLE, cluster_code
from spacy_twitter_ner.models.char_embed import CharEmbed
from spacy_twitter_ner.models.cluster_embed import ClusterEmbed
from spacy_twitter_ner.models.embed import TweetEmbed
from spacy_twitter_ner.models.hashtag_embed import HashtagEmbed
from spacy_twitter_ner.models.interface import get_embed_part
from spacy_twitter_ner.models.lexeme_features import LexemeFeatures
from spacy_twitter_ner.models.lexemes import distinct_lexemes
from spacy_twitter_ner.models.tables import Vocabulary
from spacy_twitter_ner.models.vector_embed import VectorEmbed

from ..layers.gradients import gradient_errors, randomize
from .docs import fit_and_initialize, make_docs

PATHS = {"cat": "000", "dog": "011", "#catdog": "0101", "bird": "10", "<USR>": "11"}
VOCAB = Vocab()
VOCAB.lookups.add_table(TABLE, {word: cluster_code(path) for word, path in PATHS.items()})
VOCAB.vectors = Vectors(
    strings=StringStore(PATHS), data=numpy.eye(5, 6, dtype="float32"), keys=list(PATHS)
)


def docs_of(*texts: str) -> list[Doc]:
    return make_docs(*texts, vocab=VOCAB)


TRAIN = docs_of("the cat saw the dog", "#CatDog and #CatDog #Zork", "@bob bird")
# Each has a hashtag, words of the training data and other ones.
BATCH = distinct_lexemes(docs_of("#CatDog cat dog #Zork", "", "unseen #Unseen @bob Dog cat 12"))
OTHERS = docs_of("a bird a bird", "#BirdSong #BirdSong")


class Part(NamedTuple):
    """How to create a part of a total width, and a lexeme that trains its vector of the unknown."""

    make: Callable[..., Model]
    width: int
    rare: str


def features(**settings: float) -> Model:
    return LexemeFeatures(["norm", "suffix2", "shape"], [3, 2, 2], **settings)


def word_forms(**settings: float) -> Model:
    return LexemeFeatures(["masked"], [4], **settings)


def clusters(**settings: float) -> Model:
    return ClusterEmbed([1, 3, 0], [3, 2, 4], **settings)


def characters(*, dropout: float = 0.0, **settings: float) -> Model:
    model = CharEmbed(6, char_width=4, min_freq=1, **settings)
    model.layers[0].attrs["dropout_rate"] = dropout
    return model


def hashtags() -> Model:
    return HashtagEmbed(4)


def vectors() -> Model:
    return VectorEmbed(3)


PARTS = {
    "features": Part(features, 7, "unseen"),
    "clusters": Part(clusters, 9, "unseen"),
    "characters": Part(characters, 6, "ßð"),
    "hashtags": Part(hashtags, 4, "#Zork"),
    "vectors": Part(vectors, 3, "unseen"),
}
WITH_VOCABULARY = [name for name in PARTS if name != "vectors"]


def fitted(name: str, docs: list[Doc] = TRAIN) -> Model:
    numpy.random.seed(0)
    return fit_and_initialize(PARTS[name].make(), docs)


def refit(model: Model, docs: list[Doc]) -> None:
    get_embed_part(model).fit_vocabulary(model, iter(docs))


def keys(model: Model) -> list[list[str]]:
    """The keys of all vocabularies."""
    return [value.keys for value in model.attrs.values() if isinstance(value, Vocabulary)]


def tables(model: Model) -> list[numpy.ndarray]:
    """The tables of all vocabularies."""
    return [
        node.get_param(name)
        for node in model.walk()
        for name in node.param_names
        if name not in ("W", "b")
    ]


@pytest.mark.parametrize("name", PARTS)
def test_output_has_a_row_for_each_lexeme(name):
    width = PARTS[name].width
    assert PARTS[name].make().get_dim("nO") == width
    Y = fitted(name).predict(BATCH)
    assert (Y.shape, Y.dtype) == ((len(BATCH.texts), width), "float32")


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_batches_without_tokens(name, texts):
    """They need neither clusters nor vectors."""
    model, lexemes = fitted(name), distinct_lexemes(make_docs(*texts, vocab=Vocab()))
    Y, backprop = model(lexemes, is_train=True)
    assert Y.shape == (0, PARTS[name].width)
    assert backprop(Y) is lexemes
    for node in model.walk():
        assert not any(node.get_grad(name).any() for name in node.grad_names)


# For the gradients of VectorEmbed, see its tests: static vectors are float32.
@pytest.mark.parametrize(
    ("make", "settings"),
    [
        *((make, {"unknown_rate": rate}) for make in (features, word_forms) for rate in (0.0, 0.5)),
        (features, {"feature_dropout": 0.5}),
        *((clusters, {"unknown_rate": rate}) for rate in (0.0, 0.4)),
        *(
            (characters, {"unknown_rate": rate, "dropout": dropout})
            for rate in (0.0, 0.5)
            for dropout in (0.0, 0.5)
        ),
        (hashtags, {}),
    ],
)
def test_gradients(make, settings):
    model = fit_and_initialize(make(**settings), TRAIN)
    randomize(model)
    errors = gradient_errors(
        model, BATCH, rows=lambda Y: Y, wrap=lambda dY, Y: dY, inputs=lambda batch: []
    )
    assert len(errors) == len(list(tables(model))) + 2 * (make is characters)
    # The gradients of tables are float32.
    assert max(errors.values()) < 1e-6, errors


@pytest.mark.parametrize("name", PARTS)
def test_gradients_add_up(name):
    model = fitted(name)
    sums = []
    for _ in range(2):
        Y, backprop = model(BATCH, is_train=True)
        assert backprop(numpy.ones_like(Y)) is BATCH
        sums.append(
            [node.get_grad(name).copy() for node in model.walk() for name in node.grad_names]
        )
    for once, twice in zip(*sums, strict=True):
        assert once.any()
        assert (twice == 2 * once).all()


@pytest.mark.parametrize("name", PARTS)
def test_vector_of_the_unknown_is_trained(name):
    model = fitted(name)
    unseen = distinct_lexemes(docs_of("#Þþ" if name == "hashtags" else "Þþ"))
    before = model.predict(unseen).copy()
    Y, backprop = model(distinct_lexemes(docs_of(PARTS[name].rare)), is_train=True)
    backprop(numpy.ones_like(Y))
    model.finish_update(SGD(0.1, grad_clip=0.0))
    assert (model.predict(unseen) != before).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: LexemeFeatures(["orth"], [50]),
        lambda: ClusterEmbed([0], [50]),
        lambda: HashtagEmbed(50, min_freq=1),
    ],
    ids=["features", "clusters", "hashtags"],
)
def test_initial_vectors_have_variance_of_one_over_width(make):
    words = ["#W" + "x" * i for i in range(2, 402)]
    vocab = Vocab()
    vocab.lookups.add_table(TABLE, {word: cluster_code(f"{i:09b}") for i, word in enumerate(words)})
    numpy.random.seed(0)
    model = make()
    (table,) = tables(fit_and_initialize(model, make_docs(" ".join(words), vocab=vocab)))
    assert (table.shape, table.dtype) == ((1 + len(keys(model)[0]), 50), "float32")
    assert table.std() == pytest.approx(50**-0.5, rel=0.05)
    assert abs(table.mean()) < 0.01


@pytest.mark.parametrize("name", PARTS)
def test_bytes_and_disk_round_trips(name, tmp_path):
    model = fitted(name)
    model.to_disk(tmp_path / "model")
    make = PARTS[name].make
    for loaded in (make().from_bytes(model.to_bytes()), make().from_disk(tmp_path / "model")):
        assert keys(loaded) == keys(model)
        assert (loaded.predict(BATCH) == model.predict(BATCH)).all()


@pytest.mark.parametrize("name", WITH_VOCABULARY)
def test_copy_is_independent(name):
    model = fitted(name)
    before = model.predict(BATCH).copy()
    copy = model.copy()
    assert (copy.predict(BATCH) == before).all()
    refit(copy, OTHERS)
    assert keys(copy) != keys(model)
    assert (model.predict(BATCH) == before).all()


@pytest.mark.parametrize("name", WITH_VOCABULARY)
def test_another_vocabulary_reinitializes_vectors(name):
    model = fitted(name)
    before = [table.copy() for table in tables(model)]
    refit(model, OTHERS)
    assert keys(model) == keys(fitted(name, OTHERS))
    for table, old, known in zip(tables(model), before, keys(model), strict=True):
        assert len(table) == len(known) + 1
        n_rows = min(len(table), len(old))
        assert (table[:n_rows] != old[:n_rows]).all()


@pytest.mark.parametrize("name", WITH_VOCABULARY)
def test_initialization_keeps_the_vocabulary(name):
    """The component fits on all docs, then initializes with a small sample of them."""
    model = PARTS[name].make()
    refit(model, TRAIN)
    assert not any(node.has_param(name) for node in model.walk() for name in node.param_names)
    model.initialize(X=distinct_lexemes(TRAIN[:1]))
    assert keys(model) == keys(fitted(name))
    assert [len(table) for table in tables(model)] == [len(known) + 1 for known in keys(model)]


@pytest.mark.parametrize("name", WITH_VOCABULARY)
def test_spare_rows_are_assigned_in_training(name):
    numpy.random.seed(0)
    model = PARTS[name].make().initialize()
    assert {len(table) for table in tables(model)} == {5001}
    batch, new = (distinct_lexemes(docs_of(text)) for text in ("#CatDog #Songs", "#Bird"))
    if name == "clusters":
        batch, new = (distinct_lexemes(docs_of(text)) for text in ("cat dog", "bird"))
    before = model.predict(batch)
    # All characters share a vector, so that only the length of a word counts.
    assert name == "characters" or (before == before[0]).all()
    model(batch, is_train=True)
    first, second = model.predict(batch)
    assert (first != second).any()
    assert all(keys(model))
    # Prediction assigns none. A loaded model has those that are left.
    assigned = [list(known) for known in keys(model)]
    model.predict(new)
    loaded = PARTS[name].make().from_bytes(model.to_bytes())
    assert (loaded.predict(batch) == model.predict(batch)).all()
    loaded(new, is_train=True)
    assert keys(model) == assigned
    assert keys(loaded) != assigned


@pytest.mark.parametrize("name", PARTS)
def test_as_part_of_tweet_embed(name):
    part, other = PARTS[name].make(), LexemeFeatures(["shape"], [2])
    model = fit_and_initialize(TweetEmbed(part, other), TRAIN)
    assert keys(part) == (keys(fitted(name)) if name in WITH_VOCABULARY else [])
    Ys, backprop = model(docs_of("#CatDog cat", "", "#CatDog"), is_train=True)
    assert [Y.shape for Y in Ys] == [(n, PARTS[name].width + 2) for n in (2, 0, 1)]
    assert (Ys[2] == Ys[0][:1]).all()
    lexemes = distinct_lexemes(docs_of("#CatDog cat"))
    assert (Ys[0][:, : PARTS[name].width] == part.predict(lexemes)[lexemes.inverse]).all()
    assert backprop(Ys) == []
    assert any(node.get_grad(name).any() for node in part.walk() for name in node.grad_names)
