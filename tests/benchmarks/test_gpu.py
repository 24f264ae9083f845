"""What can be tried without a GPU: that the benchmark measures, and says what is missing."""

from pathlib import Path

import pytest
import spacy
import typer
from spacy.tokens import DocBin
from typer.testing import CliRunner, Result

import gpu
from spacy_twitter_ner.corpus.readers import create_tag_file_reader

SAMPLE = Path(__file__).parents[2] / "assets" / "sample"


@pytest.fixture
def model(tweet_nlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tweet_nlp.to_disk(tmp_path / "model")
    corpus = tmp_path / "corpus" / "tiny"
    corpus.mkdir(parents=True)
    for split in ("train", "test"):
        read = create_tag_file_reader(SAMPLE / f"{split}.txt", limit=40)
        docs = [example.reference for example in read(spacy.blank("xx"))]
        DocBin(docs=docs).to_disk(corpus / f"{split}.spacy")
    monkeypatch.setattr(gpu, "ROOT", tmp_path)
    return tmp_path / "model"


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(gpu.gpu_cli)
    return CliRunner().invoke(app, arguments)


def test_what_a_device_does(model: Path) -> None:
    paths = [gpu.ROOT / "corpus" / "tiny" / f"{split}.spacy" for split in ("train", "test")]
    first, second = (gpu.measure(model, paths, 1, 10) for _ in range(2))
    assert first.entities == second.entities
    assert first.posteriors.shape[1] == 21
    assert any(first.entities)
    assert len(first.speeds) == 3
    assert min(first.speeds.values()) > 0


def test_missing_corpus(model: Path) -> None:
    result = run(str(model), "--corpus", "absent")
    assert result.exit_code == 1
    assert "not found:" in result.output


def test_no_gpu(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.spacy, "prefer_gpu", lambda: False)
    result = run(str(model), "--corpus", "tiny", "--repeats", "1", "--steps", "10")
    assert result.exit_code == 1
    assert "no GPU" in result.output
