import subprocess
import sys
from pathlib import Path

import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_twitter_ner import __version__

from .util import run

ROOT = Path(__file__).parents[2]
TRAIN = "Hi O\nBob B-person\n\nApple B-company\n"
BROKEN = "Hi O\nBob\n\nLee I-person\n\nJoe B-person\n\nX B-movie\n"


@pytest.fixture
def paths(write):
    return [write("train.txt", TRAIN), write("dev.txt", BROKEN)]


def lines_of(result):
    return [line.strip() for line in result.output.splitlines()]


def run_fresh(code, *arguments, **env):
    """Run Python code in a process of its own, as a user's command does."""
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": "", "PYTHONUTF8": "1", **env},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_one_file(paths, tmp_path):
    result = run("convert", paths[0], tmp_path / "corpus" / "train.spacy")
    assert result.exit_code == 0, result.output
    text = " ".join(lines_of(result))
    assert f"{tmp_path}/corpus/train.spacy: 2 tweets, 3 tokens, 2 entities (BIO)" in text
    (first, _) = DocBin().from_disk(tmp_path / "corpus" / "train.spacy").get_docs(Vocab())
    assert [(ent.text, ent.label_) for ent in first.ents] == [("Bob", "person")]


def test_raw(paths, tmp_path):
    result = run("convert", paths[0], tmp_path / "train.spacy", "--raw")
    assert result.exit_code == 0, result.output
    assert f"{tmp_path}/train_raw.spacy: the same as raw text" in " ".join(lines_of(result))
    (first, _) = DocBin().from_disk(tmp_path / "train_raw.spacy").get_docs(Vocab())
    assert not first.has_unknown_spaces
    assert run("convert", paths[0], tmp_path / "a.spacy").exit_code == 0
    assert not (tmp_path / "a_raw.spacy").exists()


def test_problems_are_listed_and_nothing_is_written(paths, tmp_path):
    result = run("convert", *paths, tmp_path / "out")
    assert result.exit_code == 1
    lines = lines_of(result)
    assert "Found 3 problems" in lines[0]
    assert lines[1:4] == [
        f"{paths[1]}:2: no tag after the token 'Bob'",
        f"{paths[1]}:4: I-person without its B-person",
        f"{paths[1]}:8: entity type 'movie' does not occur in {paths[0]}",
    ]
    assert "Nothing was written" in lines[4]
    assert not (tmp_path / "out").exists()


def test_repair_says_what_it_did(paths, tmp_path):
    result = run("convert", *paths, tmp_path / "out", "--repair")
    assert result.exit_code == 0, result.output
    lines = lines_of(result)
    assert "Repaired 3 problems" in lines[0]
    assert lines[1:4] == [
        f"{paths[1]}:2: no tag after the token 'Bob' (label left missing)",
        f"{paths[1]}:4: I-person without its B-person (read as B-person)",
        f"{paths[1]}:8: entity type 'movie' does not occur in {paths[0]} (kept)",
    ]
    assert "has no entities of type company" in " ".join(lines)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dev.spacy",
        "train.spacy",
    ]


