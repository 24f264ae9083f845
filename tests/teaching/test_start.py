import json

import pytest

from spacy_twitter_ner.cli.teach import teach_cli  # noqa: F401 (registers the command)
from spacy_twitter_ner.corpus.formats.registry import detect_format
from spacy_twitter_ner.teaching.session import SessionFolder, State
from spacy_twitter_ner.teaching.start import make_token, open_session

from ..cli.util import run

OPTIONS = {"limit": 100, "every": 5, "double": 0.0, "seed": 0, "model": None}
DOCCANO = {"text": "saw Drakemania in Leeds", "label": [[4, 9, "PER"], [18, 23, "LOC"]]}


def test_annotated_tweets_are_imported_as_answers(write, tmp_path):
    annotated = write("d.jsonl", json.dumps(DOCCANO) + "\n")
    plain = write("tweets.txt", "saw drakemania in leeds\nso tired today\n")
    folder = SessionFolder(tmp_path / "s")
    opened = open_session(folder, [annotated, plain], labels=["PER", "dish"], **OPTIONS)
    # The second tweet is a near duplicate of the annotated one.
    assert [tweet.text for tweet in folder.read_tweets()] == [DOCCANO["text"], "so tired today"]
    assert opened.n_tweets == 2
    (note,) = opened.notes
    assert note.endswith("'Drake' (PER) ends inside a token (widened to 'Drakemania')")
    state = State.replay(folder.read_settings(), folder.read_entries())
    assert state.labels == ["PER", "dish", "LOC"]
    assert state.resolve(0)["spans"] == [[4, 14, "PER"], [18, 23, "LOC"]]
    # Nobody knows whether dishes were annotated.
    assert state.resolve(0)["labels"] == ["LOC", "PER"]


def test_existing_session_is_continued(write, tmp_path):
    folder = SessionFolder(tmp_path / "s")
    open_session(folder, [write("a.txt", "so tired\n")], labels=["x"], **OPTIONS)
    again = open_session(folder, [tmp_path / "missing.txt"], labels=["y"], **OPTIONS)
    assert again.n_tweets == 1
    assert folder.read_settings().labels == ["x"]


def test_tweets_of_twitters_api_are_not_annotated(write):
    path = write("t.jsonl", json.dumps({"text": "in Leeds", "entities": {"hashtags": []}}) + "\n")
    with pytest.raises(ValueError, match="can't be detected"):
        detect_format(path)


def test_token_is_made_once_and_private(tmp_path):
    folder = SessionFolder(tmp_path)
    token = make_token(folder)
    assert len(token) >= 24
    assert make_token(folder) == token
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_command_explains_errors(write, tmp_path):
    tweets = write("a.txt", "so tired\n")
    result = run("teach", tweets, "--output", tmp_path / "s", "--blank")
    assert "pass --labels" in " ".join(result.output.split())
    result = run("teach", tweets, "-o", tmp_path / "s", "--blank", "-l", "x", "--finish")
    assert result.exit_code == 1
    assert "annotate more tweets first" in " ".join(result.output.split())
