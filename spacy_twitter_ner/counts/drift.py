"""Compare two samples of tweets: does the pipeline still know what people write about?

Names that are more frequent in the new sample are found by the log-odds of their expected counts
with an informative prior, the counts of both samples (Monroe, Colaresi & Quinn 2008).
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..annotate.annotator import describe_model, load_annotator
from ..annotate.jobs import Outcome
from ..annotate.run import Workers
from ..sources.inputs import Shard, can_be_reread, expand, read_shards
from ..sources.records import EXCERPT, ReadOptions, Tweet, parse
from ..util import get_ner
from .candidates import CountJob, Name, Sums
from .run import fill_store
from .store import CountStore

# The advice.
NOTHING, TEACH, RETRAIN = "nothing", "teach", "retrain"
# Changes of the share of unknown words and of the mean confidence that call for retraining.
_MAX_CHANGE = 0.05
# Number of unsure rising names that call for teaching.
_MIN_UNSURE = 3
# Names below this mean confidence are unsure.
_SURE = 0.8
# Names that rise by at least this z-score, and this expected number of tweets.
_MIN_Z, _MIN_EXPECTED = 3.0, 3.0
# Size of the prior, in expected counts.
_PRIOR = 500.0
_MAX_NAMES, _MAX_EXAMPLES = 30, 3
# Names per sample that are compared.
_TOP = 20_000
_SHARD_SIZE = 2_000


class Sample(NamedTuple):
    """A sample of tweets.

    tweets (int): Number of tweets.
    words (int): Number of words.
    unknown (float): Fraction of words that the pipeline doesn't know.
    names (float): Expected number of names per tweet.
    confidence (float): Mean probability of a name, weighted by itself.
    """

    tweets: int
    words: int
    unknown: float
    names: float
    confidence: float


class RisingName(NamedTuple):
    """A name that is more frequent in the new sample.

    text (str): The name.
    type (str): Its type.
    old (float): Expected number of tweets in the old sample.
    new (float): Expected number in the new sample.
    z (float): Z-score of the log-odds.
    confidence (float): Its mean probability in the new sample.
    is_unsure (bool): Whether that is low.
    examples (list[str]): Tweets of the new sample that contain it.
    """

    text: str
    type: str
    old: float
    new: float
    z: float
    confidence: float
    is_unsure: bool
    examples: list[str]


class Drift(NamedTuple):
    """The comparison of two samples.

    model (str): Name and version of the pipeline.
    old (Sample): The old sample.
    new (Sample): The new sample.
    rising (list[RisingName]): Names that are more frequent in the new sample, the most unsure and
        significant first.
    advice (str): "nothing", "teach" or "retrain".
    reasons (list[str]): Why.
    """

    model: str
    old: Sample
    new: Sample
    rising: list[RisingName]
    advice: str
    reasons: list[str]


def compare_samples(
    old: Sequence[str],
    new: Sequence[str],
    job: CountJob,
    *,
    input_format: str | None = None,
    options: ReadOptions | None = None,
    workers: Workers | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> Drift:
    """Compare two samples of tweets.

    old (Sequence[str]): Files, folders, patterns or URLs of earlier tweets.
    new (Sequence[str]): Those of later tweets. Not standard input, as it is read twice.
    job (CountJob): The settings.
    input_format, options, workers, on_outcome: As in `count_files`.
    RETURNS (Drift): The comparison.
    RAISES (ValueError): If there are no tweets, or the pipeline has no twitter_bilstm_ner.
    RAISES (OSError): If the pipeline or a file can't be found.
    """
    if not all(map(can_be_reread, expand(new))):
        raise ValueError("the later tweets are read twice: save them to a file first")
    model = describe_model(job.model)
    job = replace(job, by=None, with_words=True, model_hash=model["hash"])
    get_ner(load_annotator(job.model, job.model_hash).nlp)

    def shards(inputs: Sequence[str]) -> Iterator[Shard]:
        return read_shards(expand(inputs), _SHARD_SIZE, input_format, options)

    samples = []
    for inputs in (old, new):
        with CountStore() as store:
            fill_store(store, shards(inputs), job, workers, on_outcome)
            if not sum(store.groups.values()):
                raise ValueError(f"{', '.join(inputs)}: no tweets to compare")
            samples.append((_describe(store), _read_names(store)))
    (before, old_names), (after, new_names) = samples
    texts = _read_texts(shards(new), job.text_field)
    rising = add_examples(find_rising(old_names, new_names), texts)
    name = f"{model['name']} {model['version']}"
    return Drift(name, before, after, rising, *give_advice(before, after, rising))


def _read_texts(shards: Iterable[Shard], text_field: str | None) -> Iterator[str]:
    for shard in shards:
        for record in shard.records:
            for tweet in parse(record, shard.source, shard.format, text_field):
                if isinstance(tweet, Tweet):
                    yield tweet.text


def _describe(store: CountStore) -> Sample:
    n = sum(store.groups.values())
    sums = [sums for _, _, sums in store.by_type()]
    p, v = (sum(getattr(each, name) for each in sums) for name in ("p", "v"))
    unknown = store.n_unknown / max(store.n_words, 1)
    return Sample(n, store.n_words, unknown, p / n, (p - v) / p if p else 0.0)


def _read_names(store: CountStore) -> dict[Name, tuple[str, Sums]]:
    """RETURNS (dict[Name, tuple[str, Sums]]): The text and the sums of the most frequent names."""
    return {name: (store.by_group(name)[0][1], sums) for name, sums in store.top_names(_TOP)}


def find_rising(
    old: Mapping[Name, tuple[str, Sums]], new: Mapping[Name, tuple[str, Sums]]
) -> list[RisingName]:
    """Find names that are more frequent in the new sample.

    old (Mapping[Name, tuple[str, Sums]]): Text and sums of each name in the old sample.
    new (Mapping[Name, tuple[str, Sums]]): Those in the new sample.
    RETURNS (list[RisingName]): The names, those that the pipeline is unsure of first, then by
        z-score. Without examples.
    """
    totals = [sum(sums.p for _, sums in names.values()) for names in (old, new)]
    rising = []
    for name, (text, sums) in new.items():
        before = old[name][1].p if name in old else 0.0
        z = _log_odds_z(before, sums.p, *totals)
        if z >= _MIN_Z and sums.p >= _MIN_EXPECTED:
            confidence = 1 - sums.v / sums.p
            is_unsure = confidence < _SURE
            figures = (round(before, 2), round(sums.p, 2), round(z, 2), round(confidence, 4))
            rising.append(RisingName(text, name[1], *figures, is_unsure, []))
    rising.sort(key=lambda each: (not each.is_unsure, -each.z, each.text))
    return rising[:_MAX_NAMES]


def _log_odds_z(old: float, new: float, old_total: float, new_total: float) -> float:
    """RETURNS (float): The z-score of the difference of log-odds."""
    prior = max(_PRIOR * (old + new) / (old_total + new_total), 0.01)
    odds = [
        math.log((n + prior) / max(total + _PRIOR - n - prior, 1e-9))
        for n, total in ((old, old_total), (new, new_total))
    ]
    return (odds[1] - odds[0]) / math.sqrt(1 / (old + prior) + 1 / (new + prior))


def add_examples(rising: Sequence[RisingName], texts: Iterable[str]) -> list[RisingName]:
    """Find tweets that contain the names.

    rising (Sequence[RisingName]): The names.
    texts (Iterable[str]): Tweets. Only read until each name has enough.
    RETURNS (list[RisingName]): The names with examples.
    """
    patterns = {each.text: _whole_words(each.text) for each in rising}
    examples: dict[str, list[str]] = {text: [] for text in patterns}
    missing = set(patterns)
    for text in texts if missing else ():
        for name in [name for name in missing if patterns[name].search(text)]:
            examples[name].append(text[:EXCERPT])
            if len(examples[name]) == _MAX_EXAMPLES:
                missing.discard(name)
        if not missing:
            break
    return [each._replace(examples=examples[each.text]) for each in rising]


def _whole_words(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)", re.IGNORECASE)


def give_advice(old: Sample, new: Sample, rising: Sequence[RisingName]) -> tuple[str, list[str]]:
    """Advise what to do.

    old (Sample): The old sample.
    new (Sample): The new sample.
    rising (Sequence[RisingName]): The rising names.
    RETURNS (tuple[str, list[str]]): "nothing", "teach" or "retrain", and the reasons.
    """
    reasons = []
    if new.unknown - old.unknown > _MAX_CHANGE:
        reasons.append(
            f"the share of unknown words rose from {old.unknown:.1%} to {new.unknown:.1%}"
        )
    if old.confidence - new.confidence > _MAX_CHANGE:
        reasons.append(f"mean confidence fell from {old.confidence:.3f} to {new.confidence:.3f}")
    if reasons:
        return RETRAIN, reasons
    unsure = [each.text for each in rising if each.is_unsure]
    if len(unsure) >= _MIN_UNSURE:
        some = ", ".join(unsure[:5])
        return TEACH, [f"the pipeline is unsure of {len(unsure)} rising names, such as {some}"]
    return NOTHING, ["neither words nor confidence changed much"]
