import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from spacy_twitter_ner.iob import (
    SCHEMES,
    bio_tags,
    detect_scheme,
    find_violations,
    spans_to_bio,
    split_tag,
    tags_to_spans,
    to_bio,
)

TYPES = ("person", "geo-loc", "x")


@st.composite
def spans_in_tweets(draw, min_entities=0):
    """Draw non-overlapping spans and the length of the tweet."""
    entity = st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(TYPES))
    spans, end = [], 0
    for gap, length, entity_type in draw(st.lists(entity, min_size=min_entities, max_size=6)):
        spans.append((end + gap, end + gap + length, entity_type))
        end += gap + length
    return spans, end + draw(st.integers(0, 2))


def tag_sequences(prefixes):
    tags = ["O", *(f"{prefix}-{entity_type}" for prefix in prefixes for entity_type in TYPES)]
    return st.lists(st.sampled_from(tags), max_size=8)


def write_tags(spans, length, scheme):
    """Write spans in any scheme, independently of the code under test."""
    tags = ["O"] * length
    previous_end, previous_type = -1, ""
    for start, end, entity_type in spans:
        touching = start == previous_end and entity_type == previous_type
        for index in range(start, end):
            if scheme == "BILUO" and end - start == 1:
                prefix = "U"
            elif scheme == "BILUO" and index == end - 1:
                prefix = "L"
            elif index == start and (scheme != "IOB1" or touching):
                prefix = "B"
            else:
                prefix = "I"
            tags[index] = f"{prefix}-{entity_type}"
        previous_end, previous_type = end, entity_type
    return tags


@pytest.mark.parametrize("scheme", SCHEMES)
@given(case=spans_in_tweets())
def test_spans_round_trip_in_each_scheme(scheme, case):
    spans, length = case
    tags = write_tags(spans, length, scheme)
    assert find_violations(tags, scheme) == []
    assert tags_to_spans(tags) == spans
    assert to_bio(tags) == spans_to_bio(spans, length) == write_tags(spans, length, "BIO")


@pytest.mark.parametrize("scheme", SCHEMES)
@given(cases=st.lists(spans_in_tweets(min_entities=1), min_size=1, max_size=3))
def test_detect_scheme_of_valid_tags(scheme, cases):
    assert detect_scheme([write_tags(*case, scheme) for case in cases]) == scheme


@given(tags=tag_sequences("BILUES"))
def test_to_bio_is_valid_and_keeps_spans(tags):
    bio = to_bio(tags)
    assert len(bio) == len(tags)
    assert find_violations(bio, "BIO") == []
    assert tags_to_spans(bio) == tags_to_spans(tags)
    assert to_bio(bio) == bio


@pytest.mark.parametrize("prefixes", ["BI", "BIES"])
@given(data=st.data())
def test_tags_to_spans_matches_seqeval(prefixes, data):
    # seqeval follows conlleval. It supports IOBES but not L and U.
    tags = data.draw(tag_sequences(prefixes))
    expected = [(start, end + 1, entity_type) for entity_type, start, end in get_entities(tags)]
    assert tags_to_spans(tags) == expected


def test_tags_to_spans_differs_from_seqeval_for_l_and_u():
    # seqeval warns, and continues entities after U and L.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert get_entities(["U-x", "U-x"]) == [("x", 0, 1)]
    assert tags_to_spans(["U-x", "U-x"]) == [(0, 1, "x"), (1, 2, "x")]
    assert get_entities(["S-x", "S-x"]) == [("x", 0, 0), ("x", 1, 1)]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], []),
        (["O"], []),
        (["B-x", "I-x"], [(0, 2, "x")]),
        (["B-x", "B-x"], [(0, 1, "x"), (1, 2, "x")]),
        (["B-geo-loc", "I-geo-loc", "O"], [(0, 2, "geo-loc")]),
        # Invalid tags: those that can't continue an entity start one.
        (["O", "I-x", "I-x"], [(1, 3, "x")]),
        (["B-x", "I-y"], [(0, 1, "x"), (1, 2, "y")]),
        (["I-x", "O", "I-x"], [(0, 1, "x"), (2, 3, "x")]),
        (["L-x"], [(0, 1, "x")]),
        (["B-x", "L-y", "I-y"], [(0, 1, "x"), (1, 2, "y"), (2, 3, "y")]),
        (["U-x", "I-x"], [(0, 1, "x"), (1, 2, "x")]),
        (["B-x", "O"], [(0, 1, "x")]),
        (["B-x", "E-x"], [(0, 2, "x")]),
        (["S-x", "S-x"], [(0, 1, "x"), (1, 2, "x")]),
    ],
)
def test_tags_to_spans(tags, expected):
    assert tags_to_spans(tags) == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("O", ("O", "")),
        ("B-geo-loc", ("B", "geo-loc")),
        ("E-x", ("L", "x")),
        ("S-x", ("U", "x")),
        ("I--", ("I", "-")),
    ],
)
def test_split_tag(tag, expected):
    assert split_tag(tag) == expected


