import numpy
import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_twitter_ner.evaluation.predictions import predict_corpus, read_docs
from spacy_twitter_ner.evaluation.scores import count_spans, prf

from ..pipeline.util import add_fake_ner


@pytest.fixture
def tagger():
    """A pipeline that predicts each capitalized word as a person."""
    nlp = spacy.blank("xx")
    add_fake_ner(
        nlp, ["person"], lambda token: ["B-person", "O"] if token.text.istitle() else ["O"]
    )
    return nlp


def tagged_doc(nlp, words, tags):
    return Doc(nlp.vocab, words=words.split(), ents=tags)


def test_predict_corpus_returns_entities_and_probabilities(tagger):
    docs = [tagged_doc(tagger, "saw Kim Lee", ["O", "B-person", "I-person"])]
    predictions = predict_corpus(tagger, docs, "test")
    tweet = predictions.tweets[0]
    assert tweet.words == ("saw", "Kim", "Lee")
    assert tweet.gold == [(1, 3, "person")]
    assert tweet.predicted == [(1, 2, "person"), (2, 3, "person")]
    assert predictions.tags == ("O", "B-person", "I-person")
    assert tweet.probabilities.shape == (3, 3)
    assert tweet.probabilities.sum(1) == pytest.approx(numpy.ones(3))
    assert tweet.probabilities[1].argmax() == 1


def test_predict_corpus_confidence_equals_component_scores(tagger):
    docs = [tagged_doc(tagger, "saw Kim and Bob", ["O", "B-person", "O", "O"])]
    ner = tagger.get_pipe("twitter_bilstm_ner")
    tweet = predict_corpus(tagger, docs, "test").tweets[0]
    ner.spans_key = "confidence"
    doc = tagger(Doc(tagger.vocab, words=["saw", "Kim", "and", "Bob"]))
    assert tweet.confidence == pytest.approx(list(doc.spans["confidence"].attrs["scores"]))
    assert 0 < tweet.confidence[0] <= 1
    predict_corpus(tagger, docs, "test")
    assert ner.spans_key == "confidence"


def test_predict_corpus_keeps_references(tagger):
    doc = tagged_doc(tagger, "Kim likes Leeds", ["B-person", "O", "O"])
    predict_corpus(tagger, [doc], "test")
    assert [(ent.start, ent.end) for ent in doc.ents] == [(0, 1)]


def test_predict_corpus_ignores_missing_annotation(tagger):
    docs = [
        tagged_doc(tagger, "Kim and Lee", ["", "O", "O"]),
        Doc(tagger.vocab, words=["Kim"]),
        Doc(tagger.vocab),
    ]
    predictions = predict_corpus(tagger, docs, "test")
    assert predictions.pairs == [([], [(2, 3, "person")])]
    assert predictions.n_skipped == 2


def test_predict_corpus_scores_equal_spacy(tagger):
    generator = numpy.random.default_rng(0)
    words = ["Kim", "saw", "Lee"]
    tags = ["O", "", "B-person", "I-person"]
    docs = [
        Doc(
            tagger.vocab,
            words=words,
            ents=[*generator.choice(tags[:3], 1), *generator.choice(tags[:3], 2)],
        )
        for _ in range(40)
    ]
    examples = [Example(tagger(Doc(tagger.vocab, words=words)), doc) for doc in docs]
    theirs = get_ner_prf(examples)
    counts = count_spans(predict_corpus(tagger, docs, "test").pairs, ["person"])
    assert prf(counts.sum((0, 1))) == pytest.approx(
        [theirs["ents_p"], theirs["ents_r"], theirs["ents_f"]]
    )


def test_predict_corpus_without_tag_probabilities():
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "person", "pattern": "Kim"}])
    docs = [tagged_doc(nlp, "saw Kim", ["O", "B-person"])]
    predictions = predict_corpus(nlp, docs, "test")
    assert predictions.pairs == [([(1, 2, "person")], [(1, 2, "person")])]
    assert predictions.tweets[0].probabilities is None
    assert predictions.tweets[0].confidence is None
    assert predictions.tags == ()


def test_predict_corpus_keeps_order_over_batches(tagger):
    docs = [tagged_doc(tagger, f"{'so ' * (i % 5)}Kim", ["O"] * (i % 5 + 1)) for i in range(300)]
    tweets = predict_corpus(tagger, docs, "test").tweets
    assert [tweet.predicted[0][0] for tweet in tweets] == [i % 5 for i in range(300)]
    assert [len(tweet.probabilities) for tweet in tweets] == [i % 5 + 1 for i in range(300)]


def test_read_docs_errors_name_the_file(tmp_path, tagger):
    DocBin(docs=[tagger("Kim")]).to_disk(tmp_path / "good.spacy")
    assert [doc.text for doc in read_docs(tmp_path / "good.spacy", tagger.vocab)] == ["Kim"]
    (tmp_path / "bad.spacy").write_bytes(b"no corpus")
    with pytest.raises(ValueError, match=r"bad\.spacy can't be read"):
        read_docs(tmp_path / "bad.spacy", tagger.vocab)
    with pytest.raises(ValueError, match=r"test\.txt isn't a \.spacy file.*convert"):
        read_docs(tmp_path / "test.txt", tagger.vocab)
