from contextlib import suppress

import pytest
import spacy

from spacy_twitter_ner import PRETRAINED
from spacy_twitter_ner.loading import load_pipeline, require_pipeline

from .cli.util import run


@pytest.fixture
def names(tmp_path):
    """A folder with a file and some folders that aren't pipelines."""
    (tmp_path / "model.tar.gz").write_bytes(b"x")
    (tmp_path / "folder" / "model-best").mkdir(parents=True)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.cfg").write_text("", encoding="utf-8")
    return tmp_path


def test_load_pipeline(ruler):
    assert load_pipeline(ruler).pipe_names == ["entity_ruler"]
    assert load_pipeline("blank:xx").pipe_names == []
    require_pipeline(PRETRAINED)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("numpy", "is an installed package, not a pipeline"),
        ("scikit-learn", "not a pipeline"),
        ("json", "there is no such folder or installed package"),
        ("os.path", "there is no such folder"),
        ("en_core_web_nothing", "there is no such folder"),
        ("model.tar.gz", "is a file, not a pipeline"),
        ("folder", "no config.cfg and no meta.json; did you mean"),
        ("half", "it has no meta.json"),
        ("x" * 10_000, "can't be the name of a folder"),
        ("", "not a pipeline"),
    ],
)
def test_load_pipeline_raises_helpful_errors(names, monkeypatch, name, message):
    monkeypatch.chdir(names)
    with pytest.raises(OSError, match="not a pipeline") as caught:
        load_pipeline(name)
    assert message in str(caught.value)


def test_load_pipeline_does_not_call_other_packages(monkeypatch):
    import numpy

    monkeypatch.setattr(numpy, "load", lambda *args, **kwargs: pytest.fail("called"))
    with pytest.raises(OSError, match="numpy is an installed package, not a pipeline"):
        load_pipeline("numpy")


@pytest.mark.parametrize("file", ["config.cfg", "meta.json", "vocab/strings.json", "tokenizer"])
@pytest.mark.parametrize("content", [b"", b"[nlp]\nlang = 7\n", b"\x80\x81", b"[]", b"{}"])
def test_load_pipeline_damaged_files(tmp_path, file, content):
    spacy.blank("xx").to_disk(tmp_path / "model")
    (tmp_path / "model" / file).write_bytes(content)
    with suppress(OSError, ValueError, ImportError):
        load_pipeline(tmp_path / "model")


COMMANDS = [
    ["show", "{}"],
    ["show", "{}", "in Leeds"],
    ["explain", "{}", "in Leeds"],
    ["annotate", "{}", "tweets.txt"],
    ["render", "{}", "out.svg", "--text", "in Leeds"],
    ["calibrate", "{}", "tweets.txt", "--output", "out"],
    ["reliability", "{}", "tweets.txt"],
    ["report", ".", "--model", "{}", "--corpus", "tweets.txt"],
    ["silver", "tweets.txt", "out.spacy", "--model", "{}"],
]


@pytest.mark.parametrize("name", ["numpy", "model.tar.gz", "folder"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_report_invalid_pipelines(names, monkeypatch, name, command):
    if command == ["annotate", "{}", "tweets.txt"] and name != "numpy":
        pytest.skip("a file or folder of tweets")
    if command[0] == "show" and len(command) == 3 and name != "numpy":
        pytest.skip("a tweet")
    if command[0] == "render":
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(names)
    (names / "tweets.txt").write_text("Leeds B-x\n", encoding="utf-8")
    result = run(*(part.format(name) for part in command))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "not a pipeline" in " ".join((result.output + result.stderr).split())
