"""Requirements of spaCy's own tests for a trainable NER component. See docs/reliability.md."""

import logging
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from confection import ConfigValidationError
from spacy.cli.init_config import fill_config
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_loop
from spacy.util import load_config, load_model_from_config, minibatch
from thinc.api import Config, fix_random_seed

import spacy_twitter_ner

from .util import (
    CRF_TAGGER,
    LISTENER,
    NAME,
    TOK2VEC,
    add_shared_tok2vec,
    add_small_ner,
    entities,
    make_examples,
    predicted_entities,
)

ROOT = Path(__file__).parents[2]
CONFIGS = ("bilstm_crf", "article")
LABELS = ("LOC", "PERSON", "TEAM")
TRAIN = [
    ("Kim flew to Berlin on Monday", [(0, 3, "PERSON"), (12, 18, "LOC")]),
    ("so tired today lol", []),
    ("Arsenal beat Chelsea in London", [(0, 7, "TEAM"), (13, 20, "TEAM"), (24, 30, "LOC")]),
    ("watching #Arsenal with @ann and Zoë", [(32, 35, "PERSON")]),
]
N_ENTITIES = 6
TEXT = "saw Justin Bieber at Madison Square Garden in New York City"


def examples_of(nlp: Language, data: list = TRAIN) -> list[Example]:
    return [Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in data]


def count_found(nlp: Language) -> int:
    """Count the entities of the training data that the pipeline predicts."""
    n_found = 0
    for text, ents in TRAIN:
        n_found += len({(e.start_char, e.end_char, e.label_) for e in nlp(text).ents} & set(ents))
    return n_found


def add_component(nlp: Language, config: str) -> None:
    if config == "shared":
        nlp.add_pipe("tok2vec", config=TOK2VEC)
        nlp.add_pipe(NAME, config={"model": {"@architectures": CRF_TAGGER, "tok2vec": LISTENER}})
        return
    if config == "default":
        nlp.add_pipe(NAME)
        return
    settings = load_config(ROOT / "configs" / f"{config}.cfg")["components"][NAME]
    settings.pop("factory")
    nlp.add_pipe(NAME, config=settings)


def add_labels(nlp: Language) -> None:
    for label in LABELS:
        nlp.get_pipe(NAME).add_label(label)


# initialize


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("config", ["default", "shared", *CONFIGS])
@pytest.mark.slow
def test_initialize_without_examples_and_update(config, batch_size):
    fix_random_seed(0)
    random.seed(0)
    nlp = spacy.blank("en")
    add_component(nlp, config)
    add_labels(nlp)
    optimizer = nlp.initialize()
    optimizer.learn_rate = 0.005
    examples = examples_of(nlp)
    for _ in range(60):
        random.shuffle(examples)
        for batch in minibatch(examples, batch_size):
            nlp.update(batch, sgd=optimizer)
    assert count_found(nlp) == N_ENTITIES
    copy = type(nlp).from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert count_found(copy) == N_ENTITIES


@pytest.mark.slow
def test_loaded_component_learns_new_words(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe(NAME)
    add_labels(nlp)
    nlp.initialize()
    nlp.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(60):
        nlp.update(examples_of(nlp), sgd=optimizer)
    assert count_found(nlp) == N_ENTITIES


@pytest.mark.parametrize("n_examples", [1, 2])
@pytest.mark.slow
def test_initialize_with_sample(n_examples):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe(NAME)
    add_labels(nlp)
    examples = examples_of(nlp)
    optimizer = nlp.initialize(lambda: examples[:n_examples])
    optimizer.learn_rate = 0.01
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    assert count_found(nlp) == N_ENTITIES


def test_vocabulary_of_many_examples_is_final():
    nlp = spacy.blank("en")
    ner = add_small_ner(nlp)
    examples = examples_of(nlp) * 26
    optimizer = nlp.initialize(lambda: examples)
    embed = next(node for node in ner.model.walk() if node.name == "lexeme_features")
    n_rows = len(embed.get_param("norm"))
    nlp.update(examples_of(nlp, [("utterly unseen words", [])]), sgd=optimizer)
    assert len(embed.get_param("norm")) == n_rows == len(embed.attrs["vocabulary_norm"].keys) + 1
    assert embed.attrs["vocabulary_norm"].row("utterly") == 0


def test_initialize_labels_without_examples():
    nlp = spacy.blank("en")
    ner = add_small_ner(nlp)
    nlp.config["initialize"]["components"][NAME] = {"labels": list(LABELS)}
    nlp.initialize()
    assert ner.labels == ner.label_data == LABELS
    assert not nlp(TEXT).ents


@pytest.mark.parametrize(
    ("config", "lost"),
    [("default", []), ("article", []), ("bilstm_crf", ["GazetteerEmbed", "HashtagEmbed"])],
)
@pytest.mark.slow
def test_warning_about_layers_without_training_data(config, lost, caplog):
    nlp = spacy.blank("en")
    add_component(nlp, config)
    add_labels(nlp)
    with caplog.at_level(logging.WARNING, logger="spacy"):
        nlp.initialize()
    for name in lost:
        assert name in caplog.text
    assert ("nlp.initialize(lambda: examples)" in caplog.text) == bool(lost)
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="spacy"):
        nlp.initialize(lambda: examples_of(nlp))
    assert not caplog.text


