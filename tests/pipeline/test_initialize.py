import numpy
import pytest
import spacy
from thinc.api import fix_random_seed

from .util import (
    NAME,
    TRAIN_DATA,
    add_shared_tok2vec,
    add_small_ner,
    assert_same_arrays,
    gold_entities,
    make_examples,
    params,
    predicted_entities,
    train,
)


def test_initialize_invalid_examples(nlp, small):
    ner = add_small_ner(nlp, **small)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    # Initializing again is allowed. The vocabulary may have another size.
    nlp.initialize(lambda: examples[:1])
    assert ner.labels == ("LOC", "PERSON")
    nlp("Who is Shaka Khan ?")
    for wrong in (lambda: None, lambda: examples[0], lambda: [], examples):
        with pytest.raises(TypeError, match=r"E9(30|78)"):
            nlp.initialize(wrong)
        with pytest.raises(TypeError, match=r"E9(30|78).*TwitterBiLSTMNER\.initialize"):
            ner.initialize(wrong)


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("n_empty", [1, 12])
def test_initialize_with_empty_docs(nlp, n_empty, is_shared):
    if is_shared:
        add_shared_tok2vec(nlp, NAME)
    else:
        add_small_ner(nlp)
    data = [*[("", {"entities": []})] * n_empty, *TRAIN_DATA]
    examples = make_examples(nlp, data)
    train(nlp, examples)
    assert predicted_entities(nlp, [text for text, _ in data]) == gold_entities(examples)


def test_initialize_with_only_empty_docs_is_error(nlp):
    add_small_ner(nlp).add_label("LOC")
    examples = make_examples(nlp, [("", {"entities": []})] * 3)
    with pytest.raises(ValueError, match=f"E923.*{NAME}"):
        nlp.initialize(lambda: examples)


def test_vocabulary_of_all_examples(nlp):
    ner = add_small_ner(nlp)
    examples = make_examples(nlp, [*TRAIN_DATA * 5, ("zebra", {"entities": []})])
    nlp.initialize(lambda: iter(examples))
    embed = next(node for node in ner.model.walk() if node.name == "lexeme_features")
    assert embed.attrs["vocabulary_norm"].row("zebra") != 0
    assert len(embed.get_param("norm")) == len(embed.attrs["vocabulary_norm"])


def test_phrases_require_gazetteer(nlp, small):
    add_small_ner(nlp, **small)
    nlp.config["initialize"]["components"][NAME] = {"phrases": {"LOC": ["New York"]}}
    examples = make_examples(nlp)
    with pytest.raises(ValueError, match=rf"{NAME}\.phrases.*has no gazetteer"):
        nlp.initialize(lambda: examples)


def test_predict_uninitialized_is_error(nlp):
    ner = add_small_ner(nlp)
    ner.add_label("LOC")
    with pytest.raises(ValueError, match=f"E109.*{NAME}"):
        nlp("so tired")


def test_same_seed_same_model():
    models = []
    for _ in range(2):
        fix_random_seed(7)
        nlp = spacy.blank("xx")
        embed = {"widths": [16, 4, 4, 4], "unknown_rate": 0.5}
        model = {"tok2vec": {"embed": embed, "encode": {"hidden_width": 8}}}
        ner = nlp.add_pipe(NAME, config={"model": model})
        losses = train(nlp, make_examples(nlp), steps=5, drop=0.3)
        models.append((params(ner.model), losses))
    assert_same_arrays(models[0][0], models[1][0])
    assert models[0][1] == models[1][1]
    fix_random_seed(8)
    other = add_small_ner(spacy.blank("xx"))
    other.initialize(lambda: make_examples(spacy.blank("xx")))
    assert not all(
        numpy.array_equal(array, models[0][0][key]) for key, array in params(other.model).items()
    )