@pytest.mark.parametrize(
    "tag", ["", "o", "0", "B", "B-", "-x", "X-x", "b-x", "person", "B_x", "OO"]
)
def test_unknown_tags_raise_error(tag):
    with pytest.raises(ValueError, match="unknown tag"):
        split_tag(tag)
    for function in (tags_to_spans, to_bio, find_violations):
        with pytest.raises(ValueError, match="unknown tag"):
            function(["O", tag])
    with pytest.raises(ValueError, match="unknown tag"):
        detect_scheme([["O", tag]])


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("BIO", ["I-x"], [(0, "I-x without its B-x")]),
        ("BIO", ["B-x", "I-y", "I-y"], [(1, "I-y without its B-y")]),
        ("BIO", ["O", "L-x", "S-x"], [(1, "L-x is not a BIO tag"), (2, "S-x is not a BIO tag")]),
        ("IOB1", ["I-x", "B-x", "O"], []),
        ("IOB1", ["O", "B-x"], [(1, "B-x does not follow an entity of its type")]),
        ("IOB1", ["I-x", "B-y"], [(1, "B-y does not follow an entity of its type")]),
        ("IOB1", ["U-x"], [(0, "U-x is not an IOB1 tag")]),
        ("BILUO", ["B-x", "I-x", "L-x", "U-x", "O"], []),
        ("BILUO", ["B-x", "O"], [(1, "O before the end of the x entity")]),
        ("BILUO", ["B-x", "U-x"], [(1, "U-x before the end of the x entity")]),
        ("BILUO", ["I-x", "L-x"], [(0, "I-x without its B-x")]),
        ("BILUO", ["B-x", "L-y"], [(1, "L-y without its B-y")]),
        ("BILUO", ["O", "B-x"], [(1, "the x entity has no last tag (L or E)")]),
    ],
)
def test_find_violations(scheme, tags, expected):
    assert find_violations(tags, scheme) == expected


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [
        ([], "BIO"),
        ([["O", "O"]], "BIO"),
        ([["I-x"]], "IOB1"),
        ([["I-x", "I-y"]], "IOB1"),
        ([["I-x", "B-x"]], "IOB1"),
        # The B violates IOB1.
        ([["I-x"], ["B-x"]], "BIO"),
        ([["B-x", "L-x"], ["U-y"]], "BILUO"),
        ([["B-x", "E-x"]], "BILUO"),
        ([["U-x"], ["B-x", "O"]], "BILUO"),
        # A single L among BIO tags is a mistake.
        ([["B-x", "I-x", "O"], ["B-x", "O"], ["B-x", "L-x"]], "BIO"),
        ([["B-x", "L-x"], ["U-x"], ["B-x", "I-x", "O"]], "BILUO"),
    ],
)
def test_detect_scheme(sequences, expected):
    assert detect_scheme(sequences) == expected
    assert detect_scheme(iter(sequences)) == expected


def test_bio_tags_append_types():
    tags = bio_tags(["person", "geo-loc"])
    assert tags == ["O", "B-person", "I-person", "B-geo-loc", "I-geo-loc"]
    assert bio_tags(["person"]) == tags[:3]