@pytest.mark.parametrize("config", ["default", "shared", *CONFIGS])
@pytest.mark.parametrize("has_examples", [True, False])
@pytest.mark.slow
def test_untrained_component_predicts_nothing(config, has_examples):
    for seed in range(3):
        fix_random_seed(seed)
        nlp = spacy.blank("en")
        add_component(nlp, config)
        add_labels(nlp)
        nlp.initialize((lambda n=nlp: examples_of(n)) if has_examples else None)
        for text in [*(text for text, _ in TRAIN), TEXT, "Words! 123 #LikeThis @x http://t.co/a"]:
            doc = nlp(text)
            assert [token.ent_iob_ for token in doc] == ["O"] * len(doc)


@pytest.mark.slow
def test_entity_ruler_before_and_after():
    for is_before in (True, False):
        nlp = spacy.blank("en")
        ruler = nlp.add_pipe("entity_ruler")
        ner = nlp.add_pipe(NAME, before="entity_ruler" if is_before else None)
        ner.add_label("THING")
        nlp.initialize()
        ruler.add_patterns([{"label": "TEAM", "pattern": "Arsenal"}])
        doc = nlp("Arsenal beat Chelsea")
        assert [token.ent_iob_ for token in doc] == ["B", "O", "O"]
        assert doc[0].ent_type_ == "TEAM"


def test_blocked_tokens(nlp):
    add_small_ner(nlp).add_label("LOC")
    nlp.initialize()
    doc = nlp.make_doc("flying to New York City tmrw")
    doc.set_ents([], blocked=[doc[2:5]], default="unmodified")
    nlp.get_pipe(NAME)(doc)
    assert [token.ent_iob_ for token in doc] == ["O", "O", "B", "B", "B", "O"]
    assert not any(token.ent_type_ for token in doc)


def test_labels_with_hyphens(nlp):
    examples = examples_of(nlp, [("Kim is CEO", [(7, 10, "JOB-NAME")])])
    ner = add_small_ner(nlp)
    nlp.initialize(lambda: examples)
    assert ner.labels == ("JOB-NAME",)
    assert ner.tags == ("O", "B-JOB-NAME", "I-JOB-NAME")


def test_update_with_empty_text_and_unknown_label(nlp):
    add_small_ner(nlp).add_label("PERSON")
    optimizer = nlp.initialize()
    nlp.update(examples_of(nlp, [("Who is Kim", [(7, 10, "PERSON")]), ("", [])]), sgd=optimizer)
    negative = examples_of(nlp, [("Who is Kim", [(7, 10, "!PERSON")])])
    with pytest.raises(ValueError, match="'!PERSON'"):
        nlp.update(negative, sgd=optimizer)


@pytest.mark.slow
def test_ids_of_preset_entities():
    nlp = spacy.blank("en")
    nlp.add_pipe(NAME)
    add_labels(nlp)
    optimizer = nlp.initialize()
    optimizer.learn_rate = 0.01
    for _ in range(60):
        nlp.update(examples_of(nlp), sgd=optimizer)
    doc = nlp.make_doc("Kim flew to Berlin on Monday")
    doc.ents = [Span(doc, 3, 4, label="LOC", kb_id="Q64", span_id="berlin")]
    nlp.get_pipe(NAME)(doc)
    assert [(ent.text, ent.kb_id_, ent.id_) for ent in doc.ents] == [
        ("Kim", "", ""),
        ("Berlin", "Q64", "berlin"),
    ]


