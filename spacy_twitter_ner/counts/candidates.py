"""The names in a shard of tweets, with their probabilities."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy
from spacy.strings import get_string_id
from spacy.tokens import Doc

from ..annotate.annotator import Annotator, load_annotator
from ..annotate.jobs import Job, Outcome
from ..normalization import normal_form
from ..sources.inputs import Shard
from ..sources.records import EXCERPT, Reject, Tweet, parse
from ..util import apply_preceding_pipes, batched
from .names import DATE_FIELD, find_group, name_key

# Less probable spans are left out. Labelled tweets tell how many entities are lost.
MIN_PROBABILITY = 0.05
# Maximum number of docs in memory, and per batch of the component.
_ZONE, _BATCH = 2048, 512

# The normal form of a name and its type.
Name = tuple[str, str]


class Mention(NamedTuple):
    """A name that a tweet may contain.

    probability (float): The probability that it does.
    text (str): The text of its first span.
    """

    probability: float
    text: str


@dataclass(frozen=True)
class CountJob(Job):
    """Settings of a count.

    by (Optional[str]): Length of time or field to group tweets by.
    date_field (str): Field with the date.
    aliases (Mapping[str, str]): Normal forms of names by those of their aliases.
    min_probability (float): Minimum probability of a span.
    with_words (bool): Whether to count words, and those that the pipeline doesn't know.
    """

    by: str | None = None
    date_field: str = DATE_FIELD
    aliases: Mapping[str, str] = field(default_factory=dict)
    min_probability: float = MIN_PROBABILITY
    with_words: bool = False


class Found(NamedTuple):
    """What was found in a tweet.

    names (dict[Name, Mention]): The names that it may contain.
    words (int): Number of words, if they were counted.
    unknown (int): Number of words that the pipeline doesn't know.
    """

    names: dict[Name, Mention]
    words: int = 0
    unknown: int = 0


def find_names(
    docs: Sequence[Doc],
    component: Any,
    aliases: Mapping[str, str],
    min_probability: float = MIN_PROBABILITY,
) -> list[dict[Name, Mention]]:
    """Find the names that each tweet may contain. The spans of a name are taken as independent, so
    the probability of at least one is 1 - prod(1 - p).

    docs (Sequence[Doc]): The tweets.
    component (TwitterBiLSTMNER): The component. The components before it have been applied.
    aliases (Mapping[str, str]): Normal forms of names by those of their aliases.
    min_probability (float): Minimum probability of a span.
    RETURNS (list[dict[Name, Mention]]): The names in each tweet.
    """
    predictions = component.predict_candidates(docs, min_probability, keep_ents=True)
    ends = numpy.cumsum(predictions.lengths)
    owners = numpy.searchsorted(ends, predictions.spans.starts, side="right")
    offsets = (ends - predictions.lengths)[owners]
    starts, stops = predictions.spans.starts - offsets, predictions.spans.ends - offsets
    labels = component.output_labels
    found: list[dict[Name, Mention]] = [{} for _ in docs]
    columns = (starts, stops, predictions.spans.types, owners, predictions.scores)
    for start, stop, kind, owner, p in zip(*(each.tolist() for each in columns), strict=True):
        text = docs[owner][start:stop].text
        key = name_key(text)
        name = (aliases.get(key, key), labels[kind])
        other = found[owner].get(name, Mention(0.0, text))
        found[owner][name] = Mention(1 - (1 - p) * (1 - other.probability), other.text)
    return found


class Sums(NamedTuple):
    """Sums over the tweets that may contain a name.

    predicted (int): Number of tweets that contain it with a probability of at least 0.5.
    p (float): Sum of the probabilities.
    v (float): Sum of their variances, p * (1 - p).
    s (float): Sum of their standard deviations.
    """

    predicted: int = 0
    p: float = 0.0
    v: float = 0.0
    s: float = 0.0

    def plus(self, p: float) -> "Sums":
        """RETURNS (Sums): The sums with one more tweet."""
        v = p * (1 - p)
        return Sums(self.predicted + (p >= 0.5), self.p + p, self.v + v, self.s + v**0.5)


def add_up(tweets: Iterable[tuple[str, Mapping[Name, Mention]]]) -> list[list[Any]]:
    """Add up the names of tweets.

    tweets (Iterable[tuple[str, Mapping[Name, Mention]]]): The group and the names of each tweet.
    RETURNS (list[list[Any]]): Rows: group, normal form, type, the first text, and the sums.
    """
    sums: dict[tuple[str, Name], tuple[str, Sums]] = {}
    for group, names in tweets:
        for name, (p, text) in names.items():
            first_text, before = sums.get((group, name), (text, Sums()))
            sums[group, name] = (first_text, before.plus(p))
    return [[group, *name, text, *row] for (group, name), (text, row) in sums.items()]


def count_shard(shard: Shard, job: Job) -> Outcome:
    """Count the names in a shard.

    shard (Shard): The shard.
    job (CountJob): The settings.
    RETURNS (Outcome): The result. Its output are the rows from `add_up`, the number of tweets
        per group, and the numbers of words, as JSON.
    RAISES (OSError): If the pipeline can't be loaded.
    """
    assert isinstance(job, CountJob)  # noqa: S101 (for mypy; engines don't know it)
    annotator = load_annotator(job.model, job.model_hash)
    parsed = [
        item
        for record in shard.records
        for item in parse(record, shard.source, shard.format, job.text_field, job.id_field)
    ]
    rejects = [item for item in parsed if isinstance(item, Reject)]
    tweets = [item for item in parsed if isinstance(item, Tweet)]
    found: list[tuple[str, Found]] = []
    for start in range(0, len(tweets), _ZONE):
        # The zone frees the strings and lexemes of new words. Docs must not outlive it.
        with annotator.nlp.memory_zone():
            for tweet, some in _find_all(tweets[start : start + _ZONE], annotator, job):
                if isinstance(some, Exception):
                    reason = f"the pipeline failed: {type(some).__name__}: {some}"
                    rejects.append(Reject(tweet.source, tweet.line, reason, tweet.text[:EXCERPT]))
                else:
                    found.append((find_group(tweet.fields, job.by, job.date_field), some))
    output = {
        "groups": Counter(group for group, _ in found),
        "words": sum(some.words for _, some in found),
        "unknown": sum(some.unknown for _, some in found),
        "rows": add_up((group, some.names) for group, some in found),
    }
    n_names = sum(len(some.names) for _, some in found)
    counts = (len(found), n_names, len(rejects), shard.position)
    return Outcome(shard.number, *counts, json.dumps(output).encode(), rejects)


def _find_all(
    tweets: Sequence[Tweet], annotator: Annotator, job: CountJob
) -> Iterator[tuple[Tweet, Found | Exception]]:
    for batch in batched(tweets, _BATCH):
        yield from zip(batch, _find_or_fail(batch, annotator, job), strict=True)


def _find_or_fail(
    tweets: Sequence[Tweet], annotator: Annotator, job: CountJob
) -> list[Found | Exception]:
    """Find the names of a batch. If it fails, only the tweets that fail by themselves do."""
    component = annotator.components[-1]
    try:
        docs = [annotator.nlp.make_doc(tweet.text) for tweet in tweets]
        docs = apply_preceding_pipes(annotator.nlp, component, docs)
        names = find_names(docs, component, job.aliases, job.min_probability)
        words = [_count_words(doc) if job.with_words else (0, 0) for doc in docs]
        return [Found(some, *own) for some, own in zip(names, words, strict=True)]
    except Exception as error:
        if len(tweets) == 1:
            return [error]
    return [_find_or_fail([tweet], annotator, job)[0] for tweet in tweets]


def _count_words(doc: Doc) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): The number of words, and of those without a vector. If the
    pipeline has no vectors, or those of subwords, all are known."""
    words = [token.text for token in doc if token.is_alpha]
    vectors = doc.vocab.vectors
    if vectors.n_keys <= 0:
        return len(words), 0
    rows = vectors.key2row
    unknown = [
        word
        for word in words
        if not any(get_string_id(form) in rows for form in (word, word.lower(), normal_form(word)))
    ]
    return len(words), len(unknown)
