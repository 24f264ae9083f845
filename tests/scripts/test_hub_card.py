import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import srsly
from spacy.cli.package import package

import hub_card
from spacy_twitter_ner import PRETRAINED

DATA = Path(__file__).parents[1] / "data"


def read_card(card: str) -> tuple[dict, str]:
    _, metadata, text = card.split("---\n", 2)
    return srsly.yaml_loads(metadata), text


def test_card_of_the_pretrained_pipeline():
    metadata, text = read_card(hub_card.make_hub_card(PRETRAINED))
    assert text.strip() == (PRETRAINED / "README.md").read_text(encoding="utf-8").strip()
    assert (metadata["language"], metadata["license"]) == (["en"], "mit")
    assert metadata["pipeline_tag"] == "token-classification"
    assert "spacy" in metadata["tags"]
    (model,) = metadata["model-index"]
    assert model["name"] == "en_tweet_ner"
    ((result),) = model["results"]
    assert {"task", "dataset", "metrics"} <= result.keys()
    scores = json.loads((PRETRAINED / "meta.json").read_text(encoding="utf-8"))["performance"]
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values["f1"] == pytest.approx(scores["ents_f"], abs=1e-4)
    assert 0 < values["precision"] < 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_packaged_pipeline_can_be_pushed(tmp_path, monkeypatch):
    """Up to the network: a stub takes what would be uploaded. spacy-huggingface-hub can't be
    installed with this package, because it requires an older typer, but it works with a newer one:
    `pip install --no-deps --target FOLDER spacy-huggingface-hub`, with FOLDER in PYTHONPATH."""
    uploaded = {}

    def upload_folder(*, repo_id, folder_path, **kwargs):
        files = [path.relative_to(folder_path).as_posix() for path in folder_path.rglob("*")]
        card = (folder_path / "README.md").read_text(encoding="utf-8")
        uploaded.update(repo_id=repo_id, files=files, card=card)
        return f"https://hub/{repo_id}/tree/main"

    api = SimpleNamespace(create_repo=lambda **kwargs: None)
    stub = SimpleNamespace(
        HfApi=lambda: api, upload_folder=upload_folder, whoami=lambda: {"name": "me"}
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", stub)
    spacy_huggingface_hub = pytest.importorskip("spacy_huggingface_hub")
    (path,) = DATA.glob("pipeline-0.1.0")
    package(path, tmp_path, name="tweets", version="1.0.0", create_sdist=False, create_wheel=True)
    (wheel,) = tmp_path.rglob("*.whl")
    spacy_huggingface_hub.push(wheel, silent=True)
    assert uploaded["repo_id"] == "me/en_tweets"
    assert {"config.cfg", "meta.json", "twitter_bilstm_ner/model"} <= {*uploaded["files"]}
    metadata, _ = read_card(uploaded["card"])
    assert metadata["language"] == ["en"]
    assert "spacy" in metadata["tags"]
    requirements = [name for name in uploaded["files"] if name.endswith(".whl")]
    assert requirements == ["en_tweets-any-py3-none-any.whl"]
