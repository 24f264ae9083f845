import sys
from pathlib import Path
from typing import Any

import pytest
import spacy

from timing.contestants import (
    CONTESTANTS,
    CRFSUITE,
    DEFAULT,
    EMBED,
    HIDDEN,
    LEXICAL,
    SMALL,
    Contestant,
    find_model,
    find_models,
    get_setting,
    hidden_units,
    make_config,
)
from timing.texts import read_texts
from timing.workload import QUICK, Workload


@pytest.fixture
def work(sample_project: Path) -> Workload:
    effort = QUICK._replace(train_steps=2, pipelines=("crfsuite",))
    return Workload(sample_project, "sample", read_texts(sample_project, "sample", 9), effort, None)


def setting(work: Workload, contestant: Contestant, name: str) -> Any:
    return get_setting(make_config(work, contestant), name)


def test_small_has_fewer_hidden_units_and_no_characters(work: Workload) -> None:
    assert setting(work, SMALL, HIDDEN) == 50 < setting(work, DEFAULT, HIDDEN)
    parts = setting(work, SMALL, EMBED)
    assert set(setting(work, DEFAULT, EMBED)) - set(parts) == {"characters"}


def test_configs_have_the_corpus_and_the_files(work: Workload) -> None:
    root = work.root
    assert setting(work, LEXICAL, "paths.train") == str(root / "corpus/sample/train.spacy")
    assert setting(work, LEXICAL, "paths.vectors") == str(root / "lexical/vectors")


def test_what_cannot_be_run_is_left_out(
    work: Workload, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn_crfsuite", None)
    assert find_models(work, (LEXICAL.key, CRFSUITE.key)) == {}
    output = capsys.readouterr().out
    assert "6mpaths.tsv" in output
    assert "spacy-twitter-ner[benchmarks]" in output


def test_crfsuite_is_trained_kept_and_loaded(work: Workload) -> None:
    pytest.importorskip("sklearn_crfsuite")
    work = work._replace(effort=work.effort._replace(train_steps=10))
    model = find_models(work)[CRFSUITE.name]
    assert "10 steps" in model.origin
    nlp = spacy.load(model.path)
    assert hidden_units(nlp) == 0
    docs = list(nlp.pipe(tweet.text for tweet in work.texts.tweets))
    assert any(doc.ents for doc in docs)
    made = (model.path / "config.cfg").stat().st_mtime_ns
    assert find_model(work, CRFSUITE) == model
    assert (model.path / "config.cfg").stat().st_mtime_ns == made


def test_what_decides_a_model_trains_it_anew(work: Workload) -> None:
    pytest.importorskip("sklearn_crfsuite")
    path = find_model(work, CRFSUITE).path / "config.cfg"
    made = path.stat().st_mtime_ns
    source = work.root / "spacy_twitter_ner" / "models" / "tagger.py"
    source.write_text(source.read_text() + "# changed\n")
    assert find_model(work, CRFSUITE).path / "config.cfg" == path
    assert path.stat().st_mtime_ns > made


def test_models_of_the_workflow_come_first(work: Workload) -> None:
    folder = work.root / "training" / "sample" / "crfsuite" / "model-best"
    folder.mkdir(parents=True)
    model = find_model(work, CRFSUITE)
    folder.rmdir()
    assert model.path == folder
    assert "workflow" in model.origin


def test_keys_are_different() -> None:
    assert len({one.key for one in CONTESTANTS}) == len({one.name for one in CONTESTANTS}) == 5
