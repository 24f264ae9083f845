"""Scores stay with their entities when a doc is retokenized, copied, serialized or edited."""

import itertools
import sys
from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_twitter_ner.annotate.annotator import Annotator
from spacy_twitter_ner.pipeline.distribution import get_confidence, set_score_extension, set_scores

KEY, NAME = "sure", "certainty"
VOCAB = Vocab()
WORDS = ["saw", "Ada", "Bell", "at", "Kew", "Gardens", "in", "New", "York", "City", "and", "Oslo"]
ENTITIES = [(1, 3, "person"), (4, 6, "facility"), (7, 10, "geo-loc"), (11, 12, "geo-loc")]
SCORES = [0.9, 0.8, 0.7, 0.6]
EXPECTED = {"Ada Bell": 0.9, "Kew Gardens": 0.8, "New York City": 0.7, "Oslo": 0.6}


@pytest.fixture(scope="module", autouse=True)
def _extension():
    set_score_extension(NAME, KEY)
    yield
    Span.remove_extension(NAME)


def make_doc() -> Doc:
    """Make a doc with entities and scores, as the component does."""
    doc = Doc(VOCAB, words=WORDS)
    doc.ents = [Span(doc, start, end, label=label) for start, end, label in ENTITIES]
    set_scores(doc, KEY, list(doc.ents), numpy.asarray(SCORES))
    return doc


def read(doc: Doc) -> dict[str, float | None]:
    return {ent.text: ent._.get(NAME) for ent in doc.ents}


def merge(doc: Doc, *spans: tuple[int, int]) -> Doc:
    with doc.retokenize() as retokenizer:
        for start, end in spans:
            retokenizer.merge(doc[start:end])
    return doc


def split(doc: Doc, index: int) -> Doc:
    token = doc[index]
    with doc.retokenize() as retokenizer:
        retokenizer.split(token, [token.text[:1], token.text[1:]], [(token, 0), (token, 0)])
    return doc


# Retokenization


def test_merge_entities() -> None:
    nlp = Language(VOCAB)
    nlp.add_pipe("merge_entities")
    doc = nlp(make_doc())
    assert [token.text for token in doc][:3] == ["saw", "Ada Bell", "at"]
    assert read(doc) == EXPECTED


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: merge(doc, (1, 3)),
        lambda doc: merge(doc, (7, 10), (4, 6)),
        lambda doc: merge(doc, (4, 5)),
        lambda doc: merge(doc, (8, 10)),
        lambda doc: split(doc, 0),
        lambda doc: split(split(doc, 10), 3),
        lambda doc: split(merge(doc, (7, 10)), 0),
        lambda doc: merge(merge(doc, (7, 10)), (1, 3)),
    ],
)
def test_merge_and_split_tokens(change: Callable[[Doc], Doc]) -> None:
    assert read(change(make_doc())) == EXPECTED


def test_merged_with_other_tokens_has_no_score() -> None:
    doc = merge(make_doc(), (6, 10))  # "in New York City"
    known = read(doc)
    assert known.pop("in New York City", None) is None
    assert known == {text: EXPECTED[text] for text in known}
    assert known.keys() >= {"Ada Bell", "Kew Gardens", "Oslo"}


operations = st.lists(st.tuples(st.booleans(), st.integers(0, 11), st.integers(1, 4)), max_size=6)


@given(operations)
def test_any_retokenization(steps: list[tuple[bool, int, int]]) -> None:
    """A span has a score if it has the offsets and the label of a scored entity."""
    doc = make_doc()
    own = dict(zip([(e.start_char, e.end_char, e.label_) for e in doc.ents], SCORES, strict=True))
    for is_merge, place, size in steps:
        start = place % len(doc)
        if is_merge:
            merge(doc, (start, min(start + size, len(doc))))
        elif len(doc[start]) > 1:
            split(doc, start)
    # Not doc.ents, since spaCy raises E093 after some splits.
    for start, end in itertools.combinations(range(len(doc) + 1), 2):
        for label in ("person", "geo-loc", "facility"):
            span = Span(doc, start, end, label=label)
            assert span._.get(NAME) == own.get((span.start_char, span.end_char, label))
    for span, (start_char, end_char, label) in zip(doc.spans[KEY], own, strict=True):
        assert span.label_ == label
        assert span.start_char <= start_char < end_char <= span.end_char
        assert span.text == doc.text[span.start_char : span.end_char]
    assert len(Doc(VOCAB).from_bytes(doc.to_bytes()).spans[KEY]) == len(own)


def test_span_group_after_retokenization() -> None:
    doc = merge(make_doc(), (1, 3), (6, 10))
    group = doc.spans[KEY]
    assert [(s.start, s.end) for s in group] == [(1, 2), (3, 5), (5, 6), (7, 8)]
    assert [s.text for s in group] == ["Ada Bell", "Kew Gardens", "in New York City", "Oslo"]
    assert [s.label_ for s in group] == [label for *_, label in ENTITIES]
    assert group.attrs["scores"].tolist() == SCORES
    assert group[-1].text == "Oslo"
    with pytest.raises(IndexError, match="E856"):
        group[4]


def test_records_of_retokenized_doc() -> None:
    doc = merge(make_doc(), (1, 3), (4, 6), (7, 10))
    annotator = Annotator(Language(VOCAB))
    annotator.components = [SimpleNamespace(spans_key=KEY)]
    record = annotator.get_record(doc)
    assert {e["text"]: e["confidence"] for e in record["entities"]} == EXPECTED
    assert [get_confidence(ent, annotator.components) for ent in doc.ents] == SCORES
    doc.ents = [*doc.ents, Span(doc, 0, 1, label="other")]
    assert get_confidence(doc.ents[0], annotator.components) is None


