"""Silver annotation: tag unlabeled tweets with an ensemble of trained pipelines.

A model trained on the ensemble's predictions comes close to its accuracy at the cost of a single
model (Buciluǎ, Caruana & Niculescu-Mizil 2006). Annotation with low confidence is left missing; a
CRF sums over all tags there.
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

from ..corpus.tweets import interleave_tweets, tweet_files
from ..layers.crf import Lattice
from ..layers.decoding import viterbi
from ..loading import load_pipeline
from ..pipeline.bilstm_ner import TwitterBiLSTMNER
from ..util import apply_preceding_pipes, batched, get_ner

_BATCH_SIZE = 256


class SilverCount(NamedTuple):
    """The number of docs, tokens, entities and tokens with missing annotation."""

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
    """Annotate files of tweets and write a .spacy file. Tweets are taken from the files in turn,
    without near duplicates, and split by the first pipeline's tokenizer.

    models (Sequence[str | Path]): Names or folders of trained pipelines.
    tweets (Iterable[Path]): Files of tweets, as for `read_tweets`, or folders of them.
    output (Path): The output file.
    limit (int): Maximum number of tweets. Defaults to 0, which means no limit.
    min_words (int): Minimum number of words in a tweet.
    min_probability (float): See annotate_silver.
    RETURNS (SilverCount): The counts.
    RAISES (OSError): If a file or pipeline can't be read.
    RAISES (ValueError): If the pipelines have different labels, or there are no tweets.
    """
    pipelines = [load_pipeline(model) for model in models]
    docs = map(pipelines[0].make_doc, interleave_tweets(tweet_files(tweets)))
    words = ([token.text for token in doc if not token.is_space] for doc in docs)
    long_enough = (tokens for tokens in words if len(tokens) >= max(min_words, 1))
    doc_bin = DocBin(attrs=["ENT_IOB", "ENT_TYPE"])
    count = SilverCount(0, 0, 0, 0)
    for doc in annotate_silver(
        pipelines, islice(long_enough, limit or None), min_probability=min_probability
    ):
        doc_bin.add(doc)
        missing = int((doc.to_array(ENT_IOB) == 0).sum())
        added = SilverCount(1, len(doc), len(doc.ents), missing)
        count = SilverCount(*(a + b for a, b in zip(count, added, strict=True)))
    if not count.docs:
        raise ValueError(
            f"there are no tweets with at least {min_words} words: nothing was written"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    doc_bin.to_disk(output)
    return count


def annotate_silver(
    pipelines: Sequence[Language], tweets: Iterable[Sequence[str]], *, min_probability: float = 0.5
) -> Iterator[Doc]:
    """Annotate tweets with the mean of the pipelines' tag probabilities.

    pipelines (Sequence[Language]): Trained pipelines with twitter_bilstm_ner components for the
        same labels.
    tweets (Iterable[Sequence[str]]): The words of each tweet.
    min_probability (float): Tokens whose tag is less probable are left missing; for tokens in
        entities, the whole entity is.
    YIELDS (Doc): The docs with entities, in the first pipeline's vocab.
    RAISES (ValueError): If a pipeline has no such component, or other labels than the first.
    """
    components = [get_ner(nlp) for nlp in pipelines]
    _validate_labels(components)
    tags = numpy.asarray(components[0].tags)
    for batch in batched(tweets, _BATCH_SIZE):
        posteriors = sum(
            _posteriors(nlp, component, components[0].tags, batch)
            for nlp, component in zip(pipelines, components, strict=True)
        ) / len(components)
        lengths = [len(words) for words in batch]
        best = _decode(posteriors, lengths)
        is_confident = posteriors[numpy.arange(len(best)), best] >= min_probability
        known = _keep_whole(best, is_confident)
        names = numpy.where(known, tags[best], "").tolist()
        end = 0
        for words in batch:
            start, end = end, end + len(words)
            yield Doc(pipelines[0].vocab, words=list(words), ents=names[start:end])


def _validate_labels(components: Sequence[TwitterBiLSTMNER]) -> None:
    for component in components[1:]:
        if set(component.labels) != set(components[0].labels):
            raise ValueError(
                "the pipelines have different labels: "
                f"{', '.join(components[0].labels)} and {', '.join(component.labels)}"
            )


def _posteriors(
    nlp: Language, component: TwitterBiLSTMNER, tags: Sequence[str], batch: list[Sequence[str]]
) -> Floats2d:
    """RETURNS (Floats2d): (N, nO) tag probabilities, in the order of the given tags."""
    docs = [Doc(nlp.vocab, words=list(words)) for words in batch]
    docs = apply_preceding_pipes(nlp, component, docs)
    order = [component.tags.index(tag) for tag in tags]
    return numpy.concatenate(component.predict_proba(docs))[:, order]


def _decode(posteriors: Floats2d, lengths: list[int]) -> Ints1d:
    tiny = numpy.finfo("float64").tiny
    emissions = numpy.log(numpy.maximum(posteriors, tiny))
    return viterbi(Lattice.independent(emissions, list(lengths)))


def _keep_whole(tags: Ints1d, is_confident: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): (N,) mask of tags to keep. An entity is dropped as a whole if one of
    its tags isn't confident."""
    is_inside = (tags > 0) & (tags % 2 == 0)
    # One number per entity and per token outside of entities.
    unit = numpy.cumsum(~is_inside)
    n_dropped = numpy.bincount(unit, weights=~is_confident, minlength=len(tags) + 1)
    return n_dropped[unit] == 0
