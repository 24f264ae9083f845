"""The tweets that everything is measured on."""

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, cycle, islice
from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.tokens import Doc, DocBin

from spacy_twitter_ner.corpus.tweets import read_tweets, split_words, tweet_files

UNLABELLED = Path("assets/unlabelled")


class BenchmarkError(RuntimeError):
    """What keeps a benchmark from running; the message says what to do."""


class Tweet(NamedTuple):
    """A tweet: its raw text and its words."""

    text: str
    words: list[str]


class Texts(NamedTuple):
    """Tweets, and where they come from.

    tweets (list[Tweet]): The tweets, none without words.
    source (str): Where they come from, for the tables.
    """

    tweets: list[Tweet]
    source: str

    def round(self, number: int, size: int) -> list[Tweet]:
        """RETURNS (list[Tweet]): So many tweets. Each round has others, as a stream has, so that
        a cache of words does not know all of them; after the last the first come again."""
        start = number * size % len(self.tweets)
        return list(islice(cycle(self.tweets), start, start + size))

    def last(self, size: int) -> list[Tweet]:
        """RETURNS (list[Tweet]): So many tweets from the end, which are those of no round if there
        are enough."""
        return self.tweets[-size:]


def default_corpus(root: Path) -> str:
    """RETURNS (str): The real corpus if it is there, otherwise the bundled sample."""
    return "hse" if (root / "corpus" / "hse" / "train.spacy").exists() else "sample"


def corpus_path(root: Path, corpus: str, split: str) -> Path:
    """RETURNS (Path): The file of a split.
    RAISES (BenchmarkError): If there is none; the message has the command that makes it.
    """
    path = root / "corpus" / corpus / f"{split}.spacy"
    if not path.exists():
        command = f"python -m spacy project run convert . --vars.corpus {corpus}"
        raise BenchmarkError(f"there is no {path}: run `{command}`")
    return path


def read_docs(root: Path, corpus: str, split: str) -> list[Doc]:
    """RETURNS (list[Doc]): The docs of a split that are not empty."""
    vocab = spacy.blank("xx").vocab
    docs = DocBin().from_disk(corpus_path(root, corpus, split)).get_docs(vocab)
    return [doc for doc in docs if len(doc)]


def unlabelled_files(root: Path) -> list[Path]:
    """RETURNS (list[Path]): The files of unlabelled tweets, if there are any."""
    folder = root / UNLABELLED
    return tweet_files([folder]) if folder.is_dir() and any(folder.glob("*.txt*")) else []


def read_texts(root: Path, corpus: str, limit: int) -> Texts:
    """Read tweets: unlabelled ones if there are any in assets/unlabelled, otherwise the corpus.

    root (Path): The project's folder.
    corpus (str): Name of a folder in corpus/.
    limit (int): How many at most, from the first.
    RETURNS (Texts): The tweets.
    RAISES (BenchmarkError): If there is neither.
    """
    if files := unlabelled_files(root):
        pairs = (Tweet(text, split_words(text)) for text in read_tweets(files))
        tweets = list(islice((tweet for tweet in pairs if tweet.words), limit))
        return Texts(tweets, f"{len(tweets):,} unlabelled tweets")
    words = ([token.text for token in doc] for doc in read_docs(root, corpus, "train"))
    tweets = [Tweet(" ".join(tokens), tokens) for tokens in islice(words, limit)]
    return Texts(tweets, f"{len(tweets):,} tweets of corpus `{corpus}`")


def read_stream(root: Path, texts: Texts) -> Iterator[str]:
    """Read unlabelled tweets, or else those of a corpus, over and over; none are kept.

    root (Path): The project's folder.
    texts (Texts): The tweets to take if there are no unlabelled ones.
    YIELDS (str): The text of a tweet.
    """
    files = unlabelled_files(root)
    while True:
        yield from read_tweets(files) if files else (tweet.text for tweet in texts.tweets)


def count_words(tweets: Sequence[Tweet]) -> int:
    return sum(len(tweet.words) for tweet in tweets)


def chain_words(tweets: Sequence[Tweet], length: int, n_words: int) -> list[list[str]]:
    """Join tweets and cut them anew, into texts that are equally long.

    tweets (Sequence[Tweet]): The tweets; after the last the first come again.
    length (int): How many words each text gets.
    n_words (int): How many words there shall be in all, rounded down to whole texts, but one.
    RETURNS (list[list[str]]): The words of each text.
    """
    n_texts = max(n_words // length, 1)
    words = chain.from_iterable(tweet.words for tweet in cycle(tweets))
    return [list(islice(words, length)) for _ in range(n_texts)]


def draw_lengths(texts: Texts, n_tweets: int) -> list[int]:
    """RETURNS (list[int]): The lengths of tweets drawn at random, always the same ones."""
    return [len(tweet.words) for tweet in random.Random(0).choices(texts.tweets, k=n_tweets)]  # noqa: S311


def offsets(lengths: Sequence[int]) -> list[int]:
    """RETURNS (list[int]): Where each tweet's rows begin, and where the last one's end."""
    return [0, *accumulate(lengths)]
