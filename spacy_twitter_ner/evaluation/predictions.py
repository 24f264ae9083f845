"""Run a pipeline on an annotated corpus."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.types import Floats2d

from ..corpus import reader
from ..iob import TokenSpan
from ..pipeline.distribution import get_score
from ..util import batched, find_ners

_SPANS_KEY = "spacy-twitter-ner report"
_BATCH_SIZE = 256


class Tweet(NamedTuple):
    """A tweet with its gold and predicted entities.

    words (tuple[str, ...]): The nT tokens.
    gold (list[TokenSpan]): The gold entities, in order.
    predicted (list[TokenSpan]): The predicted entities, in order.
    confidence (Optional[list[float]]): The confidence of each predicted entity, 0..1; None if the
        pipeline has no twitter_bilstm_ner.
    probabilities (Optional[Floats2d]): (nT, n_tags) probabilities of the BIO tags; None if the
        pipeline has no twitter_bilstm_ner or they weren't requested.
    """

    words: tuple[str, ...]
    gold: list[TokenSpan]
    predicted: list[TokenSpan]
    confidence: list[float] | None = None
    probabilities: Floats2d | None = None


class Predictions(NamedTuple):
    """The predictions for a corpus.

    name (str): The name of the corpus, such as "test".
    tweets (list[Tweet]): The annotated tweets.
    tags (tuple[str, ...]): The BIO tags in the order of the probabilities; empty without them.
    n_skipped (int): Number of docs without gold annotation, which are left out.
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
    """RETURNS (list[Doc]): The docs of an annotated corpus (see corpus.reader.read_docs)."""
    return list(reader.read_docs(path, vocab))


def predict_corpus(
    nlp: Language, references: Iterable[Doc], name: str, *, with_probabilities: bool = True
) -> Predictions:
    """Run a pipeline on the gold tokens of a corpus.

    nlp (Language): The pipeline.
    references (Iterable[Doc]): The annotated docs. Docs without entity annotation are left out.
        Predictions on tokens whose annotation is missing are ignored, as in spaCy's scorer.
    name (str): The name of the corpus.
    with_probabilities (bool): Whether to compute tag probabilities.
    RETURNS (Predictions): The predictions.
    """
    references = list(references)
    annotated = [doc for doc in references if len(doc) and doc.has_annotation("ENT_IOB")]
    with scores_stored(nlp) as key:
        docs = list(nlp.pipe(_bare_copies(annotated, nlp.vocab)))
    tagger = next(iter(find_ners(nlp)), None) if with_probabilities else None
    probabilities: Sequence[Any] = [None] * len(docs)
    if tagger is not None:
        probabilities = [
            row for batch in batched(docs, _BATCH_SIZE) for row in tagger.predict_proba(batch)
        ]
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
    """RETURNS (list[TokenSpan]): The entities of a doc."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


@contextmanager
def scores_stored(nlp: Language) -> Iterator[str | None]:
    """Store the confidence of predicted entities in a span group, within the context.

    nlp (Language): The pipeline.
    YIELDS (Optional[str]): The key of the span group in doc.spans; None if the pipeline has no
        component that computes confidences.
    """
    tagger = next(iter(find_ners(nlp)), None)
    if tagger is None:
        yield None
        return
    before = tagger.spans_key
    tagger.spans_key = before or _SPANS_KEY
    try:
        yield tagger.spans_key
    finally:
        tagger.spans_key = before


def entity_scores(doc: Doc, key: str | None) -> dict[TokenSpan, float] | None:
    """Get the confidence of a doc's entities.

    doc (Doc): The doc.
    key (Optional[str]): The key of the span group with the scores.
    RETURNS (Optional[dict[TokenSpan, float]]): The confidence of each entity, 0..1; None if some
        have no score.
    """
    if key is None or key not in doc.spans:
        return None
    scores = {}
    for ent in doc.ents:
        score = get_score(ent, key)
        if score is None:
            return None
        scores[ent.start, ent.end, ent.label_] = score
    return scores


def _bare_copies(docs: Iterable[Doc], vocab: Vocab) -> Iterator[Doc]:
    for doc in docs:
        words = [token.text for token in doc]
        spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
        yield Doc(vocab, words=words, spaces=spaces)


def _is_known(reference: Doc, span: TokenSpan) -> bool:
    return all(token.ent_iob for token in reference[span[0] : span[1]])
