"""What a pipeline finds in an annotated corpus, beside what is there."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.types import Floats2d

from ..corpus import readers
from ..iob import TokenSpan
from ..pipeline.scores import find_score

_SPANS_KEY = "spacy-twitter-ner report"


class Tweet(NamedTuple):
    """A tweet, its gold and its predicted entities.

    words (tuple[str, ...]): The nT tokens.
    gold (list[TokenSpan]): The gold entities, in order.
    predicted (list[TokenSpan]): The predicted ones, in order.
    confidence (Optional[list[float]]): How probable each predicted one is, 0..1; None if the
        pipeline does not tell.
    probabilities (Optional[Floats2d]): (nT, n_tags) how probable each BIO tag of each token is;
        None if the pipeline does not tell.
    """

    words: tuple[str, ...]
    gold: list[TokenSpan]
    predicted: list[TokenSpan]
    confidence: list[float] | None = None
    probabilities: Floats2d | None = None


class Predictions(NamedTuple):
    """The tweets of a corpus.

    name (str): What to call the corpus, as "test".
    tweets (list[Tweet]): Its tweets.
    tags (tuple[str, ...]): The tags that the probabilities are of; none if there are none.
    n_skipped (int): How many docs were left out since they have no gold annotation.
    """

    name: str
    tweets: list[Tweet]
    tags: tuple[str, ...] = ()
    n_skipped: int = 0

    @property
    def pairs(self) -> list[tuple[list[TokenSpan], list[TokenSpan]]]:
        """RETURNS (list[tuple[list[TokenSpan], list[TokenSpan]]]): Gold and predicted entities."""
        return [(tweet.gold, tweet.predicted) for tweet in self.tweets]


def read_docs(path: Path, vocab: Vocab) -> list[Doc]:
    """RETURNS (list[Doc]): The docs of an annotated corpus (see corpus.readers.read_docs)."""
    return list(readers.read_docs(path, vocab))


def predict_corpus(
    nlp: Language, references: Iterable[Doc], name: str, *, with_probabilities: bool = True
) -> Predictions:
    """Run a pipeline on the gold tokens of a corpus.

    nlp (Language): The pipeline.
    references (Iterable[Doc]): The annotated docs. Those without any annotation of entities are
        left out; where it is missing at some tokens, nothing predicted there counts, as in
        spaCy's scorer.
    name (str): What to call the corpus.
    with_probabilities (bool): Whether to ask the pipeline for the probabilities of tags.
    RETURNS (Predictions): The tweets.
    """
    references = list(references)
    annotated = [doc for doc in references if len(doc) and doc.has_annotation("ENT_IOB")]
    with scores_stored(nlp) as key:
        docs = list(nlp.pipe(_bare_copies(annotated, nlp.vocab)))
    tagger = find_tagger(nlp) if with_probabilities else None
    probabilities: Sequence[Any] = [None] * len(docs)
    if tagger is not None:
        probabilities = [row for batch in _batches(docs) for row in tagger.predict_proba(batch)]
    tweets = []
    for reference, doc, proba in zip(annotated, docs, probabilities, strict=True):
        words = tuple(token.text for token in doc)
        predicted = [span for span in doc_spans(doc) if _is_known(reference, span)]
        scores = entity_scores(doc, key)
        confidence = None if scores is None else [scores[span] for span in predicted]
        tweets.append(Tweet(words, doc_spans(reference), predicted, confidence, proba))
    tags = tuple(tagger.tags) if tagger is not None else ()
    return Predictions(name, tweets, tags, n_skipped=len(references) - len(annotated))


def doc_spans(doc: Doc) -> list[TokenSpan]:
    """RETURNS (list[TokenSpan]): The entities of a doc, in tokens."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


@contextmanager
def scores_stored(nlp: Language) -> Iterator[str | None]:
    """Let a pipeline store how probable its entities are, while it is used.

    nlp (Language): The pipeline.
    YIELDS (Optional[str]): The key of the span group in doc.spans; None if the pipeline cannot.
    """
    tagger = find_tagger(nlp)
    if tagger is None or not hasattr(tagger, "spans_key"):
        yield None
        return
    before = tagger.spans_key
    tagger.spans_key = before or _SPANS_KEY
    try:
        yield tagger.spans_key
    finally:
        tagger.spans_key = before


def entity_scores(doc: Doc, key: str | None) -> dict[TokenSpan, float] | None:
    """Find how probable a doc's entities are.

    doc (Doc): The doc.
    key (Optional[str]): The key of the span group that they were stored in.
    RETURNS (Optional[dict[TokenSpan, float]]): The probability of each entity, 0..1; None if not
        all of them have a score there.
    """
    if key is None or key not in doc.spans:
        return None
    scores = {}
    for ent in doc.ents:
        score = find_score(ent, key)
        if score is None:
            return None
        scores[ent.start, ent.end, ent.label_] = score
    return scores


def _bare_copies(docs: Iterable[Doc], vocab: Vocab) -> Iterator[Doc]:
    for doc in docs:
        words = [token.text for token in doc]
        spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
        yield Doc(vocab, words=words, spaces=spaces)


def _batches(docs: list[Doc], size: int = 256) -> Iterator[list[Doc]]:
    for start in range(0, len(docs), size):
        yield docs[start : start + size]


def find_tagger(nlp: Language) -> Any:
    """RETURNS (Any): The first component that tells probabilities of tags; None if none does."""
    pipes = [pipe for _, pipe in nlp.pipeline if hasattr(pipe, "predict_proba")]
    return next((pipe for pipe in pipes if hasattr(pipe, "tags")), None)


def _is_known(reference: Doc, span: TokenSpan) -> bool:
    return all(token.ent_iob for token in reference[span[0] : span[1]])
