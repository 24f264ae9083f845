"""The HTML report: one file that holds its data, style and script and asks no network for anything.

The data stand in it as JSON. The script builds everything of text nodes, and the page's content
security policy allows that script and that style alone, by their hashes: whatever a tweet holds,
it stays text.
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
from ..evaluation.matching import CATEGORIES, match_spans
from ..evaluation.predictions import Predictions, Tweet
from ..evaluation.progress import Checkpoint, checkpoint_to_json
from ..evaluation.quality import Quality, quality_to_dict
from ..evaluation.reliability import Reliability, reliability_to_dict
from ..evaluation.slices import SEEN, Surfaces, seen_group
from ..iob import TokenSpan
from .colors import type_colors
from .style import whole_file

_SCRIPTS = (
    "dom.js",
    "tables.js",
    "charts.js",
    "confidence.js",
    "filters.js",
    "tweets.js",
    "main.js",
)
# Tags that are less probable are left out of the page, and tokens that are surely O.
_MIN_PERCENT, _SURE_PERCENT = 2, 98


def make_page(
    title: str,
    splits: Sequence[tuple[Quality, Predictions]],
    *,
    surfaces: Surfaces | None = None,
    checkpoints: Sequence[Checkpoint] = (),
    reliability: Reliability | None = None,
    about: Mapping[str, str] | None = None,
) -> str:
    """Make the HTML report of a model.

    title (str): The heading.
    splits (Sequence[tuple[Quality, Predictions]]): The quality of each split and its tweets; the
        page opens with the last one.
    surfaces (Optional[Mapping[str, frozenset[str]]]): The entities of the training data, see
        evaluation/slices.py; without them the page does not tell seen from unseen ones.
    checkpoints (Sequence[Checkpoint]): The progress of the training, if its curves shall be shown.
    reliability (Optional[Reliability]): How far confidence can be trusted, by the splits' names.
    about (Optional[Mapping[str, str]]): What else the head of the page shall say.
    RETURNS (str): The page.
    RAISES (ValueError): If there are no splits.
    """
    if not splits:
        raise ValueError("a report needs a corpus with annotated tweets")
    labels = sorted({label for quality, _ in splits for label in quality.labels})
    tags = next((some.tags for _, some in splits if some.tags), ())
    measured = reliability_to_dict(reliability)["splits"] if reliability else {}
    data = {
        "title": title,
        "version": __version__,
        "about": dict(about or {}),
        "labels": labels,
        "colors": type_colors(labels),
        "tags": list(tags),
        "categories": list(CATEGORIES),
        "seen": list(SEEN),
        "curves": [json.loads(checkpoint_to_json(point)) for point in checkpoints],
        "splits": [
            {
                "name": quality.name,
                "quality": quality_to_dict(quality),
                "confidence": measured.get(quality.name),
                "tweets": [
                    _tweet_data(tweet, labels, surfaces if quality.slices.seen else None)
                    for tweet in predictions.tweets
                ],
            }
            for quality, predictions in splits
        ],
    }
    return _fill_page(title, data)


def write_page(page: str, path: Path) -> None:
    """Write a page, whole or not at all.

    page (str): The page.
    path (Path): The file; it is replaced.
    RAISES (OSError): If it cannot be written.
    """
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf8", newline="\n")


def _tweet_data(tweet: Tweet, labels: Sequence[str], surfaces: Surfaces | None) -> dict[str, Any]:
    """w: words; g, p: gold and predicted entities as [start, end, label, seen, confidence in %];
    m: matches as [gold, predicted, category]; q: the probable tags of each token as
    [tag, percent, …], or 0 where it is surely O. All but words are indices; -1 is none."""
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
    # Split once: what is filled in may hold the name of another part.
    first, *rest = read("page.html").split("%%")
    page = [first]
    for place in range(0, len(rest), 2):
        page += [parts[rest[place]], rest[place + 1]]
    return "".join(page)


def _hash(text: str) -> str:
    """RETURNS (str): What a content security policy calls an inline script or style."""
    digest = hashlib.sha256(text.encode("utf8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _escape_html(text: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return text


def _escape_json(data: dict[str, Any]) -> str:
    """RETURNS (str): JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
