"""What tweets, labels and file names hold never controls the terminal."""

import json
import re

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from spacy_twitter_ner.cli._util import printable, printable_json, printable_lines

from .util import run

HOSTILE = ["\x1b[31mred", "\x9b31m", "bell\x07", "back\x08", "a\rb", "\u202eright", "del\x7f"]


def is_harmless(text):
    # The printer's own colors.
    text = re.sub(r"\x1b\[(?:38;5;\d+(?:;1)?|0|1)m", "", text)
    return all(char.isprintable() or char in "\n\u200d" for char in text)


@given(st.text())
def test_printable(text):
    assert is_harmless(printable(text))
    assert "\n" not in printable(text)
    assert printable_lines(text).count("\n") == text.count("\n")


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_printable_json_means_the_same(data):
    text = printable_json(json.dumps(data, ensure_ascii=False, indent=2))
    assert is_harmless(text)
    assert json.loads(text) == data


@pytest.fixture(params=HOSTILE)
def hostile(request):
    return request.param


@pytest.fixture
def model(tmp_path, hostile):
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": hostile, "pattern": "Leeds"}])
    nlp.to_disk(tmp_path / "model")
    doc = Doc(nlp.vocab, words=["in", "Leeds", hostile], ents=["O", f"B-{hostile}", "O"])
    DocBin(docs=[doc]).to_disk(tmp_path / "test.spacy")
    return tmp_path / "model"


def test_report(model, tmp_path):
    corpus = tmp_path / "test.spacy"
    result = run("report", tmp_path / "out", "--model", model, "--corpus", corpus)
    assert result.exit_code == 0, result.output
    assert is_harmless(result.output)


def test_report_of_metrics(tmp_path, hostile):
    scores = {"ents_p": 0.5, "ents_r": 0.5, "ents_f": 0.5}
    scores["ents_per_type"] = {hostile: {"p": 0.5, "r": 0.5, "f": 0.5}}
    (tmp_path / "test.json").write_text(json.dumps(scores), encoding="utf-8")
    result = run("report", tmp_path)
    assert result.exit_code == 0, result.output
    assert is_harmless(result.output)


def test_show(model, hostile):
    result = run("show", model, f"in Leeds {hostile} now")
    assert result.exit_code == 0, result.output
    assert is_harmless(result.output)


@pytest.mark.parametrize("command", [["show"], ["calibrate"], ["explain"], ["reliability"]])
def test_messages(tmp_path, hostile, command):
    result = run(*command, tmp_path / hostile, "a b", *(["-o", "x"] * (command == ["calibrate"])))
    assert is_harmless(result.output)


@pytest.mark.parametrize("row", ["{} O", "{}", "Kim B-{}", "Kim B-x\n{} I-y", "{} B-x\n\n{} B-y"])
def test_corpora(tmp_path, hostile, row):
    path = tmp_path / "train.txt"
    path.write_text(row.replace("{}", hostile) + "\n", encoding="utf-8", newline="")
    for arguments in (
        ["check", path, "--verbose"],
        ["convert", path, tmp_path / "out.spacy"],
        ["convert", path, tmp_path / "out.spacy", "--repair"],
    ):
        result = run(*arguments)
        assert isinstance(result.exception, SystemExit | None)
        assert is_harmless(result.output)


def test_file_names(tmp_path, hostile):
    path = tmp_path / f"{hostile}.txt"
    path.write_text("Leeds B-x\n", encoding="utf-8")
    for arguments in (["check", path, "--no-format"], ["convert", path, tmp_path / "out"]):
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        assert is_harmless(result.output)
