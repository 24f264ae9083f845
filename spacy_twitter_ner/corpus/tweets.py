"""Read unlabeled tweets from files and split them into words."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path

from ..normalization import normal_form, normalize_word
from ..sources.compression import find_codec
from ..sources.inputs import find_format, open_input, read_records, resolve_format
from ..sources.records import InputError, RawRecord, Tweet, parse
from ..util import batched

_MAX_OPEN = 32
_LINE_END = re.compile(r"[\r\n]+")

_TOKEN = re.compile(
    r"""
      https?://\S+ | www\.\S+                       # URLs
    | (?:t\.co|bit\.ly|goo\.gl|ow\.ly|youtu\.be)/\w+
    | @\w+ | [\#＃]\w+ | \$[A-Za-z]+                 # users, hashtags, stocks
    | &\#?\w+;                                      # HTML entities
    | [<>]?[:;=8][-o*']?[)\](\[dDpP/:}{@|\\*]+(?!\w)  # emoticons
    | [)\](\[dD/}{@|\\][-o*']?[:;=](?![\w)])
    | <3+ | -_+-
    | \d+(?:[.,:/]\d+)+\w*                          # times, amounts, dates
    | (?:[A-Za-z]\.){2,}                            # U.S.
    | \w+(?:(?:[-'’.]|&(?!\w+;))\w+)*               # words
    | ([^\w\s\x00-\x1f\x7f])(?:\1|[\u200d\ufe0f\U0001f3fb-\U0001f3ff])*  # marks, emoji
    """,
    re.VERBOSE,
)


def tweet_files(paths: Iterable[Path]) -> list[Path]:
    """Find files of tweets.

    paths (Iterable[Path]): Files, or folders of .txt and .txt.gz files.
    RETURNS (list[Path]): The files. Those in folders are sorted by name.
    RAISES (FileNotFoundError): If a file or folder doesn't exist, or a folder has no such files.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted({*path.glob("*.txt"), *path.glob("*.txt.gz")}) if path.is_dir() else [path]
        if not found:
            raise FileNotFoundError(f"{path}: there are no .txt or .txt.gz files in this folder")
        if not found[0].is_file():
            raise FileNotFoundError(f"{path}: no such file of tweets")
        files.extend(found)
    return files


def interleave_tweets(paths: Sequence[Path]) -> Iterator[str]:
    """Read tweets from several files in turn, so that the first ones are from all files. Tweets
    that only differ in users, URLs, numbers or case are read once.

    paths (Sequence[Path]): The files, as in read_tweets. Up to 32 are open at once.
    YIELDS (str): The texts.
    RAISES (ValueError): If a record can't be read, with file and line.
    """
    seen: set[int] = set()
    for files in batched(paths, _MAX_OPEN):
        rounds = zip_longest(*(read_tweets([path]) for path in files))
        for tweet in filter(None, chain.from_iterable(rounds)):
            # Hashes take less memory than texts.
            key = hash(duplicate_key(tweet))
            if key not in seen:
                seen.add(key)
                yield tweet


def duplicate_key(tweet: str) -> tuple[str, ...]:
    """Reduce a tweet to what near duplicates have in common: tweets that only differ in users,
    URLs, numbers or case have the same key.

    tweet (str): The tweet's text.
    RETURNS (tuple[str, ...]): The key.
    """
    return tuple(word for word in normal_words(tweet) if word.isalpha())


def read_tweets(paths: Iterable[Path]) -> Iterator[str]:
    """Read tweets from files, in the formats supported by the `annotate` command.

    paths (Iterable[Path]): The files. Suffixes determine format and compression. Other files are
        text in UTF-8, with one tweet per line.
    YIELDS (str): The text of each tweet in one line. Blank tweets are skipped.
    RAISES (ValueError): If a record can't be read, with file and line.
    """
    for path in paths:
        with open_input(str(path)) as (file, _):
            # Unknown suffixes mean text.
            name = path.name if find_format(path.name) else f"{path.name}.txt"
            try:
                for raw in read_records(file, name, None):
                    for tweet in _parse(raw, path, resolve_format(name, None)):
                        # Remove line breaks, since tweets are written one per line later.
                        if line := " ".join(_LINE_END.split(tweet)).strip():
                            yield line
            except InputError as error:
                raise ValueError(
                    f"{path}: this looks like JSON, not text: name it .jsonl to read its texts"
                ) from error


def _parse(raw: RawRecord, path: Path, file_format: str) -> Iterator[str]:
    """Yield the texts in a record. Records without any are errors, except for stream notices."""
    location = f"{path}:{raw.line}"
    if raw.error and (codec := find_codec(path.name, b"")):
        problem = "not gzipped, or truncated" if codec.suffix == ".gz" else "damaged or truncated"
        raise ValueError(
            f"{location}: {problem}: {raw.error}. Download the file again, or remove "
            f"{codec.suffix} from its name if it isn't compressed"
        )
    if isinstance(raw.data, bytes):
        try:
            raw.data.decode("utf8")
        except UnicodeDecodeError as error:
            byte = raw.data[error.start]
            raise ValueError(
                f"{location}: not UTF-8: byte {byte:#04x}. Save the file as UTF-8"
            ) from error
    for found in parse(raw, str(path), file_format):
        if isinstance(found, Tweet):
            yield found.text
        elif not found.is_notice:
            raise ValueError(f"{found.place}: {found.reason}")


def split_words(tweet: str) -> list[str]:
    """Split a tweet into words with a fast approximation of TweetTokenizer. Whitespace and control
    characters are dropped.

    tweet (str): The tweet's text.
    RETURNS (list[str]): The words.
    """
    return [match.group() for match in _TOKEN.finditer(tweet)]


def normal_words(tweet: str) -> list[str]:
    """Split a tweet into normalized words.

    tweet (str): The tweet's text.
    RETURNS (list[str]): The normal forms. They contain no whitespace.
    """
    words: list[str] = []
    for word in split_words(normalize_word(tweet)):
        # HTML entities such as &nbsp; become whitespace.
        words.extend(normal_form(word).split())
    return words
