import io
import random
import sys

import numpy
import pytest
import spacy
from spacy import util
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from spacy_twitter_ner.evaluation.progress import read_progress
from spacy_twitter_ner.training.loggers import TrainSample, draw_sample
from spacy_twitter_ner.viz import plots

from ..pipeline.util import TOK2VEC, params

CONFIG = """
[nlp]
lang = "xx"
pipeline = ["ner"]

[components]

[components.ner]
factory = "twitter_bilstm_ner"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"

[corpora.dev]
@readers = "spacy.Corpus.v1"

[training]
max_steps = 12
eval_frequency = 4
seed = 0
dropout = 0.3

[training.batcher]
@batchers = "spacy.batch_by_sequence.v1"
size = 2

[training.score_weights]
ents_f = 1.0

[training.optimizer]
@optimizers = "Adam.v1"
use_averages = true
learn_rate = 0.02

[training.logger]
@loggers = "spacy-twitter-ner.ProgressLogger.v1"
"""


@pytest.fixture
def corpus(tmp_path):
    vocab = spacy.blank("xx").vocab
    docs = [
        Doc(vocab, words=["I", "saw", name], ents=["O", "O", f"B-{label}"])
        for name, label in [("Kim", "person"), ("Leeds", "geo-loc"), ("Frozen", "movie")] * 3
    ]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    DocBin(docs=docs[:2]).to_disk(tmp_path / "dev.spacy")
    return tmp_path


def run_training(corpus, output=None, **logger):
    config = Config().from_str(CONFIG)
    for split in ("train", "dev"):
        config["corpora"][split]["path"] = str(corpus / f"{split}.spacy")
    config["components"]["ner"]["model"] = {
        "@architectures": "spacy-twitter-ner.BiLSTMTagger.v1",
        "tok2vec": TOK2VEC["model"],
    }
    config["training"]["logger"].update(logger)
    nlp = util.load_model_from_config(config, auto_fill=True)
    nlp = init_nlp(nlp.config)
    if output is not None:
        output.mkdir(exist_ok=True)
    stdout = io.StringIO()
    train(nlp, output, stdout=stdout, stderr=stdout)
    return nlp, stdout.getvalue()


def test_logger_writes_progress_and_curves(corpus):
    _, printed = run_training(corpus, corpus / "out")
    points = read_progress(corpus / "out" / "progress.jsonl")
    assert [point.step for point in points] == [0, 4, 8, 12]
    assert set(points[-1].splits) == {"train", "validation"}
    assert set(points[-1].splits["train"].per_type) == {"geo-loc", "movie", "person"}
    assert set(points[-1].splits["validation"].per_type) >= {"geo-loc", "person"}
    assert points[0].seconds < points[-1].seconds
    assert points[-1].losses["ner"] > 0
    assert printed.count("\n  ") >= len(points), "spaCy's table is printed"
    assert (corpus / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (corpus / "out" / "curves.svg").stat().st_size > 10_000
    assert "curves.png" in printed.replace("\n", "")


def test_logger_scores_saved_weights_on_training_data(corpus, monkeypatch):
    # The saved weights are averaged, unlike those of the pipeline in training.
    scored = []
    score = TrainSample.score

    def record(self, nlp):
        scored.append(params(nlp.get_pipe("ner").model))
        return score(self, nlp)

    monkeypatch.setattr(TrainSample, "score", record)
    nlp, _ = run_training(corpus, corpus / "out")
    saved = params(spacy.load(corpus / "out" / "model-last").get_pipe("ner").model)
    trained = params(nlp.get_pipe("ner").model)
    for key, array in saved.items():
        numpy.testing.assert_array_equal(scored[-1][key], array)
    assert any((array != trained[key]).any() for key, array in saved.items())


def test_logger_does_not_change_the_training(corpus):
    logged, _ = run_training(corpus, corpus / "out")
    plain, _ = run_training(corpus, corpus / "plain", **{"@loggers": "spacy.ConsoleLogger.v1"})
    ours, theirs = (params(nlp.get_pipe("ner").model) for nlp in (logged, plain))
    assert ours.keys() == theirs.keys()
    for key, array in ours.items():
        numpy.testing.assert_array_equal(array, theirs[key])


def test_logger_replaces_existing_files(corpus):
    out = corpus / "out"
    out.mkdir()
    (out / "progress.jsonl").write_text("old\n")
    (out / "curves.svg").write_text("old")
    run_training(corpus, out, train_sample=0)
    points = read_progress(out / "progress.jsonl")
    assert all(set(point.splits) == {"validation"} for point in points)
    assert (out / "curves.svg").stat().st_size > 10_000


def test_logger_output_dir(corpus):
    run_training(corpus, None, output_dir=str(corpus / "logs"))
    assert len(read_progress(corpus / "logs" / "progress.jsonl")) == 4
    assert (corpus / "logs" / "curves.png").exists()


def test_logger_warns_without_folder(corpus):
    _, printed = run_training(corpus, None)
    assert "No progress was saved" in printed
    assert "output_dir" in printed


def test_logger_without_matplotlib(corpus, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    _, printed = run_training(corpus, corpus / "out")
    assert len(read_progress(corpus / "out" / "progress.jsonl")) == 4
    assert not (corpus / "out" / "curves.png").exists()
    assert printed.count("spacy-twitter-ner[viz]") == 1


def test_logger_ignores_drawing_errors(corpus, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("no room to draw")

    monkeypatch.setattr(plots, "save_figure", fail)
    _, printed = run_training(corpus, corpus / "out")
    assert "No curves were drawn: no room to draw" in " ".join(printed.split())
    assert (corpus / "out" / "model-last").exists()


def test_draw_sample():
    assert draw_sample(range(20), 5) == draw_sample(range(20), 5)
    assert len(set(draw_sample(range(20), 5))) == 5
    assert sorted(draw_sample(range(3), 5)) == [0, 1, 2]
    state = random.getstate()
    draw_sample(range(20), 5)
    assert random.getstate() == state
