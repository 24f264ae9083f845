"""Speed of prediction: ours, spaCy's `ner` and CRFsuite.

    python benchmarks/speed.py --corpus hse --write-docs
    python benchmarks/speed.py --only calls
    python benchmarks/speed.py --quick

needs corpus/<corpus>/{train,validation}.spacy (`python -m spacy project run convert`). Two tables:

    stream  nlp.pipe with batches of 1,000, from given tokens and from raw text
    calls   from raw text: one tweet per call, batches of 32, and a stream; with latencies

All pipelines process the same tweets in turns, new ones in each round.
"""

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Annotated, Any, NamedTuple

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import NumpyOps

from layers import without_kernel
from lib.machine import describe_machine, limit_threads
from lib.pipelines import OURS, SPACY, Pipeline, find_pipelines, hidden_units
from lib.project import ROOT, default_corpus
from lib.tables import Table, print_table, split_at_block, write_block
from lib.timing import Prepare, Run, Timings, cpu_note, exhaust, time_in_turns
from lib.tweets import Tweet, Tweets, count_words, read_some
from spacy_twitter_ner.layers.compiled import has_kernel
from spacy_twitter_ner.util import batched

DOCS = ROOT / "docs" / "benchmarks.md"
# spaCy's default.
BATCH_SIZE = 1000
WITHOUT_KERNEL = "the default without compiled steps"
MAKE_DOCS, TOKENIZE = "creating the Docs (not included above)", "spaCy's tokenizer alone"
STREAM, CALLS = "stream", "calls"


class Effort(NamedTuple):
    """How much is measured.

    rounds (int): Timed rounds.
    tweets (int): Tweets per round.
    warm_up (int): Other tweets that each pipeline processes before.
    """

    rounds: int = 5
    tweets: int = 2000
    warm_up: int = 20_000


QUICK = Effort(rounds=2, tweets=100, warm_up=100)


class Workload(NamedTuple):
    """What is measured, on which tweets.

    pipelines (dict[str, Language]): The pipelines by name.
    saved (dict[str, Pipeline]): Their folders and remarks.
    tweets (Tweets): The tweets.
    effort (Effort): How much is measured.
    """

    pipelines: dict[str, Language]
    saved: dict[str, Pipeline]
    tweets: Tweets
    effort: Effort

    def round(self, number: int) -> list[Tweet]:
        """RETURNS (list[Tweet]): The tweets of a round."""
        return self.tweets.round(number, self.effort.tweets)

    def time(self, baselines: dict[str, Prepare]) -> Timings:
        """RETURNS (Timings): The timings of baselines that process the tweets of each round."""
        return time_in_turns(
            baselines, lambda number: count_words(self.round(number)), self.effort.rounds
        )


def make_docs(nlp: Language, tweets: Sequence[Tweet]) -> list[Doc]:
    """RETURNS (list[Doc]): New Docs with the words of tweets."""
    return [Doc(nlp.vocab, words=tweet.words) for tweet in tweets]


def make_texts(nlp: Language, tweets: Sequence[Tweet]) -> list[str]:
    """RETURNS (list[str]): The raw texts of tweets."""
    return [tweet.text for tweet in tweets]


INPUTS: dict[str, Callable[[Language, Sequence[Tweet]], list[Any]]] = {
    "given tokens": make_docs,
    "raw text": make_texts,
}


def load_workload(corpus: str, effort: Effort, *, quick: bool) -> Workload:
    """Load the pipelines and warm them up.

    corpus (str): Name of a folder in corpus/.
    effort (Effort): How much is measured.
    quick (bool): Whether to train missing pipelines for fewer steps.
    RETURNS (Workload): The workload.
    """
    saved = find_pipelines(corpus, quick=quick)
    pipelines = {name: spacy.load(pipeline.path) for name, pipeline in saved.items()}
    if has_kernel(NumpyOps()):
        # A second copy, so that each has its own cache.
        pipelines[WITHOUT_KERNEL] = spacy.load(saved[OURS].path)
    tweets = read_some((effort.rounds + 1) * effort.tweets + effort.warm_up, corpus)
    for nlp in pipelines.values():
        exhaust(nlp.pipe(make_docs(nlp, tweets.tweets[-effort.warm_up :]), batch_size=BATCH_SIZE))
    return Workload(pipelines, saved, tweets, effort)


def measure_streams(work: Workload) -> Table:
    """RETURNS (Table): Words per second of nlp.pipe, from given tokens and from raw text."""
    timings = {name: time_stream(work, name) for name in INPUTS}
    rows = []
    for name, nlp in work.pipelines.items():
        cells = [
            cell
            for one in timings.values()
            for cell in (f"{one.words_per_second(name):,.0f}", f"{one.ratio(name, SPACY):.2f}")
        ]
        if name == WITHOUT_KERNEL:
            rows.insert(1, (name, "", *cells, "", ""))
        else:
            entities = f"{entity_rate(work, nlp):.0f}"
            rows.append((name, hidden_units(nlp), *cells, entities, work.saved[name].origin))
    tokens, raw = timings.values()
    rows.append((MAKE_DOCS, "", f"{tokens.words_per_second(MAKE_DOCS):,.0f}", *[""] * 5))
    rows.append((TOKENIZE, *[""] * 3, f"{raw.words_per_second(TOKENIZE):,.0f}", *[""] * 3))
    ratios = f"× {SPACY}"
    header = ("pipeline", "hidden units", "given tokens", ratios, "raw text", ratios)
    return Table(
        f"Pipelines, `nlp.pipe` with batches of {BATCH_SIZE:,}: words/s",
        (*header, "entities per 1,000 words", "model"),
        rows,
        f"On {work.tweets.source}, new ones in each round, after a warm-up of "
        f"{work.effort.warm_up:,}. {cpu_note([tokens, raw])}",
    )


