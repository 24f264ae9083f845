import numpy
import pytest
import spacy

from .util import (
    LISTENER,
    NAME,
    NEW_DATA,
    TEST_TEXTS,
    TEXTS,
    TOK2VEC,
    TRAIN_DATA,
    add_shared_tok2vec,
    assert_same_arrays,
    entities,
    gold_entities,
    make_examples,
    params,
    predicted_entities,
    train,
)


def make_tagged_examples(nlp, data=TRAIN_DATA):
    """Make examples whose part-of-speech tags are the words themselves."""
    return make_examples(nlp, [(text, {**gold, "tags": text.split()}) for text, gold in data])


@pytest.mark.parametrize("is_crf", [False, True])
def test_train_with_shared_tok2vec(nlp, tmp_path, is_crf):
    add_shared_tok2vec(nlp, NAME, is_crf=is_crf)
    examples = make_examples(nlp)
    tok2vec = nlp.get_pipe("tok2vec")
    optimizer = nlp.initialize(lambda: examples)
    before = params(tok2vec.model)
    train(nlp, examples, optimizer)
    assert predicted_entities(nlp, TEXTS) == gold_entities(examples)
    after = params(tok2vec.model)
    assert not any(numpy.array_equal(before[key], after[key]) for key in before)
    nlp.to_disk(tmp_path)
    assert predicted_entities(spacy.load(tmp_path)) == predicted_entities(nlp)
    assert entities(nlp.pipe(TEST_TEXTS, batch_size=2)) == predicted_entities(nlp)


@pytest.mark.parametrize("names", [[NAME, "tagger"], ["tagger", NAME]])
@pytest.mark.slow
def test_share_tok2vec_with_tagger(nlp, names):
    add_shared_tok2vec(nlp, *names)
    examples = make_tagged_examples(nlp)
    losses = train(nlp, examples, steps=100)
    assert losses[NAME] < 0.1
    assert predicted_entities(nlp, TEXTS) == gold_entities(examples)
    assert [[token.tag_ for token in nlp(text)] for text in TEXTS] == [t.split() for t in TEXTS]


def test_vocabulary_of_shared_tok2vec(nlp):
    add_shared_tok2vec(nlp, "tagger", NAME)
    data = [*TRAIN_DATA * 5, ("zebra London", {"entities": [(6, 12, "LOC")]})]
    examples = make_tagged_examples(nlp, data)
    nlp.initialize(lambda: iter(examples))
    (embed,) = nlp.get_pipe("tok2vec").model.get_ref("embed").layers
    vocabulary = embed.attrs["vocabulary_masked"]
    assert vocabulary.keys[0] == "London"
    assert set(vocabulary.keys) == {word for text, _ in data for word in text.split()}
    assert embed.get_param("masked").shape == (len(vocabulary), 16)
    nlp.update(examples)


def test_vocabulary_of_upstream_only(nlp):
    """A tok2vec without listeners isn't initialized from the training data."""
    nlp.add_pipe("tok2vec", name="other", config=TOK2VEC)
    add_shared_tok2vec(nlp)
    nlp.add_pipe(NAME, config={"model": {"tok2vec": {**LISTENER, "upstream": "tok2vec"}}})
    examples = make_examples(nlp, [*TRAIN_DATA * 5, ("zebra", {"entities": []})])
    nlp.initialize(lambda: examples)

    def words(name):
        (embed,) = nlp.get_pipe(name).model.get_ref("embed").layers
        return embed.attrs["vocabulary_masked"].keys

    assert "zebra" in words("tok2vec")
    assert "zebra" not in words("other")


@pytest.mark.parametrize("is_crf", [False, True])
def test_replace_listeners(nlp, tmp_path, is_crf):
    add_shared_tok2vec(nlp, "tagger", NAME, is_crf=is_crf)
    examples = make_tagged_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    train(nlp, examples, optimizer)
    expected = predicted_entities(nlp)
    nlp.replace_listeners("tok2vec", NAME, ["model.tok2vec"])
    ner = nlp.get_pipe(NAME)
    assert ner.model.get_ref("tok2vec").name != "tok2vec-listener"
    assert predicted_entities(nlp) == expected
    nlp.to_disk(tmp_path)
    assert predicted_entities(spacy.load(tmp_path)) == expected
    # The component can be trained and resized on its own.
    shared = params(nlp.get_pipe("tok2vec").model)
    ner.add_label("TEAM")
    new = make_examples(nlp, NEW_DATA)
    with nlp.select_pipes(enable=NAME):
        train(nlp, new, optimizer)
        assert predicted_entities(nlp, [text for text, _ in NEW_DATA]) == gold_entities(new)
    assert_same_arrays(shared, params(nlp.get_pipe("tok2vec").model))


def test_frozen_tok2vec(nlp):
    """Like frozen_components and annotating_components of `spacy train`."""
    source = nlp
    add_shared_tok2vec(source, NAME)
    train(source, make_examples(source))
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", source=source)
    ner = nlp.add_pipe(NAME, config={"model": {"tok2vec": LISTENER}})
    examples = make_examples(nlp, NEW_DATA)
    before = params(nlp.get_pipe("tok2vec").model)
    with nlp.select_pipes(disable=["tok2vec"]):
        optimizer = nlp.initialize(lambda: examples)
    assert_same_arrays(before, params(nlp.get_pipe("tok2vec").model))
    losses = train(nlp, examples, optimizer, exclude=["tok2vec"], annotates=["tok2vec"])
    assert_same_arrays(before, params(nlp.get_pipe("tok2vec").model))
    assert losses[NAME] < 0.5
    assert ner.labels == ("LOC", "PERSON", "TEAM")
    assert predicted_entities(nlp, TEXTS) == gold_entities(examples)[: len(TEXTS)]


@pytest.mark.parametrize("is_crf", [False, True])
def test_update_without_tokens(nlp, is_crf):
    add_shared_tok2vec(nlp, "tagger", NAME, is_crf=is_crf)
    examples = make_tagged_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    empty = make_examples(nlp, [("", {"entities": []})])
    assert nlp.update(empty * 2, sgd=optimizer) == {"tok2vec": 0.0, "tagger": 0.0, NAME: 0.0}
    assert nlp.update([*empty, *examples, *empty], sgd=optimizer)[NAME] > 0.0
    assert [doc.text for doc in nlp.pipe(["", "a", ""], batch_size=1)] == ["", "a", ""]