def test_scheme(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("a I-x\nb O\n", encoding="utf-8")
    assert run("convert", path, tmp_path / "a.spacy").exit_code == 0
    result = run("convert", path, tmp_path / "b.spacy", "--scheme", "bio")
    assert result.exit_code == 1
    assert f"{path}:1: I-x without its B-x" in lines_of(result)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["none.txt", "out"], "no such file: none.txt"),
        (["assets/none.txt", "out"], "python -m spacy project assets"),
        (["train.txt", "dev.txt", "out.spacy"], "give a folder instead"),
        (["train.txt", "out", "--scheme", "BOI"], "unknown tag scheme 'BOI'"),
        (["folder", "out"], "Is a directory"),
        (["train.txt", "dev.txt/out"], "Not a directory"),
    ],
)
def test_errors_are_messages(paths, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    result = run("convert", *arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert expected in " ".join(lines_of(result))


def test_what_cannot_be_mended_has_no_hint(tmp_path):
    (tmp_path / "train.txt").write_text("", encoding="utf-8")
    result = run("convert", tmp_path / "train.txt", tmp_path / "out.spacy", "--repair")
    assert result.exit_code == 1
    assert lines_of(result)[1:] == [f"{tmp_path / 'train.txt'}:1: the file is empty"]


def test_missing_arguments_are_a_usage_error():
    assert run("convert").exit_code == 2
    result = run("convert", "one.txt")
    assert result.exit_code == 2
    text = " ".join((result.output + result.stderr).split())
    assert "no output given after one.txt" in text
    assert "convert one.txt one.spacy" in text


def test_columns_and_comments(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("#\ta\n1\tKim\tB-x\tB-x\n2\tok\tO\tO\n", encoding="utf-8")
    for command in (["convert", path, tmp_path / "out.spacy"], ["check", path]):
        result = run(*command)
        assert result.exit_code == 1
        assert f"{path}:1: columns 3 and 4 both hold tags" in result.output
        result = run(*command, "--tag-column", 3, "--comment", "#", "--token-column", 2)
        assert result.exit_code == 0, result.output
        assert "skipped 1 comment line" in " ".join(result.output.split())
        result = run(*command, "--tag-column", 0)
        assert result.exit_code == 1
        assert "columns are counted from 1" in " ".join(result.output.split())


def test_version_and_help():
    for option in ("--version", "-V"):
        assert run(option).output == f"spacy-twitter-ner {__version__}\n"
    text = run("--help").output
    for command in ("check", "convert", "report"):
        assert f"  {command} " in text
        assert run(command, "--help").exit_code == 0


@pytest.mark.slow
def test_the_command_in_a_process_of_its_own(paths, tmp_path):
    code = "from spacy_twitter_ner.cli import main; main()"
    result = run_fresh(code, "convert", *paths, tmp_path / "out")
    assert (result.returncode, result.stderr) == (1, "")
    assert f"  {paths[1]}:2: no tag after the token 'Bob'\n" in result.stdout
    assert run_fresh(code, "--help").stdout.startswith("Usage: spacy-twitter-ner ")


@pytest.mark.slow
def test_the_module_is_the_command(tmp_path):
    command = [sys.executable, "-m", "spacy_twitter_ner", "--version"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout == f"spacy-twitter-ner {__version__}\n"


@pytest.mark.slow
def test_an_emoji_the_terminal_cannot_show_stops_nothing(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("\U0001f600\n", encoding="utf-8")
    code = "from spacy_twitter_ner.cli import main; main()"
    env = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    result = run_fresh(code, "convert", path, tmp_path / "out.spacy", **env)
    assert (result.returncode, result.stderr) == (1, "")
    title, problem = result.stdout.splitlines()[:2]
    assert "Found 1 problem" in title
    assert problem == f"  {path}:1: no tag after the token '\\U0001f600'"


@pytest.mark.slow
def test_the_command_line_does_not_import_spacy():
    code = "import sys, spacy_twitter_ner.cli; sys.exit('spacy' in sys.modules)"
    assert run_fresh(code).returncode == 0


@pytest.mark.slow
def test_spacys_command_line_has_our_commands_once(paths, tmp_path):
    # spaCy imports the module that the entry point names: here we do it in its place.
    code = (
        "import sys, spacy.cli, spacy_twitter_ner.cli; "
        "names = [group.name for group in spacy.cli.app.registered_groups]; "
        "assert names.count('twitter-ner') == 1, names; "
        "spacy.cli.setup_cli()"
    )
    result = run_fresh(code, "twitter-ner", "convert", paths[0], tmp_path / "train.spacy")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "train.spacy").exists()
    assert "Usage: python -m spacy twitter-ner convert" in (
        run_fresh(code, "twitter-ner", "convert", "--help").stdout
    )


def test_json_lines_with_spans(tmp_path):
    for name in ("train", "dev"):
        path = tmp_path / f"{name}.jsonl"
        line = '{"text": "go Leeds", "spans": [{"start": 3, "end": 8, "label": "place"}]}'
        path.write_text(line + "\n")
    result = run("convert", f"{tmp_path}/train.jsonl", f"{tmp_path}/dev.jsonl", f"{tmp_path}/out")
    assert result.exit_code == 0
    assert " ".join(result.output.split()).count("1 tweet, 1 entities (spans to spacy)") == 2
    assert (tmp_path / "out" / "train.spacy").is_file()
    result = run("convert", str(path), str(path), f"{tmp_path}/out", "--to", "prodigy")
    assert result.exit_code == 1
    assert "with --to, pass one" in " ".join(result.output.split())
    path.write_text('{"text": "go Leeds", "spans": [{"start": 3, "end": 7, "label": "place"}]}\n')
    result = run("convert", str(path), f"{tmp_path}/other.spacy")
    assert result.exit_code == 1
    assert "dev.jsonl:1:" in " ".join(result.output.split())
    assert not (tmp_path / "other.spacy").exists()
