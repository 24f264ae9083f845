from pathlib import Path

import pytest

from spacy_twitter_ner.scale.jobs import Job

from .util import TWEETS


@pytest.fixture(scope="session")
def model(tweet_nlp, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("scale") / "model"
    tweet_nlp.to_disk(path)
    return str(path)


@pytest.fixture
def tweets(tmp_path: Path) -> Path:
    path = tmp_path / "tweets.txt"
    path.write_text("".join(f"{tweet}\n" for tweet in TWEETS), encoding="utf8")
    return path


@pytest.fixture
def job(model: str, tmp_path: Path) -> Job:
    return Job(model, str(tmp_path / "out"))
