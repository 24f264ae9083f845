"""Create a session from files of tweets, and serve it."""

import secrets
import socket
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpus.formats.annotated import AnnotatedTweet
from ..corpus.formats.registry import CONLL, detect_format, read_annotated
from ..corpus.spanfile import CharSpan
from ..corpus.tweets import read_tweets, tweet_files
from ..loading import load_pipeline
from ..serving.server import ServiceServer
from ..serving.settings import ServiceSettings
from ..tokenizer import TweetTokenizer
from ..util import get_ner, write_atomic
from .app import create_app
from .desk import Desk
from .journal import Entry
from .selection import drop_near_duplicates
from .session import ACCEPT, ANSWER, LABEL, PoolTweet, SessionFolder, Settings

_ANNOTATED_SUFFIXES = {".jsonl", ".json", ".spacy", ".ann"}
_IMPORTED = "imported"


class Opened(NamedTuple):
    """A session that was opened: the number of its tweets, and what wasn't imported as it is."""

    n_tweets: int
    notes: list[str]


def open_session(
    folder: SessionFolder,
    tweets: Sequence[Path],
    *,
    model: str | None,
    labels: Sequence[str],
    limit: int,
    every: int,
    double: float,
    seed: int,
) -> Opened:
    """Create a session, or continue the one that is there.

    folder (SessionFolder): The session.
    tweets (Sequence[Path]): Files of tweets, or annotated ones in another tool's format: their
        annotation counts as answers.
    model (str | None): The pipeline to start from, or None for lexical knowledge only.
    labels (Sequence[str]): The types to annotate. Default: those of the pipeline.
    limit (int): Maximum number of tweets.
    every, double, seed: See Settings.
    RETURNS (Opened): The number of tweets, and notes on imported annotation.
    RAISES (OSError): If a file can't be read or written.
    RAISES (ValueError): If there are no tweets or no types.
    """
    if folder.exists:
        return Opened(len(folder.read_tweets()), [])
    nlp = load_pipeline(model) if model is not None else None
    names = list(labels) or (list(get_ner(nlp).labels) if nlp is not None else [])
    if not names:
        raise ValueError("a session without a pipeline has no types: name some with --labels")
    imported, plain, notes = _read_annotated(tweets)
    known = [tweet.text for tweet in imported]
    texts = list(islice(read_tweets(tweet_files(plain)), limit)) if plain else []
    texts = [texts[index] for index in drop_near_duplicates(texts, known)]
    if not texts:
        raise ValueError("there are no tweets to annotate in these files")
    make_doc = nlp.make_doc if nlp is not None else TweetTokenizer(Vocab())
    pool = [_tokenize(make_doc(text)) for text in [*known, *texts]]
    entries = _to_entries(imported, pool, names, notes)
    folder.create(Settings(model, names, every, double, seed), pool, entries)
    return Opened(len(pool), notes)


def _read_annotated(
    paths: Sequence[Path],
) -> tuple[list[AnnotatedTweet], list[Path], list[str]]:
    """RETURNS (tuple[list[AnnotatedTweet], list[Path], list[str]]): The annotated tweets, the files
    of other tweets, and notes."""
    annotated: list[AnnotatedTweet] = []
    plain: list[Path] = []
    notes: list[str] = []
    for path in paths:
        if _is_annotated(path):
            read = read_annotated(path)
            annotated += read.tweets
            notes += map(str, read.problems)
            notes += [f"{path}: not imported: {n:,} {kind}" for kind, n in read.skipped.items()]
        else:
            plain.append(path)
    return annotated, plain, notes


def _is_annotated(path: Path) -> bool:
    if not path.is_file() or path.suffix not in _ANNOTATED_SUFFIXES:
        return False
    try:
        return detect_format(path) != CONLL
    except ValueError:
        return False


def _tokenize(doc: Doc) -> PoolTweet:
    tokens = [(token.idx, token.idx + len(token)) for token in doc if not token.is_space]
    return PoolTweet(doc.text, tokens)


def _to_entries(
    imported: Sequence[AnnotatedTweet],
    pool: Sequence[PoolTweet],
    labels: Sequence[str],
    notes: list[str],
) -> list[Entry]:
    """Make journal entries from imported annotation. Its types are those that occur in it; the
    others aren't annotated. Spans that have to be changed are added to the notes.

    RETURNS (list[Entry]): New types, then answers.
    """
    found = sorted({span.label for tweet in imported for span in tweet.spans})
    new = [label for label in found if label not in labels]
    entries: list[Entry] = [
        {"id": f"{_IMPORTED}-{label}", "kind": LABEL, "label": label} for label in new
    ]
    for index, tweet in enumerate(imported):
        fixed: Entry = {"kind": ANSWER, "annotator": _IMPORTED, "action": ACCEPT, "unsure": []}
        fixed |= {"seconds": 0, "reason": _IMPORTED, "predicted": None, "n_trained": 0}
        spans = _align(tweet, pool[index], notes)
        entries.append(
            {"id": f"{_IMPORTED}-{index}", "tweet": index, "spans": spans, "labels": found, **fixed}
        )
    return entries


def _align(tweet: AnnotatedTweet, target: PoolTweet, notes: list[str]) -> list[CharSpan]:
    """RETURNS (list[CharSpan]): The spans, widened to tokens, without those that overlap a longer
    one."""
    kept: list[CharSpan] = []
    for span in sorted(tweet.spans, key=lambda one: (one.start - one.end, one.start)):
        tokens = [token for token in target.tokens if token[0] < span.end and span.start < token[1]]
        start, end = tokens[0][0], tokens[-1][1]
        place = f"{tweet.path}:{tweet.line}: {tweet.text[span.start : span.end]!r} ({span.label})"
        if any(start < other.end and other.start < end for other in kept):
            notes.append(f"{place} overlaps another span (dropped)")
            continue
        if (start, end) != (span.start, span.end):
            notes.append(f"{place} ends inside a token (widened to {tweet.text[start:end]!r})")
        kept.append(CharSpan(start, end, span.label))
    return sorted(kept)


def make_token(folder: SessionFolder) -> str:
    """Make a token for the page, or read the one that was made before.

    folder (SessionFolder): The session.
    RETURNS (str): The token.
    RAISES (OSError): If it can't be stored.
    """
    path = folder.path / "token"
    if not path.exists():
        with write_atomic(path) as (temporary,):
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_urlsafe(24), encoding="ascii")
    return path.read_text(encoding="ascii").strip()


def serve_session(
    folder: SessionFolder,
    listener: socket.socket,
    settings: ServiceSettings,
    *,
    on_start: Callable[[], None] = lambda: None,
) -> None:
    """Serve a session until SIGINT or SIGTERM.

    folder (SessionFolder): The session.
    listener (socket.socket): The socket.
    settings (ServiceSettings): Limits, token and allowed hosts.
    on_start (Callable[[], None]): Called when the page can be opened.
    RAISES (JournalError): If another process serves it.
    """
    desk = Desk(folder)
    try:
        server = ServiceServer(create_app(desk, settings), settings, on_start=on_start)
        server.run([listener])
    finally:
        desk.close()
