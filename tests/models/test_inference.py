"""Compare prediction by lexeme with applying the layers."""

from collections.abc import Callable, Sequence

import numpy
import pytest
from spacy.ml.models.tok2vec import MultiHashEmbed, build_Tok2Vec_model
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Adam, Linear, Model, fix_random_seed, with_array
from thinc.layers.chain import forward as forward_chain

from spacy_twitter_ner.lexical.clusters import TABLE
from spacy_twitter_ner.models import inference
from spacy_twitter_ner.models.char_embed import CharEmbed
from spacy_twitter_ner.models.cluster_embed import ClusterEmbed
from spacy_twitter_ner.models.embed import FeatureEmbed, TweetEmbed, WordEmbed
from spacy_twitter_ner.models.encoder import BiLSTMEncoder
from spacy_twitter_ner.models.gazetteer import GazetteerEmbed, fit_gazetteer
from spacy_twitter_ner.models.hashtag_embed import HashtagEmbed
from spacy_twitter_ner.models.interface import EmbedPart, get_phrase_part
from spacy_twitter_ner.models.lexeme_features import LexemeFeatures
from spacy_twitter_ner.models.tagger import BiLSTMCRFTagger, BiLSTMTagger
from spacy_twitter_ner.models.vector_embed import VectorEmbed

from .docs import VOCAB, make_docs
from .phrases import LISTS, TRAIN

WORDS = [*{token.text for doc in TRAIN for token in doc}, "#NewYork", "@bob", "http://t.co/1", " "]
N_TAGS = 5


def embed_tweets(**settings: object) -> Model:
    return TweetEmbed(
        LexemeFeatures(["norm", "prefix3", "shape"], [8, 4, 3]),
        CharEmbed(5, char_width=4, min_freq=1),
        HashtagEmbed(3, min_freq=1),
        **settings,
    )


EMBEDDINGS: dict[str, Callable[[], Model]] = {
    "words": lambda: WordEmbed(6),
    "features": lambda: FeatureEmbed(["norm", "suffix2"], [5, 4]),
    "tweets": lambda: embed_tweets(),
    "gazetteer": lambda: embed_tweets(phrases=GazetteerEmbed(4)),
    # A layer without a PhrasePart.
    "other phrases": lambda: embed_tweets(phrases=WordEmbed(4)),
}


def make_tagger(
    embed: Model,
    encode: Model | None = None,
    architecture: Callable[..., Model] = BiLSTMCRFTagger,
    train: Sequence[Doc] = TRAIN,
    **settings: object,
) -> Model:
    encode = BiLSTMEncoder(4) if encode is None else encode
    model = architecture(build_Tok2Vec_model(embed, encode), N_TAGS, **settings)
    for node in model.walk():
        if part := get_phrase_part(node):
            part.fit_gazetteer(node, TRAIN, LISTS)
    sample = list(train)
    model.initialize(X=sample, Y=[numpy.zeros((len(doc), N_TAGS), "float32") for doc in sample])
    fix_random_seed(0)
    for node in model.walk():
        for name in node.param_names:
            shape = node.get_param(name).shape
            node.set_param(name, numpy.random.normal(size=shape).astype("float32"))
    return model


def draw_docs(n_docs: int, *, seed: int = 0, vocab: Vocab = VOCAB, longest: int = 12) -> list[Doc]:
    """Generate docs of known and unknown words, some of them empty."""
    random = numpy.random.RandomState(seed)
    words = [*WORDS, *(f"unknown{number}" for number in random.randint(0, 100, size=20))]
    lengths = random.randint(0, longest, size=n_docs)
    return [Doc(vocab, words=random.choice(words, length).tolist()) for length in lengths]


def emissions(scores: object) -> numpy.ndarray:
    return numpy.concatenate(scores) if isinstance(scores, list) else scores.emissions


def check_same(model: Model, docs: list[Doc]) -> None:
    plain, _ = forward_chain(model, docs, False)
    fast = model.predict(docs)
    assert type(fast) is type(plain)
    numpy.testing.assert_allclose(emissions(fast), emissions(plain), rtol=1e-4, atol=1e-5)
    if isinstance(fast, list):
        assert [len(doc_scores) for doc_scores in fast] == [len(doc) for doc in docs]
    else:
        assert fast.lengths == plain.lengths


