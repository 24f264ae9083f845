"""Check that the entities of a doc are valid."""

from collections.abc import Iterable

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_twitter_ner.iob import find_violations


def assert_valid(doc: Doc, labels: Iterable[str]) -> None:
    """Check that entities are sorted, don't overlap, have known types, don't begin or end with
    whitespace or cross sentence starts, that all tokens are annotated, and that the doc can be
    serialized."""
    text, end = doc.text, 0
    for ent in doc.ents:
        assert end <= ent.start < ent.end <= len(doc)
        end = ent.end
        assert ent.label_ in labels
        assert ent.text == text[ent.start_char : ent.end_char]
        assert not ent[0].is_space
        assert not ent[-1].is_space
        assert not any(token.is_sent_start for token in ent[1:])
    tags = [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else t.ent_iob_ for t in doc]
    assert not find_violations(tags)
    # With another vocab, to check that all strings are serialized.
    loaded = Doc(Vocab(strings=list(doc.vocab.strings))).from_bytes(doc.to_bytes())
    assert [(e.start, e.end, e.label_) for e in loaded.ents] == [
        (e.start, e.end, e.label_) for e in doc.ents
    ]
