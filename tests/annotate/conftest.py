from pathlib import Path

import pytest

from spacy_twitter_ner.annotate.jobs import Job

from .util import TWEETS


@pytest.fixture
def model(saved_pipeline: Path) -> str:
    return str(saved_pipeline)


@pytest.fixture
def tweets(tmp_path: Path) -> Path:
    path = tmp_path / "tweets.txt"
    path.write_text("".join(f"{tweet}\n" for tweet in TWEETS), encoding="utf8")
    return path


@pytest.fixture
def job(model: str, tmp_path: Path) -> Job:
    return Job(model, str(tmp_path / "out"))
