import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner

from spacy_twitter_ner.cli import app
from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER
from spacy_twitter_ner.training.silver import annotate_silver, write_silver

from ..pipeline.util import NAME, SMALL_CRF, TRAIN_DATA, make_examples, train

WORDS = [text.split() for text, _ in TRAIN_DATA]
TAGS = ["O", "B-LOC", "I-LOC", "B-PERSON", "I-PERSON"]


@pytest.fixture(scope="module")
def nlp() -> Language:
    numpy.random.seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe(NAME, config=SMALL_CRF)
    train(nlp, make_examples(nlp))
    return nlp


def with_posteriors(
    nlp: Language, rows: list[list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the component predict the same probabilities for every doc."""

    def predict_proba(self: TwitterBiLSTMNER, docs: list[Doc]) -> list[numpy.ndarray]:
        return [numpy.asarray(rows)[: len(doc)] for doc in docs]

    monkeypatch.setattr(TwitterBiLSTMNER, "predict_proba", predict_proba)


def tags_of(doc: Doc) -> list[str]:
    return [f"{t.ent_iob_}-{t.ent_type_}".rstrip("-") for t in doc]


def test_silver_of_one_pipeline_matches_its_predictions(nlp: Language) -> None:
    docs = list(annotate_silver([nlp], WORDS, min_probability=0.0))
    expected = [nlp(Doc(nlp.vocab, words=words)) for words in WORDS]
    assert [tags_of(doc) for doc in docs] == [tags_of(doc) for doc in expected]
    assert any(doc.ents for doc in docs)


def test_silver_of_pipelines_with_different_order_of_labels(nlp: Language) -> None:
    other = spacy.blank("xx")
    component = other.add_pipe(NAME, config=SMALL_CRF)
    for label in reversed(nlp.get_pipe(NAME).labels):
        component.add_label(label)
    train(other, make_examples(other))
    assert component.tags != nlp.get_pipe(NAME).tags
    docs = list(annotate_silver([nlp, other], WORDS, min_probability=0.0))
    expected = [nlp(Doc(nlp.vocab, words=words)) for words in WORDS]
    assert [tags_of(doc) for doc in docs] == [tags_of(doc) for doc in expected]


def test_silver_drops_whole_entities_below_min_probability(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(nlp.get_pipe(NAME).tags) == TAGS
    rows = [
        [0.9, 0.1, 0, 0, 0],
        [0.1, 0.9, 0, 0, 0],
        [0.45, 0, 0.55, 0, 0],
        [0.55, 0.45, 0, 0, 0],
        [0.2, 0, 0, 0.8, 0],
    ]
    with_posteriors(nlp, rows, monkeypatch)
    words = [["a", "b", "c", "d", "e"]]
    (doc,) = annotate_silver([nlp], words, min_probability=0.5)
    assert tags_of(doc) == ["O", "B-LOC", "I-LOC", "O", "B-PERSON"]
    (doc,) = annotate_silver([nlp], words, min_probability=0.6)
    assert tags_of(doc) == ["O", "", "", "", "B-PERSON"]


def test_silver_validates_pipelines(nlp: Language) -> None:
    with pytest.raises(ValueError, match="has no component twitter_bilstm_ner"):
        list(annotate_silver([spacy.blank("xx")], WORDS))
    other = spacy.blank("xx")
    other.add_pipe(NAME, config=SMALL_CRF).add_label("TEAM")
    with pytest.raises(ValueError, match=r"different labels.*TEAM"):
        list(annotate_silver([nlp, other], WORDS))


def test_silver_command_writes_training_corpus(nlp: Language, tmp_path) -> None:
    nlp.to_disk(tmp_path / "model")
    tweets = tmp_path / "tweets"
    tweets.mkdir()
    (tweets / "1.txt").write_text("I like London and Berlin\n\nso tired\n", encoding="utf8")
    (tweets / "2.txt").write_text("Shaka Khan sings in London\n", encoding="utf8")
    path = tmp_path / "new" / "silver.spacy"
    result = CliRunner().invoke(
        app,
        ["silver", str(tweets), str(path), "-m", str(tmp_path / "model"), "-p", "0"],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    docs = list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))
    assert [len(doc) for doc in docs] == [5, 5]
    assert [[ent.text for ent in doc.ents] for doc in docs] == [
        ["London", "Berlin"],
        ["Shaka Khan", "London"],
    ]
    count = write_silver([tmp_path / "model"], [tweets], path, limit=1, min_probability=1.0)
    assert (count.docs, count.tokens) == (1, 5)
    assert count.missing > 0


def test_silver_raises_error_without_tweets(nlp: Language, tmp_path) -> None:
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "short.txt").write_text("so tired\n", encoding="utf8")
    with pytest.raises(ValueError, match=r"no tweets with at least 4 words"):
        write_silver([tmp_path / "model"], [tmp_path / "short.txt"], tmp_path / "out.spacy")
    with pytest.raises(FileNotFoundError, match=r"there are no \.txt"):
        write_silver([tmp_path / "model"], [tmp_path / "model"], tmp_path / "out.spacy")
    assert not (tmp_path / "out.spacy").exists()
