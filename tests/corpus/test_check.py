import json

import pytest

from spacy_twitter_ner.corpus.check import check_corpus

TRAIN = """\
Justin B-person
Bieber I-person
rocks O

RT O
Apple B-company

RT O
Apple B-company

apple B-product
liverpool B-team
"""
DEV = """\
RT O
Apple O

Liverpool B-team
rocks O

Justin B-person
Bieber I-person
won O

LIVERPOOL B-geo
x

RT O
Apple O
"""


@pytest.fixture
def paths(write):
    return [write("train.txt", TRAIN), write("dev.txt", DEV)]


def test_split_statistics(paths):
    train, dev = check_corpus(paths).splits
    assert (train.path, train.scheme) == (str(paths[0]), "BIO")
    assert (train.tweets, train.tokens, train.entities, train.missing_labels) == (4, 9, 5, 0)
    assert (dev.tweets, dev.tokens, dev.entities, dev.missing_labels) == (5, 11, 3, 1)
    assert train.without_entities == 0
    assert dev.without_entities == 2 / 5
    assert train.tweet_lengths == (2, 2, 3)
    assert train.token_lengths == (2, 5, 9)
    assert train.labels == {"company": 2, "person": 1, "product": 1, "team": 1}
    assert list(train.labels) == ["company", "person", "product", "team"]
    assert train.entity_lengths == {1: 4, 2: 1}


def test_unseen_entities_and_tokens(paths):
    train, dev = check_corpus(paths).splits
    assert (train.unseen_entities, train.unseen_tokens) == (None, None)
    # Seen: Justin Bieber. Unseen: Liverpool (case counts), LIVERPOOL.
    assert dev.unseen_entities == 2 / 3
    # Unseen: Liverpool, won, LIVERPOOL, x.
    assert dev.unseen_tokens == 4 / 11


def test_unseen_entities_include_entities_of_another_type(tmp_path):
    for name, tag in (("train", "B-person"), ("dev", "B-other")):
        (tmp_path / f"{name}.txt").write_text(f"Bob {tag}\n", encoding="utf-8")
    dev = check_corpus([tmp_path / "train.txt", tmp_path / "dev.txt"]).splits[1]
    assert (dev.unseen_entities, dev.unseen_tokens) == (1, 0)


def test_duplicates_within_and_across_splits(paths):
    train, dev = map(str, paths)
    check = check_corpus(paths)
    assert [stats.duplicates for stats in check.splits] == [1, 1]
    assert [(pair.first, pair.second, pair.same_tags) for pair in check.duplicates_within] == [
        (f"{train}:5", f"{train}:8", True),
        (f"{dev}:1", f"{dev}:14", True),
    ]
    assert [(pair.first, pair.second, pair.same_tags) for pair in check.duplicates_across] == [
        (f"{train}:5", f"{dev}:1", False),
        (f"{train}:5", f"{dev}:14", False),
    ]
    assert [(o.earlier, o.later, o.tweets) for o in check.overlaps] == [(train, dev, 2)]


def test_duplicates_in_three_splits(tmp_path):
    paths = [tmp_path / f"{name}.txt" for name in ("train", "dev", "test")]
    for path in paths:
        path.write_text("a B-x\n", encoding="utf-8")
    check = check_corpus(paths)
    train, dev, test = map(str, paths)
    assert [(o.earlier, o.later, o.tweets) for o in check.overlaps] == [
        (train, dev, 1),
        (train, test, 1),
        (dev, test, 1),
    ]
    # Each later tweet is listed once, paired with the first duplicate.
    assert [(pair.first, pair.second) for pair in check.duplicates_across] == [
        (f"{train}:1", f"{dev}:1"),
        (f"{train}:1", f"{test}:1"),
    ]


def test_conflicting_types_of_surface_forms(paths):
    check = check_corpus(paths)
    assert [(conflict.form, conflict.labels) for conflict in check.conflicts] == [
        ("apple", {"company": 2, "product": 1}),
        ("liverpool", {"team": 2, "geo": 1}),
    ]
    assert check.conflicting_forms == 2


