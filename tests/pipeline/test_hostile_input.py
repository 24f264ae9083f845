"""Unusual input: odd texts, preset annotation, other vocabs, long docs, threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..tweets import ODD_TEXTS, without_surrogates
from .util import NAME, entities
from .validity import assert_valid

TWEET = "RT @kim: saw Drake in Chicago last nite lol 😂 http://t.co/x"
ODD = list(ODD_TEXTS.values())


@pytest.fixture(scope="module")
def labels(tweet_nlp):
    return tweet_nlp.get_pipe(NAME).labels


def test_pipeline_has_entities(tweet_nlp):
    assert len(tweet_nlp(TWEET).ents) > 0


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_text(tweet_nlp, labels, name):
    doc = tweet_nlp(ODD_TEXTS[name])
    assert doc.text == without_surrogates(ODD_TEXTS[name])
    assert_valid(doc, labels)


@pytest.mark.parametrize("batch_size", [1, 4, 1000])
def test_odd_texts_in_batch(tweet_nlp, labels, batch_size):
    """Odd texts don't change the entities of other texts in the batch."""
    expected = entities([tweet_nlp(TWEET)])
    texts = [text for odd in ODD for text in (odd, TWEET)]
    docs = list(tweet_nlp.pipe(texts, batch_size=batch_size))
    assert [doc.text for doc in docs] == [without_surrogates(text) for text in texts]
    assert entities(docs[1::2]) == expected * len(ODD)
    for doc in docs[::2]:
        assert_valid(doc, labels)


@pytest.mark.parametrize(
    "texts",
    [
        [""],
        ["", TWEET],
        [TWEET, ""],
        ["", "", TWEET, "", "", TWEET, ""],
        [" ", "\n\n", TWEET, "\t"],
    ],
)
def test_empty_docs_in_batch(tweet_nlp, texts):
    expected = entities([tweet_nlp(TWEET)])[0]
    found = entities(tweet_nlp.pipe(texts))
    assert found == [expected if text == TWEET else [] for text in texts]


def test_spacy_tokenizer(tweet_nlp, labels):
    english = spacy.blank("en", vocab=tweet_nlp.vocab)
    # spaCy's tokenizer takes minutes for some long texts.
    for text in (text for text in ODD if len(text) < 1000):
        doc = tweet_nlp.get_pipe(NAME)(english(without_surrogates(text)))
        assert_valid(doc, labels)


@pytest.mark.slow
def test_doc_with_100_000_tokens(tweet_nlp, labels):
    words = [token.text for token in tweet_nlp.make_doc(TWEET)]
    doc = Doc(tweet_nlp.vocab, words=(words * (100_000 // len(words) + 1))[:100_000])
    doc = tweet_nlp.get_pipe(NAME)(doc)
    assert_valid(doc, labels)
    assert len(doc.ents) >= 100_000 // len(words)


def test_docs_with_other_vocab(tweet_nlp, labels):
    words = [token.text for token in tweet_nlp.make_doc(TWEET)]
    ner = tweet_nlp.get_pipe(NAME)
    others = [Doc(Vocab(), words=words), Doc(spacy.blank("xx").vocab, words=words)]
    same = Doc(tweet_nlp.vocab, words=words)
    for doc in ner.pipe([*others, same]):
        assert_valid(doc, labels)
        assert entities([doc]) == entities([tweet_nlp(TWEET)])


def test_annotated_docs_do_not_change(tweet_nlp):
    docs = list(tweet_nlp.pipe([TWEET, "", "Chicago Chicago"]))
    before = [doc.to_bytes() for doc in docs]
    ner = tweet_nlp.get_pipe(NAME)
    for _ in range(2):
        docs = list(ner.pipe(docs))
        assert [doc.to_bytes() for doc in docs] == before


@pytest.mark.slow
def test_preset_and_blocked_tokens(tweet_nlp):
    ner = tweet_nlp.get_pipe(NAME)
    length = len(tweet_nlp.make_doc(TWEET))
    for start in range(length):
        for end in range(start + 1, length + 1):
            preset, blocked = tweet_nlp.make_doc(TWEET), tweet_nlp.make_doc(TWEET)
            preset.set_ents([Span(preset, start, end, label="PRESET")], default="missing")
            blocked.set_ents([], blocked=[blocked[start:end]], default="missing")
            ner(preset)
            assert [ent.label_ for ent in preset.ents].count("PRESET") == 1
            assert (start, end, "PRESET") in entities([preset])[0]
            ner(blocked)
            for token in blocked[start:end]:
                assert (token.ent_iob_, token.ent_type_) == ("B", "")


def test_span_groups_are_kept(tweet_nlp):
    doc = tweet_nlp.make_doc(TWEET)
    spans = [doc[0:3], doc[1:5], doc[1:5], doc[0 : len(doc)], doc[2:2]]
    doc.spans["overlapping"] = [*spans, Span(doc, 3, 6, label="X")]
    doc = tweet_nlp.get_pipe(NAME)(doc)
    assert [(span.start, span.end) for span in doc.spans["overlapping"]] == [
        *[(span.start, span.end) for span in spans],
        (3, 6),
    ]
    assert entities([doc]) == entities([tweet_nlp(TWEET)])


@pytest.mark.parametrize("every", [1, 2, 3])
def test_sentence_starts(tweet_nlp, labels, every):
    """Inside of an entity, on whitespace, at every token."""
    text = f"{TWEET} \n\n {TWEET}"
    doc = tweet_nlp.make_doc(text)
    for token in doc:
        token.is_sent_start = token.i % every == 0
    doc = tweet_nlp.get_pipe(NAME)(doc)
    assert_valid(doc, labels)
    assert all(token.is_sent_start == (token.i % every == 0) for token in doc)


def test_sentence_start_in_preset_entity(tweet_nlp):
    doc = tweet_nlp.make_doc(TWEET)
    doc.set_ents([Span(doc, 2, 6, label="PRESET")], default="missing")
    for token in doc:
        token.is_sent_start = token.i == 4
    assert (2, 6, "PRESET") in entities([tweet_nlp.get_pipe(NAME)(doc)])[0]


def test_threads_share_pipeline(tweet_nlp):
    texts = [text for odd in ODD if len(odd) < 1000 for text in (TWEET, odd)]
    expected = entities(tweet_nlp.pipe(texts))

    def annotate(batch_size):
        return entities(tweet_nlp.pipe(texts, batch_size=batch_size))

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(annotate, [1, 2, 3, 5, 8, 100, 4, 7]):
            assert found == expected


def test_consecutive_memory_zones(tweet_nlp):
    expected = entities(tweet_nlp.pipe([TWEET, *ODD]))
    for number in range(3):
        with tweet_nlp.memory_zone():
            found = entities(tweet_nlp.pipe([TWEET, *ODD, f"zone{number} #zone{number} Zone"]))
            assert found[:-1] == expected
