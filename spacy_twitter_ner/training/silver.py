"""Silver annotation: unlabelled tweets, tagged by several trained pipelines together.

Several models agree on more than each of them knows. A model that learns from what they say
together of many tweets comes close to all of them at the cost of one (Buciluǎ, Caruana &
Niculescu-Mizil 2006). Where they are not sure the annotation is left missing, and a CRF that
learns from it sums over all tags there.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy
from spacy.attrs import ENT_IOB
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from thinc.types import Floats2d, Ints1d

from ..layers.decoding import decode_bio
from ..lexical.tokenizing import split_words
from ..lexical.training import read_tweets, tweet_files
from ..loading import load_pipeline
from ..pipeline.bilstm_ner import TwitterBiLSTMNER

_BATCH_SIZE = 256


class SilverCount(NamedTuple):
    """What was written: docs, tokens, entities, and tokens whose annotation is missing."""

    docs: int
    tokens: int
    entities: int
    missing: int


def write_silver(
    models: Sequence[str | Path],
    tweets: Iterable[Path],
    output: Path,
    *,
    limit: int = 0,
    min_words: int = 4,
    min_probability: float = 0.5,
) -> SilverCount:
    """Annotate files of tweets and write them in spaCy's binary training format.

    models (Sequence[str | Path]): Names or folders of trained pipelines.
    tweets (Iterable[Path]): Files of tweets, as for `read_tweets`, or folders of them.
    output (Path): The file to write.
    limit (int): How many tweets to annotate, from the first; 0 for all.
    min_words (int): Tweets of fewer words are left out.
    min_probability (float): As for annotate_silver.
    RETURNS (SilverCount): What was written.
    RAISES (OSError): If a file or pipeline cannot be read.
    RAISES (ValueError): If the pipelines do not fit together, or there are no tweets.
    """
    words = (split_words(tweet) for tweet in read_tweets(tweet_files(tweets)))
    long_enough = (tokens for tokens in words if len(tokens) >= max(min_words, 1))
    pipelines = [load_pipeline(model) for model in models]
    doc_bin = DocBin(attrs=["ENT_IOB", "ENT_TYPE"])
    count = SilverCount(0, 0, 0, 0)
    docs = annotate_silver(
        pipelines, islice(long_enough, limit or None), min_probability=min_probability
    )
    for doc in docs:
        doc_bin.add(doc)
        missing = int((doc.to_array(ENT_IOB) == 0).sum())
        added = SilverCount(1, len(doc), len(doc.ents), missing)
        count = SilverCount(*(a + b for a, b in zip(count, added, strict=True)))
    if not count.docs:
        raise ValueError(f"there are no tweets of {min_words} words or more: nothing was written")
    output.parent.mkdir(parents=True, exist_ok=True)
    doc_bin.to_disk(output)
    return count


def annotate_silver(
    pipelines: Sequence[Language], tweets: Iterable[Sequence[str]], *, min_probability: float = 0.5
) -> Iterator[Doc]:
    """Annotate tweets with the mean of the pipelines' posterior probabilities.

    pipelines (Sequence[Language]): Trained pipelines, each with a twitter_bilstm_ner that knows
        the same labels.
    tweets (Iterable[Sequence[str]]): The words of each tweet.
    min_probability (float): Entities that have a token whose tag is less probable, and other such
        tokens, are left missing.
    YIELDS (Doc): The docs, of the first pipeline's vocab, with entities.
    RAISES (ValueError): If a pipeline has no such component, or other labels than the first.
    """
    components = [_find_component(nlp) for nlp in pipelines]
    _validate_labels(components)
    tags = numpy.asarray(components[0].tags)
    iterator = iter(tweets)
    while batch := list(islice(iterator, _BATCH_SIZE)):
        posteriors = sum(
            _posteriors(nlp, component, components[0].tags, batch)
            for nlp, component in zip(pipelines, components, strict=True)
        ) / len(components)
        lengths = [len(words) for words in batch]
        best = _decode(posteriors, lengths)
        is_sure = posteriors[numpy.arange(len(best)), best] >= min_probability
        known = _keep_whole(best, is_sure)
        names = numpy.where(known, tags[best], "").tolist()
        end = 0
        for words in batch:
            start, end = end, end + len(words)
            yield Doc(pipelines[0].vocab, words=list(words), ents=names[start:end])


def _find_component(nlp: Language) -> TwitterBiLSTMNER:
    for _, component in nlp.pipeline:
        if isinstance(component, TwitterBiLSTMNER):
            return component
    raise ValueError(
        f"pipeline {nlp.meta['lang']}_{nlp.meta['name']} has no component twitter_bilstm_ner; "
        f"it has: {', '.join(nlp.pipe_names) or 'none'}"
    )


def _validate_labels(components: Sequence[TwitterBiLSTMNER]) -> None:
    for component in components[1:]:
        if set(component.labels) != set(components[0].labels):
            raise ValueError(
                "the pipelines know different labels: "
                f"{', '.join(components[0].labels)} and {', '.join(component.labels)}"
            )


def _posteriors(
    nlp: Language, component: TwitterBiLSTMNER, tags: Sequence[str], batch: list[Sequence[str]]
) -> Floats2d:
    """RETURNS (Floats2d): (N, nO) in the order of the given tags."""
    docs = [Doc(nlp.vocab, words=list(words)) for words in batch]
    for _, other in nlp.pipeline:
        if other is component:
            break
        docs = [other(doc) for doc in docs]
    order = [component.tags.index(tag) for tag in tags]
    return numpy.concatenate(component.predict_proba(docs))[:, order]


def _decode(posteriors: Floats2d, lengths: list[int]) -> Ints1d:
    tiny = numpy.finfo("float64").tiny
    return decode_bio(numpy.log(numpy.maximum(posteriors, tiny)), numpy.asarray(lengths))


def _keep_whole(tags: Ints1d, is_sure: numpy.ndarray) -> numpy.ndarray:
    """Which annotation to keep: an entity goes as a whole if one of its tokens is not sure."""
    is_inside = (tags > 0) & (tags % 2 == 0)
    # Tokens of one entity have the same number, and so has each token outside of entities.
    unit = numpy.cumsum(~is_inside)
    n_unsure = numpy.bincount(unit, weights=~is_sure, minlength=len(tags) + 1)
    return n_unsure[unit] == 0
