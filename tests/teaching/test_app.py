import sys
import time

import httpx
import pytest

from spacy_twitter_ner.teaching.session import Round, State
from spacy_twitter_ner.teaching.trainer import Trainer

from .conftest import HEADERS, make_session, write_round

TEXTS = ["saw Drake in Leeds", "saw Adele in Paris", "so tired today"]
TOKEN = "a token of the tests"
ANSWER = {
    **{"id": "1", "tweet": 0, "annotator": "ann", "action": "accept"},
    **{"spans": [[4, 9, "person"]], "unsure": [], "seconds": 3.2},
}
NEXT = {"annotator": "ann", "client": "c", "n": 2}


@pytest.fixture
def teaching(serve, tmp_path):
    return serve(make_session(tmp_path / "s", TEXTS))


def test_answers_are_stored_once(teaching):
    assert teaching.post("answer", ANSWER).json() == {"is_new": True}
    assert teaching.post("answer", ANSWER).json() == {"is_new": False}
    (entry,) = teaching.session.read_entries()
    assert entry["predicted"] == [[4, 9, "person"]]
    assert (entry["reason"], entry["seconds"]) == ("random", 3.2)


def test_later_answer_replaces_the_earlier_one(teaching):
    teaching.post("answer", ANSWER)
    teaching.post("answer", {**ANSWER, "id": "2", "spans": []})
    state = State.replay(teaching.desk.settings, teaching.session.read_entries())
    assert state.accepted()[0]["spans"] == []
    assert state.disagreements() == []


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"tweet": 9}, 404, "there is no tweet 9"),
        ({"spans": [[5, 9, "person"]]}, 422, "5 to 9 isn't a span of tokens"),
        ({"spans": [[4, 9, "person"], [4, 12, "person"]]}, 422, "overlaps"),
        ({"spans": [[4, 9, "dish"]]}, 422, "there is no type dish"),
        ({"spans": [["4", 9, "person"]]}, 422, "Invalid: spans.0.0"),
        ({"action": "maybe"}, 422, "Invalid: action"),
        ({"annotator": "adjudicated"}, 422, "reserved"),
        ({"annotator": ""}, 422, "Invalid: annotator"),
    ],
)
def test_invalid_answers_are_rejected(teaching, change, status, message):
    response = teaching.post("answer", {**ANSWER, **change})
    assert response.status_code == status
    assert message in response.json()["error"]["message"]
    assert teaching.session.read_entries() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 403),
        ({"X-Teach": "1", "Content-Type": "text/plain"}, 422),
        ({**HEADERS, "Host": "evil.example"}, 421),
    ],
)
def test_requests_of_other_sites_are_rejected(serve, tmp_path, headers, status):
    hosts = ("127.0.0.1",)
    teaching = serve(make_session(tmp_path / "s", TEXTS), allowed_hosts=hosts)
    assert teaching.post("answer", ANSWER, headers=headers).status_code == status
    assert teaching.session.read_entries() == []


def test_token_is_required(serve, tmp_path):
    teaching = serve(make_session(tmp_path / "s", TEXTS), token=TOKEN)
    assert teaching.get("/").status_code == 200
    assert teaching.get("/api/progress").status_code == 401
    assert teaching.get("/api/disagreement?tweet=0").status_code == 401
    for path in ("next", "answer", "label", "finish"):
        assert teaching.post(path, ANSWER).status_code == 401
    headers = {**HEADERS, "Authorization": f"Bearer {TOKEN}"}
    assert teaching.post("answer", ANSWER, headers=headers).json() == {"is_new": True}


def test_page_has_a_strict_policy(teaching):
    policy = teaching.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_two_people_annotate_if_requested(serve, tmp_path):
    teaching = serve(make_session(tmp_path / "s", TEXTS, double=1.0))
    teaching.post("answer", ANSWER)
    mine = teaching.post("next", {**NEXT, "n": 3}).json()["tweets"]
    assert [one["tweet"] for one in mine] == [1, 2]
    other = teaching.post("next", {"annotator": "bob", "client": "d", "n": 1}).json()["tweets"]
    assert [one["tweet"] for one in other] == [0]


def test_new_labels_are_not_part_of_earlier_answers(teaching):
    teaching.post("answer", ANSWER)
    assert teaching.post("label", {"id": "l", "label": "dish"}).json() == {"is_new": True}
    assert teaching.post("label", {"id": "m", "label": "dish"}).json() == {"is_new": False}
    teaching.post("answer", {**ANSWER, "id": "2", "tweet": 1})
    labels = [entry["labels"] for entry in teaching.session.read_entries() if "labels" in entry]
    assert labels == [["person", "geo-loc"], ["person", "geo-loc", "dish"]]


def test_new_rounds_are_picked_up(teaching):
    teaching.post("next", NEXT)
    write_round(teaching.session, Round(1, 0, 50, ["person"], 1.0))
    progress = teaching.get("/api/progress").json()
    assert progress["round"] == {"number": 1, "n": 50}
    # Tweets on the screen keep the prediction that is shown, others get the new one.
    for tweet in (0, 2):
        spans = [[*teaching.desk.tweets[tweet].tokens[1], "person"]]
        body = {**ANSWER, "id": str(tweet), "tweet": tweet, "spans": spans}
        assert teaching.post("answer", body).json() == {"is_new": True}
    assert [entry["n_trained"] for entry in teaching.session.read_entries()] == [0, 50]


@pytest.mark.slow
def test_answers_are_acknowledged_quickly_while_something_is_training(teaching, monkeypatch):
    """The learner is replaced by a process that uses a core."""
    busy = [sys.executable, "-c", "while True: pass"]
    trainer = teaching.desk.trainer
    monkeypatch.setattr(trainer, "_run", lambda command: Trainer._run(trainer, busy))
    assert teaching.post("finish", {}).json() == {"is_started": True}
    assert teaching.get("/api/progress").json()["running"] == "finish"
    seconds = []
    with httpx.Client(base_url=teaching.url, headers=HEADERS) as client:
        for number in range(30):
            start = time.perf_counter()
            client.post("/api/answer", json={**ANSWER, "id": str(number)}).raise_for_status()
            seconds.append(time.perf_counter() - start)
    assert sorted(seconds)[15] < 0.1


@pytest.mark.slow
def test_crashed_training_is_reported_and_loses_nothing(serve, tmp_path):
    teaching = serve(make_session(tmp_path / "s", TEXTS, every=1, model="no-such-pipeline"))
    teaching.post("answer", ANSWER)
    deadline = time.monotonic() + 60
    while not (error := teaching.get("/api/progress").json()["error"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "no-such-pipeline is not a pipeline" in error
    assert teaching.post("answer", {**ANSWER, "id": "2", "tweet": 1}).json() == {"is_new": True}
    assert len(teaching.session.read_entries()) == 2
