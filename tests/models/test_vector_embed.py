from functools import partial
from typing import Any

import numpy
import pytest
from spacy.strings import StringStore
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Model, set_dropout_rate

from spacy_twitter_ner.models.lexemes import distinct_lexemes
from spacy_twitter_ner.models.vector_embed import VectorEmbed

from ..layers.gradients import central_differences, relative_error
from .docs import make_docs, make_lexemes

KEYS = ["london", "Apple", "apple", "arsenal", "#friday", "<USR>", "0:00", "zero"]
WIDTH, N_DIMS = 3, 5


def make_vocab(keys: list[str] = KEYS, width: int = N_DIMS, dtype: str = "float32") -> Vocab:
    data = numpy.random.RandomState(len(keys)).normal(size=(len(keys), width)).astype(dtype)
    if "zero" in keys:
        data[keys.index("zero")] = 0
    vocab = Vocab()
    vocab.vectors = Vectors(strings=StringStore(keys), data=data, keys=keys, name="test")
    return vocab


def make_floret_vocab(width: int = N_DIMS) -> Vocab:
    data = numpy.random.RandomState(1).normal(size=(50, width)).astype("float32")
    vocab = Vocab()
    vocab.vectors = Vectors(data=data, mode="floret", minn=2, maxn=3, hash_count=2, name="test")
    return vocab


VOCAB = make_vocab()
docs_of = partial(make_docs, vocab=VOCAB)
lexemes_of = partial(make_lexemes, vocab=VOCAB)


def make_model(vocab: Vocab = VOCAB, **settings: Any) -> Model:
    numpy.random.seed(0)
    model = VectorEmbed(WIDTH, **settings)
    model.initialize(X=lexemes_of("london", vocab=vocab))
    model.set_param("b", numpy.random.normal(size=WIDTH).astype("float32"))
    return model


def vector_of(model: Model, word: str, vocab: Vocab = VOCAB) -> numpy.ndarray:
    return model.predict(lexemes_of(word, vocab=vocab))[0]


def expected_vector(model: Model, v: numpy.ndarray) -> numpy.ndarray:
    v = v.astype("float64")
    if model.attrs["normalize"]:
        v = v / numpy.linalg.norm(v) * 3**0.5
    return model.get_param("W") @ v + model.get_param("b")


def test_dimensions_are_inferred_from_the_vocab() -> None:
    model = VectorEmbed(WIDTH)
    assert model.get_dim("nO") == WIDTH
    model.initialize(X=lexemes_of("unseen"))
    assert model.get_dim("nV") == N_DIMS
    assert model.get_param("W").shape == (WIDTH, N_DIMS)
    assert not model.get_param("b").any()
    assert model.get_param("unknown").shape == (WIDTH,)
    assert all(model.get_param(name).dtype == "float32" for name in model.param_names)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_static_vectors_are_projected(normalize: bool, dtype: str) -> None:
    vocab = make_vocab(dtype=dtype)
    model = make_model(vocab, normalize=normalize)
    lexemes = lexemes_of("london apple unseen", vocab=vocab)
    Y = model.predict(lexemes)
    assert Y.dtype == "float32"
    for text, vector in zip(lexemes.texts, Y, strict=True):
        if text == "unseen":
            assert (vector == model.get_param("unknown")).all()
        else:
            expected = expected_vector(model, vocab.vectors[text])
            assert vector == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_words_are_looked_up_by_text_and_normal_form() -> None:
    model = make_model()
    for word, key in (("Apple", "Apple"), ("APPLE", "apple"), ("#Arsenal", "arsenal")):
        assert (vector_of(model, word) == vector_of(model, key)).all()
    assert (vector_of(model, "friday") == model.get_param("unknown")).all()
    assert (vector_of(model, "london") != vector_of(model, "apple")).all()


@pytest.mark.parametrize("normalize", [True, False])
def test_zero_vector_is_known(normalize: bool) -> None:
    model = make_model(normalize=normalize)
    assert (vector_of(model, "zero") == model.get_param("b")).all()


def test_vectors_are_normalized() -> None:
    vocab = make_vocab()
    model = make_model(vocab)
    before = vector_of(model, "london", vocab)
    vocab.vectors.data *= 7.5
    assert vector_of(model, "london", vocab) == pytest.approx(before, rel=1e-5)


def test_outputs_have_the_scale_of_learned_embeddings() -> None:
    keys = [f"w{i}" for i in range(300)]
    vocab = make_vocab(keys, width=100)
    numpy.random.seed(0)
    model = VectorEmbed(100)
    lexemes = lexemes_of(" ".join(keys), vocab=vocab)
    model.initialize(X=lexemes)
    # W's entries have variance 2 / (nO + nV), a vector of length sqrt(3) the mean square 3 / nV.
    assert model.predict(lexemes).std() == pytest.approx((6 / 200) ** 0.5, rel=0.1)
    assert 0.5 < model.predict(lexemes).std() * 100**0.5 < 2


def test_docs_with_different_vocabs() -> None:
    model = make_model()
    other = make_vocab(["zebra", "london"])
    docs = [*docs_of("london apple"), *docs_of("zebra", vocab=other), *docs_of("lol")]
    lexemes = distinct_lexemes(docs)
    vectors = dict(zip(lexemes.texts, model.predict(lexemes), strict=True))
    assert vectors["london"] == pytest.approx(vector_of(model, "london"), rel=1e-5)
    assert vectors["apple"] == pytest.approx(vector_of(model, "apple"), rel=1e-5)
    assert vectors["zebra"] == pytest.approx(vector_of(model, "zebra", other), rel=1e-5)
    assert (vectors["lol"] == model.get_param("unknown")).all()


