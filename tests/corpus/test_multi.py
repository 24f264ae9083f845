from collections import Counter
from pathlib import Path

import pytest
import spacy
from spacy.util import load_config_from_str, registry

from spacy_twitter_ner.corpus.multi import create_mapped_corpus, create_multi_corpus
from spacy_twitter_ner.partial import get_partial

TWEETS = "saw O\nDrake B-PER\n\nin O\nParis B-LOC\n\nso O\ntired O\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tweets.conll"
    path.write_text(TWEETS)
    return path


def read(reader) -> list:
    return [example.reference for example in reader(spacy.blank("en"))]


def texts(reader) -> list[str]:
    return [doc.text for doc in read(reader)]


def test_mapped_corpus(path):
    labels = {"PER": ["person", "musicartist"], "LOC": "geo-loc"}
    first, second, third = read(create_mapped_corpus(path, labels, ["product"]))
    assert [span.label_ for span in get_partial(first).spans] == ["person", "musicartist"]
    assert [ent.label_ for ent in second.ents] == ["geo-loc"]
    assert get_partial(third).unannotated == ["product"]


def test_mapped_corpus_keeps_types_without_map(path):
    docs = read(create_mapped_corpus(path))
    assert [ent.label_ for doc in docs for ent in doc.ents] == ["PER", "LOC"]


def test_mapped_corpus_requires_all_types(path):
    with pytest.raises(ValueError, match=r"tweets\.conll has the label 'LOC'"):
        read(create_mapped_corpus(path, {"PER": "person"}))


def test_mapped_corpus_requires_path():
    with pytest.raises(ValueError, match="'path' is empty"):
        create_mapped_corpus(None)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_mapped_corpus_requires_positive_weight(path, weight):
    with pytest.raises(ValueError, match="weight must be above 0"):
        create_mapped_corpus(path, weight=weight)


def test_multi_corpus_requires_corpora():
    with pytest.raises(ValueError, match="'corpora' is empty"):
        create_multi_corpus({})


@pytest.mark.parametrize("weight", [1.0, 2.0, 3.0])
def test_multi_corpus_repeats_by_weight(path, weight):
    reader = create_multi_corpus({"one": create_mapped_corpus(path, weight=weight)})
    assert Counter(texts(reader)) == dict.fromkeys(["saw Drake ", "in Paris ", "so tired "], weight)


def test_multi_corpus_samples_fractions(tmp_path):
    path = tmp_path / "many.conll"
    path.write_text("".join(f"number{n} O\n\n" for n in range(1000)))
    reader = create_multi_corpus({"many": create_mapped_corpus(path, weight=1.25)})
    counts = Counter(texts(reader))
    assert len(counts) == 1000
    assert 200 < sum(count == 2 for count in counts.values()) < 300
    assert texts(reader) == texts(reader)
    other = create_multi_corpus({"many": create_mapped_corpus(path, weight=1.25)}, seed=1)
    assert Counter(texts(other)) != counts


def test_multi_corpus_takes_any_reader(path):
    reader = create_multi_corpus({"mapped": create_mapped_corpus(path), "any": lambda nlp: []})
    assert len(read(reader)) == 3


def test_multi_corpus_in_config(path):
    config = load_config_from_str(
        f"""
[corpora]
@readers = "spacy-twitter-ner.MultiCorpus.v1"

[corpora.corpora]

[corpora.corpora.tweets]
@readers = "spacy-twitter-ner.MappedCorpus.v1"
path = "{path}"
weight = 2
unannotated = ["product"]

[corpora.corpora.tweets.labels]
PER = ["person", "musicartist"]
LOC = "geo-loc"
"""
    )
    reader = registry.resolve(config)["corpora"]
    assert len(read(reader)) == 6


def test_examples_are_new_each_time(path):
    """Training modifies docs."""
    reader = create_mapped_corpus(path)
    nlp = spacy.blank("en")
    (first, *_), (again, *_) = list(reader(nlp)), list(reader(nlp))
    assert first.reference is not again.reference
    assert first.predicted.vocab is nlp.vocab
    assert first.reference.vocab is nlp.vocab
