"""Create a session from files of tweets, and serve it."""

import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from spacy.language import Language

from ..corpus.formats.registry import READERS, detect_format, read_annotated
from ..corpus.tweets import read_tweets, tweet_files
from ..loading import load_pipeline
from ..serving.server import ServiceServer
from ..serving.settings import ServiceSettings
from ..tokenizer import TweetTokenizer
from ..util import get_ner, write_atomic
from .app import create_app
from .desk import Desk
from .journal import Journal
from .selection import drop_near_duplicates
from .session import ACCEPT, ANSWER, PoolTweet, SessionFolder, Settings, State

_IMPORTED = "imported"


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
) -> int:
    """Create a session, or continue the one that is there.

    folder (SessionFolder): The session.
    tweets (Sequence[Path]): Files of tweets, or annotated ones in another tool's format: their
        annotation counts as answers.
    model (str | None): The pipeline to start from, or None for lexical knowledge only.
    labels (Sequence[str]): The types to annotate. Default: those of the pipeline.
    limit (int): Maximum number of tweets.
    every, double, seed: See Settings.
    RETURNS (int): The number of tweets.
    RAISES (OSError): If a file can't be read or written.
    RAISES (ValueError): If there are no tweets or no types.
    """
    if folder.exists:
        return len(folder.read_tweets())
    nlp = load_pipeline(model) if model is not None else None
    names = list(labels) or (list(get_ner(nlp).labels) if nlp is not None else [])
    if not names:
        raise ValueError("a session without a pipeline has no types: name some with --labels")
    settings = Settings(model, names, every, double, seed)
    annotated, texts = _read(tweets, limit)
    known = [text for text, _ in annotated]
    texts = [texts[index] for index in drop_near_duplicates(texts, known)]
    if not texts:
        raise ValueError("there are no tweets to annotate in these files")
    pool = [*_tokenize(nlp, known), *_tokenize(nlp, texts)]
    folder.create(settings, pool)
    _import(folder, settings, pool, annotated)
    return len(pool)


def _read(
    paths: Sequence[Path], limit: int
) -> tuple[list[tuple[str, list[tuple[int, int, str]]]], list[str]]:
    """RETURNS: Annotated tweets with their spans, and the texts of the others."""
    annotated, plain = [], []
    for path in paths:
        if _is_annotated(path):
            read = read_annotated(path)
            annotated += [(one.text, [tuple(span) for span in one.spans]) for one in read.tweets]
        else:
            plain.append(path)
    texts = islice(read_tweets(tweet_files(plain)), limit) if plain else ()
    return annotated, list(texts)  # type: ignore[return-value]


def _is_annotated(path: Path) -> bool:
    if not path.is_file() or path.suffix not in (".jsonl", ".json", ".spacy", ".ann"):
        return False
    try:
        return detect_format(path) in READERS
    except ValueError:
        return False


def _tokenize(nlp: Language | None, texts: Iterable[str]) -> list[PoolTweet]:
    tokenizer = TweetTokenizer(nlp.vocab) if nlp is not None else _blank_tokenizer()
    make_doc = nlp.make_doc if nlp is not None else tokenizer
    return [
        PoolTweet(text, [(t.idx, t.idx + len(t)) for t in make_doc(text) if not t.is_space])
        for text in texts
    ]


def _blank_tokenizer() -> TweetTokenizer:
    from spacy.vocab import Vocab

    return TweetTokenizer(Vocab())


def _import(
    folder: SessionFolder,
    settings: Settings,
    pool: Sequence[PoolTweet],
    annotated: Sequence[tuple[str, list[tuple[int, int, str]]]],
) -> None:
    """Store imported annotation as answers."""
    journal = Journal(folder.journal)
    state = State.replay(settings, journal.entries)
    for index, (_, spans) in enumerate(annotated):
        widened = sorted({_widen(pool[index], span) for span in spans})
        for label in sorted({label for _, _, label in widened} - set(state.labels)):
            entry = {"id": f"{_IMPORTED}-label-{label}", "kind": "label", "label": label}
            journal.append(entry)
            state.add(entry)
        journal.append(
            {
                "id": f"{_IMPORTED}-{index}",
                "kind": ANSWER,
                "tweet": index,
                "annotator": _IMPORTED,
                "action": ACCEPT,
                "spans": widened,
                "unsure": [],
                "labels": list(settings.labels),
                "seconds": 0,
                "reason": _IMPORTED,
                "predicted": None,
                "n_trained": 0,
            }
        )
    journal.close()


def _widen(tweet: PoolTweet, span: tuple[int, int, str]) -> tuple[int, int, str]:
    start, end, label = span
    inside = [token for token in tweet.tokens if token[0] < end and start < token[1]]
    return inside[0][0], inside[-1][1], label


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
