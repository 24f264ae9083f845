"""Prepare public Twitter corpora for training `en_tweet_ner`: rejoin what their tokenizers split
from @mentions and #hashtags, and drop the annotation of @mentions, which are no names there.

    python scripts/prepare_corpora.py assets/btc/btc.train --output corpus/release/btc.train.conll
    python scripts/prepare_corpora.py assets/wnut17/wnut17train.conll --output wnut17.conll \
        --exclude assets/hse/validation.txt --exclude assets/hse/test.txt
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from spacy_twitter_ner.corpus.tagfile import check_problems, read_tag_file
from spacy_twitter_ner.util import write_atomic

Tweet = list[tuple[str, str]]
OUTSIDE = "O"


def prepare(
    inputs: Annotated[list[Path], typer.Argument(help="Token/tag files, or folders of them")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Token/tag file to write")],
    split: Annotated[str, typer.Option(help="Name of the files in folders")] = "train.txt",
    exclude: Annotated[
        list[Path] | None, typer.Option(help="Token/tag files whose tweets are left out")
    ] = None,
) -> None:
    """Merge token/tag files, with Twitter's own tokens."""
    excluded = {text_of(tweet) for path in exclude or () for tweet in read(path)}
    files = [file for path in inputs for file in find_files(path, split)]
    tweets = [tweet for file in files for tweet in read(file)]
    kept = [tweet for tweet in tweets if text_of(tweet) not in excluded]
    output.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(output) as (temporary,):
        lines = ("".join(f"{token}\t{tag}\n" for token, tag in tweet) for tweet in kept)
        temporary.write_text("\n".join(lines), encoding="utf-8")
    print(f"{output}: {len(kept)} tweets, {len(tweets) - len(kept)} left out", file=sys.stderr)


def find_files(path: Path, split: str) -> list[Path]:
    """RETURNS (list[Path]): The file itself, or the files of a split in a folder."""
    return sorted(path.rglob(split)) if path.is_dir() else [path]


def read(path: Path) -> Iterator[Tweet]:
    file = read_tag_file(path)
    check_problems(file.problems, repair=True)
    for tweet in file.tweets:
        tags = [tag or OUTSIDE for tag in tweet.tags]
        yield list(repair(rejoin(list(zip(tweet.tokens, tags, strict=True)))))


def rejoin(rows: Tweet) -> Iterator[tuple[str, str]]:
    """Join "@" and "#" with the next token, and drop the annotation of mentions."""
    rest = iter(rows)
    for token, tag in rest:
        following = next(rest, None) if token in ("@", "#") else None
        joined = token + following[0] if following else token
        if joined.startswith("@"):
            yield joined, OUTSIDE
        elif following and following[1] != OUTSIDE:
            # The first token of a hashtag may be outside of the entity, or in it.
            yield joined, tag if tag != OUTSIDE else following[1]
        else:
            yield joined, tag


def repair(rows: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Begin entities whose first token was a mention."""
    before = OUTSIDE
    for token, tag in rows:
        if tag.startswith("I-") and before[1:] != tag[1:]:
            tag = f"B-{tag[2:]}"
        yield token, tag
        before = tag


def text_of(tweet: Tweet) -> str:
    return "".join(token for token, _ in tweet)


if __name__ == "__main__":
    typer.run(prepare)
