import pytest
import spacy
import typer
from spacy.tokens import Doc, Span
from typer.testing import CliRunner

import fuzz

TWEETS = ["RT @kim: saw Drake in Chicago last nite 😂", "so tired"]


def make_doc(*ents, words=("in", "New", "York", "\n"), starts=()):
    doc = Doc(spacy.blank("xx").vocab, words=list(words), spaces=[True, True, False, False])
    doc.set_ents([Span(doc, *ent) for ent in ents])
    for token in doc[1:]:
        token.is_sent_start = token.i in starts
    return doc


def test_the_same_seed_gives_the_same_texts():
    first, second, other = (
        [next(texts) for _ in range(300)]
        for texts in (fuzz.generate_texts(TWEETS, seed) for seed in (0, 0, 1))
    )
    assert first == second != other
    assert len(set(first)) > 200
    # Lone surrogates are among them.
    assert any(0xD800 <= ord(char) < 0xE000 for text in first for char in text)


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        (make_doc((1, 3, "LOC")), []),
        (make_doc((1, 3, "TEAM")), ["an unknown type"]),
        (make_doc((1, 4, "LOC")), ["white space at an entity's edge"]),
        (make_doc((1, 3, "LOC"), starts=[2]), ["an entity crosses a sentence start"]),
        # What was there before is nobody's fault.
        (make_doc((1, 4, fuzz.PRESET), starts=[2]), []),
    ],
)
def test_faults(doc, expected):
    assert fuzz.find_faults(doc, doc.text, ["LOC"]) == expected
    assert fuzz.find_faults(doc, "other", ["LOC"])[0] == "the text is not the one that was given"


@pytest.fixture
def model(tweet_nlp, tmp_path):
    tweet_nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


def run(*arguments):
    app = typer.Typer()
    app.command()(fuzz.fuzz_cli)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_pipeline_without_faults(model):
    result = run(model, "--docs", "60", "--seed", "3")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("60 documents, ")


def test_faults_are_counted(model, monkeypatch):
    monkeypatch.setattr(fuzz, "find_faults", lambda doc, text, labels: ["odd"] * (not len(doc) % 2))
    result = run(model, "--docs", "60")
    assert result.exit_code == 1
    assert ": odd" in result.output


def test_failures_are_counted(model):
    def fail(docs):
        raise RuntimeError("no")

    nlp = spacy.load(model)
    nlp.get_pipe(fuzz.COMPONENT).predict = fail
    counts, faults = fuzz.run(nlp, iter(TWEETS), 2, 0)
    assert (counts["docs"], counts["failed"]) == (0, 2)
    assert faults == {f"RuntimeError in {fuzz.COMPONENT}": 2}


def test_texts_that_the_tokenizer_refuses_are_counted(tweet_nlp):
    """spaCy's own refuses lone surrogates."""
    nlp = spacy.blank("en", vocab=tweet_nlp.vocab)
    nlp.add_pipe(fuzz.COMPONENT, source=tweet_nlp)
    counts, faults = fuzz.run(nlp, iter(["in Chicago", "\ud83d", "so tired"]), 3, 0)
    assert (counts["docs"], counts["failed"]) == (2, 1)
    assert faults == {"UnicodeEncodeError in the tokenizer": 1}
