from spacy_twitter_ner.iob import (
    BEGIN_TAGS,
    INSIDE_TAGS,
    OUTSIDE_TAG,
    begin_tag,
    bio_tags,
    inside_tag,
)


def test_tag_indices_are_those_of_bio_tags() -> None:
    types = ["person", "geo-loc", "band"]
    tags = bio_tags(types)
    assert tags[OUTSIDE_TAG] == "O"
    assert tags[BEGIN_TAGS] == [f"B-{name}" for name in types]
    assert tags[INSIDE_TAGS] == [f"I-{name}" for name in types]
    for k, name in enumerate(types):
        assert (tags[begin_tag(k)], tags[inside_tag(k)]) == (f"B-{name}", f"I-{name}")
