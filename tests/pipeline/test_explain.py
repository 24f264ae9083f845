import json

import numpy
import pytest
import spacy
from spacy.strings import StringStore
from spacy.tokens import Doc
from spacy.vectors import Vectors
from thinc.api import Config, fix_random_seed

from spacy_twitter_ner.pipeline.explain import UNKNOWN_WORD, explain, explain_spans

from .util import NAME, add_shared_tok2vec, fake_model, make_examples, train

TEXT = "Shaka Khan sings in London"
WORDS = TEXT.split()


def probability(nlp, words: list[str], place: tuple[int, int, str]) -> float:
    """The probability of an entity in a text of the given words."""
    doc = Doc(nlp.vocab, words=words)
    (group,) = nlp.get_pipe(NAME).predict_spans([doc], 1e-12)
    places = [(span.start, span.end, span.label_) for span in group]
    found = dict(zip(places, group.attrs["scores"].tolist(), strict=True))
    return found.get(place, 0.0)


def test_effects_of_tokens(trained) -> None:
    """Occluding a token is equivalent to replacing it by an unknown word."""
    explanations = explain(trained, TEXT)
    places = [(e.start, e.end, e.label) for e in explanations]
    assert places == [(0, 2, "PERSON"), (4, 5, "LOC")]
    for found, place in zip(explanations, places, strict=True):
        before = probability(trained, WORDS, place)
        assert found.probability == pytest.approx(before, abs=1e-5)
        expected = [
            before - probability(trained, [*WORDS[:i], UNKNOWN_WORD, *WORDS[i + 1 :]], place)
            for i in range(len(WORDS))
        ]
        assert found.by_token == pytest.approx(expected, abs=1e-5)
        assert max(found.by_token) > 0.05


def test_effects_of_features(trained) -> None:
    """Occluding a feature is equivalent to a table with the vector of unknown values only."""
    (found, _) = explain(trained, TEXT)
    assert found.features == ["norm", "prefix3", "suffix3", "shape"]
    (part,) = trained.get_pipe(NAME).model.get_ref("tok2vec").get_ref("embed").layers
    for name, effect in zip(found.features, found.by_feature, strict=True):
        table = part.get_param(name).copy()
        part.set_param(name, numpy.repeat(table[:1], len(table), axis=0))
        try:
            without = probability(trained, WORDS, (0, 2, "PERSON"))
        finally:
            part.set_param(name, table)
        assert effect == pytest.approx(found.probability - without, abs=1e-5)


def test_explanation_shapes(trained) -> None:
    (found, _) = explain(trained, TEXT)
    assert (found.text, found.tokens) == ("Shaka Khan", WORDS)
    assert len(found.by_token) == 5
    assert len(found.by_feature) == 4
    assert numpy.shape(found.by_token_and_feature) == (5, 4)
    assert json.loads(json.dumps(found.to_dict()))["by_feature"] == found.by_feature


def test_explain_single_feature_and_shared_tok2vec(nlp) -> None:
    """Occluding the only feature is equivalent to occluding the token."""
    add_shared_tok2vec(nlp, NAME, is_crf=True)
    fix_random_seed(0)
    train(nlp, make_examples(nlp))
    explanations = explain(nlp, TEXT)
    assert [found.label for found in explanations] == ["PERSON", "LOC"]
    for found in explanations:
        assert found.features == ["masked"]
        assert [row[0] for row in found.by_token_and_feature] == pytest.approx(
            found.by_token, abs=1e-6
        )
        assert 0.5 < found.probability <= 1.0
    (best,) = nlp.get_pipe(NAME).predict_kbest([nlp(TEXT)], 1)[0]
    assert [ent.label_ for ent in best.entities] == ["PERSON", "LOC"]


def test_explain_in_small_batches(trained, monkeypatch) -> None:
    expected = explain(trained, TEXT)
    monkeypatch.setattr("spacy_twitter_ner.pipeline.explain._MAX_TOKENS", 12)
    for found, before in zip(explain(trained, TEXT), expected, strict=True):
        assert found.by_token == pytest.approx(before.by_token, abs=1e-5)
        assert found.by_feature == pytest.approx(before.by_feature, abs=1e-5)


def test_explain_with_min_probability(trained) -> None:
    found = explain(trained, "Shaka in London", min_probability=1e-4)
    assert len(found) > len(explain(trained, "Shaka in London"))
    assert all(each.probability >= 1e-4 for each in found)


