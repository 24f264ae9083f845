from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_twitter_ner.corpus.convert import docs_from_tweets
from spacy_twitter_ner.corpus.tagfile import TaggedTweet, read_tag_file
from spacy_twitter_ner.corpus.tokenization import compare_tokenizers, tokenizer_agreement
from spacy_twitter_ner.tokenizer import TweetTokenizer

SAMPLE = Path(__file__).parents[2] / "assets" / "sample"
TOKENS = ["@kim", ":", "#Arsenal", "don't", "lose"]
TAGS = ["O", "O", "B-team", "O", "O"]


@pytest.fixture(scope="module")
def english():
    return spacy.blank("en").tokenizer


def test_agreement_counts_and_scores(english):
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


def test_agreement_counts_reachable_entities():
    tokens, tags = ["to", "New", "York", "-", "bound"], ["O", "B-place", "I-place", "O", "O"]
    docs = list(docs_from_tweets([TaggedTweet(tokens, tags)], Vocab()))

    def tokenizer(*words):
        return lambda text: Doc(Vocab(), words=words, spaces=[True] * (len(words) - 1) + [False])

    for words, reachable in [
        (["to", "New", "York", "- bound"], 1),
        (["to", "New York", "-", "bound"], 1),
        (["to New", "York", "-", "bound"], 0),
        (["to", "New", "York -", "bound"], 0),
    ]:
        agreement = tokenizer_agreement(docs, tokenizer(*words))
        assert agreement.reachable_entities == reachable
        assert agreement.entity_recall == reachable


def test_agreement_uses_known_spaces():
    doc = Doc(Vocab(), words=["ok", "!", "\n", "so"], spaces=[True, False, False, False])
    # A guessed text would be "ok!". The whitespace token doesn't count.
    texts = []

    def tokenize(text):
        texts.append(text)
        return TweetTokenizer(Vocab())(text)

    assert tokenizer_agreement([doc], tokenize) == (3, 3, 3, 0, 0)
    assert texts == ["ok !\nso"]


def test_agreement_without_docs():
    nothing = tokenizer_agreement([], TweetTokenizer(Vocab()))
    assert nothing == (0, 0, 0, 0, 0)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.entity_recall) == (None,) * 4


@pytest.mark.slow
def test_compare_tokenizers_on_sample():
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
