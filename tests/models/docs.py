"""Docs for the tests of models."""

from spacy.tokens import Doc
from spacy.vocab import Vocab

VOCAB = Vocab()


def make_doc(text: str, vocab: Vocab = VOCAB) -> Doc:
    """Make a doc of the words between spaces; it may be empty."""
    return Doc(vocab, words=text.split())


def make_docs(*texts: str) -> list[Doc]:
    return [make_doc(text) for text in texts]
