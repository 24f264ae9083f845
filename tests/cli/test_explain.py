import json
from functools import partial
from pathlib import Path

import pytest
from thinc.api import fix_random_seed

from ..pipeline.util import SMALL_CRF, trained_ner
from .util import run

explain = partial(run, "explain")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("explain") / "model"
    fix_random_seed(0)
    trained_ner(**SMALL_CRF).to_disk(path)
    return path


def test_table(model: Path) -> None:
    result = explain(model, "Shaka Khan sings in London")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["Token", "all", "norm", "prefix3", "suffix3", "shape"] in lines
    assert lines[0][:3] == ["Shaka", "Khan", "PERSON,"]
    assert [line[0] for line in lines[2:7]] == ["Shaka", "Khan", "sings", "in", "London"]
    assert float(lines[2][1]) > 0.0
    assert any(line[:2] == ["all", "tokens"] and len(line) == 6 for line in lines)


def test_json(model: Path) -> None:
    result = explain(model, "Shaka Khan sings in London", "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.output)
    assert [(found["text"], found["label"]) for found in data] == [
        ("Shaka Khan", "PERSON"),
        ("London", "LOC"),
    ]
    assert explain(model, "so tired", "--json").output == "[]\n"


def test_no_entity_says_what_to_do(model: Path) -> None:
    result = explain(model, "so tired")
    assert result.exit_code == 0
    assert "--min-probability" in result.output
    result = explain(model, "so tired", "--min-probability", "1e-6", "--json")
    assert json.loads(result.output)


def test_control_characters_are_not_printed(model: Path) -> None:
    result = explain(model, "London \x1b[31m Khan")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output


def test_errors(model: Path) -> None:
    result = explain(model, "London", "--component", "absent")
    assert result.exit_code == 1
    assert "named 'absent'" in " ".join(result.output.split())
    assert explain(model / "nothing", "London").exit_code == 1
