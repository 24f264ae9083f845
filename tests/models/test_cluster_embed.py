from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy
import pytest
from spacy.lookups import Lookups
from spacy.vocab import Vocab
from thinc.api import Model, set_dropout_rate

from spacy_twitter_ner.lexical.clusters import TABLE, cluster_code
from spacy_twitter_ner.models.cluster_embed import ClusterEmbed, fit_vocabulary
from spacy_twitter_ner.models.lexemes import distinct_lexemes

from .docs import fit_and_initialize, make_docs, make_lexemes

PATHS = {
    "london": "000",
    "paris": "001",
    "lol": "0100",
    "haha": "0101",
    "Apple": "011",
    "apple": "10",
    "arsenal": "1100",
    "#friday": "1101",
    "<USR>": "1110",
    "0:00": "1111",
}
DEPTHS, WIDTHS = [1, 3, 0], [3, 2, 4]


def make_vocab(paths: dict[str, str] = PATHS) -> Vocab:
    vocab = Vocab()
    vocab.lookups.add_table(TABLE, {word: cluster_code(path) for word, path in paths.items()})
    return vocab


VOCAB = make_vocab()
docs_of = partial(make_docs, vocab=VOCAB)
lexemes_of = partial(make_lexemes, vocab=VOCAB)
TRAIN = docs_of("london lol london", "Apple unseen @bob", "arsenal")


def make_model(**settings: Any) -> Model:
    model = ClusterEmbed(DEPTHS, WIDTHS, **settings)
    fit_vocabulary(model, TRAIN)
    model.initialize(X=lexemes_of("london"))
    return model


def vectors_of(model: Model, words: Iterable[str], vocab: Vocab = VOCAB) -> numpy.ndarray:
    """The vectors of words, in their order."""
    lexemes = lexemes_of(" ".join(words), vocab=vocab)
    return model.predict(lexemes)[lexemes.inverse]


def row(model: Model, path: str, name: str) -> int:
    return model.attrs[f"vocabulary_{name}"].row(str(cluster_code(path)))


def expected_vector(model: Model, path: str) -> numpy.ndarray:
    """The vector of a path, put together by hand."""
    prefixes = [("depth1", path[:1]), ("depth3", path[:3]), ("path", path)]
    return numpy.concatenate(
        [model.get_param(name)[row(model, prefix, name)] for name, prefix in prefixes]
    )


def unknown_vector(model: Model) -> numpy.ndarray:
    return numpy.concatenate([model.get_param(name)[0] for name in model.param_names])


def test_each_depth_has_a_row_per_prefix_in_the_training_data() -> None:
    model = make_model()
    assert model.get_dim("nO") == 9
    # 000, 0100, 011, 1110 and 1100 occur; at depth 3 the last is 110 and 0100 is 010.
    assert {name: model.get_param(name).shape for name in model.param_names} == {
        "depth1": (1 + 2, 3),
        "depth3": (1 + 5, 2),
        "path": (1 + 5, 4),
    }


def test_vectors_of_prefixes_are_concatenated() -> None:
    model = make_model()
    words = ["london", "lol", "Apple", "arsenal"]
    for word, vector in zip(words, vectors_of(model, words), strict=True):
        assert (vector == expected_vector(model, PATHS[word])).all()
        assert (vector != unknown_vector(model)).all()


def test_unseen_clusters_share_known_prefixes() -> None:
    model = make_model()
    haha, lol, friday = vectors_of(model, ["haha", "lol", "#friday"])
    # haha, 0101: its first three bits are those of lol.
    assert (haha[:5] == lol[:5]).all()
    assert (haha[5:] == model.get_param("path")[0]).all()
    assert (lol[5:] != haha[5:]).all()
    # #friday, 1101, shares three with arsenal.
    assert (friday[:5] == expected_vector(model, "1100")[:5]).all()


def test_short_paths_are_used_in_full() -> None:
    model = ClusterEmbed([3, 0], [2, 2])
    fit_vocabulary(model, docs_of("apple apple arsenal"))
    model.initialize()
    assert model.attrs["vocabulary_depth3"].keys == [
        str(cluster_code("10")),
        str(cluster_code("110")),
    ]
    assert (vectors_of(model, ["apple"])[0, :2] == model.get_param("depth3")[1]).all()


