"""Prediction by lexemes: what a tagger computes of a word alone, its embedding and the input
projection of its encoder, is computed once and remembered.

An embedding takes part if its attributes have "embed_lexemes", "embed_phrases" and "find_alike", an
encoder if they have "prepare", which makes a ProjectedEncoder. Token vectors of any other making,
such as those of a shared tok2vec, are left to their own layers.
"""

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d

from ..doc_batch import DocBatch
from .encoder import ProjectedEncoder
from .features import Lexemes
from .fingerprint import Fingerprint
from .lexeme_cache import Hashes1d, KnownLexemes, LexemeCache

Tok2Vec: TypeAlias = Model[list[Doc], list[Floats2d]]
_EMBED_ATTRS = frozenset(("embed_lexemes", "embed_phrases", "find_alike"))


def can_predict_by_lexeme(tok2vec: Tok2Vec, docs: Sequence[Doc]) -> bool:
    """RETURNS (bool): Whether predict_by_lexeme serves these token vectors and docs: on the CPU, of
    an embedding and an encoder that take part, and docs of one vocab with any tokens."""
    if len(tok2vec.layers) != 2 or not isinstance(tok2vec.ops, NumpyOps):
        return False
    embed, encode = tok2vec.layers
    if not _EMBED_ATTRS.issubset(embed.attrs) or "prepare" not in encode.attrs:
        return False
    if not encode.has_dim("nI"):  # not initialised: the layers know best what to say then
        return False
    vocab = docs[0].vocab if docs else None
    return any(map(len, docs)) and all(doc.vocab is vocab for doc in docs)


def predict_by_lexeme(
    tok2vec: Tok2Vec, docs: Sequence[Doc], cache: LexemeCache, readout: Floats2d
) -> Floats2d:
    """Predict the vectors of the tokens of a batch, and what a linear layer makes of them.

    tok2vec (Model[list[Doc], list[Floats2d]]): The token vectors.
    docs (Sequence[Doc]): The batch.
    cache (LexemeCache): What is known of lexemes already.
    readout (Floats2d): (nO, n_outputs) the linear layer's weights, transposed.
    RETURNS (Floats2d): (N, n_outputs) of all docs, one after another.
    """
    embed, encode = tok2vec.layers
    vocab, lengths = docs[0].vocab, [len(doc) for doc in docs]
    hashes = DocBatch.of(docs).attribute(ORTH)
    new = _NewLexemes(embed, vocab)
    state, prepare = Fingerprint(tok2vec, vocab), partial(encode.attrs["prepare"], encode)
    looked_up = cache.look_up(hashes, state, prepare, new.compute, new.stand_ins)
    with looked_up as (encoder, known, rows):
        tokens, by_phrase = embed.attrs["embed_phrases"](embed, docs, known.words[rows], lengths)
        return encoder.encode(known.projected, rows, lengths, tokens, by_phrase, readout)


class _NewLexemes:
    """Computes what is to be known of the lexemes of a batch that are new.

    embed (Model[list[Doc], list[Floats2d]]): The embedding.
    vocab (Vocab): The vocab that knows the lexemes.
    """

    def __init__(self, embed: Model[list[Doc], list[Floats2d]], vocab: Vocab) -> None:
        self._embed = embed
        self._vocab = vocab
        # By hash, those that were asked for; of a stand-in, the text of one that it stands for.
        self._texts: dict[int, str] = {}

    def stand_ins(self, hashes: Hashes1d) -> Hashes1d:
        """Give all those user names and URLs one hash that the embedding cannot tell apart: it is
        computed of one of them. In a stream they are nearly always new.

        hashes (Hashes1d): (n,) distinct lexemes.
        RETURNS (Hashes1d): (n,) their own hashes, or others.
        """
        lexemes = self._lexemes(hashes)
        known_as = hashes.copy()
        for place, key in self._embed.attrs["find_alike"](self._embed, lexemes).items():
            # As wide as spaCy's hashes, and spread as they are.
            known_as[place] = number = hash(key) % 2**64
            self._texts[number] = lexemes.texts[place]
        return known_as

    def compute(self, encoder: ProjectedEncoder, hashes: Hashes1d) -> KnownLexemes:
        """RETURNS (KnownLexemes): What is to be known of distinct lexemes."""
        vectors, words = self._embed.attrs["embed_lexemes"](self._embed, self._lexemes(hashes))
        return KnownLexemes(encoder.project(vectors), words)

    def _lexemes(self, hashes: Hashes1d) -> Lexemes:
        texts, strings = self._texts, self._vocab.strings
        orths = hashes.tolist()
        texts.update((orth, strings[orth]) for orth in orths if orth not in texts)
        return Lexemes.of_texts([texts[orth] for orth in orths], [self._vocab] * len(orths))
