"""HTML reports of invented tweets."""

import numpy

from spacy_twitter_ner.evaluation.calibration import Reliability, measure_split
from spacy_twitter_ner.evaluation.metrics import compute_metrics
from spacy_twitter_ner.evaluation.predictions import Predictions, Tweet
from spacy_twitter_ner.evaluation.progress import Checkpoint, SplitProgress
from spacy_twitter_ner.evaluation.scores import PRF
from spacy_twitter_ner.iob import bio_tags
from spacy_twitter_ner.viz.html import make_page

LABELS = ("geo-loc", "movie", "person")
TAGS = tuple(bio_tags(LABELS))
NASTY = (
    "</script><script>window.hacked = 1</script>",
    "<img",
    "src=x",
    "onerror=alert(1)>",
    "&lt;",
)

# Text, gold entities, predicted entities and their confidence. Repeated to fill a corpus.
TWEETS = [
    ("Kim saw Frozen in Leeds", [(0, 1, "person"), (2, 3, "movie"), (4, 5, "geo-loc")],
     [(0, 1, "person"), (2, 3, "person"), (4, 5, "geo-loc")], [0.9, 0.4, 0.8]),
    ("so tired today", [], [], []),
    ("New York is loud", [(0, 2, "geo-loc")], [(1, 2, "geo-loc")], [0.3]),
    ("where is Bob", [(2, 3, "person")], [], []),
    ("monday again", [], [(0, 1, "movie")], [0.6]),
]  # fmt: skip
SURFACES = {"kim": frozenset({"person"}), "frozen": frozenset({"movie"})}


def make_tweet(text, gold, predicted, confidence) -> Tweet:
    words = tuple(text.split())
    probabilities = numpy.full((len(words), len(TAGS)), 0.001)
    probabilities[:, 0] = 0.994
    for (start, _, label), score in zip(predicted, confidence, strict=True):
        probabilities[start] = (1 - score) / (len(TAGS) - 1)
        probabilities[start, TAGS.index(f"B-{label}")] = score
    return Tweet(words, gold, predicted, confidence, probabilities)


def make_predictions(name: str, n_tweets: int) -> Predictions:
    tweets = [make_tweet(*TWEETS[i % len(TWEETS)]) for i in range(n_tweets)]
    return Predictions(name, tweets, TAGS)


def make_checkpoints(n_points: int = 4, labels=LABELS) -> list[Checkpoint]:
    points = []
    for i in range(n_points):
        prf = PRF(0.1 * i, 0.2, None if i == 0 else 0.15)
        progress = SplitProgress(prf, dict.fromkeys(labels, prf))
        splits = {"train": progress, "validation": progress}
        points.append(Checkpoint(i * 100, i, float(i), 0.1 * i, {}, splits))
    return points


def make_reliability() -> Reliability:
    """Reliability of one of the report's splits and of another one."""
    confidences = numpy.asarray([0.95, 0.9, 0.45, 0.3])
    is_right = numpy.asarray([True, True, False, True])
    split = measure_split(confidences**0.5, confidences, is_right, 5)
    return Reliability(2.0, {"test": split, "other": split})


def make_report(n_tweets: int = 60) -> str:
    """Make a report of two splits. The last tweet contains HTML and JavaScript."""
    test = make_predictions("test", n_tweets)
    nasty = Tweet(NASTY, [(0, 1, "person")], [], [], None)
    test = test._replace(tweets=[*test.tweets, nasty])
    validation = make_predictions("validation", 10)
    others = {"other <b>": test._replace(tweets=[t._replace(predicted=[]) for t in test.tweets])}
    return make_page(
        "Tweets & <b>co</b>",
        [
            (compute_metrics(validation, surfaces=SURFACES), validation),
            (compute_metrics(test, surfaces=SURFACES, others=others), test),
        ],
        surfaces=SURFACES,
        checkpoints=make_checkpoints(),
        reliability=make_reliability(),
        about={"model": "bilstm_crf"},
    )
