import io
import re

import pytest
import spacy
from rich.console import Console
from spacy.tokens import Doc

from spacy_twitter_ner.cli.show import color_entities

from ..pipeline.util import trained_ner
from .util import run


@pytest.fixture
def model(tmp_path):
    nlp = spacy.blank("xx")
    patterns = [{"label": "geo-loc", "pattern": "Leeds"}, {"label": "new", "pattern": "Kim"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


def test_entities_stand_in_brackets_where_there_is_no_colour(model):
    result = run("show", model, "Kim in Leeds !", "so [bold]tired[/bold] :smile:")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "[Kim new] in [Leeds geo-loc] !",
        "so [bold]tired[/bold] :smile:",
    ]


def test_lines_of_standard_input(model):
    from typer.testing import CliRunner

    from spacy_twitter_ner.cli import app

    result = CliRunner().invoke(app, ["show", str(model)], input="in Leeds\n\nat home\n")
    assert result.output.splitlines() == ["in [Leeds geo-loc]", "at home"]


def test_entities_are_coloured_in_a_terminal():
    vocab = spacy.blank("xx").vocab
    doc = Doc(vocab, words=["in", "Leeds"], ents=["O", "B-geo-loc"])
    file = io.StringIO()
    Console(file=file, force_terminal=True, color_system="truecolor").print(color_entities(doc))
    assert "48;2;255;143;40m Leeds " in file.getvalue()
    assert "geo-loc" in file.getvalue()


def test_confidence_of_a_trained_pipeline(tmp_path):
    trained_ner().to_disk(tmp_path / "model")
    result = run("show", tmp_path / "model", "Who is Shaka Khan ?")
    assert re.search(r"\[Shaka Khan PERSON \d+%\] \?", result.output), result.output


def test_tweets_command_no_terminal(model):
    result = run("show", model, "in \x1b[31mLeeds \x07")
    assert "\x1b" not in result.output
    assert "\x07" not in result.output


def test_missing_model_fails_without_traceback(tmp_path):
    result = run("show", tmp_path / "absent", "Leeds")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
