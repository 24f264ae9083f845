"""Run the spaCy project on a tiny corpus."""

import configparser
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import numpy
import pytest
import spacy
import srsly
from spacy.strings import StringStore
from spacy.vectors import Vectors
from weasel.util.commands import split_command
from weasel.util.config import load_project_config

ROOT = Path(__file__).parents[1]
PROJECT = srsly.read_yaml(ROOT / "project.yml")
COMMANDS = {command["name"]: command for command in PROJECT["commands"]}
TWEETS = "RT O\n@kim O\n: O\nsaw O\nDrake B-musicartist\nin O\nNew B-geo-loc\nYork I-geo-loc\n\n"

pytestmark = pytest.mark.slow


def run(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "spacy", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with a corpus of four tweets, after the workflow `all`."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("configs", "benchmarks", "spacy_twitter_ner"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "project.yml", folder)
    corpus = folder / "assets" / "tiny"
    corpus.mkdir(parents=True)
    for split in ("train", "validation", "test"):
        (corpus / f"{split}.txt").write_text(4 * TWEETS, encoding="utf8")
    overrides = "--training.max_steps 40 --training.eval_frequency 20"
    result = run(
        *("project", "run", "all", ".", "--vars.corpus", "tiny"),
        cwd=folder,
        SPACY_CONFIG_OVERRIDES=overrides,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_workflow_all_writes_its_outputs(project):
    for step in PROJECT["workflows"]["all"]:
        for output in COMMANDS[step]["outputs"]:
            path = output.replace("${vars.corpus}", "tiny").replace("${vars.config}", "finetune")
            assert (project / path).exists(), path
    scores = json.loads((project / "metrics/tiny/finetune/test.json").read_text(encoding="utf8"))
    assert scores["ents_f"] > 0.5
    assert set(scores["ents_per_type"]) == {"musicartist", "geo-loc"}
    report = (project / "metrics/tiny/finetune/report.md").read_text(encoding="utf8")
    assert "musicartist" in report
    assert "validation" in report
    # The tokenizer splits the raw text into the tokens of the corpus.
    assert "| test, raw text |" in report
    raw = json.loads((project / "metrics/tiny/finetune/test_raw.json").read_text(encoding="utf8"))
    assert (raw["token_f"], raw["ents_f"]) == (1, scores["ents_f"])


def test_workflow_silver_trains_a_student(project):
    """The workflow without the steps that need other packages or the network."""
    knowledge = project / "lexical"
    nlp = spacy.blank("en")
    vectors = numpy.ones((2, 4), dtype="float16")
    nlp.vocab.vectors = Vectors(
        strings=StringStore(["new", "york"]), data=vectors, keys=["new", "york"]
    )
    (knowledge / "facts").mkdir(parents=True)
    nlp.to_disk(knowledge / "merged")
    for kind in ("big_city", "city", "country", "region", "first_name", "last_name"):
        (knowledge / "facts" / f"{kind}.txt").write_text("New York\n", encoding="utf8")
    for folder in ("lexical", "unlabelled"):
        (project / "assets" / folder).mkdir()
    clusters = project / "assets" / "lexical" / "6mpaths.tsv"
    clusters.write_text("0010\tdrake\t7\n0011\tyork\t5\n", encoding="utf8")
    tweets = project / "assets" / "unlabelled" / "tweets.txt"
    words = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    # Near duplicates are skipped.
    lines = [f"{a} saw Drake in New York {b}\n" for a in words for b in words[:2]]
    tweets.write_text("".join(lines), encoding="utf8")
    output = ""
    for command in ("train-teachers", "annotate-silver", "train-student", "evaluate-student"):
        result = run(
            *("project", "run", command, "."),
            *("--vars.corpus", "tiny", "--vars.silver_tweets", "15"),
            cwd=project,
            SPACY_CONFIG_OVERRIDES="--training.max_steps 20 --training.eval_frequency 10",
        )
        assert result.returncode == 0, result.stdout + result.stderr
        output += result.stdout
    assert "silver.spacy: 15 tweets" in output.replace("\n", " ")
    report = (project / "metrics/tiny/bilstm_crf_silver/report.md").read_text(encoding="utf8")
    assert "musicartist" in report


def test_second_run_skips_all_commands(project):
    result = run("project", "run", "all", ".", "--vars.corpus", "tiny", cwd=project)
    assert result.returncode == 0
    assert "Running command" not in result.stdout
    assert result.stdout.count("Skipping") == len(PROJECT["workflows"]["all"])


def test_missing_corpus_names_the_assets_command(project):
    result = run("project", "run", "all", ".", "--vars.corpus", "hse", cwd=project)
    assert result.returncode != 0
    # spaCy's project commands are Weasel's.
    assert "weasel assets" in result.stdout + result.stderr


@pytest.mark.parametrize("corpus", ["my tweets", "Bob's tweets", "a  b", "tweets"])
def test_paths_are_quoted(corpus):
    values = {"vars.corpus": corpus, "vars.tweets": "a b/c d", "vars.config": "my config"}
    config, plain = (
        load_project_config(ROOT, overrides=some)
        for some in (values, {"vars.corpus": "CORPUS", "vars.tweets": "T", "vars.config": "CONFIG"})
    )
    for command, expected in zip(config["commands"], plain["commands"], strict=True):
        for script, plain_script in zip(command["script"], expected["script"], strict=True):
            arguments = [
                part.replace("CORPUS", corpus).replace("CONFIG", "my config")
                for part in split_command(plain_script)
            ]
            tweets = [i for i, part in enumerate(arguments) if part == "T"]
            for index in tweets:
                arguments[index] = "a b/c d"
            assert split_command(script) == arguments


@pytest.mark.parametrize("corpus", ["sample", "hse", "tweets", "", "tweet_ner"])
def test_package_name_differs_from_the_pretrained_pipeline(corpus):
    config = load_project_config(ROOT, overrides={"vars.corpus": corpus})
    (command,) = (each for each in config["commands"] if each["name"] == "package")
    (script,) = command["script"]
    arguments = split_command(script)
    assert arguments[arguments.index("--name") + 1] == f"tweet_ner_{corpus}"


def test_asset_hosts():
    hosts = {
        urlparse(asset["url"]).hostname
        for asset in load_project_config(ROOT)["assets"]
        if "url" in asset
    }
    assert hosts == {"raw.githubusercontent.com"}


def test_project_docs_are_current(tmp_path):
    path = tmp_path / "project.md"
    result = run("project", "document", ".", "--no-emoji", "--output", str(path), cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    written = (ROOT / "docs" / "project.md").read_text(encoding="utf8")
    assert path.read_text(encoding="utf8") == written


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "configs").glob("*.cfg")))
def test_config_is_filled(name, tmp_path):
    """`spacy init fill-config` has nothing to add."""
    if name == "transformer":
        pytest.importorskip("spacy_transformers", reason="needs the extra transformer")
    path = tmp_path / "filled.cfg"
    config = ROOT / "configs" / f"{name}.cfg"
    result = run("init", "fill-config", str(config), str(path), cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    ours, filled = (configparser.ConfigParser(interpolation=None) for _ in range(2))
    ours.read(config, encoding="utf8")
    filled.read(path, encoding="utf8")
    assert {s: dict(filled[s]) for s in filled.sections()} == {
        s: dict(ours[s]) for s in ours.sections()
    }
