"""Prediction by lexemes: what a tagger computes of a word alone, its embedding and the input
projection of its encoder, is computed once and remembered.

An embedding takes part if its attributes have "embed_lexemes" and "embed_phrases", an encoder if
they have "prepare", which makes a ProjectedEncoder. Token vectors of any other making, such as
those of a shared tok2vec, are left to their own layers.
"""

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d

from .encoder import ProjectedEncoder
from .features import Lexemes
from .fingerprint import Fingerprint
from .lexeme_cache import Hashes1d, KnownLexemes, LexemeCache

Tok2Vec: TypeAlias = Model[list[Doc], list[Floats2d]]


def can_predict_by_lexeme(tok2vec: Tok2Vec, docs: Sequence[Doc]) -> bool:
    """RETURNS (bool): Whether predict_by_lexeme serves these token vectors and docs: on the CPU, of
    an embedding and an encoder that take part, and docs of one vocab with any tokens."""
    if len(tok2vec.layers) != 2 or not isinstance(tok2vec.ops, NumpyOps):
        return False
    embed, encode = tok2vec.layers
    if "embed_lexemes" not in embed.attrs or "prepare" not in encode.attrs:
        return False
    if not encode.has_dim("nI"):  # not initialised: the layers know best what to say then
        return False
    vocab = docs[0].vocab if docs else None
    return any(map(len, docs)) and all(doc.vocab is vocab for doc in docs)


def predict_by_lexeme(tok2vec: Tok2Vec, docs: Sequence[Doc], cache: LexemeCache) -> Floats2d:
    """Predict the vectors of the tokens of a batch.

    tok2vec (Model[list[Doc], list[Floats2d]]): The token vectors.
    docs (Sequence[Doc]): The batch.
    cache (LexemeCache): What is known of lexemes already.
    RETURNS (Floats2d): (N, nO) the vectors, all docs one after another.
    """
    embed, encode = tok2vec.layers
    vocab, lengths = docs[0].vocab, [len(doc) for doc in docs]
    hashes = numpy.concatenate([doc.to_array(ORTH) for doc in docs])

    def compute(encoder: ProjectedEncoder, distinct: Hashes1d) -> KnownLexemes:
        vectors, words = embed.attrs["embed_lexemes"](embed, _lexemes(distinct, vocab))
        return KnownLexemes(encoder.project(vectors), words)

    state, prepare = Fingerprint(tok2vec, vocab), partial(encode.attrs["prepare"], encode)
    with cache.look_up(hashes, state, prepare, compute) as (encoder, known, rows):
        tokens, by_phrase = embed.attrs["embed_phrases"](embed, docs, known.words[rows], lengths)
        return encoder.encode(known.projected, rows, lengths, tokens, by_phrase)


def _lexemes(hashes: Hashes1d, vocab: Vocab) -> Lexemes:
    texts = [vocab.strings[orth] for orth in hashes.tolist()]
    n_lexemes = len(texts)
    return Lexemes(texts, numpy.arange(n_lexemes), [n_lexemes], [vocab] * n_lexemes)