def test_explain_applies_temperature_and_bias(trained) -> None:
    component = trained.get_pipe(NAME)
    before = explain(trained, TEXT)[0].probability
    component.cfg["temperature"] = 3.0
    tempered = explain(trained, TEXT)[0].probability
    component.cfg["temperature"] = 1.0
    component.cfg["outside_bias"] = 30.0
    nothing = explain(trained, TEXT)
    component.cfg["outside_bias"] = 0.0
    assert tempered < before
    assert nothing == []


def test_explain_text_without_entities(trained) -> None:
    assert explain(trained, "") == []
    assert explain(trained, "", min_probability=0.1) == []
    assert explain(trained, "so tired") == []


def test_explain_errors(trained) -> None:
    with pytest.raises(ValueError, match="named 'absent'; it has: twitter_bilstm_ner"):
        explain(trained, TEXT, name="absent")
    nlp = spacy.blank("xx")
    ner = nlp.add_pipe(NAME)
    ner.model = fake_model(lambda doc: numpy.ones((len(doc), 1)))
    ner.model.layers.append(fake_model(lambda doc: numpy.ones((len(doc), 1))))
    with pytest.raises(
        ValueError, match="cannot explain entities of component 'twitter_bilstm_ner'"
    ):
        explain_spans(nlp, ner, nlp.make_doc(TEXT), [])


EVERY_PART = """
[model]
@architectures = "spacy-twitter-ner.BiLSTMCRFTagger.v1"

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy-twitter-ner.TweetEmbed.v1"

[model.tok2vec.embed.phrases]
@architectures = "spacy-twitter-ner.GazetteerEmbed.v1"
width = 4

[model.tok2vec.embed.*.words]
@architectures = "spacy-twitter-ner.LexemeFeatures.v1"
features = ["norm", "shape"]
widths = [8, 4]

[model.tok2vec.embed.*.characters]
@architectures = "spacy-twitter-ner.CharEmbed.v1"
width = 4

[model.tok2vec.embed.*.clusters]
@architectures = "spacy-twitter-ner.ClusterEmbed.v1"
depths = [0]
widths = [4]

[model.tok2vec.embed.*.vectors]
@architectures = "spacy-twitter-ner.VectorEmbed.v1"
width = 4

[model.tok2vec.encode]
@architectures = "spacy-twitter-ner.BiLSTMEncoder.v1"
hidden_width = 8
"""


@pytest.mark.parametrize("head", ["BiLSTMCRFTagger", "BiLSTMTagger"])
def test_effects_of_lexical_features(nlp, tmp_path, head: str) -> None:
    clusters = tmp_path / "clusters.tsv"
    clusters.write_text("00\tlondon\t1\n00\tberlin\t1\n01\tkhan\t1\n10\tin\t1\n")
    source = spacy.blank("xx")
    keys = ["london", "khan", "in"]
    data = numpy.random.RandomState(0).normal(size=(len(keys), 5)).astype("float32")
    source.vocab.vectors = Vectors(strings=StringStore(keys), data=data, keys=keys, name="test")
    source.to_disk(tmp_path / "vectors")
    nlp.config["initialize"]["vectors"] = str(tmp_path / "vectors")
    nlp.config["initialize"]["lookups"] = {
        "@misc": "spacy-twitter-ner.ClusterLookups.v1",
        "path": str(clusters),
    }
    config = Config().from_str(EVERY_PART.replace("BiLSTMCRFTagger", head))
    component = nlp.add_pipe(NAME, config=config)
    train(nlp, make_examples(nlp), steps=30)
    (found, _) = explain(nlp, TEXT)
    assert found.features == ["norm", "shape", "char", "cluster", "vector", "gazetteer"]
    place = (found.start, found.end, found.label)
    _, _, clusters_part, vectors_part, gazetteer_part = (
        component.model.get_ref("tok2vec").get_ref("embed").layers
    )
    paths, unknown = clusters_part.get_param("path"), vectors_part.get_param("unknown")
    # Parameters that give each word the features of an unknown one.
    silent = {
        "cluster": (clusters_part, {"path": numpy.repeat(paths[:1], len(paths), axis=0)}),
        "vector": (vectors_part, {"W": 0 * vectors_part.get_param("W"), "b": unknown}),
        "gazetteer": (gazetteer_part, {"E": 0 * gazetteer_part.get_param("E")}),
    }
    for name, (part, params) in silent.items():
        before = {key: part.get_param(key).copy() for key in params}
        for key, value in params.items():
            part.set_param(key, value)
        without = probability(nlp, WORDS, place)
        for key, value in before.items():
            part.set_param(key, value)
        effect = found.by_feature[found.features.index(name)]
        assert effect == pytest.approx(found.probability - without, abs=1e-5)
        assert abs(effect) > 1e-5
    assert probability(nlp, WORDS, place) == pytest.approx(found.probability, abs=1e-5)
