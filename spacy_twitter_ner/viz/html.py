"""HTML report: a single file with data, style and script, which makes no network requests.

The data is embedded as JSON. The script inserts it as text nodes only, and the page's content
security policy allows only that script and style, by their hashes. So tweets can't inject HTML.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy

from .. import __version__
from ..evaluation.calibration import Reliability
from ..evaluation.matching import CATEGORIES, match_spans
from ..evaluation.metrics import SEEN, Metrics, Surfaces, metrics_to_dict, seen_group
from ..evaluation.predictions import Predictions, Tweet
from ..evaluation.progress import Checkpoint, checkpoint_to_json
from ..evaluation.scores import asdict
from ..iob import TokenSpan
from ..util import write_atomic
from .colors import type_colors

_SCRIPTS = (
    "dom.js",
    "tables.js",
    "charts.js",
    "confidence.js",
    "filters.js",
    "tweets.js",
    "main.js",
)
# Less probable tags are left out, as are the tags of tokens that are O with this probability.
_MIN_PERCENT, _SURE_PERCENT = 2, 98


def make_page(
    title: str,
    splits: Sequence[tuple[Metrics, Predictions]],
    *,
    surfaces: Surfaces | None = None,
    checkpoints: Sequence[Checkpoint] = (),
    reliability: Reliability | None = None,
    about: Mapping[str, str] | None = None,
) -> str:
    """Make the HTML report of a model.

    title (str): The heading.
    splits (Sequence[tuple[Metrics, Predictions]]): Metrics and predictions of each split. The page
        opens with the last one.
    surfaces (Optional[Mapping[str, frozenset[str]]]): The entities of the training data, see
        evaluation/metrics.py, to distinguish seen from unseen entities.
    checkpoints (Sequence[Checkpoint]): The training progress, to show its curves.
    reliability (Optional[Reliability]): The reliability of confidence.
    about (Optional[Mapping[str, str]]): Facts to show below the heading, by name.
    RETURNS (str): The page.
    RAISES (ValueError): If there are no splits.
    """
    if not splits:
        raise ValueError("a report needs a corpus with annotated tweets")
    head = {"title": title, "version": __version__, "about": dict(about or {})}
    return _fill_page(title, {**head, **_page_data(splits, surfaces, checkpoints, reliability)})


def write_page(page: str, path: Path) -> None:
    """Write a page atomically.

    page (str): The page.
    path (Path): The file. An existing file is replaced.
    RAISES (OSError): If it cannot be written.
    """
    with write_atomic(path) as (temporary,):
        temporary.write_text(page, encoding="utf8", newline="\n")


def _page_data(
    splits: Sequence[tuple[Metrics, Predictions]],
    surfaces: Surfaces | None,
    checkpoints: Sequence[Checkpoint],
    reliability: Reliability | None,
) -> dict[str, Any]:
    labels = sorted({label for metrics, _ in splits for label in metrics.labels})
    tags = next((some.tags for _, some in splits if some.tags), ())
    measured = asdict(reliability.splits) if reliability else {}
    return {
        "labels": labels,
        "colors": type_colors(labels),
        "tags": list(tags),
        "categories": list(CATEGORIES),
        "seen": list(SEEN),
        "curves": [json.loads(checkpoint_to_json(point)) for point in checkpoints],
        "splits": [
            {
                "name": metrics.name,
                "quality": metrics_to_dict(metrics),
                "confidence": measured.get(metrics.name),
                "tweets": [
                    _tweet_data(tweet, labels, surfaces if metrics.slices.seen else None)
                    for tweet in predictions.tweets
                ],
            }
            for metrics, predictions in splits
        ],
    }


def _tweet_data(tweet: Tweet, labels: Sequence[str], surfaces: Surfaces | None) -> dict[str, Any]:
    """Convert a tweet to the format of page/tweets.js.

    RETURNS (dict[str, Any]): "w": words; "g" and "p": gold and predicted entities as [start, end,
        label, seen, confidence in %]; "m": matches as [gold, predicted, category]; "q": probable
        tags of each token as [tag, percent, …], or 0 if it is almost certainly O. Labels, tags,
        spans and categories are indices, -1 means none.
    """
    gold, predicted = sorted(tweet.gold), sorted(tweet.predicted)
    confidence = dict(zip(tweet.predicted, tweet.confidence or [], strict=False))

    def entity(span: TokenSpan, score: float | None = None) -> list[int]:
        start, end, label = span
        seen = -1 if surfaces is None else SEEN.index(seen_group(tweet.words, span, surfaces))
        return [start, end, labels.index(label), seen, -1 if score is None else round(100 * score)]

    matches = [
        [
            gold.index(match.gold) if match.gold else -1,
            predicted.index(match.predicted) if match.predicted else -1,
            CATEGORIES.index(match.category),
        ]
        for match in match_spans(gold, predicted)
    ]
    data: dict[str, Any] = {
        "w": tweet.words,
        "g": [entity(span) for span in gold],
        "p": [entity(span, confidence.get(span)) for span in predicted],
        "m": matches,
    }
    if tweet.probabilities is not None:
        percents = numpy.rint(100 * numpy.asarray(tweet.probabilities)).astype(int)
        data["q"] = [0 if row[0] >= _SURE_PERCENT else _probable(row) for row in percents]
    return data


def _probable(percents: numpy.ndarray) -> list[int]:
    order = [int(tag) for tag in numpy.argsort(-percents, kind="stable")]
    return [
        value
        for rank, tag in enumerate(order)
        if rank == 0 or percents[tag] >= _MIN_PERCENT
        for value in (tag, int(percents[tag]))
    ]


def _fill_page(title: str, data: dict[str, Any]) -> str:
    files = resources.files(__package__) / "page"

    def read(name: str) -> str:
        return (files / name).read_text(encoding="utf8")

    style = read("page.css")
    script = '"use strict";\n' + "\n".join(read(name) for name in _SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "POLICY": policy,
        "TITLE": _escape_html(title),
        "STYLE": style,
        "DATA": _escape_json(data),
        "SCRIPT": script,
    }
    # Split before inserting, since inserted text may contain %%NAME%% too.
    first, *rest = read("page.html").split("%%")
    page = [first]
    for name, text in zip(rest[::2], rest[1::2], strict=True):
        page += [parts[name], text]
    return "".join(page)


def _hash(text: str) -> str:
    """RETURNS (str): The source expression of an inline script or style in the policy."""
    digest = hashlib.sha256(text.encode("utf8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _escape_html(text: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return text


def _escape_json(data: dict[str, Any]) -> str:
    """RETURNS (str): JSON that cannot close the script element around it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
