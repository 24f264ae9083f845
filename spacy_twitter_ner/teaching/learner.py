"""Train a pipeline on a session's answers and rank the remaining tweets, in a process of its own:

    python -m spacy_twitter_ner.teaching.learner OUTPUT

The result is a folder that appears in OUTPUT/rounds complete or not at all. A crash loses nothing.
"""

import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spacy.language import Language

from ..loading import load_pipeline
from .learning import teach, teach_blank
from .selection import choose, get_entropies
from .session import PoolTweet, Round, SessionFolder, Settings, State, to_gold

# Number of tweets to queue per round. The next round replaces the queue.
QUEUE_SIZE = 400
# A pipeline without pretrained weights learns nothing from fewer answers, and isn't better than
# chance at choosing tweets before it has this many.
MIN_BLANK, MIN_BLANK_CHOICE = 20, 200
MODEL = "model"


def learn(folder: SessionFolder) -> Round:
    """Train on all answers and write a round.

    folder (SessionFolder): The session.
    RETURNS (Round): The round.
    RAISES (OSError): If a file can't be read or written.
    RAISES (ValueError): If the pipeline can't be trained.
    """
    start = time.perf_counter()
    settings, tweets = folder.read_settings(), folder.read_tweets()
    entries = folder.read_entries()
    state = State.replay(settings, entries)
    nlp = train_on_answers(settings, tweets, state)
    queue = make_queue(nlp, settings, tweets, state, seed=len(entries))
    last = folder.last_round()
    learned = Round(
        number=last.number + 1 if last else 0,
        n_entries=len(entries),
        n_answers=len(state.accepted()),
        labels=state.labels,
        seconds=round(time.perf_counter() - start, 1),
    )
    _write_round(folder, learned, nlp, queue)
    return learned


def train_on_answers(
    settings: Settings, tweets: Sequence[PoolTweet], state: State
) -> Language | None:
    """Train a session's pipeline on its answers, always from the pipeline it started with.

    settings (Settings): The settings.
    tweets (Sequence[PoolTweet]): The tweets.
    state (State): The answers.
    RETURNS (Language | None): The pipeline. None if there is none and there are too few answers.
    """
    golds = [to_gold(entry, tweets[index].text) for index, entry in state.accepted().items()]
    if settings.model is None:
        if len(golds) < MIN_BLANK or not any(gold.spans for gold in golds):
            return None
        return teach_blank(golds, state.labels, seed=settings.seed)
    nlp = load_pipeline(settings.model)
    if golds:
        others = [tweet.text for index, tweet in enumerate(tweets) if index not in state.answers]
        teach(nlp, golds, state.labels, others, seed=settings.seed)
    return nlp


def make_queue(
    nlp: Language | None,
    settings: Settings,
    tweets: Sequence[PoolTweet],
    state: State,
    *,
    seed: int,
) -> list[dict[str, Any]]:
    """Choose the next tweets, with the pipeline's predictions.

    nlp (Language | None): The pipeline, if there is one.
    settings (Settings): The settings.
    tweets (Sequence[PoolTweet]): The tweets.
    state (State): The answers.
    seed (int): Random seed of the choice.
    RETURNS (list[dict[str, Any]]): The tweets: index, reason, and predicted spans, which are None
        without a pipeline.
    """
    candidates = [index for index in range(len(tweets)) if index not in state.answers]
    texts = [tweet.text for tweet in tweets]
    is_ready = settings.model is not None or len(state.accepted()) >= MIN_BLANK_CHOICE
    entropies = None
    if nlp is not None and is_ready:
        entropies = get_entropies(nlp, texts, state.labels)
    choices = choose(candidates, entropies, QUEUE_SIZE, seed=settings.seed + seed)
    spans = _predict(nlp, [texts[choice.tweet] for choice in choices], state.labels)
    return [
        {"tweet": index, "reason": reason, "spans": predicted}
        for (index, reason), predicted in zip(choices, spans, strict=True)
    ]


def _predict(
    nlp: Language | None, texts: Sequence[str], labels: Sequence[str]
) -> list[list[tuple[int, int, str]] | None]:
    """RETURNS (list[list[tuple[int, int, str]] | None]): The predicted spans of annotated types."""
    if nlp is None:
        return [None] * len(texts)
    return [
        [(e.start_char, e.end_char, e.label_) for e in doc.ents if e.label_ in labels]
        for doc in nlp.pipe(texts)
    ]


def _write_round(
    folder: SessionFolder, learned: Round, nlp: Language | None, queue: list[dict[str, Any]]
) -> None:
    """Write a round to a temporary folder and rename it. Older pipelines are removed."""
    target = folder.round_path(learned.number)
    temporary = target.with_name(f".{learned.number}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    if nlp is not None:
        nlp.to_disk(temporary / MODEL)
    (temporary / "queue.json").write_text(json.dumps(queue), encoding="utf-8")
    (temporary / "round.json").write_text(json.dumps(asdict(learned)), encoding="utf-8")
    temporary.rename(target)
    for number in range(learned.number - 1):
        shutil.rmtree(folder.round_path(number) / MODEL, ignore_errors=True)


if __name__ == "__main__":
    try:
        learn(SessionFolder(Path(sys.argv[1])))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
