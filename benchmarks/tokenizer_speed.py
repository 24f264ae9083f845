"""Speed of TweetTokenizer beside spaCy's tokenizer for English.

    python benchmarks/tokenizer_speed.py assets/unlabelled --limit 20000

Both get the same tweets in the same process and take turns, so that whatever else the machine
does slows them both; processor time counts. Each turn begins with a new pipeline and goes through
the tweets twice: first with an empty cache and vocab, then with what the first time has left.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.tokens import Doc
from wasabi import msg

from spacy_twitter_ner.lexical.training import read_tweets, tweet_files
from spacy_twitter_ner.tokenizer import TweetTokenizer

Tokenizer = Callable[[str], Doc]

OURS, SPACYS = "TweetTokenizer", "spaCy's English"
COLD, WARM = "first time", "second time"


def make_tokenizers() -> dict[str, Tokenizer]:
    """RETURNS (dict[str, Tokenizer]): The contestants, each with a vocab of its own."""
    ours, spacys = spacy.blank("en"), spacy.blank("en")
    return {OURS: TweetTokenizer(ours.vocab), SPACYS: spacys.tokenizer}


def time_tokenizers(tweets: Sequence[str], n_turns: int) -> dict[str, dict[str, float]]:
    """Let the tokenizers take turns.

    tweets (Sequence[str]): The tweets.
    n_turns (int): How often each goes through them, once with empty caches and once with full.
    RETURNS (dict[str, dict[str, float]]): The median of the seconds, by COLD or WARM and by the
        tokenizer's name.
    """
    seconds: dict[str, dict[str, list[float]]] = {
        state: {name: [] for name in (OURS, SPACYS)} for state in (COLD, WARM)
    }
    for _ in range(n_turns):
        for name, tokenizer in make_tokenizers().items():
            for state in (COLD, WARM):
                start = time.process_time()
                for tweet in tweets:
                    tokenizer(tweet)
                seconds[state][name].append(time.process_time() - start)
    return {
        state: {name: statistics.median(values) for name, values in by_name.items()}
        for state, by_name in seconds.items()
    }


def tokenizer_speed_cli(
    paths: Annotated[
        list[Path], typer.Argument(metavar="TWEETS", help="Text files or folders, a tweet a line")
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many tweets")] = 20_000,
    n_turns: Annotated[int, typer.Option("--turns", min=1, help="Repeats; medians count")] = 7,
) -> None:
    """Time TweetTokenizer and spaCy's tokenizer for English on the same tweets, by turns."""
    tweets = list(islice(read_tweets(tweet_files(paths)), limit))
    medians = time_tokenizers(tweets, n_turns)
    rows = []
    for state, by_name in medians.items():
        rates = (f"{len(tweets) / by_name[name]:,.0f}" for name in (OURS, SPACYS))
        rows.append((state, *rates, f"{by_name[SPACYS] / by_name[OURS]:.2f}"))
    msg.table(
        rows,
        header=("tweets/s", OURS, SPACYS, "ours is faster by"),
        aligns=("l", "r", "r", "r"),
        title=f"{len(tweets):,} tweets, median of {n_turns}; spaCy {spacy.__version__}",
    )


if __name__ == "__main__":
    typer.run(tokenizer_speed_cli)
