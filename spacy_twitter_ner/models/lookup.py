"""How a lexeme is looked up in lexical knowledge that was made of other texts."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy
from spacy.strings import get_string_id
from spacy.vocab import Vocab

from ..normalization import HASH_SIGNS, normal_form
from .features import Lexemes

SHARE_VOCAB = (
    "If the component comes from another pipeline, its vocab has to come with it. In Python: "
    'nlp = spacy.blank("en", vocab=source.vocab). In a training config: [initialize.before_init] '
    '@callbacks = "spacy.copy_from_base_model.v1" with the source pipeline as `vocab`'
)


@lru_cache(maxsize=2**15)
def lookup_keys(text: str) -> tuple[int, ...]:
    """Find the keys under which a lexeme may be known, to be tried in order.

    text (str): The lexeme's text, normalized.
    RETURNS (tuple[int, ...]): The hashes, as of spaCy's StringStore, of the text, its lower-cased
        form, its normal form and, of a hashtag, the normal form with its "#".
    """
    form = normal_form(text)
    forms = [text, text.lower(), form]
    if text.startswith(HASH_SIGNS) and not form.startswith(HASH_SIGNS):
        forms.append("#" + form)
    return tuple(get_string_id(key) for key in dict.fromkeys(forms))


def look_up(table: Mapping[int, int], text: str) -> int | None:
    """Look a lexeme up by each of its keys in turn. The keys are cached, not what is found: the
    table may change.

    table (Mapping[int, int]): Values by the hashes of strings.
    text (str): The lexeme's text.
    RETURNS (Optional[int]): The first value found.
    """
    for key in lookup_keys(text):
        value = table.get(key)
        if value is not None:
            return value
    return None


def texts_by_vocab(lexemes: Lexemes) -> Iterator[tuple[Vocab, numpy.ndarray, Sequence[str]]]:
    """Group a batch's lexemes by the vocab that knows them: of one pipeline's docs, all by one.

    YIELDS (tuple[Vocab, numpy.ndarray, Sequence[str]]): A vocab, the indices of its lexemes and
        their texts.
    """
    vocabs = {id(vocab): vocab for vocab in lexemes.vocabs}
    if len(vocabs) == 1:
        yield lexemes.vocabs[0], numpy.arange(len(lexemes.texts)), lexemes.texts
        return
    owners = numpy.asarray([id(vocab) for vocab in lexemes.vocabs], dtype="uint64")
    for owner, vocab in vocabs.items():
        indices = numpy.flatnonzero(owners == owner)
        yield vocab, indices, [lexemes.texts[index] for index in indices.tolist()]
