import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_twitter_ner.evaluation.analysis import analyse, is_pipeline, pipeline_name
from spacy_twitter_ner.evaluation.quality import ALL

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


def test_corpora_are_measured_in_order(folder):
    seen = []
    analysis = analyse(
        str(folder / "good" / "model-best"),
        [folder / "train.spacy", folder / "test.spacy"],
        against={"bad": str(folder / "bad" / "model-best")},
        on_corpus=lambda name, size: seen.append((name, size)),
    )
    assert seen == [("train", 1), ("test", 3)]
    (train, _), (test, predictions) = analysis.splits
    assert test.scores[ALL].r == pytest.approx(2 / 3)
    assert predictions.n_skipped == 1
    assert test.differences["bad"][ALL].other == 0.0
    assert train.slices.seen is None
    assert {name: scores.n_gold for name, scores in test.slices.seen.items()} == {
        "seen": 2,
        "unseen": 1,
    }
    assert analysis.checkpoints == []


def test_training_data_need_not_be_a_corpus_of_the_report(folder):
    model = str(folder / "good" / "model-best")
    assert analyse(model, [folder / "test.spacy"]).surfaces is None
    analysis = analyse(model, [folder / "test.spacy"], train=folder / "train.spacy")
    assert set(analysis.surfaces) == {"kim", "leeds"}
    assert analysis.splits[0][0].slices.seen is not None


def test_progress_beside_the_pipeline_is_found(folder):
    (folder / "good" / "progress.jsonl").write_text(LINE % NOTHING, encoding="utf8")
    analysis = analyse(str(folder / "good" / "model-best"), [folder / "test.spacy"])
    assert len(analysis.checkpoints) == 1


def test_what_cannot_be_measured_is_named(folder, tmp_path):
    model = str(folder / "good" / "model-best")
    with pytest.raises(ValueError, match=r"no tweets with gold annotation.*bare\.spacy"):
        analyse(model, [folder / "bare.spacy"])
    with pytest.raises(ValueError, match="two corpora of one name"):
        analyse(model, [folder / "test.spacy", folder / "other" / "test.spacy"])
    with pytest.raises(OSError, match="absent"):
        analyse(str(folder / "absent"), [folder / "test.spacy"])
    with pytest.raises(OSError, match="absent"):
        analyse(model, [folder / "absent.spacy"])


def test_pipelines_are_told_by_what_they_hold_and_named_by_their_training(folder):
    assert is_pipeline(folder / "good" / "model-best")
    assert not is_pipeline(folder / "good")
    assert pipeline_name(folder / "good" / "model-best") == "good"
    assert pipeline_name(folder / "good") == "good"
