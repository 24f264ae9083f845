from functools import partial

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from ..pipeline.util import trained_ner
from .util import run

render = partial(run, "render")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("render")
    nlp = trained_ner()
    nlp.to_disk(path / "model")
    docs = [
        Doc(nlp.vocab, words=["so", "tired"], ents=["O", "O"]),
        Doc(nlp.vocab, words=["in", "London"], ents=["O", "B-LOC"]),
        Doc(nlp.vocab, words=["Shaka", "Khan", "sings"], ents=["B-PERSON", "I-PERSON", "O"]),
    ]
    DocBin(docs=docs).to_disk(path / "test.spacy")
    spacy.blank("xx").to_disk(path / "empty")
    return path


@pytest.mark.parametrize("view", ["heatmap", "card"])
def test_animation_of_a_corpus(folder, tmp_path, view):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    out = tmp_path / "a.gif"
    result = render(folder / "model", out, "--corpus", folder / "test.spacy", "--view", view)
    assert result.exit_code == 0, result.output
    assert "2 tweets" in result.output, "those with entities"
    with image.open(out) as frames:
        assert frames.n_frames == 2


def test_picture_of_a_text(folder, tmp_path):
    pytest.importorskip("matplotlib")
    result = render(folder / "model", tmp_path / "a.svg", "--text", "Who likes London ?")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "a.png"], "pass either --text or --corpus"),
        (["model", "a.png", "--text", "x", "--view", "pie"], "heatmap or card, not pie"),
        (["model", "a.bmp", "--text", "x"], "a.bmp"),
        (["model", "a.gif", "--corpus", "test.spacy", "--first", "9"], "from tweet 9 on"),
        (["model", "a.gif", "--corpus", "test.spacy", "--only", "x"], "all, entities, errors"),
        (["model", "a.gif", "--corpus", "test.txt"], "spacy-twitter-ner convert"),
        (["empty", "a.png", "--text", "London"], "no probabilities"),
    ],
)
def test_mistakes_are_told(folder, arguments, message, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(folder)
    result = render(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.output.split())
    assert not (folder / "a.gif").exists()