# Copying and sourcing


@pytest.fixture(scope="module")
def pretrained() -> Language:
    return spacy_twitter_ner.load()


@pytest.fixture(scope="module")
def expected(pretrained) -> list:
    return entities([pretrained(TEXT)])


def test_pretrained_from_config_and_bytes(pretrained, expected):
    lang = spacy.util.get_lang_class("en")
    copy = lang.from_config(pretrained.config).from_bytes(pretrained.to_bytes())
    assert entities([copy(TEXT)]) == expected
    assert copy.config == pretrained.config
    assert copy.to_bytes() == pretrained.to_bytes()


def test_pretrained_config_has_no_paths(pretrained):
    text = pretrained.config.interpolate().to_str()
    assert "/" not in text.replace("://", "")
    assert not {"calibrate.v1", "ClusterLookups", "PhraseLists", "silver"} & set(text.split('"'))
    for line in text.splitlines():
        assert not line.startswith("path =") or line == "path = null"


@pytest.mark.slow
def test_initialize_pretrained_pipeline_again():
    nlp = spacy_twitter_ner.load()
    ner = nlp.get_pipe(NAME)
    gazetteer = next(node for node in ner.model.walk() if node.name == "gazetteer_embed")
    n_phrases = len(gazetteer.attrs["gazetteer"].phrases)
    labels = ner.labels
    fix_random_seed(0)
    optimizer = nlp.initialize()
    assert not nlp(TEXT).ents
    assert ner.labels == labels
    # Vectors, clusters and phrases are kept.
    assert len(gazetteer.attrs["gazetteer"].phrases) == n_phrases > 1000
    optimizer.learn_rate = 0.01
    data = [("flying to Berlin with Kim", [(10, 16, "geo-loc"), (22, 25, "person")]), ("lol", [])]
    for _ in range(40):
        nlp.update(examples_of(nlp, data), sgd=optimizer)
    assert [ent.text for ent in nlp("flying to Berlin with Kim").ents] == ["Berlin", "Kim"]


def test_source_with_vocab(pretrained, expected, tmp_path):
    nlp = spacy.blank("en", vocab=pretrained.vocab)
    nlp.tokenizer = pretrained.tokenizer
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.add_pipe(NAME, source=pretrained)
    assert entities([nlp(TEXT)]) == expected
    nlp.to_disk(tmp_path)
    assert entities([spacy.load(tmp_path)(TEXT)]) == expected


def test_source_without_vocab_is_error(pretrained):
    nlp = spacy.blank("en")
    with pytest.warns(UserWarning, match="W113"):
        nlp.add_pipe(NAME, source=pretrained)
    with pytest.raises(ValueError, match="no table") as error:
        nlp(TEXT)
    assert 'spacy.blank("en", vocab=source.vocab)' in str(error.value)
    assert "spacy.copy_from_base_model.v1" in str(error.value)


SOURCE = """
[paths]
source = null
train = null
vectors = null

[nlp]
lang = "en"
pipeline = ["twitter_bilstm_ner"]

[nlp.tokenizer]
@tokenizers = "spacy-twitter-ner.TweetTokenizer.v1"

[components]

[components.twitter_bilstm_ner]
source = ${paths.source}

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[training]
max_steps = 2
eval_frequency = 1

[initialize]
vectors = ${paths.vectors}
"""
BEFORE_INIT = """
[initialize.before_init]
@callbacks = "spacy.copy_from_base_model.v1"
vocab = ${paths.source}
"""


@pytest.fixture
def source_config(tmp_path, pretrained) -> Callable[[str], Config]:
    docs = [pretrained.make_doc(text) for text in (TEXT, "so tired")]
    docs[0].ents = [Span(docs[0], 1, 3, label="person")]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    pretrained.to_disk(tmp_path / "source")

    def make(text: str, **paths: str) -> Config:
        config = Config().from_str(text, interpolate=False)
        config["paths"].update(
            source=str(tmp_path / "source"), train=str(tmp_path / "train.spacy"), **paths
        )
        config.to_disk(tmp_path / "base.cfg")
        fill_config(tmp_path / "config.cfg", tmp_path / "base.cfg", silent=True)
        return load_config(tmp_path / "config.cfg")

    return make


