"""The model's lexeme cache: when it is invalidated, and that it doesn't change predictions."""

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

from spacy_twitter_ner.corpus.reader import create_tag_file_reader
from spacy_twitter_ner.layers.heads import CRFHead
from spacy_twitter_ner.lexical.clusters import TABLE
from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER
from spacy_twitter_ner.pipeline.constraints import spans_to_entities, tags_to_spans

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
    predicted_spans,
    train,
    trained_ner,
)

ROOT = Path(__file__).parents[2]
MODEL = f"components.{NAME}.model"


def cache_len(ner: TwitterBiLSTMNER) -> int:
    return len(ner.model.attrs["lexeme_cache"])


def make_docs(nlp: Language, texts: list[str] = TEST_TEXTS) -> list[Doc]:
    return [doc for doc in nlp.tokenizer.pipe(texts) if len(doc)]


def assert_cache_valid(nlp: Language, docs: list[Doc] | None = None) -> None:
    """Check that predictions are those of the model's layers, which don't use the cache."""
    ner = nlp.get_pipe(NAME)
    docs = make_docs(nlp) if docs is None else docs
    head, lengths = ner.model.attrs["head"], [len(doc) for doc in docs]
    mask = numpy.zeros(sum(lengths), dtype=bool)
    plain, _ = forward_chain(ner.model, docs, False)
    spans = tags_to_spans(head.decode(plain, mask, mask))
    for found, expected in zip(ner.predict(docs).spans, spans, strict=True):
        assert found.tolist() == expected.tolist()
    numpy.testing.assert_allclose(
        numpy.concatenate(ner.predict_proba(docs)), head.get_posteriors(plain), atol=1e-5
    )


@pytest.fixture
def nlp(small: dict) -> Language:
    """A trained pipeline with a filled cache."""
    fix_random_seed(0)
    nlp = trained_ner(**small)
    list(nlp.pipe(TEST_TEXTS))
    assert cache_len(nlp.get_pipe(NAME)) > 5
    return nlp


def update(nlp: Language) -> None:
    nlp.update(make_examples(nlp, NEW_DATA[:4]), sgd=nlp.resume_training())


def accumulate_gradients(nlp: Language) -> None:
    """As in `spacy train`."""
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
    "new label": lambda nlp: nlp.get_pipe(NAME).add_label("TEAM"),
    "loading": load,
    "initialization": initialize,
}


@pytest.mark.parametrize("change", CHANGES)
def test_cache_is_invalidated(nlp: Language, change: str) -> None:
    CHANGES[change](nlp)
    assert_cache_valid(nlp)


