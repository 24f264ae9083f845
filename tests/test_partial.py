import pytest
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_twitter_ner.partial import COMPLETE, find_labels, get_partial, map_entities

WORDS = ["saw", "Drake", "and", "Kanye", "in", "Toronto"]
ENTS = ["O", "B-PER", "O", "B-MISC", "O", "B-LOC"]
LABELS = {"PER": ["person", "musicartist"], "LOC": ["geo-loc"], "MISC": []}


def make_doc() -> Doc:
    return Doc(Vocab(), words=WORDS, ents=ENTS)


def as_tuples(spans) -> list[tuple[str, str]]:
    return [(span.text, span.label_) for span in spans]


def test_map_entities():
    doc = make_doc()
    map_entities(doc, LABELS, ["product"])
    assert as_tuples(doc.ents) == [("Toronto", "geo-loc")]
    # Drake's type is unknown; what is mapped to no type is outside.
    assert [token.ent_iob_ for token in doc] == ["O", "", "O", "O", "O", "B"]
    spans, unannotated = get_partial(doc)
    assert as_tuples(spans) == [("Drake", "person"), ("Drake", "musicartist")]
    assert unannotated == ["product"]
    assert find_labels([doc]) == ["geo-loc", "musicartist", "person"]


def test_map_entities_one_to_one_is_complete():
    doc = make_doc()
    map_entities(doc, {"PER": ["person"], "LOC": ["geo-loc"], "MISC": ["other"]})
    assert as_tuples(doc.ents) == [("Drake", "person"), ("Kanye", "other"), ("Toronto", "geo-loc")]
    assert get_partial(doc) == COMPLETE


def test_map_entities_keeps_missing_annotation():
    doc = Doc(Vocab(), words=WORDS, ents=["", *ENTS[1:]])
    map_entities(doc, LABELS)
    assert [token.ent_iob_ for token in doc] == ["", "", "O", "O", "O", "B"]


def test_map_entities_of_doc_without_entities():
    doc = Doc(Vocab(), words=WORDS, ents=["O"] * 6)
    map_entities(doc, LABELS, ["product"])
    assert get_partial(doc) == ([], ["product"])
    assert doc.has_annotation("ENT_IOB")


def test_map_entities_requires_all_types():
    with pytest.raises(KeyError, match="PER"):
        map_entities(make_doc(), {"LOC": ["geo-loc"]})


@pytest.mark.parametrize("ents", [ENTS, ["O"] * 6], ids=["spans", "no spans"])
def test_partial_annotation_is_saved(ents):
    doc = Doc(Vocab(), words=WORDS, ents=ents)
    map_entities(doc, LABELS, ["product"])
    saved = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=[doc]).to_bytes()
    (loaded,) = DocBin().from_bytes(saved).get_docs(Vocab())
    assert as_tuples(get_partial(loaded).spans) == as_tuples(get_partial(doc).spans)
    assert get_partial(loaded).unannotated == ["product"]
    assert [token.ent_iob_ for token in loaded] == [token.ent_iob_ for token in doc]