def test_changed_table_takes_effect() -> None:
    model = make_model()
    vocab = make_vocab()
    before = vectors_of(model, ["lol"], vocab)
    vocab.lookups.get_table(TABLE)["lol"] = cluster_code("000")
    assert (vectors_of(model, ["lol"], vocab)[0] == expected_vector(model, "000")).all()
    vocab.lookups = make_vocab().lookups
    assert (vectors_of(model, ["lol"], vocab) == before).all()


def test_docs_with_different_vocabs() -> None:
    model = make_model()
    other = make_vocab({"zebra": "000", "lol": "1100"})
    docs = [*docs_of("lol @bob"), *docs_of("zebra haha", vocab=other), *docs_of("london zebra")]
    lexemes = distinct_lexemes(docs)
    vectors = dict(zip(lexemes.texts, model.predict(lexemes), strict=True))
    for word, path in (("lol", "0100"), ("@bob", "1110"), ("zebra", "000"), ("london", "000")):
        assert (vectors[word] == expected_vector(model, path)).all()
    assert (vectors["haha"] == unknown_vector(model)).all()


def test_dropout_applies_to_all_depths_together() -> None:
    words = [f"w{i}" for i in range(400)]
    vocab = make_vocab(dict.fromkeys(words, "000"))
    model = make_model(unknown_rate=0.3)
    numpy.random.seed(0)
    Y, _ = model(lexemes_of(" ".join(words), vocab=vocab), is_train=True)
    is_dropped = (unknown_vector(model) == Y).all(axis=1)
    assert is_dropped.sum() == pytest.approx(120, abs=30)
    assert (Y[~is_dropped] == expected_vector(model, "000")).all()


def test_no_dropout_in_prediction_or_from_training_loop() -> None:
    model = make_model(unknown_rate=1.0)
    lexemes = lexemes_of("lol")
    assert (model.predict(lexemes)[0] == expected_vector(model, "0100")).all()
    set_dropout_rate(model, 0.0)
    assert (model(lexemes, is_train=True)[0][0] == unknown_vector(model)).all()


def test_vocabularies_are_ordered_by_frequency_in_tokens() -> None:
    model = ClusterEmbed([0], [2])
    docs = docs_of("haha haha haha lol", "lol paris")
    fit_and_initialize(model, docs)
    keys = [str(cluster_code(PATHS[word])) for word in ("haha", "lol", "paris")]
    assert model.attrs["vocabulary_path"].keys == keys


@pytest.mark.parametrize("when", ["fit", "initialize", "predict"])
def test_vocab_without_clusters_raises(when: str) -> None:
    model = make_model()
    docs = docs_of("lol", vocab=Vocab())
    calls: dict[str, Callable] = {
        "fit": lambda: fit_vocabulary(model, docs),
        "initialize": lambda: model.initialize(X=distinct_lexemes(docs)),
        "predict": lambda: model.predict(distinct_lexemes(docs)),
    }
    with pytest.raises(ValueError, match=r"\[initialize.lookups\]") as error:
        calls[when]()
    assert 'spacy.blank("en", vocab=source.vocab)' in str(error.value)


def test_vocab_with_other_lookups_raises() -> None:
    vocab = Vocab(lookups=Lookups())
    vocab.lookups.add_table("lexeme_norm", {"lol": "lol"})
    with pytest.raises(ValueError, match=TABLE):
        make_model().predict(lexemes_of("lol", vocab=vocab))


@pytest.mark.parametrize(
    ("depths", "widths", "message"),
    [
        ([], [], "depths is empty"),
        ([4, 0], [10], "2 depths, but 1 widths"),
        ([4, 4], [10, 10], "must be distinct and at least 0"),
        ([-1], [10], "must be distinct and at least 0"),
    ],
)
def test_invalid_settings(depths: list[int], widths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClusterEmbed(depths, widths)
