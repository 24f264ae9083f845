import pytest

from spacy_twitter_ner import PRETRAINED

from .util import run

pytest.importorskip("onnx")


def test_tagger_and_words_are_exported(tmp_path):
    (tmp_path / "words.txt").write_text("Leeds so so\n", encoding="utf-8")
    arguments = [str(PRETRAINED), str(tmp_path / "out"), "--words", str(tmp_path / "words.txt")]
    assert run("export-onnx", *arguments).exit_code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"tagger.onnx", "tagger.json", "words.npz"}


def test_pipeline_without_the_component_is_an_error(ruler, tmp_path):
    result = run("export-onnx", str(ruler), str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "twitter_bilstm_ner" in result.output