def time_stream(work: Workload, input_name: str) -> Timings:
    """RETURNS (Timings): The timings of nlp.pipe, and of creating the Docs."""
    make_input = INPUTS[input_name]

    def prepare(name: str, nlp: Language, number: int) -> Run:
        inputs = make_input(nlp, work.round(number))

        def run() -> None:
            exhaust(nlp.pipe(inputs, batch_size=BATCH_SIZE))

        return without_kernel(run) if name == WITHOUT_KERNEL else run

    baselines: dict[str, Prepare] = {
        name: partial(prepare, name, nlp) for name, nlp in work.pipelines.items()
    }
    blank = spacy.blank("en")
    if make_input is make_docs:
        baselines[MAKE_DOCS] = lambda number: partial(make_docs, blank, work.round(number))
    else:
        baselines[TOKENIZE] = lambda number: partial(tokenize, blank, work.round(number))
    return work.time(baselines)


def tokenize(nlp: Language, tweets: Sequence[Tweet]) -> None:
    """Run only the tokenizer."""
    for tweet in tweets:
        nlp.tokenizer(tweet.text)


def entity_rate(work: Workload, nlp: Language) -> float:
    """RETURNS (float): The number of entities that a pipeline predicts per 1,000 words."""
    tweets = work.round(0)
    docs = nlp.pipe(make_docs(nlp, tweets), batch_size=BATCH_SIZE)
    return 1000 * sum(len(doc.ents) for doc in docs) / count_words(tweets)


class Latencies(NamedTuple):
    """Calls of different size.

    batch_size (int): Number of tweets per call.
    seconds (dict[str, list[float]]): By pipeline, the seconds per tweet of each call.
    timings (Timings): The timings.
    """

    batch_size: int
    seconds: dict[str, list[float]]
    timings: Timings

    def cells(self, name: str) -> list[str]:
        """RETURNS (list[str]): The cells of a pipeline."""
        p50, p99 = 1e6 * numpy.quantile(self.seconds[name], (0.5, 0.99))
        quantiles = [] if self.batch_size == BATCH_SIZE else [f"{p50:,.0f}", f"{p99:,.0f}"]
        speed = f"{self.timings.words_per_second(name):,.0f}"
        return [speed, *quantiles, f"{self.timings.ratio(name, SPACY):.2f}"]


def measure_calls(work: Workload) -> Table:
    """RETURNS (Table): Speed from raw text by number of tweets per call."""
    latencies = [time_calls(work, batch_size) for batch_size in (1, 32, BATCH_SIZE)]
    header = ["pipeline"]
    for title in ("one tweet per call", "batches of 32", "stream"):
        header += [f"{title}: words/s", "µs per tweet: p50", "p99", f"× {SPACY}"]
    del header[-3:-1]  # A stream has no calls.
    return Table(
        "Pipelines from raw text",
        header,
        [(name, *(cell for one in latencies for cell in one.cells(name))) for name in work.saved],
        f"On {work.tweets.source}, new ones in each round, after a warm-up of "
        f"{work.effort.warm_up:,}. {cpu_note([one.timings for one in latencies])}",
    )


def time_calls(work: Workload, batch_size: int) -> Latencies:
    """RETURNS (Latencies): The latencies of calls with a number of tweets each."""
    seconds: dict[str, list[float]] = {name: [] for name in work.saved}

    def prepare(name: str, number: int) -> Run:
        nlp = work.pipelines[name]
        texts = make_texts(nlp, work.round(number))
        # The first round doesn't count.
        latencies = seconds[name] if number else []

        def run() -> None:
            for batch in batched(texts, batch_size):
                start = perf_counter()
                if batch_size == 1:
                    nlp(batch[0])
                else:
                    exhaust(nlp.pipe(batch, batch_size=BATCH_SIZE))
                latencies.append((perf_counter() - start) / len(batch))

        return run

    baselines: dict[str, Prepare] = {name: partial(prepare, name) for name in work.saved}
    return Latencies(batch_size, seconds, work.time(baselines))


TABLES = {STREAM: measure_streams, CALLS: measure_calls}


def speed_cli(
    corpus: Annotated[
        str | None, typer.Option(help="Name of a folder in corpus/. Default: hse, or else sample")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Measure only this table; repeatable")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Check that everything runs")] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write the tables to docs/benchmarks.md")
    ] = False,
) -> None:
    """Measure how fast pipelines predict."""
    if unknown := set(only or ()) - set(TABLES):
        raise typer.BadParameter(f"unknown table {unknown.pop()}: expected {' or '.join(TABLES)}")
    names = [name for name in TABLES if not only or name in only]
    if write_docs:
        # Before measuring, not after.
        for name in names:
            split_at_block(DOCS, f"speed:{name}")
    with limit_threads(1):
        effort = QUICK if quick else Effort()
        work = load_workload(corpus or default_corpus(), effort, quick=quick)
        for name in names:
            table = TABLES[name](work)
            print_table(table)
            if write_docs:
                write_block(DOCS, f"speed:{name}", describe_machine(), [table])


if __name__ == "__main__":
    typer.run(speed_cli)
