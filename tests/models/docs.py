"""Docs and lexemes for the tests of models."""

import numpy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from spacy_twitter_ner.models.interface import get_embed_part
from spacy_twitter_ner.models.lexemes import Lexemes, distinct_lexemes

VOCAB = Vocab()


def make_doc(text: str, vocab: Vocab = VOCAB) -> Doc:
    """Create a doc from words separated by spaces. It may be empty."""
    return Doc(vocab, words=text.split())


def make_docs(*texts: str, vocab: Vocab = VOCAB) -> list[Doc]:
    return [make_doc(text, vocab) for text in texts]


def make_lexemes(*texts: str, vocab: Vocab = VOCAB) -> Lexemes:
    """Find the distinct lexemes of docs."""
    return distinct_lexemes(make_docs(*texts, vocab=vocab))


def fit_and_initialize(model: Model, docs: list[Doc]) -> Model:
    """Initialize a model with training data, like the component."""
    for node in model.walk():
        part = get_embed_part(node)
        if part and part.fit_vocabulary:
            part.fit_vocabulary(node, docs)
    return model.initialize(X=docs if model.name == "tweet_embed" else distinct_lexemes(docs))


def lexemes(*texts: str) -> Lexemes:
    """Create lexemes in this order. They may be repeated or empty."""
    return Lexemes(list(texts), numpy.arange(len(texts)), [len(texts)], [VOCAB] * len(texts))


TWEETS = make_docs("the cat saw the dog", "a cat saw it", "@bob the http://t.co/1 @ann")
