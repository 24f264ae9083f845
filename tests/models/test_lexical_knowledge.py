"""Pretrained clusters and vectors are loaded from the config and saved with the pipeline."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.strings import StringStore
from spacy.training import Example
from spacy.vectors import Vectors


def run_fresh(code: str, nlp: Language, folder: Path) -> list[str]:
    """Run code in a new process with the path to the pipeline, and return the lines it prints."""
    nlp.to_disk(folder / "model")
    return subprocess.run(
        [sys.executable, "-c", code, folder / "model"],
        cwd=folder,
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout.splitlines()


CLUSTER_CONFIG = """
[nlp]
lang = "xx"
pipeline = ["twitter_bilstm_ner"]

[components]

[components.twitter_bilstm_ner]
factory = "twitter_bilstm_ner"

[components.twitter_bilstm_ner.model]
@architectures = "spacy-twitter-ner.BiLSTMTagger.v1"

[components.twitter_bilstm_ner.model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[components.twitter_bilstm_ner.model.tok2vec.embed]
@architectures = "spacy-twitter-ner.TweetEmbed.v1"

[components.twitter_bilstm_ner.model.tok2vec.embed.*.clusters]
@architectures = "spacy-twitter-ner.ClusterEmbed.v1"
depths = [2, 0]
widths = [6, 6]
unknown_rate = 0.1

[components.twitter_bilstm_ner.model.tok2vec.encode]
@architectures = "spacy-twitter-ner.BiLSTMEncoder.v1"
hidden_width = 8

[initialize]

[initialize.lookups]
@misc = "spacy-twitter-ner.ClusterLookups.v1"
path = "clusters.tsv"
"""

CLUSTERS_AND_ENTITIES = """
import sys, spacy
nlp = spacy.load(sys.argv[1])
print([token.cluster for token in nlp("lol Tokyo")])
print([(ent.text, ent.label_) for ent in nlp("lol in Tokyo").ents])
"""


@pytest.mark.slow
def test_clusters_come_with_a_pipeline(tmp_path: Path) -> None:
    """An unseen word is recognized by its cluster."""
    clusters = tmp_path / "clusters.tsv"
    clusters.write_text("00\tlondon\t1\n00\tparis\t1\n00\ttokyo\t1\n01\tlol\t1\n10\tin\t1\n")
    config = spacy.util.load_config_from_str(
        CLUSTER_CONFIG, overrides={"initialize.lookups.path": str(clusters)}
    )
    numpy.random.seed(0)
    nlp = spacy.util.load_model_from_config(config, auto_fill=True, validate=True)
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": [(start, len(text), "LOC")]})
        for text, start in (("lol in London", 7), ("in Paris", 3), ("lol London", 4))
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    clusters.unlink()
    output = run_fresh(CLUSTERS_AND_ENTITIES, nlp, tmp_path)
    assert output == ["[2, 0]", "[('Tokyo', 'LOC')]"]
    copy = spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert [ent.text for ent in copy("lol in Tokyo").ents] == ["Tokyo"]


TOK2VEC = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": {
        "@architectures": "spacy-twitter-ner.TweetEmbed.v1",
        "*": {"vectors": {"@architectures": "spacy-twitter-ner.VectorEmbed.v1", "width": 4}},
    },
    "encode": {"@architectures": "spacy-twitter-ner.BiLSTMEncoder.v1", "hidden_width": 4},
}

VECTORS_AND_OUTPUT = """
import sys, spacy
nlp = spacy.load(sys.argv[1])
doc = nlp("London @someone")
print(nlp.vocab.vectors.data.dtype, nlp.vocab.vectors.mode)
print(nlp.get_pipe("tok2vec").predict([doc])[0].tolist())
"""


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_vectors_come_with_a_pipeline(tmp_path: Path, dtype: str) -> None:
    source = spacy.blank("xx")
    keys = ["london", "<USR>"]
    data = numpy.random.RandomState(0).normal(size=(len(keys), 5)).astype(dtype)
    source.vocab.vectors = Vectors(strings=StringStore(keys), data=data, keys=keys, name="test")
    source.to_disk(tmp_path / "vectors")
    nlp = spacy.blank("xx")
    tok2vec: Any = nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    nlp.config["initialize"]["vectors"] = str(tmp_path / "vectors")
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("london"), {})])
    expected = tok2vec.predict([nlp("London @someone")])[0]
    output = run_fresh(VECTORS_AND_OUTPUT, nlp, tmp_path)
    assert output == [f"{dtype} default", str(expected.tolist())]