def test_set_scores_after_retokenization() -> None:
    doc = merge(make_doc(), (1, 3), (4, 6), (7, 10))
    new = Span(doc, 0, 1, label="other")
    doc.ents = [new, *doc.ents]
    set_scores(doc, KEY, [new], numpy.asarray([0.5]))
    group = doc.spans[KEY]
    assert [span.text for span in group] == ["saw", *EXPECTED]
    assert group.attrs["scores"].tolist() == [0.5, *SCORES]
    assert read(doc) == {"saw": 0.5, **EXPECTED}


# Copies and storage


def in_doc_bin(doc: Doc) -> Doc:
    stored = DocBin(docs=[doc]).to_bytes()
    return next(DocBin().from_bytes(stored).get_docs(Vocab()))


COPIES = [Doc.copy, in_doc_bin, lambda doc: Doc(Vocab()).from_bytes(doc.to_bytes())]


@pytest.mark.parametrize("copy", COPIES)
def test_copied_doc(copy: Callable[[Doc], Doc]) -> None:
    doc = copy(make_doc())
    assert read(doc) == EXPECTED
    assert doc.spans[KEY].attrs["scores"].tolist() == SCORES
    assert read(merge(doc, (7, 10))) == EXPECTED


@pytest.mark.parametrize("copy", COPIES)
def test_copied_retokenized_doc(copy: Callable[[Doc], Doc]) -> None:
    doc = copy(merge(make_doc(), (1, 3), (4, 6), (7, 10)))
    assert read(doc) == EXPECTED
    assert [span.text for span in doc.spans[KEY]] == list(EXPECTED)


@pytest.mark.parametrize("doc", [make_doc(), merge(make_doc(), (1, 3), (4, 6), (7, 10))])
def test_as_doc_and_from_docs_drop_scores(doc: Doc) -> None:
    """spaCy doesn't copy the attributes of span groups in these methods."""
    part = doc[3:7]
    assert set(read(part.as_doc()).values()) <= {None}
    assert set(read(part.as_doc(copy_user_data=True)).values()) <= {None}
    both = Doc.from_docs([doc, doc])
    assert set(read(both).values()) == {None}
    assert [span.text for span in both.spans[KEY]] == 2 * list(EXPECTED)
    assert doc.to_json()["spans"][KEY][-1]["end"] == len(doc.text) - 1


# Edited groups


def append(doc: Doc) -> None:
    doc.spans[KEY].append(doc[0:1])


def extend(doc: Doc) -> None:
    doc.spans[KEY] += SpanGroup(doc, spans=[doc[0:1]], attrs={"scores": [0.1]})


def delete(doc: Doc) -> None:
    del doc.spans[KEY][1]


def replace(doc: Doc) -> None:
    doc.spans[KEY][0] = doc[3:5]


def delete_and_append(doc: Doc) -> None:
    delete(doc)
    append(doc)


@pytest.mark.parametrize("edit", [append, extend, delete, replace, delete_and_append])
def test_edited_span_group_keeps_scores(edit: Callable[[Doc], None]) -> None:
    doc = make_doc()
    edit(doc)
    assert read(doc) == EXPECTED
    assert doc[0:1]._.get(NAME) is None


def test_score_requires_same_label_and_span() -> None:
    doc = make_doc()
    assert Span(doc, 1, 3, label="geo-loc")._.get(NAME) is None
    assert doc[1:3]._.get(NAME) is None
    doc.ents = [Span(doc, 1, 2, label="person")]
    assert read(doc) == {"Ada": None}


def make_plain_group(doc: Doc, scores: list[float]) -> Doc:
    """Set a group like spancat's."""
    doc.spans[KEY] = SpanGroup(doc, spans=list(doc.ents), attrs={"scores": scores})
    return doc


def test_span_groups_of_other_components() -> None:
    assert read(make_plain_group(make_doc(), SCORES)) == EXPECTED
    assert set(read(make_plain_group(make_doc(), SCORES[1:])).values()) == {None}
    doc = make_plain_group(make_doc(), SCORES)
    doc.spans[KEY] = [doc[0:1]]
    assert set(read(doc).values()) == {None}
    found = read(merge(make_plain_group(make_doc(), SCORES), (1, 3), (4, 6), (7, 10)))
    assert set(found.values()) == {None}, "spaCy can't read such a group anymore"


# Long docs


def make_long_doc(n_entities: int) -> Doc:
    words = ["Oslo", "or"] * n_entities
    doc = Doc(VOCAB, words=words, ents=["B-geo-loc", "O"] * n_entities)
    scores = numpy.linspace(0.1, 0.9, n_entities)
    set_scores(doc, KEY, list(doc.ents), scores)
    return doc


def count_calls(doc: Doc) -> int:
    """Count the calls of Python and C functions while all scores are read."""
    entities, n_calls = doc.ents, 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for ent in entities:
            ent._.get(NAME)
    finally:
        sys.setprofile(before)
    return n_calls


def test_reading_scores_is_linear() -> None:
    short, long = (count_calls(make_long_doc(n)) for n in (100, 2000))
    assert long < 25 * short


def test_read_scores_in_threads() -> None:
    doc = make_long_doc(500)
    expected = doc.spans[KEY].attrs["scores"].tolist()
    found: list[list[float]] = []
    threads = [
        Thread(target=lambda: found.append([ent._.get(NAME) for ent in doc.ents])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
