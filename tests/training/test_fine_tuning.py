import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.lookups import Lookups
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config
from thinc.api import fix_random_seed

from spacy_twitter_ner.lexical.clusters import TABLE
from spacy_twitter_ner.training.fine_tuning import create_fine_tuner

from ..conftest import ROOT
from ..pipeline.util import NAME, SMALL_CRF, make_examples, trained_ner

CONFIG = ROOT / "configs" / "finetune.cfg"
TEXT = "Shaka Khan sings in London"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """Contains a trained pipeline, and training data with other types."""
    path = tmp_path_factory.mktemp("fine_tuning")
    fix_random_seed(0)
    base = trained_ner(**SMALL_CRF)
    base.vocab.lookups = Lookups()
    base.vocab.lookups.add_table(TABLE, {"london": 5})
    base.vocab.set_vector("london", numpy.ones(3, dtype="float32"))
    base.to_disk(path / "base")
    data = [
        (TEXT, {"entities": [(0, 10, "PER"), (20, 26, "LOC")]}),
        ("a pub", {"entities": [(2, 5, "new")]}),
    ]
    docs = [example.reference for example in make_examples(spacy.blank("xx"), data)]
    DocBin(docs=docs).to_disk(path / "train.spacy")
    return path


def initialize(folder, **labels: str) -> Language:
    settings = {
        "nlp.lang": "xx",
        "paths.train": str(folder / "train.spacy"),
        "paths.dev": str(folder / "train.spacy"),
        f"components.{NAME}.source": str(folder / "base"),
        "initialize.before_init.pipeline": str(folder / "base"),
        **{f"initialize.before_init.labels.{label}": start for label, start in labels.items()},
    }
    return init_nlp(load_config(CONFIG, settings))


def test_types_are_those_of_the_training_data(folder):
    nlp = initialize(folder)
    ner = nlp.get_pipe(NAME)
    assert ner.labels == ("LOC", "PER", "new")
    # LOC keeps its weights. The others aren't predicted yet.
    assert ("London", "LOC") in [(ent.text, ent.label_) for ent in nlp(TEXT).ents]
    assert {ent.label_ for ent in nlp(TEXT).ents} == {"LOC"}


def test_type_starts_from_another(folder):
    nlp = initialize(folder, PER="PERSON")
    assert [(ent.text, ent.label_) for ent in nlp(TEXT).ents] == [
        ("Shaka Khan", "PER"),
        ("London", "LOC"),
    ]


def test_lookups_and_vectors_are_copied(folder):
    nlp = initialize(folder)
    assert nlp.vocab.lookups.get_table(TABLE)["london"] == 5
    assert nlp.vocab["london"].vector.tolist() == [1, 1, 1]


def test_new_type_is_learned(folder):
    nlp = initialize(folder, PER="PERSON")
    examples = [
        Example(nlp.make_doc(doc.text), doc)
        for doc in DocBin().from_disk(folder / "train.spacy").get_docs(nlp.vocab)
    ]
    sgd = nlp.resume_training()
    sgd.learn_rate = 0.02
    for _ in range(60):
        nlp.update(examples, sgd=sgd)
    assert [ent.label_ for ent in nlp("a pub").ents] == ["new"]
    assert [ent.label_ for ent in nlp(TEXT).ents] == ["PER", "LOC"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"PERS": "PERSON"}, r"the training data has no entity type PERS.*LOC, PER, new"),
        ({"PER": "person"}, r"the pipeline has no entity type person.*LOC, PERSON"),
    ],
)
def test_unknown_types_are_errors(folder, labels, message):
    with pytest.raises(ValueError, match=message):
        initialize(folder, **labels)


def test_component_must_be_sourced(folder):
    nlp = spacy.blank("xx")
    nlp.add_pipe(NAME)
    with pytest.raises(ValueError, match=r"isn't trained.*source = "):
        create_fine_tuner(str(folder / "base"), folder / "train.spacy")(nlp)


def test_path_is_required():
    with pytest.raises(ValueError, match=r"--paths\.train"):
        create_fine_tuner("en_tweet_ner", None)


def test_training_data_without_entities_is_an_error(folder, tmp_path):
    DocBin(docs=[spacy.blank("xx")("so tired")]).to_disk(tmp_path / "none.spacy")
    nlp = spacy.load(folder / "base")
    with pytest.raises(ValueError, match="no entities"):
        create_fine_tuner(str(folder / "base"), tmp_path / "none.spacy")(nlp)
