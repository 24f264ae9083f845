"""A teaching session: a folder with the tweets, the answers and the trained pipelines.

    OUTPUT/
      session.json      settings
      tweets.jsonl      the tweets to choose from, with their tokens
      answers.jsonl     the journal
      rounds/N/         what was learned from the first answers: pipeline, queue, facts

The state is a replay of the journal.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..corpus.spanfile import CharSpan
from ..util import write_atomic
from .journal import Entry, read_journal
from .learning import Gold

ANSWER, LABEL = "answer", "label"
ACCEPT, SKIP, FLAG = "accept", "skip", "flag"
ACTIONS = (ACCEPT, SKIP, FLAG)
ADJUDICATED = "adjudicated"


@dataclass(frozen=True)
class Settings:
    """The settings of a session.

    model (str | None): The pipeline to start from. None starts from lexical knowledge only.
    labels (list[str]): The types that are annotated at first.
    every (int): Number of answers after which the pipeline is trained again.
    double (float): Share of tweets that are annotated by two people.
    seed (int): Random seed.
    """

    model: str | None
    labels: list[str]
    every: int = 50
    double: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class PoolTweet:
    """A tweet to choose from, and the start and end of its tokens."""

    text: str
    tokens: list[tuple[int, int]]


@dataclass(frozen=True)
class Round:
    """What was learned: the number of the round, the number of journal entries it was trained on,
    the number of answers among them, the types, and the seconds it took."""

    number: int
    n_entries: int
    n_answers: int
    labels: list[str]
    seconds: float


@dataclass
class State:
    """The state of a session, from its journal.

    labels (list[str]): The annotated types.
    answers (dict[int, dict[str, Entry]]): The last answer of each annotator to each tweet.
    """

    labels: list[str]
    answers: dict[int, dict[str, Entry]] = field(default_factory=dict)

    @classmethod
    def replay(cls, settings: Settings, entries: Iterable[Entry]) -> "State":
        """RETURNS (State): The state after the given entries."""
        state = cls(list(settings.labels))
        for entry in entries:
            state.add(entry)
        return state

    def add(self, entry: Entry) -> None:
        """Apply a new entry. A later answer by the same annotator replaces the earlier one."""
        if entry["kind"] == LABEL:
            if entry["label"] not in self.labels:
                self.labels.append(entry["label"])
            return
        by_annotator = self.answers.setdefault(entry["tweet"], {})
        by_annotator.pop(entry["annotator"], None)
        by_annotator[entry["annotator"]] = entry

    def resolve(self, tweet: int) -> Entry | None:
        """Choose the answer that counts: the adjudicated one, or else the first accepted one.

        tweet (int): The tweet.
        RETURNS (Entry | None): The answer. None if it wasn't annotated or was skipped.
        """
        answers = self.answers.get(tweet, {})
        if ADJUDICATED in answers:
            return answers[ADJUDICATED] if answers[ADJUDICATED]["action"] == ACCEPT else None
        accepted = [entry for entry in answers.values() if entry["action"] == ACCEPT]
        return accepted[0] if accepted else None

    def accepted(self) -> dict[int, Entry]:
        """RETURNS (dict[int, Entry]): The answer that counts, by annotated tweet."""
        resolved = ((tweet, self.resolve(tweet)) for tweet in self.answers)
        return {tweet: entry for tweet, entry in resolved if entry is not None}

    def disagreements(self) -> list[int]:
        """RETURNS (list[int]): Tweets whose annotators disagree, not adjudicated yet."""
        return [
            tweet
            for tweet, answers in self.answers.items()
            if ADJUDICATED not in answers and len({_key(one) for one in answers.values()}) > 1
        ]

    def agreement(self) -> tuple[int, float] | None:
        """Compute the agreement of annotators.

        RETURNS (tuple[int, float] | None): The number of tweets that two people annotated, and the
            F1 between their entities. None if there are none.
        """
        n_tweets = n_same = n_spans = 0
        for answers in self.answers.values():
            people = [e for name, e in answers.items() if name != ADJUDICATED]
            accepted = [entry for entry in people if entry["action"] == ACCEPT]
            if len(accepted) >= 2:
                first, second = (set(map(tuple, one["spans"])) for one in accepted[:2])
                n_tweets += 1
                n_same += 2 * len(first & second)
                n_spans += len(first) + len(second)
        if not n_tweets:
            return None
        return n_tweets, n_same / n_spans if n_spans else 1.0


def _key(entry: Entry) -> tuple[Any, ...]:
    return (entry["action"], tuple(sorted(map(tuple, entry["spans"]))))


def to_gold(entry: Entry, text: str) -> Gold:
    """RETURNS (Gold): The annotation of an answer."""
    spans = [CharSpan(*span) for span in entry["spans"]]
    unsure = [(start, end) for start, end in entry["unsure"]]
    return Gold(text, spans, unsure, entry["labels"])


def _dump_lines(records: Iterable[Any]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


class SessionFolder:
    """The files of a session.

    path (Path): The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "answers.jsonl"
        self.rounds = path / "rounds"
        self._settings, self._tweets = path / "session.json", path / "tweets.jsonl"

    @property
    def exists(self) -> bool:
        """RETURNS (bool): Whether a session was created."""
        return self._settings.is_file()

    def create(
        self, settings: Settings, tweets: Sequence[PoolTweet], entries: Sequence[Entry] = ()
    ) -> None:
        """Create the session.

        settings (Settings): The settings.
        tweets (Sequence[PoolTweet]): The tweets to choose from.
        entries (Sequence[Entry]): The first entries of the journal.
        RAISES (OSError): If a file can't be written.
        """
        paths = (self._tweets, self.journal, self._settings)
        with write_atomic(*paths) as (tweets_path, journal_path, settings_path):
            tweets_path.write_text(_dump_lines(map(asdict, tweets)), encoding="utf-8")
            journal_path.write_text(_dump_lines(entries), encoding="utf-8")
            settings_path.write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")

    def read_settings(self) -> Settings:
        """RETURNS (Settings): The settings."""
        return Settings(**json.loads(self._settings.read_text(encoding="utf-8")))

    def read_tweets(self) -> list[PoolTweet]:
        """RETURNS (list[PoolTweet]): The tweets."""
        # Not splitlines, since a tweet may contain other line separators.
        lines = self._tweets.read_text(encoding="utf-8").split("\n")
        records = [json.loads(line) for line in lines if line]
        return [PoolTweet(one["text"], [tuple(t) for t in one["tokens"]]) for one in records]

    def read_entries(self) -> list[Entry]:
        """RETURNS (list[Entry]): The entries of the journal."""
        return read_journal(self.journal) if self.journal.exists() else []

    def last_round(self) -> Round | None:
        """RETURNS (Round | None): The last complete round."""
        numbers = [int(path.name) for path in self.rounds.glob("[0-9]*") if path.name.isdigit()]
        if not numbers:
            return None
        text = (self.round_path(max(numbers)) / "round.json").read_text(encoding="utf-8")
        return Round(**json.loads(text))

    def round_path(self, number: int) -> Path:
        """RETURNS (Path): The folder of a round."""
        return self.rounds / str(number)

    def read_queue(self, number: int) -> list[Mapping[str, Any]]:
        """RETURNS (list[Mapping[str, Any]]): The tweets to ask next: tweet, reason, and spans."""
        text = (self.round_path(number) / "queue.json").read_text(encoding="utf-8")
        return json.loads(text)
