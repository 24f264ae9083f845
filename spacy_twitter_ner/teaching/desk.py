"""The desk of an open session: hands out tweets, stores answers, and starts training."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from threading import RLock
from typing import Any

from .curve import estimate_answers, make_curve, summarize
from .journal import Entry, Journal
from .session import (
    ACCEPT,
    ADJUDICATED,
    ANSWER,
    LABEL,
    PoolTweet,
    Round,
    SessionFolder,
    Settings,
    State,
)
from .trainer import Trainer

# Seconds for which a tweet that is shown to one person isn't shown to another.
_LEASE = 900.0
_SECOND = "second"


class UnknownTweetError(ValueError):
    """Raised if a tweet isn't part of the session."""


class InvalidAnswerError(ValueError):
    """Raised if an answer doesn't fit its tweet."""


def _to_lists(spans: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """RETURNS (list[list[Any]]): The spans in order, as they are read from the journal."""
    return sorted(map(list, spans))


class Desk:
    """An open session. Methods may be called from several threads.

    folder (SessionFolder): The session.
    RAISES (JournalError): If it's open already.
    """

    def __init__(self, folder: SessionFolder) -> None:
        self.settings: Settings = folder.read_settings()
        self.tweets: Sequence[PoolTweet] = folder.read_tweets()
        self.trainer = Trainer(folder.path)
        self.round: Round | None = None
        self._folder = folder
        self._journal = Journal(folder.journal)
        self.state = State.replay(self.settings, self._journal.entries)
        self._queue: list[Mapping[str, Any]] = []
        self._predicted: dict[int, tuple[int, list[Any] | None, str]] = {}
        self._leases: dict[int, tuple[str, float]] = {}
        self._failed_at = -1
        self._progress: tuple[Any, dict[str, Any]] = (None, {})
        self._lock = RLock()
        self.check()

    @property
    def entries(self) -> list[Entry]:
        """RETURNS (list[Entry]): The journal."""
        return self._journal.entries

    def check(self) -> None:
        """Pick up a round that has finished, and start the next one if it's due."""
        with self._lock:
            is_running = self.trainer.poll()
            if not is_running:
                self._load_round()
            n_new = len(self.entries) - (self.round.n_entries if self.round else 0)
            is_due = self.round is None or n_new >= self.settings.every or not self._queue
            # After a failure, wait for more answers.
            has_failed = self.trainer.error and len(self.entries) - self._failed_at < 10
            if not is_running and is_due and not has_failed and (n_new or self.round is None):
                self._failed_at = len(self.entries)
                self.trainer.start("train")

    def _load_round(self) -> None:
        last = self._folder.last_round()
        if last is None or (self.round and last.number == self.round.number):
            return
        self.round = last
        self._queue = list(self._folder.read_queue(last.number))
        now = time.monotonic()
        for item in self._queue:
            # A tweet that is on someone's screen keeps the prediction that is shown.
            if self._leases.get(item["tweet"], ("", 0.0))[1] > now:
                continue
            self._predicted[item["tweet"]] = (last.n_answers, item["spans"], item["reason"])

    def next_tweets(self, annotator: str, client: str, n: int) -> list[dict[str, Any]]:
        """Hand out the next tweets.

        annotator (str): The annotator's name.
        client (str): The browser tab, so that two tabs get different tweets.
        n (int): The number of tweets.
        RETURNS (list[dict[str, Any]]): The tweets.
        """
        with self._lock:
            self.check()
            now = time.monotonic()
            chosen = []
            for index in [*self._second_tweets(annotator), *(one["tweet"] for one in self._queue)]:
                owner, expires = self._leases.get(index, (client, 0.0))
                answers = self.state.answers.get(index, {})
                is_open = not answers or (self._is_double(index) and len(answers) < 2)
                if is_open and annotator not in answers and (owner == client or expires < now):
                    self._leases[index] = (client, now + _LEASE)
                    chosen.append(self.describe(index))
                    if len(chosen) == n:
                        break
            return chosen

    def _second_tweets(self, annotator: str) -> list[int]:
        if not self.settings.double:
            return []
        return [
            index
            for index, answers in self.state.answers.items()
            if self._is_double(index) and len(answers) == 1 and annotator not in answers
        ]

    def _is_double(self, index: int) -> bool:
        digest = hashlib.sha256(self.tweets[index].text.encode("utf-8", "replace")).digest()
        return int.from_bytes(digest[:4], "big") < self.settings.double * 2**32

    def describe(self, index: int) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): A tweet as the page shows it."""
        tweet = self.tweets[index]
        _, spans, reason = self._predicted.get(index, (0, None, _SECOND))
        return {
            "tweet": index,
            "text": tweet.text,
            "tokens": tweet.tokens,
            "spans": spans or [],
            "is_predicted": spans is not None,
            "reason": reason,
        }

    def answer(
        self,
        *,
        id: str,
        tweet: int,
        annotator: str,
        action: str,
        spans: Sequence[tuple[int, int, str]],
        unsure: Sequence[tuple[int, int]],
        seconds: float,
    ) -> bool:
        """Store an answer durably.

        id (str): The answer's ID. An answer that is sent again isn't stored again.
        tweet (int): The tweet.
        annotator (str): The annotator's name, or ADJUDICATED.
        action (str): One of session.ACTIONS.
        spans (Sequence[tuple[int, int, str]]): The entities.
        unsure (Sequence[tuple[int, int]]): Spans that may or may not be part of entities.
        seconds (float): How long it took.
        RETURNS (bool): Whether it's new.
        RAISES (UnknownTweetError): If there is no such tweet.
        RAISES (InvalidAnswerError): If spans aren't tokens of the tweet, overlap, or have other
            types than those of the session.
        RAISES (JournalError): If it can't be stored.
        """
        is_accepted = action == ACCEPT
        entry: Entry = {
            "id": id,
            "kind": ANSWER,
            "tweet": tweet,
            "annotator": annotator,
            "action": action,
        }
        entry["time"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
        entry |= {"spans": _to_lists(spans) if is_accepted else [], "seconds": round(seconds, 1)}
        entry |= {"unsure": _to_lists(unsure) if is_accepted else []}
        with self._lock:
            self._validate(tweet, spans, unsure)
            n_trained, predicted, reason = self._predicted.get(tweet, (0, None, _SECOND))
            entry |= {"labels": list(self.state.labels), "reason": reason}
            return self._store({**entry, "predicted": predicted, "n_trained": n_trained})

    def add_label(self, id: str, label: str) -> bool:
        """Add a type. Earlier answers don't annotate it.

        id (str): ID of the request.
        label (str): The type.
        RETURNS (bool): Whether it's new.
        RAISES (JournalError): If it can't be stored.
        """
        with self._lock:
            if label in self.state.labels:
                return False
            return self._store({"id": id, "kind": LABEL, "label": label})

    def _store(self, entry: Entry) -> bool:
        is_new = self._journal.append(entry)
        if is_new:
            self.state.add(entry)
            self.check()
        return is_new

    def _validate(
        self, index: int, spans: Sequence[tuple[int, int, str]], unsure: Sequence[tuple[int, int]]
    ) -> None:
        if not 0 <= index < len(self.tweets):
            raise UnknownTweetError(f"there is no tweet {index}")
        tokens = self.tweets[index].tokens
        starts, ends = {start for start, _ in tokens}, {end for _, end in tokens}
        position = 0
        for start, end in sorted([(s[0], s[1]) for s in spans] + list(unsure)):
            if start not in starts or end not in ends or start >= end:
                raise InvalidAnswerError(f"{start} to {end} isn't a span of tokens")
            if start < position:
                raise InvalidAnswerError(f"the span {start} to {end} overlaps another one")
            position = end
        if unknown := sorted({label for _, _, label in spans} - set(self.state.labels)):
            raise InvalidAnswerError(f"there is no type {unknown[0]}: add it first")

    def describe_progress(self, target: float) -> dict[str, Any]:
        """Describe the session for the page.

        target (float): The F1 to estimate the number of answers for.
        RETURNS (dict[str, Any]): Labels, counts, curve, estimate and what is running.
        """
        with self._lock:
            entries = self.entries
        key = (len(entries), target)
        if self._progress[0] != key:  # Not under the lock: answers don't wait for it.
            estimate = estimate_answers(entries, target)
            curve = [(p.n_trained, p.n_answers, p.f1) for p in make_curve(entries)]
            found = {
                "summary": summarize(entries),
                "curve": curve,
                "estimate": estimate and estimate._asdict(),
            }
            self._progress = (key, found)
        with self._lock:
            self.check()
            return {
                **self._progress[1],
                "labels": self.state.labels,
                "n_tweets": len(self.tweets),
                "round": self.round and {"number": self.round.number, "n": self.round.n_answers},
                "running": self.trainer.task if self.trainer.poll() else None,
                "error": self.trainer.error,
                "agreement": self.state.agreement(),
                "disagreements": self.state.disagreements(),
                "is_finished": (self._folder.path / "model").is_dir(),
            }

    def disagreement(self, index: int) -> dict[str, Any]:
        """Describe a tweet that annotators disagree about.

        index (int): The tweet.
        RETURNS (dict[str, Any]): The tweet and its answers.
        RAISES (UnknownTweetError): If nobody annotated it.
        """
        with self._lock:
            if index not in self.state.answers:
                raise UnknownTweetError(f"nobody annotated the tweet {index}")
            answers = self.state.answers[index].values()
            names = ("annotator", "action", "spans", "unsure")
            versions = [{name: entry[name] for name in names} for entry in answers]
            return {**self.describe(index), "versions": versions}

    def finish(self) -> bool:
        """Start writing the pipeline, data and report. RETURNS (bool): Whether it was started."""
        with self._lock:
            return self.trainer.start("finish")

    def close(self) -> None:
        """Stop training and close the journal."""
        with self._lock:
            self.trainer.stop()
            self._journal.close()


__all__ = ["ADJUDICATED", "Desk", "InvalidAnswerError", "UnknownTweetError"]
