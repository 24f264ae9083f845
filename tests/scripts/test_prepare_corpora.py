from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from prepare_corpora import prepare, rejoin, repair


def rows(text: str) -> list[tuple[str, str]]:
    return [tuple(row.split("/")) for row in text.split()]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hi/O @/B-PER kim/B-PER !/O", "hi/O @kim/O !/O"),
        ("@/B-PER kim/I-PER lee/I-PER", "@kim/O lee/B-PER"),
        ("@kim/B-PER", "@kim/O"),
        ("in/O #/O Paris/B-LOC", "in/O #Paris/B-LOC"),
        ("#/B-LOC Paris/I-LOC Texas/I-LOC", "#Paris/B-LOC Texas/I-LOC"),
        ("#/O", "#/O"),
        ("a/O @/O", "a/O @/O"),
    ],
)
def test_rejoin(given: str, expected: str) -> None:
    assert list(repair(rejoin(rows(given)))) == rows(expected)


def test_prepare(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(prepare)
    for name, text in {"one": "a O\n\nin O\nParis B-LOC\n", "two": "b O\n\na O\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.txt").write_text(text)
    seen = tmp_path / "seen.txt"
    seen.write_text("b O\n")
    output = tmp_path / "all.conll"
    arguments = [str(tmp_path), "--output", str(output), "--exclude", str(seen)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert output.read_text() == "a\tO\n\nin\tO\nParis\tB-LOC\n\na\tO\n"
    assert "3 tweets, 1 left out" in result.output
