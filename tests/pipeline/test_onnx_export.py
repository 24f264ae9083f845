import json

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import fix_random_seed

import spacy_twitter_ner
from spacy_twitter_ner.pipeline.onnx_export import embed_docs, export_onnx, make_model

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TEXTS = [
    "saw Drake in Chicago last nite",
    "tired",
    "RT @kim: the Lakers won in Los Angeles 😂 " * 9,
]


def make_nlp(tagger="BiLSTMCRFTagger", encoder="BiLSTMEncoder", depth=1):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    prefix = "spacy-twitter-ner"
    encode = {"@architectures": f"{prefix}.{encoder}.v1", "hidden_width": 12, "depth": depth}
    embed = {"@architectures": f"{prefix}.WordEmbed.v1", "width": 9}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    model = {"@architectures": f"{prefix}.{tagger}.v1", "tok2vec": tok2vec}
    ner = nlp.add_pipe("twitter_bilstm_ner", config={"model": model})
    ner.add_label("place")
    nlp.initialize()
    # Untrained biases and transitions are zero.
    for node in ner.model.walk():
        for name in node.param_names:
            shape = node.get_param(name).shape
            node.set_param(name, numpy.random.normal(size=shape).astype("float32"))
    ner.clear_cache()
    return nlp


@pytest.mark.parametrize("tagger", ["BiLSTMCRFTagger", "BiLSTMTagger"])
@pytest.mark.parametrize("depth", [1, 2])
def test_emissions_are_equal(tagger, depth):
    nlp = make_nlp(tagger, depth=depth)
    ner = nlp.get_pipe("twitter_bilstm_ner")
    docs = [nlp.make_doc(text) for text in TEXTS]
    session = onnxruntime.InferenceSession(make_model(ner).SerializeToString())
    for doc, vectors in zip(docs, embed_docs(ner, docs), strict=True):
        (emissions,) = session.run(None, {"vectors": vectors})
        expected = ner.model.predict([doc])
        if tagger == "BiLSTMCRFTagger":
            numpy.testing.assert_allclose(emissions, expected.emissions, atol=1e-4)
        else:
            odds = numpy.exp(emissions - emissions.max(axis=1, keepdims=True))
            numpy.testing.assert_allclose(
                odds / odds.sum(axis=1, keepdims=True), expected[0], atol=1e-4
            )


def test_pretrained_pipeline_without_spacy(tmp_path, capsys):
    import onnx_without_spacy

    nlp = spacy_twitter_ner.load()
    text = "saw Drake in Chicago last nite"
    export_onnx(nlp, tmp_path, words=["<unknown>", *text.split()])
    onnx_without_spacy.main(tmp_path, text)
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    doc = nlp(text)
    assert [token for token, _ in rows] == [token.text for token in doc]
    tags = ["-".join(filter(None, (token.ent_iob_, token.ent_type_))) for token in doc]
    assert [tag for _, tag in rows] == tags
    assert "B-geo-loc" in tags
    description = json.loads((tmp_path / "tagger.json").read_text(encoding="utf-8"))
    assert description["tags"] == list(nlp.get_pipe("twitter_bilstm_ner").tags)


def test_words_are_embedded_one_by_one(tmp_path):
    nlp = make_nlp()
    export_onnx(nlp, tmp_path, words=["Leeds", "so"])
    with numpy.load(tmp_path / "words.npz") as found:
        (expected,) = embed_docs(nlp.get_pipe("twitter_bilstm_ner"), [Doc(nlp.vocab, ["so"])])
        numpy.testing.assert_allclose(found["vectors"][1], expected[0])
        assert found["words"].tolist() == ["Leeds", "so"]


def test_other_encoders_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"only models with .*BiLSTMEncoder\.v1 can be exported"):
        export_onnx(make_nlp(encoder="BiGRUEncoder"), tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
