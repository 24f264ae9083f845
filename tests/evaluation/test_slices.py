from spacy_twitter_ner.evaluation.predictions import Tweet
from spacy_twitter_ner.evaluation.slices import collect_surfaces, score_slices, seen_group

SURFACES = collect_surfaces(
    [
        (("New", "York", "and", "Drake"), [(0, 2, "geo-loc"), (3, 4, "musicartist")]),
        (("drake",), [(0, 1, "person")]),
    ]
)


def test_surfaces_hold_types_by_lower_cased_words():
    assert {
        "new york": frozenset({"geo-loc"}),
        "drake": frozenset({"musicartist", "person"}),
    } == SURFACES


def test_seen_group():
    words = ("NEW", "YORK", "Drake", "York")
    assert seen_group(words, (0, 2, "geo-loc"), SURFACES) == "seen"
    assert seen_group(words, (0, 2, "movie"), SURFACES) == "seen with another type"
    assert seen_group(words, (2, 3, "person"), SURFACES) == "seen"
    assert seen_group(words, (3, 4, "geo-loc"), SURFACES) == "unseen"


def test_slices_score_each_kind():
    tweets = [
        Tweet(
            ("new", "york", "loves", "Bob"),
            gold=[(0, 2, "geo-loc"), (3, 4, "person")],
            predicted=[(0, 2, "geo-loc"), (3, 4, "movie")],
        ),
        Tweet(("x",) * 12, gold=[(0, 5, "movie")], predicted=[]),
    ]
    slices = score_slices(tweets, SURFACES)
    assert slices.seen is not None
    assert {name: scores[3:] for name, scores in slices.seen.items()} == {
        "seen": (1, 1, 1),
        "unseen": (2, 1, 0),
    }
    assert {name: scores[3:] for name, scores in slices.entity_length.items()} == {
        "1 token": (1, 1, 0),
        "2 tokens": (1, 1, 1),
        "4 and more tokens": (1, 0, 0),
    }
    assert {name: scores.r for name, scores in slices.tweet_length.items()} == {
        "under 10 tokens": 0.5,
        "10 to 19 tokens": 0.0,
    }


def test_unknown_training_data_tell_nothing_of_seen_ones():
    assert score_slices([Tweet(("a",), [], [])], None).seen is None
