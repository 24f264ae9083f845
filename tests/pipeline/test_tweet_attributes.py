import pytest
import spacy
from spacy.tokens import Span, Token

import spacy_twitter_ner
from spacy_twitter_ner.pipeline.tweet_attributes import set_token_extensions

TOKENIZER = {"@tokenizers": "spacy-twitter-ner.TweetTokenizer.v1"}
TEXT = "@kim saw #Arsenal's game 😂😂 👍🏽 http://t.co/x example.com/menu #1 ＠kim 𝗼𝗸 :) me@x.com"
EXPECTED = {
    "is_mention": ["@kim", "＠kim"],
    "is_hashtag": ["#Arsenal"],
    "is_emoji": ["😂😂", "👍🏽"],
    "is_url": ["http://t.co/x", "example.com/menu"],
}


def make_nlp(language="xx", **entities):
    nlp = spacy.blank(language, config={"nlp": {"tokenizer": TOKENIZER}})
    nlp.add_pipe("tweet_attributes", config={"entities": entities})
    return nlp


def entities(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


@pytest.mark.parametrize("language", ["xx", "en"])
def test_token_attributes(language):
    doc = make_nlp(language)(TEXT)
    found = {name: [token.text for token in doc if getattr(token._, name)] for name in EXPECTED}
    assert found == EXPECTED
    assert not doc.has_annotation("ENT_IOB")


def test_attributes_work_in_patterns():
    nlp = make_nlp()
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": "place", "pattern": [{"LOWER": "in"}, {"_": {"is_hashtag": True}}]}]
    )
    assert entities(nlp("live in #Leeds, not #Hull")) == [("in #Leeds", "place")]


def test_kinds_of_tokens_are_marked_as_entities(tmp_path):
    nlp = make_nlp(mention="account", url="link")
    nlp.to_disk(tmp_path)
    for loaded in (nlp, spacy.load(tmp_path)):
        doc = loaded("@kim: see http://t.co/x #tag")
        assert entities(doc) == [("@kim", "account"), ("http://t.co/x", "link")]


def test_existing_entities_and_blocked_tokens_are_kept():
    nlp = make_nlp(mention="account")
    doc = nlp.make_doc("@kim and @bob and @ann")
    doc.set_ents([Span(doc, 2, 4, label="person")], blocked=[doc[4:5]], outside=[doc[1:2]])
    assert entities(nlp.get_pipe("tweet_attributes")(doc)) == [
        ("@kim", "account"),
        ("@bob and", "person"),
    ]


def test_mentions_and_names_of_the_pretrained_pipeline():
    nlp = spacy_twitter_ner.load()
    for place in ({"last": True}, {"first": True}):
        nlp.add_pipe("tweet_attributes", config={"entities": {"mention": "account"}}, **place)
        found = entities(nlp("@kim saw Drake in Chicago"))
        nlp.remove_pipe("tweet_attributes")
        assert found == [("@kim", "account"), ("Drake", "musicartist"), ("Chicago", "geo-loc")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"user": "account"}, "has the key 'user', but the kinds of tokens are: hashtag, mention"),
        ({"mention": ""}, "entities.mention must be an entity type, not ''"),
    ],
)
def test_invalid_settings_are_rejected(given, message):
    with pytest.raises(ValueError, match=message):
        make_nlp(**given)


def test_other_extension_of_the_same_name_is_an_error():
    set_token_extensions()
    set_token_extensions()  # twice is fine
    original = Token.remove_extension("is_emoji")
    Token.set_extension("is_emoji", default=False)
    try:
        with pytest.raises(ValueError, match=r"Token\._\.is_emoji already exists"):
            make_nlp()
    finally:
        Token.set_extension("is_emoji", getter=original[2], force=True)