def test_cache_is_invalidated_by_from_disk(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    update(nlp)
    expected = spacy.load(tmp_path)
    list(nlp.pipe(TEST_TEXTS))
    nlp.from_disk(tmp_path)
    assert_cache_valid(nlp)
    assert predicted_entities(nlp) == predicted_entities(expected)


def test_cache_is_invalidated_by_use_params(nlp: Language) -> None:
    ner, before = nlp.get_pipe(NAME), predicted_entities(nlp)
    zeros = {
        (node.id, name): numpy.zeros_like(node.get_param(name))
        for node in ner.model.walk()
        for name in node.param_names
    }
    with nlp.use_params(zeros):
        assert_cache_valid(nlp)
        assert predicted_entities(nlp) != before
    assert predicted_entities(nlp) == before
    assert_cache_valid(nlp)


def test_clear_cache(nlp: Language) -> None:
    """Needed if a single entry of a table is modified in place, which isn't detected."""
    ner = nlp.get_pipe(NAME)
    node = next(node for node in ner.model.walk() if node.name == "lexeme_features")
    node.get_param("norm")[node.attrs["vocabulary_norm"].row("london")] *= -3
    ner.clear_cache()
    assert cache_len(ner) == 0
    assert_cache_valid(nlp)


def test_cache_is_invalidated_by_new_vectors_and_clusters(tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    words = ["London", "Berlin", "Shaka", "Khan", "tired"]

    def set_vectors_and_clusters(seed: int) -> None:
        random = numpy.random.RandomState(seed)
        data = random.normal(size=(len(words), 4)).astype("float32")
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=words)
        lookups = Lookups()
        codes = {nlp.vocab.strings.add(word.lower()): 2 + seed for word in words}
        lookups.add_table(TABLE, codes)
        nlp.vocab.lookups = lookups

    set_vectors_and_clusters(1)
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
        assert_cache_valid(nlp)
        assert cache_len(nlp.get_pipe(NAME)) > 5
        set_vectors_and_clusters(seed)
    assert_cache_valid(nlp)
    nlp.vocab.vectors.data[...] *= -1
    assert_cache_valid(nlp)
    nlp.vocab.set_vector("sings", numpy.ones(4, dtype="float32"))
    assert_cache_valid(nlp)


def test_cache_is_not_serialized(nlp: Language) -> None:
    ner = nlp.get_pipe(NAME)
    before = ner.to_bytes()
    ner.clear_cache()
    assert ner.to_bytes() == before
    copied = spacy.blank("xx")
    copied.add_pipe(NAME, source=nlp)
    assert cache_len(copied.get_pipe(NAME)) == 0


@pytest.mark.parametrize("cache_size", [0, 3])
def test_cache_size(small: dict, cache_size: int) -> None:
    nlp = spacy.blank("xx")
    ner = add_small_ner(nlp, **{**small, "model": {**small["model"], "cache_size": cache_size}})
    train(nlp, make_examples(nlp), steps=2)
    for text in TEST_TEXTS:
        nlp(text)
        assert cache_len(ner) <= cache_size
    assert_cache_valid(nlp)


def test_shared_tok2vec_is_not_cached() -> None:
    nlp = spacy.blank("xx")
    add_shared_tok2vec(nlp, NAME)
    train(nlp, make_examples(nlp), steps=5)
    assert predicted_entities(nlp)
    assert cache_len(nlp.get_pipe(NAME)) == 0


def test_cache_in_memory_zones(nlp: Language) -> None:
    ner, expected = nlp.get_pipe(NAME), predicted_entities(nlp)
    ner.model.attrs["lexeme_cache"].size = 50
    ner.clear_cache()
    n_strings = len(nlp.vocab.strings)
    for number in range(20):
        with nlp.memory_zone():
            texts = [f"Plugh{number} likes Xyzzy{number}ville", *TEST_TEXTS]
            assert entities(nlp.pipe(texts))[1:] == expected
        assert 0 < cache_len(ner) <= 50
    assert len(nlp.vocab.strings) == n_strings


def test_cache_shared_by_threads(nlp: Language) -> None:
    ner, expected = nlp.get_pipe(NAME), predicted_entities(nlp)
    ner.model.attrs["lexeme_cache"].size = 12
    ner.clear_cache()

    def work(number: int) -> list:
        order = numpy.random.RandomState(number).permutation(len(TEST_TEXTS))
        docs = list(nlp.pipe([TEST_TEXTS[i] for i in order], batch_size=1 + number % 3))
        found = entities(docs)
        return [found[i] for i in numpy.argsort(order)]

    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(work, range(40)))


@pytest.fixture(scope="module")
def sample() -> tuple[Language, list[Doc]]:
    """A small trained pipeline with the default config, and the docs of the test split."""
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


@pytest.mark.slow
def test_cached_predictions_of_corpus(sample: tuple[Language, list[Doc]]) -> None:
    nlp, docs = sample
    ner = nlp.get_pipe(NAME)
    assert isinstance(ner.model.attrs["head"], CRFHead)
    assert_cache_valid(nlp, docs)
    expected = [predicted_spans(ner, [doc]) for doc in docs]
    assert sum(map(len, expected)) > 20
    for size in (7, 64):
        for start in range(0, len(docs), size):
            batch = docs[start : start + size]
            spans = spans_to_entities(batch, ner.predict(batch).spans, ner.labels)
            found = [[(ent.start, ent.end, ent.label_) for ent in ents] for ents in spans]
            assert found == expected[start : start + size]
        assert cache_len(ner) <= 500
