"""What the component remembers of lexemes, and that it forgets it when it has to."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.lookups import Lookups
from spacy.tokens import Doc
from spacy.util import load_config, load_model_from_config
from spacy.vectors import Vectors
from thinc.api import fix_random_seed
from thinc.layers.chain import forward as forward_chain

from spacy_twitter_ner.corpus.readers import create_tag_file_reader
from spacy_twitter_ner.layers.heads import CRFHead
from spacy_twitter_ner.lexical.clusters import TABLE
from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER

from .util import (
    NAME,
    NEW_DATA,
    SMALL_CRF,
    TEST_TEXTS,
    add_shared_tok2vec,
    add_small_ner,
    entities,
    make_examples,
    predicted_entities,
    train,
    trained_ner,
)

ROOT = Path(__file__).parents[2]
MODEL = f"components.{NAME}.model"


def remembered(ner: TwitterBiLSTMNER) -> int:
    return len(ner.model.attrs["lexeme_cache"])


def make_docs(nlp: Language, texts: list[str] = TEST_TEXTS) -> list[Doc]:
    return [doc for doc in nlp.tokenizer.pipe(texts) if len(doc)]


def check_same(nlp: Language, docs: list[Doc] | None = None) -> None:
    """The component predicts what its layers do, one after another."""
    ner = nlp.get_pipe(NAME)
    docs = make_docs(nlp) if docs is None else docs
    head, lengths = ner.model.attrs["head"], [len(doc) for doc in docs]
    nowhere = numpy.zeros(sum(lengths), dtype=bool)
    plain, _ = forward_chain(ner.model, docs, False)
    tags = head.decode(plain, nowhere, nowhere)
    assert numpy.concatenate(ner.predict(docs)).tolist() == tags.tolist()
    numpy.testing.assert_allclose(
        numpy.concatenate(ner.predict_proba(docs)), head.get_posteriors(plain), atol=1e-5
    )


@pytest.fixture
def nlp(small: dict) -> Language:
    """A trained pipeline that has read some texts."""
    fix_random_seed(0)
    nlp = trained_ner(**small)
    list(nlp.pipe(TEST_TEXTS))
    assert remembered(nlp.get_pipe(NAME)) > 5
    return nlp


def update(nlp: Language) -> None:
    nlp.update(make_examples(nlp, NEW_DATA[:4]), sgd=nlp.resume_training())


def accumulate_gradients(nlp: Language) -> None:
    """As `spacy train` does it."""
    ner, optimizer = nlp.get_pipe(NAME), nlp.resume_training()
    for _ in range(2):
        nlp.update(make_examples(nlp), sgd=False)
    ner.finish_update(optimizer)


def rehearse(nlp: Language) -> None:
    optimizer = nlp.resume_training()
    update(nlp)
    nlp.rehearse(make_examples(nlp), sgd=optimizer)


def load(nlp: Language) -> None:
    other = nlp.get_pipe(NAME).to_bytes()
    update(nlp)
    list(nlp.pipe(TEST_TEXTS))
    nlp.get_pipe(NAME).from_bytes(other)


def initialize(nlp: Language) -> None:
    nlp.initialize(lambda: make_examples(nlp))


CHANGES: dict[str, Callable[[Language], object]] = {
    "update": update,
    "accumulated gradients": accumulate_gradients,
    "rehearsal": rehearse,
    "a new label": lambda nlp: nlp.get_pipe(NAME).add_label("TEAM"),
    "loading": load,
    "initialisation": initialize,
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_forgets(nlp: Language, change: str) -> None:
    CHANGES[change](nlp)
    assert remembered(nlp.get_pipe(NAME)) == 0
    check_same(nlp)


def test_loading_from_a_folder(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    update(nlp)
    expected = spacy.load(tmp_path)
    list(nlp.pipe(TEST_TEXTS))
    nlp.from_disk(tmp_path)
    assert remembered(nlp.get_pipe(NAME)) == remembered(expected.get_pipe(NAME)) == 0
    check_same(nlp)
    assert predicted_entities(nlp) == predicted_entities(expected)


def test_other_weights_for_a_while(nlp: Language) -> None:
    ner, before = nlp.get_pipe(NAME), predicted_entities(nlp)
    zeros = {
        (node.id, name): numpy.zeros_like(node.get_param(name))
        for node in ner.model.walk()
        for name in node.param_names
    }
    with nlp.use_params(zeros):
        assert remembered(ner) == 0
        check_same(nlp)
        assert predicted_entities(nlp) != before
    assert remembered(ner) == 0
    assert predicted_entities(nlp) == before
    check_same(nlp)


def test_forget_lexemes(nlp: Language) -> None:
    """For what nothing else notices: a single entry of a table that was changed in place."""
    ner = nlp.get_pipe(NAME)
    node = next(node for node in ner.model.walk() if node.name == "lexeme_features")
    node.get_param("norm")[node.attrs["vocabulary_norm"].row("london")] *= -3
    ner.forget_lexemes()
    assert remembered(ner) == 0
    check_same(nlp)


def test_the_vocab_is_replaced(tmp_path: Path) -> None:
    """Vectors and clusters belong to the vocab; the component is not told of new ones."""
    nlp = spacy.blank("xx")
    words = ["London", "Berlin", "Shaka", "Khan", "tired"]

    def give_knowledge(seed: int) -> None:
        random = numpy.random.RandomState(seed)
        data = random.normal(size=(len(words), 4)).astype("float32")
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=words)
        lookups = Lookups()
        codes = {nlp.vocab.strings.add(word.lower()): 2 + seed for word in words}
        lookups.add_table(TABLE, codes)
        nlp.vocab.lookups = lookups

    give_knowledge(1)
    embed = {
        "@architectures": "spacy-twitter-ner.TweetEmbed.v1",
        "*": {
            "clusters": {
                "@architectures": "spacy-twitter-ner.ClusterEmbed.v1",
                "depths": [2, 0],
                "widths": [4, 4],
            },
            "vectors": {"@architectures": "spacy-twitter-ner.VectorEmbed.v1", "width": 4},
        },
    }
    model = {**SMALL_CRF["model"], "tok2vec": {**SMALL_CRF["model"]["tok2vec"], "embed": embed}}
    nlp.add_pipe(NAME, config={"model": model})
    train(nlp, make_examples(nlp), steps=5)
    for seed in (2, 3):
        check_same(nlp)
        assert remembered(nlp.get_pipe(NAME)) > 5
        give_knowledge(seed)
    check_same(nlp)
    nlp.vocab.vectors.data[...] *= -1
    check_same(nlp)
    nlp.vocab.set_vector("sings", numpy.ones(4, dtype="float32"))
    check_same(nlp)


def test_nothing_is_stored(nlp: Language) -> None:
    ner = nlp.get_pipe(NAME)
    before = ner.to_bytes()
    ner.forget_lexemes()
    assert ner.to_bytes() == before
    copied = spacy.blank("xx")
    copied.add_pipe(NAME, source=nlp)
    assert remembered(copied.get_pipe(NAME)) == 0


@pytest.mark.parametrize("cache_size", [0, 3])
def test_the_size_is_a_setting(small: dict, cache_size: int) -> None:
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp, **{**small, "model": {**small["model"], "cache_size": cache_size}})
    train(nlp, make_examples(nlp), steps=2)
    for text in TEST_TEXTS:
        nlp(text)
        assert remembered(ner) <= cache_size
    check_same(nlp)


def test_a_shared_tok2vec_is_left_alone() -> None:
    nlp = spacy.blank("xx")
    add_shared_tok2vec(nlp, NAME)
    train(nlp, make_examples(nlp), steps=5)
    assert predicted_entities(nlp)
    assert remembered(nlp.get_pipe(NAME)) == 0


def test_a_stream_in_memory_zones(nlp: Language) -> None:
    ner, expected = nlp.get_pipe(NAME), predicted_entities(nlp)
    ner.model.attrs["lexeme_cache"].size = 50
    ner.forget_lexemes()
    n_strings = len(nlp.vocab.strings)
    for number in range(20):
        with nlp.memory_zone():
            texts = [f"Plugh{number} likes Xyzzy{number}ville", *TEST_TEXTS]
            assert entities(nlp.pipe(texts))[1:] == expected
        assert 0 < remembered(ner) <= 50
    assert len(nlp.vocab.strings) == n_strings


def test_threads(nlp: Language) -> None:
    ner, expected = nlp.get_pipe(NAME), predicted_entities(nlp)
    ner.model.attrs["lexeme_cache"].size = 12
    ner.forget_lexemes()

    def work(number: int) -> list:
        order = numpy.random.RandomState(number).permutation(len(TEST_TEXTS))
        docs = list(nlp.pipe([TEST_TEXTS[i] for i in order], batch_size=1 + number % 3))
        found = entities(docs)
        return [found[i] for i in numpy.argsort(order)]

    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(work, range(40)))


@pytest.fixture(scope="module")
def sample() -> tuple[Language, list[Doc]]:
    """The default config, smaller and trained for a while; and the test split of its corpus."""
    settings = {
        f"{MODEL}.tok2vec.encode.hidden_width": 16,
        f"{MODEL}.cache_size": 500,
        "corpora.train": {
            "@readers": "spacy-twitter-ner.TagFileCorpus.v1",
            "path": str(ROOT / "assets/sample/train.txt"),
        },
    }
    nlp = load_model_from_config(
        load_config(ROOT / "configs/bilstm_crf.cfg", settings), auto_fill=True
    )
    read = {
        split: list(create_tag_file_reader(ROOT / f"assets/sample/{split}.txt")(nlp))
        for split in ("train", "test")
    }
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: read["train"])
    optimizer.learn_rate = 0.02
    for start in range(0, 800, 16):
        nlp.update(read["train"][start : start + 16], sgd=optimizer)
    return nlp, [example.predicted for example in read["test"]]


def test_real_tweets(sample: tuple[Language, list[Doc]]) -> None:
    nlp, docs = sample
    ner = nlp.get_pipe(NAME)
    assert isinstance(ner.model.attrs["head"], CRFHead)
    check_same(nlp, docs)
    expected = [tags.tolist() for tags in ner.predict(docs)]
    assert sum(tag % 2 for tags in expected for tag in tags) > 20
    for size in (1, 7, 64):
        batches = (docs[start : start + size] for start in range(0, len(docs), size))
        assert [tags.tolist() for batch in batches for tags in ner.predict(batch)] == expected
        assert remembered(ner) <= 500
