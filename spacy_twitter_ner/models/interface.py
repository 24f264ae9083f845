"""Interface of the parts of TweetEmbed, besides their forward pass.

A part has an EmbedPart or a PhrasePart in `model.attrs["part"]`. Its functions take the node as
their first argument: Model.copy doesn't preserve references to layers in attributes.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from .lexemes import Lexemes

NameKeysT: TypeAlias = Callable[[Model, Lexemes], Sequence[Hashable]]


class FitVocabularyT(Protocol):
    def __call__(self, model: Model, docs: Iterable[Doc], *, n_spare: int = 0) -> None: ...


class FitGazetteerT(Protocol):
    def __call__(
        self,
        model: Model,
        docs: Iterable[Doc],
        phrases: Mapping[str, Iterable[str]] | None = None,
    ) -> None: ...


@dataclass(frozen=True)
class EmbedPart:
    """A part that embeds lexemes.

    fit_vocabulary (Optional[Callable]): Initialize the vocabulary from the training data, with
        n_spare rows for what is first seen in updates.
    name_keys (Optional[Callable]): Return a key for each of several user names and URLs. The part
        must give lexemes with the same placeholder and the same key the same vector. Without this
        function, they are all computed separately.
    """

    fit_vocabulary: FitVocabularyT | None = None
    name_keys: NameKeysT | None = None


@dataclass(frozen=True)
class PhrasePart:
    """A part that embeds the phrases tokens are in, from the normal forms of their lexemes.

    fit_gazetteer (Callable): Initialize the phrases from the training data and from lists.
    number_words (Callable): Return the (nU,) numbers of the lexemes' normal forms.
    embed_words (Callable): Given the (N,) numbers of a batch's tokens and the docs' lengths, return
        the (k,) tokens with a non-zero vector, in order, and their (k, width) vectors.
    """

    fit_gazetteer: FitGazetteerT
    number_words: Callable[[Model, Lexemes], Ints1d]
    embed_words: Callable[[Model, Ints1d, Sequence[int]], tuple[Ints1d, Floats2d]]


def get_embed_part(model: Model) -> EmbedPart | None:
    """RETURNS (Optional[EmbedPart]): The node's functions if it embeds lexemes."""
    part = model.attrs.get("part")
    return part if isinstance(part, EmbedPart) else None


def get_phrase_part(model: Model) -> PhrasePart | None:
    """RETURNS (Optional[PhrasePart]): The node's functions if it embeds phrases."""
    part = model.attrs.get("part")
    return part if isinstance(part, PhrasePart) else None


def no_name_keys(model: Model, lexemes: Lexemes) -> list[None]:
    """RETURNS (list[None]): Equal keys, for a part that only reads the placeholders of user names
    and URLs."""
    return [None] * len(lexemes.texts)
