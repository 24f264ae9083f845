"""One very long doc: what reading it in windows saves, and what it changes.

    python benchmarks/long_docs.py training/hse/bilstm_crf/model-best --corpus hse --tokens 100000

needs corpus/<corpus>/train.spacy, as `python -m spacy project run convert` makes it. Makes one doc
of the tweets of the training split, one after another, and reads it in one piece and in windows of
several lengths, each in a process of its own. Prints a Markdown table of seconds, of the memory
that prediction takes at its peak, and of the entities that differ from those of the doc in one
piece.
"""

import resource
import sys
import time
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple

import spacy
import typer
from spacy.tokens import Doc, DocBin

from spacy_twitter_ner.pipeline.windows import CONTEXT, find_windows

ROOT = Path(__file__).parents[1]
COMPONENT = "twitter_bilstm_ner"
# What ru_maxrss counts in.
UNIT = 1 if sys.platform == "darwin" else 1024


class Reading(NamedTuple):
    """How a doc was read: the seconds, the bytes that prediction took at its peak, the entities,
    and the tokens at which the scores of one window end and those of the next begin."""

    seconds: float
    peak: int
    entities: list[tuple[int, int, str]]
    cuts: list[int]


def read(model: Path, corpus: Path, n_tokens: int, window_length: int) -> Reading:
    """RETURNS (Reading): How a pipeline reads the doc in windows of that length; 0 for none."""
    nlp = spacy.load(model)
    ner = nlp.get_pipe(COMPONENT)
    ner.cfg["window_length"] = window_length
    tweets = DocBin().from_disk(corpus / "train.spacy").get_docs(nlp.vocab)
    words = [token.text for tweet in tweets for token in tweet]
    doc = Doc(nlp.vocab, words=list(islice(cycle(words), n_tokens)))
    # What is made once.
    ner(nlp.make_doc("in Chicago"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    ner(doc)
    seconds = time.perf_counter() - start
    peak = UNIT * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    entities = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    cuts = [window.keep_end for window in find_windows(len(doc), window_length)][:-1]
    return Reading(seconds, peak, entities, cuts)


def describe(reading: Reading, whole: Reading) -> tuple[str, ...]:
    """RETURNS (tuple[str, ...]): Seconds, peak, entities, and how they differ from those of the
    doc in one piece."""
    different = set(reading.entities) ^ set(whole.entities)
    far = sum(
        all(not start - CONTEXT <= cut <= end + CONTEXT for cut in reading.cuts)
        for start, end, _ in different
    )
    return (
        f"{reading.seconds:.1f}",
        f"{reading.peak / 1e6:,.0f}",
        f"{len(reading.entities):,}",
        f"{len(different):,}",
        f"{far:,}",
    )


def long_docs_cli(
    model: Annotated[Path, typer.Argument(help="A trained pipeline")],
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "hse",
    n_tokens: Annotated[int, typer.Option("--tokens", min=1, help="Length of the doc")] = 100_000,
    lengths: Annotated[list[int] | None, typer.Option("--window", help="Lengths")] = None,
) -> None:
    """Read one very long doc in one piece and in windows."""
    folder = ROOT / "corpus" / corpus
    if not (folder / "train.spacy").exists():
        command = f"python -m spacy project run convert . --vars.corpus {corpus}"
        raise SystemExit(f"no {folder / 'train.spacy'}: run `{command}`")
    print(
        f"| window | s | peak, MB | entities | different | of these {CONTEXT} tokens off a cut |\n"
        "|---|---|---|---|---|---|"
    )
    whole = None
    for length in (0, *(lengths or (500, 200))):
        # A process that was forked would have the peak of this one.
        with get_context("spawn").Pool(1) as pool:
            reading = pool.apply(read, (model, folder, n_tokens, length))
        whole = whole or reading
        print(f"| {length or 'none'} | {' | '.join(describe(reading, whole))} |", flush=True)


if __name__ == "__main__":
    typer.run(long_docs_cli)
