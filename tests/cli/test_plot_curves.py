import json
import sys
from functools import partial

import pytest

from .util import run

plot_curves = partial(run, "plot-curves")
PRF = {"p": 0.5, "r": 0.5, "f": 0.5}
LINE = {
    **{"step": 0, "epoch": 0, "seconds": 0.0, "score": 0.5, "losses": {"ner": 1.0}, "train": None},
    "validation": {**PRF, "per_type": {"person": PRF}},
}


@pytest.fixture
def progress(tmp_path):
    path = tmp_path / "progress.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n{json.dumps({**LINE, 'step': 200})}\n", encoding="utf8")
    return path


def test_curves_are_drawn_beside_the_file(progress):
    pytest.importorskip("matplotlib")
    result = plot_curves(progress.parent)
    assert result.exit_code == 0, result.output
    assert progress.with_name("curves.png").exists()
    assert progress.with_name("curves.svg").exists()


def test_curves_are_drawn_where_told(progress, tmp_path):
    pytest.importorskip("matplotlib")
    result = plot_curves(progress, "--output", tmp_path / "new" / "a.svg", "--title", "Tweets")
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.svg"]


def test_missing_file_fails_without_traceback(tmp_path):
    result = plot_curves(tmp_path / "absent.jsonl")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "absent.jsonl" in result.output


def test_missing_library_names_the_extra(progress, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = plot_curves(progress)
    assert result.exit_code == 1
    assert "spacy-twitter-ner[viz]" in " ".join(result.output.split())
