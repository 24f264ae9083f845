"""Fine-tune a trained component, or use it in other pipelines."""

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import load_model_from_config

import fine_tuning

from .util import (
    NAME,
    TEXTS,
    add_small_ner,
    assert_same_arrays,
    entities,
    make_examples,
    params,
    predicted_entities,
)

PATTERNS = ["my new {} is here", "@kim : bought a {} lol", "{} broke again !", "so in love with {}"]
GADGETS = ["Zune", "ThinkPad", "Kindle Fire", "GoPro", "Walkman", "Game Boy", "Roomba", "Fitbit"]


@pytest.fixture
def copied(tweet_nlp) -> Language:
    return load_model_from_config(tweet_nlp.config).from_bytes(tweet_nlp.to_bytes())


def gadget_docs(nlp, gadgets):
    """Make docs with annotation of a new type."""
    for number, gadget in enumerate(gadgets):
        text = PATTERNS[number % len(PATTERNS)].format(gadget)
        doc = nlp.make_doc(text)
        start = text.index(gadget)
        doc.set_ents([doc.char_span(start, start + len(gadget), "gadget")])
        yield doc


def teach_gadgets(trained, small, rehearsal, epochs=30):
    """Train a copy of the pipeline on the new type."""
    nlp = spacy.blank("xx")
    add_small_ner(nlp, **small)
    nlp.from_bytes(trained.to_bytes())
    docs = list(gadget_docs(nlp, GADGETS * 4))
    examples = list(fine_tuning.annotate_new_type(nlp, docs, "gadget"))
    known = [nlp.make_doc(text) for text in rehearsal]
    fine_tuning.teach(nlp, examples, "gadget", known, epochs=epochs, learn_rate=0.02)
    return nlp


@pytest.mark.slow
def test_new_type_with_rehearsal(trained, small):
    nlp = teach_gadgets(trained, small, [*TEXTS, *TEXTS])
    assert nlp.get_pipe(NAME).labels == ("LOC", "PERSON", "gadget")
    assert predicted_entities(nlp, TEXTS) == predicted_entities(trained, TEXTS)
    # The gadgets occur in other patterns than in training.
    docs = list(gadget_docs(nlp, GADGETS[::-1]))
    found = entities(nlp(doc.text) for doc in docs)
    n_right = sum(ents == gold for ents, gold in zip(found, entities(docs), strict=True))
    assert n_right >= 6


@pytest.mark.slow
def test_new_type_without_rehearsal_forgets(trained, small):
    nlp = teach_gadgets(trained, small, [], epochs=100)
    assert predicted_entities(nlp, TEXTS) != predicted_entities(trained, TEXTS)


def test_predicted_types_are_missing_in_new_annotation(tweet_nlp):
    text = "RT @kim: saw Drake in Chicago last nite"
    (doc,) = tweet_nlp.pipe([tweet_nlp.make_doc(text)])
    assert doc.ents
    gold = tweet_nlp.make_doc(text)
    gold.set_ents([Span(gold, 0, 1, "gadget")])
    (example,) = fine_tuning.annotate_new_type(tweet_nlp, [gold], "gadget")
    taught = {token.text: token.ent_iob_ for token in example.reference}
    assert taught["RT"] == "B"
    for token in doc:
        if token.text != "RT":
            assert taught[token.text] == ("" if token.ent_type_ else "O")


def test_source_into_other_pipeline(tweet_nlp, tmp_path):
    """With another tokenizer and between other components, saved and loaded."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe(NAME, name="tweets", source=tweet_nlp, before="sentencizer")
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "RULE", "pattern": "Drake"}])
    assert tweet_nlp.pipe_names == [NAME]
    nlp.to_disk(tmp_path / "pipeline")
    for each in (nlp, spacy.load(tmp_path / "pipeline")):
        doc = each("saw Drake in Chicago. So tired")
        assert (1, 2, "RULE") in entities([doc])[0]
        assert len(list(doc.sents)) == 2
        assert entities([each.get_pipe("tweets")(tweet_nlp.make_doc("in Chicago"))]) == entities(
            [tweet_nlp("in Chicago")]
        )


def test_frozen_component(copied):
    before = params(copied.get_pipe(NAME).model)
    copied.add_pipe("ner").add_label("LOC")
    examples = make_examples(copied)
    with copied.select_pipes(enable="ner"):
        optimizer = copied.initialize(lambda: examples)
    losses = {}
    copied.update(examples, sgd=optimizer, losses=losses, exclude=[NAME])
    assert set(losses) == {"ner"}
    assert_same_arrays(params(copied.get_pipe(NAME).model), before)


@Language.factory("entity_counter")
class EntityCounter:
    """Record the number of entities of the docs in update."""

    def __init__(self, nlp, name):
        self.name, self.seen = name, []

    def __call__(self, doc):
        return doc

    def update(self, examples, *, drop=0.0, sgd=None, losses=None):
        self.seen += [len(example.predicted.ents) for example in examples]
        return losses


@pytest.mark.parametrize("annotates", [True, False])
def test_annotating_component(copied, annotates):
    counter = copied.add_pipe("entity_counter")
    text = "RT @kim: saw Drake in Chicago last nite"
    n_entities = len(copied(text).ents)
    assert n_entities
    example = Example.from_dict(copied.make_doc(text), {})
    copied.update([example], annotates=[NAME] if annotates else [], exclude=[NAME], sgd=None)
    assert counter.seen == [n_entities if annotates else 0]
