import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_twitter_ner.evaluation.evaluate import evaluate, is_pipeline, pipeline_name
from spacy_twitter_ner.evaluation.metrics import ALL

LINE = '{"step":0,"epoch":0,"seconds":0,"score":0,"losses":{},"train":null,"validation":%s}\n'
NOTHING = '{"p":null,"r":null,"f":null,"per_type":{}}'


def write_pipeline(path, **patterns):
    nlp = spacy.blank("xx")
    patterns = [{"label": label, "pattern": pattern} for pattern, label in patterns.items()]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    path.parent.mkdir()
    nlp.to_disk(path)


@pytest.fixture
def folder(tmp_path):
    write_pipeline(tmp_path / "good" / "model-best", Leeds="geo-loc", Kim="person")
    write_pipeline(tmp_path / "bad" / "model-best", Leeds="person")
    vocab = spacy.blank("xx").vocab
    test = [
        Doc(vocab, words=["Kim", "in", "Leeds"], ents=["B-person", "O", "B-geo-loc"]),
        Doc(vocab, words=["Bob"], ents=["B-person"]),
        Doc(vocab, words=["Bob"]),
    ]
    DocBin(docs=test).to_disk(tmp_path / "test.spacy")
    DocBin(docs=test[:1]).to_disk(tmp_path / "train.spacy")
    DocBin(docs=test[2:]).to_disk(tmp_path / "bare.spacy")
    return tmp_path


def test_evaluate_measures_corpora_in_order(folder):
    seen = []
    evaluation = evaluate(
        str(folder / "good" / "model-best"),
        [folder / "train.spacy", folder / "test.spacy"],
        against={"bad": str(folder / "bad" / "model-best")},
        on_corpus=lambda name, size: seen.append((name, size)),
    )
    assert seen == [("train", 1), ("test", 3)]
    (train, _), (test, predictions) = evaluation.splits
    assert test.overall.r == pytest.approx(2 / 3)
    assert predictions.n_skipped == 1
    assert test.differences["bad"][ALL].other == 0.0
    assert train.slices.seen is None
    n_gold = {name: scores.n_gold for name, scores in test.slices.seen.items()}
    assert n_gold == {"seen": 2, "unseen": 1}
    assert evaluation.checkpoints == []


def test_evaluate_with_separate_training_data(folder):
    model = str(folder / "good" / "model-best")
    assert evaluate(model, [folder / "test.spacy"]).surfaces is None
    evaluation = evaluate(model, [folder / "test.spacy"], train=folder / "train.spacy")
    assert set(evaluation.surfaces) == {"kim", "leeds"}
    assert evaluation.splits[0][0].slices.seen is not None


def test_evaluate_reads_progress_next_to_pipeline(folder):
    (folder / "good" / "progress.jsonl").write_text(LINE % NOTHING, encoding="utf8")
    evaluation = evaluate(str(folder / "good" / "model-best"), [folder / "test.spacy"])
    assert len(evaluation.checkpoints) == 1


@pytest.mark.parametrize(
    ("model", "corpora", "error", "message"),
    [
        ("good/model-best", ["bare.spacy"], ValueError, r"no tweets with gold.*bare\.spacy"),
        ("good/model-best", ["test.spacy", "other/test.spacy"], ValueError, "the same name"),
        ("absent", ["test.spacy"], OSError, "absent"),
        ("good/model-best", ["absent.spacy"], OSError, "absent"),
    ],
)
def test_evaluate_errors_name_the_file(folder, model, corpora, error, message):
    with pytest.raises(error, match=message):
        evaluate(str(folder / model), [folder / name for name in corpora])


def test_is_pipeline_and_pipeline_name(folder):
    assert is_pipeline(folder / "good" / "model-best")
    assert not is_pipeline(folder / "good")
    assert pipeline_name(folder / "good" / "model-best") == "good"
    assert pipeline_name(folder / "good") == "good"
