"""A trained pipeline goes on: a new type, another pipeline, other components beside it."""

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
    """Tweets in which a type that the pipeline does not know is annotated."""
    for number, gadget in enumerate(gadgets):
        text = PATTERNS[number % len(PATTERNS)].format(gadget)
        doc = nlp.make_doc(text)
        start = text.index(gadget)
        doc.set_ents([doc.char_span(start, start + len(gadget), "gadget")])
        yield doc


def teach_gadgets(trained, small, rehearsal):
    """A copy of the trained pipeline that has learned the type, too."""
    nlp = spacy.blank("xx")
    add_small_ner(nlp, **small)
    nlp.from_bytes(trained.to_bytes())
    docs = list(gadget_docs(nlp, GADGETS * 4))
    examples = list(fine_tuning.annotate_new_type(nlp, docs, "gadget"))
    known = [nlp.make_doc(text) for text in rehearsal]
    fine_tuning.teach(nlp, examples, "gadget", known, epochs=30, learn_rate=0.02)
    return nlp


def test_a_new_type_is_learned_and_the_others_stay(trained, small):
    """benchmarks/fine_tuning.py, in small."""
    nlp = teach_gadgets(trained, small, [*TEXTS, *TEXTS])
    assert nlp.get_pipe(NAME).labels == ("LOC", "PERSON", "gadget")
    assert predicted_entities(nlp, TEXTS) == predicted_entities(trained, TEXTS)
    # In other tweets than it has seen them in.
    docs = list(gadget_docs(nlp, GADGETS[::-1]))
    found = entities(nlp(doc.text) for doc in docs)
    n_right = sum(ents == gold for ents, gold in zip(found, entities(docs), strict=True))
    assert n_right >= 6


def test_without_rehearsal_they_do_not(trained, small):
    nlp = teach_gadgets(trained, small, [])
    assert predicted_entities(nlp, TEXTS) != predicted_entities(trained, TEXTS)


def test_what_the_pipeline_sees_is_not_taught_to_be_nothing(tweet_nlp):
    """Where it finds entities of types that nobody annotated, annotation is missing."""
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


def test_sourced_into_another_pipeline(tweet_nlp, tmp_path):
    """With another tokenizer, between other components, saved and loaded."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe(NAME, name="tweets", source=tweet_nlp, before="sentencizer")
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "RULE", "pattern": "Drake"}])
    # In the source it goes by its own name, and nothing has changed in there.
    assert tweet_nlp.pipe_names == [NAME]
    nlp.to_disk(tmp_path / "pipeline")
    for each in (nlp, spacy.load(tmp_path / "pipeline")):
        doc = each("saw Drake in Chicago. So tired")
        assert (1, 2, "RULE") in entities([doc])[0]
        assert len(list(doc.sents)) == 2
        assert entities([each.get_pipe("tweets")(tweet_nlp.make_doc("in Chicago"))]) == entities(
            [tweet_nlp("in Chicago")]
        )


def test_frozen(copied):
    """Others learn, and it stays what it is."""
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
    """Counts the entities of the docs that it learns from."""

    def __init__(self, nlp, name):
        self.name, self.seen = name, []

    def __call__(self, doc):
        return doc

    def update(self, examples, *, drop=0.0, sgd=None, losses=None):
        self.seen += [len(example.predicted.ents) for example in examples]
        return losses


@pytest.mark.parametrize("annotates", [True, False])
def test_annotating_component(copied, annotates):
    """Later components learn from docs that have its entities, if they shall."""
    counter = copied.add_pipe("entity_counter")
    text = "RT @kim: saw Drake in Chicago last nite"
    n_entities = len(copied(text).ents)
    assert n_entities
    example = Example.from_dict(copied.make_doc(text), {})
    copied.update([example], annotates=[NAME] if annotates else [], exclude=[NAME], sgd=None)
    assert counter.seen == [n_entities if annotates else 0]
