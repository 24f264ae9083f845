"""Whole pipelines through nlp.pipe, from given tokens and from raw text."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import NumpyOps

from spacy_twitter_ner.layers.lstm_ops import has_kernel

from .clock import Prepare, Run, take_turns
from .contestants import DEFAULT, SPACY, find_models, hidden_units
from .layer import ratio_cell, speed_cell
from .recurrent import without_kernel
from .tables import Table, cpu_note, thousands
from .texts import Texts, Tweet, count_words
from .workload import Workload

# spaCy's own default.
BATCH_SIZE = 1000
TOKENS, RAW = "given tokens", "raw text"
WITHOUT_KERNEL = "the default without compiled loops"
MAKING_DOCS, TOKENIZER = "making the Docs, not timed above", "spaCy's tokenizer alone"

# Texts or Docs that a pipeline gets, of a round's tweets.
MakeInput = Callable[[Language, list[Tweet]], list[Any]]


def make_docs(nlp: Language, tweets: Iterable[Tweet]) -> list[Doc]:
    """RETURNS (list[Doc]): Fresh Docs of the tweets' words."""
    return [Doc(nlp.vocab, words=tweet.words) for tweet in tweets]


def raw_texts(nlp: Language, tweets: Iterable[Tweet]) -> list[str]:
    """RETURNS (list[str]): The tweets' texts."""
    return [tweet.text for tweet in tweets]


MODES: dict[str, MakeInput] = {TOKENS: make_docs, RAW: raw_texts}


def measure(work: Workload) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The timings of each mode, and what each pipeline is."""
    found = find_models(work)
    pipelines = {name: spacy.load(model.path) for name, model in found.items()}
    if has_kernel(NumpyOps()):
        # With words of its own: in each round one of the two would know them by the other.
        pipelines[WITHOUT_KERNEL] = spacy.load(found[DEFAULT.name].path)
    hidden = {name: hidden_units(nlp) for name, nlp in pipelines.items()}
    warm = work.texts.last(work.effort.warm_tweets)
    for nlp in pipelines.values():
        exhaust(nlp.pipe(make_docs(nlp, warm), batch_size=BATCH_SIZE))
    return {
        "source": work.texts.source,
        "warm_tweets": len(warm),
        "batch_size": BATCH_SIZE,
        "hidden": hidden,
        "origin": {name: model.origin for name, model in found.items()},
        "entities_per_1000_words": {
            name: entity_rate(nlp, work) for name, nlp in pipelines.items()
        },
        "modes": {mode: measure_mode(work, pipelines, hidden, mode) for mode in MODES},
    }


def measure_mode(
    work: Workload, pipelines: dict[str, Language], hidden: dict[str, int], mode: str
) -> dict[str, Any]:
    """Time all pipelines, and beside them what makes the Docs.

    RETURNS (dict[str, Any]): Words a second, share of the bound, ratio to spaCy's ner.
    """
    size = work.effort.pipeline_tweets
    blank = spacy.blank("en")
    turns: dict[str, Prepare] = {
        name: pipe_turn(nlp, work.texts, size, MODES[mode]) for name, nlp in pipelines.items()
    }
    if WITHOUT_KERNEL in pipelines:
        prepare = turns[WITHOUT_KERNEL]
        turns[WITHOUT_KERNEL] = lambda number: without_kernel(prepare(number))
    if mode == TOKENS:
        turns[MAKING_DOCS] = lambda number: doc_maker(blank, work.texts.round(number, size))
    else:
        turns[TOKENIZER] = lambda number: tokenizer(blank, work.texts.round(number, size))
    timings = take_turns(
        turns, lambda number: count_words(work.texts.round(number, size)), work.effort
    )
    return {
        **timings.to_json(),
        "share_of_bound": {
            name: timings.share_of_bound(name, hidden.get(name) or hidden[DEFAULT.name])
            for name in turns
        },
        "ratio_to_spacy_ner": {name: timings.ratio(name, SPACY.name) for name in turns},
    }


def pipe_turn(
    nlp: Language, texts: Texts, size: int, make_input: MakeInput, batch_size: int = BATCH_SIZE
) -> Prepare:
    """RETURNS (Callable): Prepares a round: makes the input, and returns what is to be timed."""

    def prepare(number: int) -> Run:
        inputs = make_input(nlp, texts.round(number, size))
        return lambda: exhaust(nlp.pipe(inputs, batch_size=batch_size))

    return prepare


def doc_maker(nlp: Language, tweets: list[Tweet]) -> Run:
    return lambda: make_docs(nlp, tweets)


def tokenizer(nlp: Language, tweets: list[Tweet]) -> Run:
    pipe: Any = nlp.tokenizer.pipe  # type: ignore[union-attr]
    return lambda: exhaust(pipe(tweet.text for tweet in tweets))


def exhaust(stream: Iterable[object]) -> None:
    """Read a stream to its end and keep nothing."""
    deque(stream, maxlen=0)


def entity_rate(nlp: Language, work: Workload) -> float:
    """RETURNS (float): How many entities a pipeline finds in 1,000 words; each costs time."""
    tweets = work.texts.round(0, work.effort.pipeline_tweets)
    docs = nlp.pipe(make_docs(nlp, tweets), batch_size=BATCH_SIZE)
    return 1000 * sum(len(doc.ents) for doc in docs) / count_words(tweets)


def speed_cells(figures: dict[str, Any], name: str) -> list[str]:
    """RETURNS (list[str]): A pipeline's speed in each mode, and its ratio to spaCy's ner."""
    return [
        cell
        for mode in figures["modes"].values()
        for cell in (speed_cell(mode, name), ratio_cell(mode["ratio_to_spacy_ner"][name]))
    ]


def tables(figures: dict[str, Any]) -> list[Table]:
    """RETURNS (list[Table]): One table, a row for each pipeline."""
    tokens, raw = (figures["modes"][mode] for mode in (TOKENS, RAW))
    rows = []
    for name, origin in figures["origin"].items():
        cells = speed_cells(figures, name)
        entities = f"{figures['entities_per_1000_words'][name]:.0f}"
        rows.append((name, str(figures["hidden"][name] or "-"), *cells, entities, origin))
    if WITHOUT_KERNEL in tokens["words_per_second"]:
        rows.insert(1, (WITHOUT_KERNEL, "", *speed_cells(figures, WITHOUT_KERNEL), "", ""))
    rows.append((MAKING_DOCS, "", thousands(tokens["words_per_second"][MAKING_DOCS]), *[""] * 5))
    rows.append((TOKENIZER, *[""] * 3, thousands(raw["words_per_second"][TOKENIZER]), *[""] * 3))
    return [
        Table(
            f"Whole pipelines, `nlp.pipe` by {figures['batch_size']:,}: words/s (share of the "
            "bound)",
            (
                "pipeline",
                "hidden units",
                TOKENS,
                f"× {SPACY.name}",
                RAW,
                f"× {SPACY.name}",
                "entities in 1,000 words",
                "model",
            ),
            rows,
            f"On {figures['source']}, other ones in each round; before, each pipeline has read "
            f"{figures['warm_tweets']:,} of them, as within a stream. The bound is that of a "
            "pipeline's own hidden units, for those without a BiLSTM that of the default. "
            + cpu_note(figures["modes"].values()),
        )
    ]
