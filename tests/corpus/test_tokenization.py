from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_twitter_ner.corpus.converting import docs_from_tweets
from spacy_twitter_ner.corpus.reading import TaggedTweet, read_tag_file
from spacy_twitter_ner.corpus.tokenization import compare_tokenizers, tokenizer_agreement
from spacy_twitter_ner.tokenizer import TweetTokenizer

SAMPLE = Path(__file__).parents[2] / "assets" / "sample"
TOKENS = ["@kim", ":", "#Arsenal", "don't", "lose"]
TAGS = ["O", "O", "B-team", "O", "O"]


@pytest.fixture(scope="module")
def english():
    return spacy.blank("en").tokenizer


def test_agreement(english):
    docs = list(docs_from_tweets([TaggedTweet(TOKENS, TAGS)], Vocab()))
    ours = tokenizer_agreement(docs, TweetTokenizer(Vocab()))
    assert ours == (5, 5, 5, 1, 1)
    assert ours.precision == ours.recall == ours.f1 == ours.entity_recall == 1
    # @kim : # Arsenal do n't lose
    spacys = tokenizer_agreement(docs, english)
    assert spacys == (7, 5, 3, 1, 1)
    assert (spacys.precision, spacys.recall, spacys.f1) == (3 / 7, 3 / 5, 1 / 2)
    assert ours.to_dict()["gold_tokens"] == 5
    assert spacys.to_dict()["f1"] == 1 / 2


def test_entities_that_cannot_be_found():
    tokens, tags = ["to", "New", "York", "-", "bound"], ["O", "B-place", "I-place", "O", "O"]
    docs = list(docs_from_tweets([TaggedTweet(tokens, tags)], Vocab()))

    def cut_at(*places):
        words = [part.strip() for part in places]
        return lambda text: Doc(Vocab(), words=words, spaces=[True] * (len(words) - 1) + [False])

    for words, reachable in [
        (["to", "New", "York", "- bound"], 1),
        (["to", "New York", "-", "bound"], 1),
        (["to New", "York", "-", "bound"], 0),
        (["to", "New", "York -", "bound"], 0),
    ]:
        agreement = tokenizer_agreement(docs, cut_at(*words))
        assert agreement.reachable_entities == reachable
        assert agreement.entity_recall == reachable


def test_a_doc_that_knows_its_spaces_is_taken_at_its_word():
    doc = Doc(Vocab(), words=["ok", "!", "\n", "so"], spaces=[True, False, False, False])
    # The guess would be "ok!": here "!" is a token in any case, and white space does not count.
    texts = []

    def tokenize(text):
        texts.append(text)
        return TweetTokenizer(Vocab())(text)

    assert tokenizer_agreement([doc], tokenize) == (3, 3, 3, 0, 0)
    assert texts == ["ok !\nso"]


def test_nothing_to_compare():
    nothing = tokenizer_agreement([], TweetTokenizer(Vocab()))
    assert nothing == (0, 0, 0, 0, 0)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.entity_recall) == (None,) * 4


def test_tokenizers_on_the_sample():
    splits = [read_tag_file(SAMPLE / f"{name}.txt").tweets for name in ("train", "test")]
    found = compare_tokenizers(splits)
    names = ["TweetTokenizer", "TweetTokenizer, split_contractions", "spaCy's English"]
    assert list(found) == names
    ours, splitting, english = found.values()
    for our, split, theirs in zip(ours, splitting, english, strict=True):
        assert our.f1 > 0.985
        assert our.entity_recall == 1
        assert our.f1 > split.f1 > theirs.f1
        assert our.gold_tokens == theirs.gold_tokens
    assert (ours[0].gold_tokens, ours[0].entities) == (23651, 1382)
