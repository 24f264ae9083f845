"""Prediction by lexemes: what a tagger computes of a word alone, its embedding and the input
projection of its encoder, is computed once and remembered.

An embedding takes part if its attributes have "embed_lexemes" and "embed_phrases", an encoder if
they have "project" and "encode_projected". Token vectors of any other making, such as those of a
shared tok2vec, are left to their own layers.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d, Ints1d

from .features import Lexemes
from .fingerprint import Fingerprint
from .lexeme_cache import Hashes1d, KnownLexemes, LexemeCache

Tok2Vec: TypeAlias = Model[list[Doc], list[Floats2d]]

# So many tokens are encoded at a time, so that memory does not grow with the user's batches.
CHUNK = 2**16


def can_predict_by_lexeme(tok2vec: Tok2Vec, docs: Sequence[Doc]) -> bool:
    """RETURNS (bool): Whether predict_by_lexeme serves these token vectors and docs: on the CPU, of
    an embedding and an encoder that take part, and docs of one vocab with any tokens."""
    if len(tok2vec.layers) != 2 or not isinstance(tok2vec.ops, NumpyOps):
        return False
    embed, encode = tok2vec.layers
    if "embed_lexemes" not in embed.attrs or "project" not in encode.attrs:
        return False
    vocab = docs[0].vocab if docs else None
    return any(map(len, docs)) and all(doc.vocab is vocab for doc in docs)


def predict_by_lexeme(
    tok2vec: Tok2Vec,
    output: Callable[[Floats2d], Floats2d],
    docs: Sequence[Doc],
    cache: LexemeCache,
) -> Floats2d:
    """Predict an output of each token of a batch. Docs of similar length are encoded together.

    tok2vec (Model[list[Doc], list[Floats2d]]): The token vectors.
    output (Callable): Makes (N, nO) outputs of (N, width) token vectors.
    docs (Sequence[Doc]): The batch.
    cache (LexemeCache): What is known of lexemes already.
    RETURNS (Floats2d): (N, nO) the output, all docs one after another.
    """
    vocab = docs[0].vocab
    state, compute = Fingerprint(tok2vec, vocab), partial(_compute, tok2vec, vocab)
    lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
    chunks = _chunks(lengths)
    outputs = []
    for indices in chunks:
        chunk = [docs[index] for index in indices.tolist()]
        hashes = numpy.concatenate([doc.to_array(ORTH) for doc in chunk])
        with cache.look_up(hashes, state, compute) as (known, rows):
            vectors = _encode(tok2vec, chunk, lengths[indices], known, rows)
        outputs.append(output(vectors))
    return outputs[0] if len(chunks) == 1 else _in_order(outputs, chunks, lengths)


def _in_order(outputs: list[Floats2d], chunks: list[Ints1d], lengths: Ints1d) -> Floats2d:
    """Bring the chunks' rows into the order of the batch."""
    docs = numpy.concatenate(chunks)
    starts = numpy.cumsum(lengths) - lengths
    ends = numpy.cumsum(lengths[docs])
    offsets = numpy.arange(ends[-1]) - numpy.repeat(ends - lengths[docs], lengths[docs])
    Y = numpy.empty((len(offsets), outputs[0].shape[1]), dtype=outputs[0].dtype)
    Y[numpy.repeat(starts[docs], lengths[docs]) + offsets] = numpy.concatenate(outputs)
    return Y


def _chunks(lengths: Ints1d) -> list[Ints1d]:
    """RETURNS (list[Ints1d]): The docs of each chunk. A doc is never cut."""
    if lengths.sum() <= CHUNK:
        return [numpy.arange(len(lengths))]
    longest_first = numpy.argsort(-lengths, kind="stable")
    ends = numpy.cumsum(lengths[longest_first])
    chunk_of = (ends - lengths[longest_first]) // CHUNK
    return numpy.split(longest_first, numpy.flatnonzero(numpy.diff(chunk_of)) + 1)


def _compute(tok2vec: Tok2Vec, vocab: Vocab, hashes: Hashes1d) -> KnownLexemes:
    embed, encode = tok2vec.layers
    texts = [vocab.strings[orth] for orth in hashes.tolist()]
    n_lexemes = len(texts)
    lexemes = Lexemes(texts, numpy.arange(n_lexemes), [n_lexemes], [vocab] * n_lexemes)
    vectors, words = embed.attrs["embed_lexemes"](embed, lexemes)
    return KnownLexemes(encode.attrs["project"](encode, vectors), words)


def _encode(
    tok2vec: Tok2Vec, docs: list[Doc], lengths: Ints1d, known: KnownLexemes, rows: Ints1d
) -> Floats2d:
    embed, encode = tok2vec.layers
    tokens, by_phrase = embed.attrs["embed_phrases"](embed, docs, known.words[rows], lengths)
    return encode.attrs["encode_projected"](
        encode, known.projected, rows, lengths, tokens, by_phrase
    )
