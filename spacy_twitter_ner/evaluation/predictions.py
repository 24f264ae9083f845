"""Run a pipeline on an annotated corpus."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from thinc.types import Floats2d

from ..corpus import reader
from ..iob import TokenSpan
from ..pipeline.distribution import get_confidence, request_scores
from ..util import batched, find_ners

_BATCH_SIZE = 256


class Tweet(NamedTuple):
    """A tweet with its gold and predicted entities.

    words (tuple[str, ...]): The nT tokens.
    gold (list[TokenSpan]): The gold entities, in order.
    predicted (list[TokenSpan]): The predicted entities, in order.
    confidence (Optional[list[float]]): The confidence of each predicted entity, 0..1; None if the
        pipeline has no twitter_bilstm_ner, or another component predicted one of them.
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
    copies = _bare_copies(annotated, nlp.vocab)
    docs = list(nlp.pipe(copies, component_cfg=request_scores(nlp)))
    ners = find_ners(nlp)
    tagger = ners[0] if ners and with_probabilities else None
    probabilities: Sequence[Any] = [None] * len(docs)
    if tagger is not None:
        probabilities = [
            row for batch in batched(docs, _BATCH_SIZE) for row in tagger.predict_proba(batch)
        ]
    tweets = [
        _make_tweet(reference, doc, ners, proba)
        for reference, doc, proba in zip(annotated, docs, probabilities, strict=True)
    ]
    tags = tuple(tagger.tags) if tagger is not None else ()
    return Predictions(name, tweets, tags, n_skipped=len(references) - len(annotated))


def doc_spans(doc: Doc) -> list[TokenSpan]:
    """RETURNS (list[TokenSpan]): The entities of a doc."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def _bare_copies(docs: Iterable[Doc], vocab: Vocab) -> Iterator[Doc]:
    for doc in docs:
        words = [token.text for token in doc]
        spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
        yield Doc(vocab, words=words, spaces=spaces)


def _make_tweet(reference: Doc, doc: Doc, ners: list[Any], probabilities: Any) -> Tweet:
    entities = [ent for ent in doc.ents if _is_known(reference, ent)]
    scores = [get_confidence(ent, ners) for ent in entities]
    confidence = [score for score in scores if score is not None]
    return Tweet(
        words=tuple(token.text for token in doc),
        gold=doc_spans(reference),
        predicted=[(ent.start, ent.end, ent.label_) for ent in entities],
        confidence=confidence if ners and len(confidence) == len(entities) else None,
        probabilities=probabilities,
    )


def _is_known(reference: Doc, ent: Span) -> bool:
    return all(token.ent_iob for token in reference[ent.start : ent.end])