@pytest.mark.parametrize("has_vectors", [False, True])
@pytest.mark.slow
def test_source_in_training_config(source_config, tmp_path, expected, has_vectors):
    paths = {"vectors": str(tmp_path / "source")} if has_vectors else {}
    nlp = init_nlp(source_config(SOURCE + BEFORE_INIT, **paths))
    assert entities([nlp(TEXT)]) == expected
    (tmp_path / "output").mkdir()
    train_loop(nlp, tmp_path / "output")
    assert spacy.load(tmp_path / "output" / "model-last")(TEXT).ents


@pytest.mark.parametrize("has_vectors", [False, True])
@pytest.mark.filterwarnings("ignore:.*W113")
def test_source_in_training_config_without_vocab_is_error(source_config, tmp_path, has_vectors):
    paths = {"vectors": str(tmp_path / "source")} if has_vectors else {}
    config = source_config(SOURCE, **paths)
    with pytest.raises(ValueError, match=r"spacy\.copy_from_base_model\.v1"):
        init_nlp(config)(TEXT)


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "configs").glob("*.cfg")])
def test_config_without_paths(name):
    if name == "transformer":
        pytest.importorskip("spacy_transformers", reason="needs the extra transformer")
    config = load_config(ROOT / "configs" / f"{name}.cfg")
    config["paths"] = dict.fromkeys(config["paths"])
    nlp = load_model_from_config(config, auto_fill=True)
    assert type(nlp).from_config(nlp.config).pipe_names == nlp.pipe_names


def test_calibration_without_path(tmp_path):
    config = load_config(ROOT / "configs" / "bilstm_crf.cfg")
    config["paths"]["dev"] = None
    nlp = load_model_from_config(config, auto_fill=True)
    callback = nlp.config["training"]["before_to_disk"]
    with pytest.raises(ValueError, match=r"calibrate\.v1 has no path"):
        spacy.registry.resolve({"callback": callback.copy() | {"path": None}})


# In a pipeline


def test_frozen_components_are_not_updated(nlp):
    add_shared_tok2vec(nlp, NAME)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    before = nlp.get_pipe(NAME).model.to_bytes()
    with nlp.select_pipes(disable=[NAME]):
        nlp.update(examples, sgd=optimizer)
    nlp.update(examples, sgd=optimizer, exclude=[NAME])
    assert nlp.get_pipe(NAME).model.to_bytes() == before


def test_annotating_component_in_update(nlp):
    seen = []

    @Language.component("contract_listener")
    def listen(doc: Doc) -> Doc:
        seen.append([token.ent_iob_ for token in doc])
        return doc

    add_small_ner(nlp)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    nlp.add_pipe("contract_listener")
    nlp.update(examples, sgd=optimizer, annotates=[NAME, "contract_listener"])
    assert seen
    assert all(set(iobs) <= {"B", "I", "O"} for iobs in seen)


def test_rename_and_remove_pipe(nlp):
    add_small_ner(nlp)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    nlp.rename_pipe(NAME, "names")
    losses = nlp.update(examples, sgd=optimizer, losses={})
    assert nlp.pipe_names == ["names"]
    assert sum(losses.values()) > 0
    assert nlp.remove_pipe("names")[0] == "names"


@pytest.mark.parametrize(
    "config",
    [
        {"thresold": 0.5},
        {"threshold": "high"},
        {"temperature": [1.0]},
        {"window_length": "long"},
        {"loss_reduction": 3},
    ],
)
def test_settings_of_unknown_name_or_wrong_type(nlp, config):
    with pytest.raises(ConfigValidationError, match=next(iter(config))):
        nlp.add_pipe(NAME, config=config)


def test_error_handler(nlp):
    add_small_ner(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    nlp.get_pipe(NAME).cfg["temperature"] = 0
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, error: failed.extend(doc.text for doc in docs))
    assert list(nlp.pipe(["so tired", "in London"])) == []
    assert failed == ["so tired", "in London"]


def test_rehearsal_does_not_add_words_to_teacher(nlp):
    add_small_ner(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    optimizer = nlp.resume_training()
    before = predicted_entities(nlp)
    nlp.rehearse(examples_of(nlp), sgd=optimizer)
    assert predicted_entities(nlp) == before
