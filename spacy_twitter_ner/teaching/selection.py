"""Choose the tweets to annotate next: those whose entities the pipeline is least certain of.

The uncertainty of a tweet is the sum of the entropies of its tokens' exact posterior tags. A word's
entropy counts less each time that the word has been chosen, so that a batch doesn't ask the same
question many times. Random tweets are mixed in: progress measured on them is unbiased.
"""

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy
from spacy.language import Language
from thinc.types import Floats1d, Floats2d

from ..corpus.tweets import duplicate_key
from ..iob import split_tag
from ..normalization import normalize_word
from ..pipeline.bilstm_ner import TwitterBiLSTMNER
from ..util import apply_preceding_pipes, batched, get_ner

UNCERTAIN, RANDOM = "uncertain", "random"
RANDOM_SHARE = 0.1
_BATCH_SIZE = 512
# Entropies in nats below this don't affect the choice, but most words have them.
_MIN_ENTROPY = 0.01


class WordEntropies(NamedTuple):
    """The uncertain words of a tweet, normalized, and the entropy of each."""

    words: list[str]
    entropies: list[float]


class Choice(NamedTuple):
    """The number of a chosen tweet, and why it was chosen: UNCERTAIN or RANDOM."""

    tweet: int
    reason: str


def get_entropies(
    nlp: Language, texts: Iterable[str], labels: Sequence[str]
) -> list[WordEntropies]:
    """Compute how uncertain a pipeline is of each word.

    nlp (Language): The pipeline.
    texts (Iterable[str]): The tweets.
    labels (Sequence[str]): The annotated types. Others count as outside of entities.
    RETURNS (list[WordEntropies]): The uncertain words of each tweet.
    """
    ner: TwitterBiLSTMNER = get_ner(nlp)
    columns = [index for index, tag in enumerate(ner.tags) if split_tag(tag)[1] in labels]
    found = []
    for batch in batched(texts, _BATCH_SIZE):
        docs = apply_preceding_pipes(nlp, ner, map(nlp.make_doc, batch))
        for doc, posteriors in zip(docs, ner.predict_proba(docs), strict=True):
            annotated = posteriors[:, columns]
            outside = 1.0 - annotated.sum(axis=1, keepdims=True)
            entropies = _entropy(annotated) + _entropy(outside)
            indices = numpy.flatnonzero(entropies >= _MIN_ENTROPY).tolist()
            words = [normalize_word(doc[index].text).lower() for index in indices]
            found.append(WordEntropies(words, entropies[indices].tolist()))
    return found


def _entropy(probabilities: Floats2d) -> Floats1d:
    """RETURNS (Floats1d): The summands of the entropy in nats, added up per row."""
    logs = numpy.log(numpy.maximum(probabilities, numpy.finfo("float64").tiny))
    return -(probabilities * logs).sum(axis=1)


def drop_near_duplicates(texts: Sequence[str], known: Iterable[str] = ()) -> list[int]:
    """Find the tweets that differ in more than users, URLs, numbers and case.

    texts (Sequence[str]): The tweets.
    known (Iterable[str]): Tweets that were annotated before.
    RETURNS (list[int]): The index of the first tweet of each kind.
    """
    seen = {duplicate_key(text) for text in known}
    indices = []
    for index, text in enumerate(texts):
        key = duplicate_key(text)
        if key not in seen:
            seen.add(key)
            indices.append(index)
    return indices


def choose(
    candidates: Sequence[int],
    entropies: Sequence[WordEntropies] | None,
    n: int,
    *,
    random_share: float = RANDOM_SHARE,
    seed: int = 0,
) -> list[Choice]:
    """Choose tweets to annotate, and their order.

    candidates (Sequence[int]): The indices to choose from.
    entropies (Sequence[WordEntropies] | None): The uncertain words of each tweet, by index. None if
        there is no trained pipeline yet: then all are random.
    n (int): Maximum number of tweets.
    random_share (float): Share of random tweets, evenly spread.
    seed (int): Random seed.
    RETURNS (list[Choice]): The choices, in order.
    """
    rng = random.Random(seed)  # noqa: S311 (not for cryptography)
    n = min(n, len(candidates))
    n_random = n if entropies is None else round(n * random_share)
    drawn = rng.sample(list(candidates), n_random)
    if entropies is None:
        return [Choice(index, RANDOM) for index in drawn]
    excluded = set(drawn)
    left = [index for index in candidates if index not in excluded]
    ranked = iter(_rank(left, entropies, n - n_random))
    # Spread the random ones: one wherever their share is due.
    choices: list[Choice] = []
    for position in range(n):
        is_due = round((position + 1) * n_random / n) > round(position * n_random / n)
        if is_due:
            choices.append(Choice(drawn.pop(), RANDOM))
        else:
            choices.append(Choice(next(ranked), UNCERTAIN))
    return choices


def _rank(candidates: Sequence[int], entropies: Sequence[WordEntropies], n: int) -> list[int]:
    """Choose greedily. Scores only decrease, so a score that's up to date and still the largest is
    the largest (lazy greedy)."""
    counts: Counter[str] = Counter()

    def score(index: int) -> float:
        words, values = entropies[index]
        return sum(v / (1 + counts[w]) for w, v in zip(words, values, strict=True))

    heap = [(-score(index), index) for index in candidates]
    heapq.heapify(heap)
    chosen: list[int] = []
    while heap and len(chosen) < n:
        old, index = heapq.heappop(heap)
        new = -score(index)
        if new > old and heap and new > heap[0][0]:
            heapq.heappush(heap, (new, index))
            continue
        chosen.append(index)
        counts.update(entropies[index].words)
    return chosen
