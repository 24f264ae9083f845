"""The table of tokenizers, on a corpus of two tweets and a pipeline of rules."""

import pytest
import spacy
import typer
from typer.testing import CliRunner

import raw_text
from spacy_twitter_ner.corpus.converting import convert

TWEETS = "go O\n#Arsenal B-team\n\nKim B-person\n's O\ncat O\nis O\nU.S. B-geo-loc\n\n"


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """The corpus "tiny" of a project, and a pipeline that knows its entities."""
    (tmp_path / "corpus" / "tiny").mkdir(parents=True)
    (tmp_path / "test.txt").write_text(TWEETS, encoding="utf8")
    convert([tmp_path / "test.txt"], tmp_path / "corpus" / "tiny" / "test.spacy", raw=True)
    nlp = spacy.blank("en")
    patterns = [("team", "#Arsenal"), ("person", "Kim"), ("geo-loc", "U.S.")]
    nlp.add_pipe("entity_ruler").add_patterns(
        # Of one token each, so that it has to be cut as in the corpus.
        [{"label": label, "pattern": [{"ORTH": text}]} for label, text in patterns]
    )
    (tmp_path / "training" / "rules").mkdir(parents=True)
    nlp.to_disk(tmp_path / "training" / "rules" / "model-best")
    monkeypatch.setattr(raw_text, "ROOT", tmp_path)
    return tmp_path


def run(*arguments):
    app = typer.Typer()
    app.command()(raw_text.raw_text_cli)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_each_tokenizer_has_its_row(corpus):
    result = run(corpus / "training" / "rules" / "model-best", "--corpus", "tiny")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "| tokens | `rules` |",
        "|---|---|",
        "| gold tokens | 100.00 |",
        "| `TweetTokenizer` | 100.00 (+0.00) |",
        "| `TweetTokenizer`, `split_contractions` | 100.00 (+0.00) |",
        # It takes # off the tag.
        "| spaCy's for English | 80.00 (-20.00) |",
    ]


def test_a_missing_corpus_is_named(corpus):
    result = run(corpus / "training" / "rules" / "model-best", "--corpus", "absent")
    assert result.exit_code == 1
    assert "spacy project run convert . --vars.corpus absent" in result.output
