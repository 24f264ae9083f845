"""Nothing that is loaded can run code: no pickle, here or in a saved pipeline."""

import ast
import pickletools
import re
from pathlib import Path

import pytest
import spacy
import srsly

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "spacy_twitter_ner").rglob("*.py"))
# Modules that read pickles or make code of data, and calls that do.
MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "torch"}
CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "unsafe_load"}
FILES = ["cfg", "model"]


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {str(node.module).partition(".")[0]}
            names |= {alias.name for alias in node.names}
    return names


def called(tree: ast.AST) -> set[str]:
    return {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        # re.compile makes no code.
        and not (isinstance(node.func, ast.Attribute) and node.func.attr == "compile")
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_package_reads_no_pickle(path):
    text = path.read_text(encoding="utf8")
    tree = ast.parse(text)
    assert not imported(tree) & MODULES
    assert not called(tree) & CALLS
    # numpy.load would read pickles if it were told to; it is not by default.
    assert not re.search(r"allow_pickle\s*=\s*True", text)
    assert not re.search(r"shell\s*=\s*True", text)


def test_there_is_something_to_look_at():
    assert len(SOURCES) > 50
    code = "from pickle import load\nimport joblib as j\neval('1')\npandas.read_pickle(x)"
    assert imported(ast.parse(code)) & MODULES == {"pickle", "joblib"}
    assert called(ast.parse(code)) & CALLS == {"eval", "read_pickle"}


def is_pickle(data: bytes) -> bool:
    try:
        return sum(1 for _ in pickletools.genops(data)) > 1
    except Exception:
        return False


def test_a_saved_pipeline_holds_no_pickle(tweet_nlp, tmp_path):
    """Its files are JSON, msgpack and text, all the way down."""
    tweet_nlp.to_disk(tmp_path / "pipeline")
    files = [path for path in (tmp_path / "pipeline").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= set(FILES)
    for path in files:
        assert path.suffix not in (".pkl", ".pickle", ".joblib", ".pt", ".npy")
        assert not is_pickle(path.read_bytes()), path
    model = srsly.msgpack_loads(
        (tmp_path / "pipeline" / "twitter_bilstm_ner" / "model").read_bytes()
    )
    attrs = [value for node in model["attrs"] for value in node.values()]
    assert attrs
    assert not any(is_pickle(value) for value in attrs if isinstance(value, bytes))


def test_loading_unpickles_nothing(tweet_nlp, tmp_path, monkeypatch):
    tweet_nlp.to_disk(tmp_path / "pipeline")

    def refuse(*arguments, **settings):
        raise AssertionError("something is unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(f"pickle.{name}", refuse)
    text = "RT @kim: saw Drake in Chicago"
    loaded = spacy.load(tmp_path / "pipeline")
    assert loaded(text).to_bytes() == tweet_nlp(text).to_bytes()