def test_conflicts_are_sorted_and_truncated(tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_twitter_ner.corpus.check.TOP", 1)
    path = tmp_path / "train.txt"
    rows = ["a B-x"] * 5 + ["a B-y"] + ["b B-x", "b B-y"] * 2
    path.write_text("\n".join(rows), encoding="utf-8")
    check = check_corpus([path])
    assert check.conflicting_forms == 2
    assert [conflict.form for conflict in check.conflicts] == ["b"]


def test_problems_of_all_files_are_collected(paths):
    assert [(p.path, p.line, p.kind) for p in check_corpus(paths).problems] == [
        (paths[1], 12, "missing tag"),
        (paths[1], 11, "entity type not in the training split"),
    ]


def test_warning_messages(paths):
    train, dev = map(str, paths)
    messages = [(w.topic, w.message) for w in check_corpus(paths).warnings]
    assert messages == [
        ("size", "Low number of tweets to train a model (4); at least 2000 are recommended"),
        ("labels", "Low number of examples for label 'company' (2)"),
        ("labels", "Low number of examples for label 'person' (1)"),
        ("labels", "Low number of examples for label 'product' (1)"),
        ("labels", "Low number of examples for label 'team' (1)"),
        ("labels", f"1 token without a label in {dev}"),
        ("duplicates", f"1 duplicate tweet in {train}"),
        ("duplicates", f"1 duplicate tweet in {dev}"),
        ("duplicates", f"2 tweets of {dev} also in {train}"),
    ]


@pytest.mark.parametrize(("count", "warns"), [(49, True), (50, False)])
def test_warning_threshold_for_rare_labels(tmp_path, count, warns):
    path = tmp_path / "train.txt"
    rows = [f"{number} B-x\n" for number in range(count)]
    path.write_text("\n".join(["none O\n", *rows]), encoding="utf-8")
    messages = [w.message for w in check_corpus([path]).warnings if w.topic == "labels"]
    expected = ["Low number of examples for label 'x' (49)"] if warns else []
    assert messages == expected


def test_warnings_on_constant_labels_and_missing_entities(tmp_path):
    for name, text in (("train", "a B-x\nb B-x\n\nc B-x\n"), ("dev", "a O\n")):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    check = check_corpus([tmp_path / "train.txt", tmp_path / "dev.txt"])
    messages = [warning.message for warning in check.warnings]
    assert "No examples of tweets WITHOUT the label 'x'" in messages
    assert f"No entities in {tmp_path / 'dev.txt'}" in messages
    assert check.notes == [f"{tmp_path / 'dev.txt'} has no entities of type x"]


def test_empty_files(tmp_path):
    path = tmp_path / "empty.txt"
    path.write_text("", encoding="utf-8")
    check = check_corpus([path, path])
    assert [problem.kind for problem in check.problems] == ["no tweets"] * 2
    stats = check.splits[1]
    assert (stats.tweets, stats.without_entities, stats.tweet_lengths) == (0, None, None)
    assert (stats.unseen_entities, stats.unseen_tokens) == (None, None)
    assert (check.warnings, check.notes, check.duplicates_across) == ([], [], [])
    json.dumps(check.to_dict())


def test_no_files_raise_error():
    with pytest.raises(ValueError, match="no files to check"):
        check_corpus([])


def test_to_dict_is_json_serializable(paths):
    check = check_corpus(paths)
    data = check.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["splits"][0]["tweet_lengths"] == {"min": 2, "median": 2, "max": 3}
    assert data["splits"][0]["entity_lengths"] == {"1": 4, "2": 1}
    assert data["problems"][0] == {
        "path": str(paths[1]),
        "line": 12,
        "kind": "missing tag",
        "message": "no tag after the token 'x'",
        "repair": "label left missing",
    }
    assert data["conflicts"][0] == {"form": "apple", "labels": {"company": 2, "product": 1}}