def test_floret_has_a_vector_for_any_normal_form() -> None:
    vocab = make_floret_vocab()
    model = make_model(vocab)
    for word, form in (("London", "london"), ("#Lolllll", "loll"), ("@x", "<USR>"), ("é", "é")):
        expected = expected_vector(model, vocab.vectors.get_batch([form])[0])
        assert vector_of(model, word, vocab) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert not any(word in vocab.strings for word in ("loll", "<USR>"))


@pytest.mark.parametrize(
    ("dropout", "vector_dropout", "make"),
    [
        (0.0, 0.0, make_vocab),
        (0.5, 0.0, make_vocab),
        (0.0, 0.5, make_vocab),
        (0.5, 0.5, make_vocab),
        (0.5, 0.5, make_floret_vocab),
    ],
)
def test_gradients(dropout: float, vector_dropout: float, make: Any) -> None:
    vocab = make()
    model = make_model(vocab, dropout=dropout, vector_dropout=vector_dropout)
    lexemes = lexemes_of("london apple unseen zero", "", "other @x arsenal", vocab=vocab)

    def forward() -> tuple:
        numpy.random.seed(4)
        return model(lexemes, is_train=True)

    Y, backprop = forward()
    dY = numpy.random.RandomState(0).normal(size=Y.shape).astype("float32")
    assert backprop(dY) is lexemes
    for name in model.param_names:
        # In float32, like the static vectors. The loss is linear in the weights, so a large
        # step is fine.
        expected = central_differences(
            lambda: float((forward()[0].astype("float64") * dY).sum()),
            model.get_param(name),
            step=1.0,
        )
        assert expected.any() or name == "unknown"
        assert relative_error(model.get_grad(name), expected) < 1e-5


def test_dropout_scales_remaining_entries() -> None:
    vocab = make_vocab([f"w{i}" for i in range(200)], width=20)
    model = make_model(vocab, dropout=0.25, normalize=False)
    vocab.vectors.data[...] = 1.0
    model.set_param("W", numpy.eye(WIDTH, 20, dtype="float32"))
    model.set_param("b", numpy.zeros(WIDTH, dtype="float32"))
    lexemes = lexemes_of(" ".join(f"w{i}" for i in range(200)), vocab=vocab)
    Y, _ = model(lexemes, is_train=True)
    assert set(numpy.round(Y, 4).flat) == {0.0, numpy.float32(1.3333)}
    assert (Y == 0).mean() == pytest.approx(0.25, abs=0.06)
    # Entries are dropped one by one, not rows or columns.
    assert 0 < (Y == 0).all(axis=1).mean() < 0.1
    assert (model.predict(lexemes) == 1.0).all()


def test_whole_vectors_are_dropped() -> None:
    keys = [f"w{i}" for i in range(400)]
    vocab = make_vocab(keys)
    model = make_model(vocab, vector_dropout=0.3)
    lexemes = lexemes_of(" ".join(keys), vocab=vocab)
    Y, _ = model(lexemes, is_train=True)
    is_dropped = (model.get_param("unknown") == Y).all(axis=1)
    assert is_dropped.sum() == pytest.approx(120, abs=30)
    predicted = model.predict(lexemes)
    assert not (predicted == model.get_param("unknown")).all(axis=1).any()
    assert Y[~is_dropped] == pytest.approx(predicted[~is_dropped], rel=1e-5)


def test_training_loop_only_sets_dropout_rate() -> None:
    model = VectorEmbed(WIDTH, dropout=0.1, vector_dropout=0.2)
    set_dropout_rate(model, 0.5)
    assert model.attrs["dropout_rate"] == 0.5
    assert model.attrs["vector_dropout"] == 0.2


@pytest.mark.parametrize("make", [Vocab, lambda: make_vocab([])])
def test_vocab_without_vectors_raises(make: Any) -> None:
    lexemes = lexemes_of("london", vocab=make())
    with pytest.raises(ValueError, match=r"\[initialize\] vectors"):
        VectorEmbed(WIDTH).initialize(X=lexemes)
    with pytest.raises(ValueError, match=r'spacy\.blank\("en", vocab=source\.vocab\)'):
        make_model().predict(lexemes)


def test_vectors_of_another_width_raise() -> None:
    model = make_model()
    with pytest.raises(ValueError, match="have 4 dimensions, but the model was trained with 5"):
        model.predict(lexemes_of("london", vocab=make_vocab(width=4)))


def test_initialization_without_words_raises() -> None:
    for X in (None, lexemes_of("")):
        with pytest.raises(ValueError, match="a sample of docs that have words"):
            VectorEmbed(WIDTH).initialize(X=X)


def test_bytes_round_trip_without_static_vectors() -> None:
    vocab = make_vocab([f"w{i}" for i in range(2000)], width=50)
    model = make_model(vocab)
    data = model.to_bytes()
    assert len(data) < 10_000
    loaded = VectorEmbed(WIDTH).from_bytes(data)
    lexemes = lexemes_of("w1 w2 unseen", vocab=vocab)
    assert (loaded.predict(lexemes) == model.predict(lexemes)).all()
