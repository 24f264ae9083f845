"""The code in the README and the docs: Python runs, commands and their options exist, and configs
have registered functions."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
import typer
from spacy.tokens import DocBin
from thinc.api import Config

from spacy_twitter_ner import PRETRAINED
from spacy_twitter_ner.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", PRETRAINED / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = (("Drake", "Rihanna", "Obama", "Adele"), ("Chicago", "Leeds", "Paris", "Boston"))
NOT_RUN = "<!-- not run: "
COMMANDS = typer.main.get_command(app).commands


def code_blocks(path: Path, language: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the code of each block that isn't marked as not run."""
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines):
        if line == f"```{language}" and not lines[number - 1].startswith(NOT_RUN):
            end = lines.index("```", number)
            yield number + 1, "\n".join(lines[number + 1 : end])


def pages_with(language: str) -> list:
    return [
        pytest.param(path, id=path.relative_to(ROOT).as_posix())
        for path in PAGES
        if list(code_blocks(path, language))
    ]


@pytest.fixture(scope="module")
def labelled() -> bytes:
    """A corpus on which the pretrained pipeline makes no mistakes, in the format .spacy."""
    nlp = spacy.load(PRETRAINED)
    texts = [
        f"saw {who} in {where} #{i}" for i in range(40) for who, where in zip(*NAMES, strict=True)
    ]
    return DocBin(docs=nlp.pipe(texts)).to_bytes()


@pytest.fixture
def folder(tmp_path, monkeypatch, labelled):
    """A folder with the files that the code reads: a trained pipeline, and corpora."""
    for name in ("labelled.spacy", "new.spacy"):
        (tmp_path / name).write_bytes(labelled)
    for name in ("training/sample/finetune", "training"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "model-best").symlink_to(PRETRAINED)
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", pages_with("python"))
def test_python_runs(path, folder):
    namespace = {"__name__": "__main__"}
    for line, code in code_blocks(path, "python"):
        # The blank lines make errors name the line of the page.
        exec(compile("\n" * line + code, str(path), "exec"), namespace)


@pytest.mark.parametrize("path", pages_with("bash"))
def test_commands_and_options_exist(path):
    n_commands = 0
    for line, code in code_blocks(path, "bash"):
        for command in code.replace("\\\n", " ").split("\n"):
            words = shlex.split(command, comments=True)
            if words[:1] != ["spacy-twitter-ner"]:
                continue
            n_commands += 1
            assert words[1] in COMMANDS, f"{path}:{line}: {command}"
            known = {opt for param in COMMANDS[words[1]].params for opt in param.opts} | {"--help"}
            options = {word.split("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)}
            assert options <= known, f"{path}:{line}: {command}"
    assert n_commands or path not in (ROOT / "README.md", ROOT / "docs" / "get-started.md")


@pytest.mark.parametrize("path", pages_with("ini"))
def test_configs_have_registered_functions(path):
    for line, code in code_blocks(path, "ini"):
        Config().from_str(complete(code), interpolate=False)
        for registry, name in re.findall(r'^@(\w+) = "(.+)"$', code, re.M):
            assert spacy.registry.has(registry, name), f"{path}:{line}: {name}"


def complete(excerpt: str) -> str:
    """RETURNS (str): A part of a config, with the sections that contain its sections."""
    sections = re.findall(r"^\[(.+)\]$", excerpt, re.M)
    parents = {section.rsplit(".", n)[0] for section in sections for n in range(1, 9)}
    missing = sorted(parent for parent in parents if parent not in sections)
    return "\n".join([*(f"[{parent}]" for parent in missing), excerpt])


@pytest.mark.parametrize("path", pages_with("json"))
def test_json_is_valid(path):
    for _, code in code_blocks(path, "json"):
        for value in re.split(r"\n(?=\{)", code):
            json.loads(value)


def test_few_blocks_are_not_run():
    marked = [line for path in PAGES for line in path.read_text().split("\n") if NOT_RUN in line]
    assert len(marked) <= 4
