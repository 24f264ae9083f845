import os
import sys

import pytest
import spacy

from spacy_twitter_ner.util import (
    MissingExtraError,
    batched,
    find_ners,
    get_ner,
    plural,
    require,
    write_atomic,
)


def test_write_atomic_replaces_files_and_creates_folders(tmp_path):
    paths = [tmp_path / "new" / "a.txt", tmp_path / "b.txt"]
    paths[1].write_text("old")
    with write_atomic(*paths) as temporary:
        for path in temporary:
            path.write_text("new")
        assert paths[1].read_text() == "old"
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "b.txt", "new"]


def test_write_atomic_keeps_files_on_errors(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), write_atomic(path) as (temporary,):
        temporary.write_text("new" * (1 // 0))
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("with_name", [False, True])
def test_write_atomic_names_target_in_errors(tmp_path, with_name):
    path = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space") as error, write_atomic(path) as (temporary,):
        raise OSError(28, "No space left on device", *[str(temporary)] * with_name)
    assert error.value.filename == str(path)


def test_require_returns_first_module():
    assert require("viz", "os", "os.path") is os


def test_require_raises_error_with_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingExtraError, match=r'scikit-learn .*"spacy-twitter-ner\[vectors\]"'):
        require("vectors", "os", "sklearn.cluster")


def test_get_ner_by_factory_and_name():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match=r"en_pipeline has no component .*; it has: sentencizer"):
        get_ner(nlp)
    assert find_ners(nlp) == []
    first = nlp.add_pipe("twitter_bilstm_ner")
    second = nlp.add_pipe("twitter_bilstm_ner", name="second")
    assert find_ners(nlp) == [first, second]
    assert get_ner(nlp) is first
    assert get_ner(nlp, "second") is second
    nlp.rename_pipe("second", "renamed")
    assert get_ner(nlp, "renamed") is second
    with pytest.raises(ValueError, match="has no component twitter_bilstm_ner named 'sentencizer'"):
        get_ner(nlp, "sentencizer")


def test_batched():
    assert list(batched("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(batched([], 2)) == []


def test_plural():
    assert [plural(n, "tweet") for n in (0, 1, 2000)] == ["0 tweets", "1 tweet", "2,000 tweets"]
