"""Tweets to measure on: those of assets/unlabelled, or else the training split of a corpus."""

from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from typing import NamedTuple

from spacy_twitter_ner.corpus.tagfile import read_tag_file
from spacy_twitter_ner.corpus.tweets import read_tweets, split_words, tweet_files

from .project import ROOT

UNLABELED = ROOT / "assets" / "unlabelled"


class Tweet(NamedTuple):
    """A tweet: raw text and words."""

    text: str
    words: list[str]


class Tweets(NamedTuple):
    """Tweets with words.

    tweets (list[Tweet]): The tweets.
    source (str): Where they come from, for the tables.
    """

    tweets: list[Tweet]
    source: str

    def round(self, number: int, size: int) -> list[Tweet]:
        """RETURNS (list[Tweet]): The tweets of a round: new ones each time, as in a stream, until
        they start over."""
        start = number * size % len(self.tweets)
        return list(islice(cycle(self.tweets), start, start + size))


def read_some(limit: int, corpus: str = "sample") -> Tweets:
    """Read tweets.

    limit (int): Maximum number of tweets.
    corpus (str): Name of a folder in assets/, which is read if there is no assets/unlabelled.
    RETURNS (Tweets): The tweets.
    """
    if UNLABELED.is_dir():
        pairs = (Tweet(text, split_words(text)) for text in read_tweets(tweet_files([UNLABELED])))
        tweets = list(islice((tweet for tweet in pairs if tweet.words), limit))
        return Tweets(tweets, f"{len(tweets):,} unlabeled tweets")
    tagged = read_tag_file(ROOT / "assets" / corpus / "train.txt").tweets[:limit]
    tweets = [Tweet(" ".join(tweet.tokens), tweet.tokens) for tweet in tagged]
    return Tweets(tweets, f"{len(tweets):,} tweets of corpus `{corpus}`")


def stream_texts(corpus: str = "sample") -> Iterator[str]:
    """YIELDS (str): The texts of tweets, without keeping them; endless, they start over."""
    while True:
        if UNLABELED.is_dir():
            yield from read_tweets(tweet_files([UNLABELED]))
        else:
            yield from (tweet.text for tweet in read_some(10**9, corpus).tweets)


def count_words(tweets: Iterable[Tweet]) -> int:
    """RETURNS (int): The number of words."""
    return sum(len(tweet.words) for tweet in tweets)