def n_cached(model: Model) -> int:
    return len(model.attrs["lexeme_cache"])


@pytest.mark.parametrize("architecture", [BiLSTMTagger, BiLSTMCRFTagger])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", EMBEDDINGS)
def test_scores_equal_those_of_the_layers(
    name: str, depth: int, architecture: Callable[..., Model]
) -> None:
    model = make_tagger(EMBEDDINGS[name](), BiLSTMEncoder(4, depth=depth), architecture)
    for seed in range(4):
        check_same(model, draw_docs(15, seed=seed))
    assert n_cached(model) > 20
    for docs in (TRAIN, TRAIN[:1], make_docs("", "a", ""), make_docs("in New York now")):
        check_same(model, docs)


NAMES = [
    *("@bob", "@ann", "@Ann", "@zoe_x", "@12", "@me:", "@", "＠bob", "@bob's"),
    *("http://t.co/1", "http://t.co/2", "https://t.co/Ab", "HTTP://t.co/1", "t.co/1", "www.b.c"),
    *("http://t.co/😀", "http://t.co/😂"),
]


def name_vocab() -> Vocab:
    """Create a vocab with a cluster and a vector for a single user name."""
    vocab = Vocab()
    vocab.lookups.add_table(TABLE, {"@ann": 0b101, "bob": 0b111})
    vocab.vectors = Vectors(shape=(2, 3), data=numpy.ones((2, 3), "float32"), keys=["@ann", "bob"])
    return vocab


NAME_EMBEDDINGS: dict[str, Callable[[], Model]] = {
    **EMBEDDINGS,
    "texts": lambda: FeatureEmbed(["orth", "kind", "flags"], [3, 3, 3]),
    "emoji": lambda: FeatureEmbed(["emoji", "masked"], [3, 3]),
    "clusters": lambda: TweetEmbed(ClusterEmbed([2, 0], [3, 3])),
    "vectors": lambda: TweetEmbed(VectorEmbed(4)),
}


@pytest.mark.parametrize("name", NAME_EMBEDDINGS)
def test_user_names_and_urls(name: str) -> None:
    vocab = name_vocab()
    train = [Doc(vocab, words=words) for words in (NAMES[:2], NAMES[9:12], NAMES[-1:], ["bob"])]
    model = make_tagger(NAME_EMBEDDINGS[name](), train=train)
    known = [*NAMES, "bob", "cat"]
    unseen = [f"@{word}" for word in ("x", "y", "Xy", "Yx")]
    for words in (known, unseen, [*unseen, *known], ["@x", "@new", "@x"]):
        check_same(model, [Doc(vocab, words=words)])


def test_equivalent_user_names_share_a_row() -> None:
    model = make_tagger(EMBEDDINGS["gazetteer"]())
    check_same(model, [Doc(VOCAB, words=[f"@u{number}" for number in range(100, 300)])])
    assert n_cached(model) == 1


def test_part_without_name_keys() -> None:
    part = CharEmbed(5, min_freq=1)
    part.attrs["part"] = EmbedPart()
    model = make_tagger(TweetEmbed(LexemeFeatures(["norm"], [4]), part))
    check_same(model, [Doc(VOCAB, words=["@one", "@two", "@two"])])
    assert n_cached(model) == 2


@pytest.mark.parametrize("cache_size", [0, 1, 10, 40])
def test_any_cache_size(cache_size: int) -> None:
    model = make_tagger(EMBEDDINGS["gazetteer"](), cache_size=cache_size)
    for seed in range(10):
        check_same(model, draw_docs(6, seed=seed))
        assert n_cached(model) <= cache_size


@pytest.mark.parametrize("docs", [make_docs(""), make_docs("", "")], ids=["1", "2"])
def test_docs_without_tokens(docs: list[Doc]) -> None:
    model = make_tagger(EMBEDDINGS["gazetteer"]())
    check_same(model, [*docs, *make_docs("a cat")])
    assert [len(doc_scores) for doc_scores in model.layers[0].predict(docs)] == [0] * len(docs)
    assert model.predict(docs).lengths == [0] * len(docs)


