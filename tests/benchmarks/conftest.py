import shutil
from pathlib import Path
from typing import Any

import pytest

from contest import contestants, project, results, running, training
from contest.corpus import SPLITS
from spacy_twitter_ner.corpus.converting import convert

from .util import gold_spans, set_contestants, write_corpus

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with all that decides a result, and two contestants: a baseline and a rung."""
    write_corpus(tmp_path / "corpus" / "tiny")
    config = "[nlp]\n\n[components]\n\n[components.ner]\n\n[training]\n"
    files = {"configs/a.cfg": config, "configs/b.cfg": config, "assets/words.txt": "words"}
    sources = [name if name.endswith(".py") else f"{name}/x/y.py" for name in results.SOURCES]
    for name, text in (files | dict.fromkeys(sources, "source")).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(project, "ROOT", tmp_path)
    rung = contestants.Contestant(
        "bilstm",
        "rung",
        "configs/b.cfg",
        overrides={"training.dropout": 0.5},
        needs=("assets/words.txt",),
    )
    baseline = contestants.Contestant("spacy_ner", "baseline", "configs/a.cfg")
    set_contestants(monkeypatch, baseline, rung)
    return tmp_path


@pytest.fixture
def trained(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """RETURNS (list[str]): The names of the runs that were trained; they predict what is gold."""
    names = []

    def train(run: Any, gold: Any, threads: int) -> Any:
        names.append(run.name)
        return training.Trained(lambda split: gold_spans(gold.docs[split]), 1.5, 1000, {})

    monkeypatch.setattr(running, "train", train)
    return names


@pytest.fixture
def real_root(root: Path) -> Path:
    """The project without its source, which would be imported instead of the package."""
    shutil.rmtree(root / "spacy_twitter_ner")
    return root


@pytest.fixture(scope="module")
def sample_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the sample corpus, converted, and nothing trained."""
    root = tmp_path_factory.mktemp("project")
    for name in ("configs", "docs", "benchmarks", "spacy_twitter_ner"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    sample = [ROOT / "assets" / "sample" / f"{split}.txt" for split in ("train", *SPLITS)]
    convert(sample, root / "corpus" / "sample")
    return root
