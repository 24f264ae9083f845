import json
from pathlib import Path

import pytest
import spacy

from spacy_twitter_ner.corpus.reader import read_examples
from spacy_twitter_ner.corpus.spanfile import CharSpan
from spacy_twitter_ner.corpus.tagfile import read_tag_file
from spacy_twitter_ner.evaluation.scorer import score_entities
from spacy_twitter_ner.partial import get_partial
from spacy_twitter_ner.teaching import learning
from spacy_twitter_ner.teaching.finish import finish
from spacy_twitter_ner.teaching.journal import Journal
from spacy_twitter_ner.teaching.learner import learn
from spacy_twitter_ner.teaching.learning import Gold, fill_types, make_examples, teach
from spacy_twitter_ner.teaching.session import SessionFolder
from spacy_twitter_ner.teaching.start import open_session

SAMPLE = Path(__file__).parents[2] / "assets" / "sample"
DISHES = ["ramen", "tacos", "jollof", "pho", "biryani"]
TWEETS = [f"had {dish} for dinner {word}" for dish in DISHES for word in ("lol", "omg", "today")]
OTHERS = ["saw Drake in Leeds last nite", "so tired of rain", "flying to Chicago tmrw"]


def score(nlp) -> float:
    """F1 of the types of the sample, on its validation split."""
    examples = list(read_examples(SAMPLE / "validation.txt", nlp))
    for doc in nlp.pipe([example.predicted for example in examples]):
        doc.set_ents([ent for ent in doc.ents if ent.label_ != "dish"], default="outside")
    return score_entities(examples)["ents_f"]


@pytest.fixture
def session(tmp_path, saved_pipeline):
    """A session whose annotator has answered with dishes, and skipped the last tweet."""
    path = tmp_path / "tweets.txt"
    sample = [" ".join(tweet.tokens) for tweet in read_tag_file(SAMPLE / "train.txt").tweets]
    path.write_text("\n".join(TWEETS + OTHERS + sample[:400]) + "\n", encoding="utf-8")
    folder = SessionFolder(tmp_path / "s")
    options = {"labels": ["dish"], "limit": 1000, "every": 5, "double": 0.0, "seed": 0}
    open_session(folder, [path], model=str(saved_pipeline), **options)
    journal = Journal(folder.journal)
    for number, tweet in enumerate(folder.read_tweets()[:18]):
        words = tweet.text.split()
        spans = [(4, 4 + len(words[1]), "dish")] if words[1] in DISHES else []
        answer = {"id": str(number), "kind": "answer", "tweet": number, "annotator": "ann"}
        answer |= {"action": "accept" if number < 17 else "skip", "spans": spans, "unsure": []}
        answer |= {"labels": ["dish"], "seconds": 2, "reason": "random", "predicted": None}
        if number != 3:
            journal.append({**answer, "n_trained": 0})
    journal.close()
    return folder


def test_unsure_spans_and_unannotated_types_are_partial_annotation(tweet_nlp):
    gold = Gold("saw Drake in Leeds", [CharSpan(4, 9, "person")], [(13, 18)], ["person"])
    (example,) = make_examples(tweet_nlp, [gold])
    assert [token.ent_iob_ for token in example.reference] == ["O", "B", "O", ""]
    unannotated = get_partial(example.reference).unannotated
    assert set(unannotated) == set(tweet_nlp.get_pipe("twitter_bilstm_ner").labels) - {"person"}


def test_types_that_were_not_annotated_are_those_of_the_pipeline(tweet_nlp):
    gold = Gold("saw Drake in Leeds", [CharSpan(4, 9, "singer")], [], ["singer"])
    (filled,) = fill_types(tweet_nlp, [gold])
    assert set(filled.labels) == {"singer", *tweet_nlp.get_pipe("twitter_bilstm_ner").labels}
    predicted = {(e.start_char, e.end_char, e.label_) for e in tweet_nlp(gold.text).ents}
    assert set(filled.spans) == {(4, 9, "singer"), *(p for p in predicted if p[0] >= 9)}


def test_taught_weights_are_mixed_with_old_ones(saved_pipeline, monkeypatch):
    nlp = spacy.load(saved_pipeline)
    model = nlp.get_pipe("twitter_bilstm_ner").model
    before = model.get_ref("output_layer").get_param("b").copy()
    trained = []

    def train(*args, **kwargs):
        output = model.get_ref("output_layer")  # a new layer, as there is a new type
        output.set_param("b", output.get_param("b") + 1)
        trained.extend(output.get_param("b").tolist())

    monkeypatch.setattr(learning, "train", train)
    teach(nlp, [Gold("had pho", [CharSpan(4, 7, "dish")])], ["dish"], OTHERS, seed=0)
    # Weights of the new type's two tags come last and have no old ones.
    expected = [*(before + 0.8), *trained[-2:]]
    assert model.get_ref("output_layer").get_param("b").tolist() == pytest.approx(expected)


@pytest.mark.slow
def test_new_type_is_learned_and_old_ones_are_kept(session, saved_pipeline):
    learned = learn(session)
    assert (learned.number, learned.n_answers) == (0, 16)
    assert session.last_round() == learned
    queue = {item["tweet"]: item["spans"] for item in session.read_queue(0)}
    assert queue.keys().isdisjoint({*range(18)} - {3})
    assert len(queue) > 100
    path = finish(session)
    nlp = spacy.load(path)
    assert [ent.label_ for ent in nlp("had pho for lunch").ents] == ["dish"]
    before, after = (score(spacy.load(one)) for one in (saved_pipeline, path))
    assert after > before - 0.03
    report = (session.path / "report.md").read_text(encoding="utf-8")
    assert "16 tweets, 14 entities" in report
    assert "| dish | 14 |" in (path / "README.md").read_text(encoding="utf-8")
    lines = (session.path / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 16
    assert json.loads(lines[0])["spans"] == [{"start": 4, "end": 9, "label": "dish"}]