def test_docs_with_different_vocabs() -> None:
    model = make_tagger(EMBEDDINGS["gazetteer"]())
    other = draw_docs(5, vocab=Vocab())
    check_same(model, draw_docs(5))
    check_same(model, [*other, *draw_docs(5)])
    check_same(model, other)
    check_same(model, draw_docs(5))


@pytest.mark.parametrize("is_embed", [True, False])
def test_other_layers_are_not_cached(is_embed: bool) -> None:
    other = MultiHashEmbed(8, ["NORM"], [50], include_static_vectors=False)
    embed = other if is_embed else WordEmbed(8)
    encode = BiLSTMEncoder(4) if is_embed else with_array(Linear(8, 8))
    model = BiLSTMTagger(build_Tok2Vec_model(embed, encode), N_TAGS)
    model.initialize(X=TRAIN)
    assert not inference.can_predict_by_lexeme(model.layers[0], TRAIN)
    check_same(model, TRAIN)
    assert n_cached(model) == 0


def change_a_weight(model: Model, name: str, param: str) -> None:
    node = next(node for node in model.walk() if node.name == name)
    node.set_param(param, node.get_param(param) + 0.5)


def train_directly(model: Model) -> None:
    scores, backprop = model.begin_update(TRAIN)
    backprop(scores)
    model.finish_update(Adam(0.1))


def load_other_weights(model: Model) -> None:
    other = make_tagger(EMBEDDINGS["gazetteer"]())
    change_a_weight(other, "bilstm", "W")
    model.from_bytes(other.to_bytes())


def make_the_gazetteer_anew(model: Model) -> None:
    node = next(node for node in model.walk() if node.name == "gazetteer_embed")
    fit_gazetteer(node, TRAIN[:2], {"geo": ["the dog", "a"]})


CHANGES: dict[str, Callable[[Model], None]] = {
    "embedding": lambda model: change_a_weight(model, "lexeme_features", "norm"),
    "characters": lambda model: change_a_weight(model, "char_cnn", "W"),
    "phrases": lambda model: change_a_weight(model, "gazetteer_embed", "E"),
    "encoder": lambda model: change_a_weight(model, "bilstm", "b"),
    "recurrent": lambda model: change_a_weight(model, "bilstm", "U"),
    "output": lambda model: change_a_weight(model, "linear", "W"),
    "training": train_directly,
    "loading": load_other_weights,
    "gazetteer": make_the_gazetteer_anew,
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_clear_the_cache(change: str) -> None:
    """Even if they bypass the component."""
    model, docs = make_tagger(EMBEDDINGS["gazetteer"]()), draw_docs(10)
    before = emissions(model.predict(docs))
    CHANGES[change](model)
    check_same(model, docs)
    assert not numpy.allclose(emissions(model.predict(docs)), before)


def test_use_params() -> None:
    model, docs = make_tagger(EMBEDDINGS["gazetteer"]()), draw_docs(10)
    before = emissions(model.predict(docs))
    params = {
        (node.id, name): node.get_param(name) + 1
        for node in model.walk()
        for name in node.param_names
        if node.has_param(name)
    }
    with model.use_params(params):
        check_same(model, docs)
    assert (emissions(model.predict(docs)) == before).all()
    check_same(model, docs)


def test_copies_are_independent() -> None:
    model, docs = make_tagger(EMBEDDINGS["gazetteer"](), cache_size=50), draw_docs(10)
    model.predict(docs)
    copied = model.copy()
    assert (n_cached(copied), copied.attrs["lexeme_cache"].size) == (0, 50)
    change_a_weight(copied, "bilstm", "W")
    for one in (copied, model, copied):
        check_same(one, docs)


def test_cache_is_not_serialized() -> None:
    model = make_tagger(EMBEDDINGS["gazetteer"]())
    before = model.to_bytes()
    model.predict(draw_docs(10))
    assert model.to_bytes() == before


def test_prediction_has_no_gradient() -> None:
    model = make_tagger(EMBEDDINGS["words"]())
    scores, backprop = model(TRAIN, is_train=False)
    with pytest.raises(RuntimeError, match="is_train=True"):
        backprop(scores)
