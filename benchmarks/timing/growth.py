"""How cost grows with batch size, length of the texts, hidden units and number of labels."""

from collections.abc import Iterable
from functools import partial
from itertools import cycle
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import load_model_from_config

from .clock import Prepare, Run, Timings, take_turns
from .contestants import (
    COMPONENT,
    DEFAULT,
    HIDDEN,
    SPACY,
    find_models,
    hidden_units,
    make_config,
)
from .layer import measure_row, ratio_cell, speed_cell
from .pipeline import BATCH_SIZE, exhaust, make_docs, pipe_turn
from .recurrent import OURS, TORCH
from .tables import Table, thousands, with_share
from .texts import chain_words, count_words, read_docs
from .workload import Workload

N_EXAMPLES = 500
# As many as the HSE corpus has.
N_LABELS = 10
# How much more probable O is made in a pipeline that was not trained.
O_MARGIN = 20.0
UNTRAINED = "The pipelines here are not trained and find no entities."


def measure(work: Workload) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The timings of each kind of growth."""
    found = find_models(work, (DEFAULT.key, SPACY.key))
    pipelines = {name: spacy.load(model.path) for name, model in found.items()}
    return {
        "batch": {name: measure_batches(work, nlp) for name, nlp in pipelines.items()},
        "length": {name: measure_lengths(work, nlp) for name, nlp in pipelines.items()},
        "layer": [
            measure_row(work, "forward", work.effort.growth_batch, n) | {"n": n}
            for n in work.effort.hidden
        ],
        "hidden": measure_untrained(work, "hidden", work.effort.hidden),
        "labels": measure_untrained(work, "labels", work.effort.labels),
    }


def measure_batches(work: Workload, nlp: Language) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): A row for each batch size of nlp.pipe, on given tokens."""
    size = tweets_of(work)
    turns = {
        str(n): pipe_turn(nlp, work.texts, size, make_docs, n) for n in work.effort.growth_batches
    }
    timings = take_turns(
        turns, lambda number: count_words(work.texts.round(number, size)), work.effort
    )
    return growth_rows(timings, work.effort.growth_batches)


def measure_lengths(work: Workload, nlp: Language) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): A row for each length; the texts of all lengths have the
    same number of words in all."""

    def prepare(number: int, length: int) -> Run:
        tweets = work.texts.round(number, tweets_of(work))
        words = chain_words(tweets, length, work.effort.growth_words)
        docs = [Doc(nlp.vocab, words=text) for text in words]
        return lambda: exhaust(nlp.pipe(docs, batch_size=BATCH_SIZE))

    lengths = work.effort.lengths
    turns: dict[str, Prepare] = {str(n): partial(prepare, length=n) for n in lengths}
    timings = take_turns(turns, lambda _: work.effort.growth_words, work.effort)
    return growth_rows(timings, lengths)


def tweets_of(work: Workload) -> int:
    """RETURNS (int): How many tweets have about as many words as growth is measured on."""
    return max(
        work.effort.growth_words * len(work.texts.tweets) // count_words(work.texts.tweets), 1
    )


def growth_rows(timings: Timings, values: Iterable[int]) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): For each value, words a second, and the ratio to the first
    value."""
    first, *_ = names = [str(value) for value in values]
    return [
        {
            "n": int(name),
            "words_per_second": timings.words_per_second(name),
            "ratio_to_first": timings.ratio(name, first),
        }
        for name in names
    ]


def measure_untrained(work: Workload, kind: str, values: Iterable[int]) -> list[dict[str, Any]]:
    """Time the default pipeline with other widths, without training.

    kind (str): "hidden" units of each direction, or number of "labels".
    values (Iterable[int]): How many.
    RETURNS (list[dict[str, Any]]): A row for each.
    """
    size = tweets_of(work)
    docs = read_docs(work.root, work.corpus, "train")[:N_EXAMPLES]
    pipelines = {n: make_untrained(work, docs, **{kind: n}) for n in values}
    turns = {str(n): pipe_turn(nlp, work.texts, size, make_docs) for n, nlp in pipelines.items()}
    timings = take_turns(
        turns, lambda number: count_words(work.texts.round(number, size)), work.effort
    )
    rows = growth_rows(timings, pipelines)
    hidden = [hidden_units(nlp) for nlp in pipelines.values()]
    return [
        row | {"share_of_bound": timings.share_of_bound(str(row["n"]), n)}
        for row, n in zip(rows, hidden, strict=True)
    ]


def make_untrained(
    work: Workload, docs: list[Doc], *, hidden: int | None = None, labels: int = N_LABELS
) -> Language:
    """Make the default pipeline, initialised but not trained. Random scores would make an entity
    of every other word, so O is made more probable than anything else: none is found.

    docs (list[Doc]): What it is initialised with.
    hidden (Optional[int]): Hidden units of each direction; those of the config if not given.
    labels (int): How many entity types.
    RETURNS (Language): The pipeline.
    """
    overrides = {} if hidden is None else {HIDDEN: hidden}
    config = make_config(work, DEFAULT._replace(overrides=overrides))
    nlp = load_model_from_config(config, auto_fill=True)
    names = [f"type-{number}" for number in range(labels)]
    examples = relabel(docs, names)
    nlp.config["initialize"]["components"][COMPONENT] = {"labels": names}
    nlp.initialize(lambda: examples)
    output_layer = nlp.get_pipe(COMPONENT).model.get_ref("output_layer")  # type: ignore[attr-defined]
    bias = output_layer.get_param("b")
    bias[0] += O_MARGIN
    output_layer.set_param("b", bias)
    return nlp


def relabel(docs: Iterable[Doc], names: list[str]) -> list[Example]:
    """RETURNS (list[Example]): Docs whose entities get other types, by turns."""
    turns = cycle(names)
    examples = []
    for doc in docs:
        words = [token.text for token in doc]
        reference = Doc(doc.vocab, words=words)
        spans = [Span(reference, e.start, e.end, label=next(turns)) for e in doc.ents]
        reference.set_ents(spans)
        examples.append(Example(Doc(doc.vocab, words=words), reference))
    return examples


def tables(figures: dict[str, Any]) -> list[Table]:
    """RETURNS (list[Table]): One table for each kind of growth."""
    return [
        _pipe_table("Batch size of `nlp.pipe`, given tokens", "tweets", figures["batch"]),
        _pipe_table("Length of the texts, given tokens", "tokens", figures["length"]),
        Table(
            f"Hidden units of a direction: words/s (share of the bound); layers at batch "
            f"{figures['layer'][0]['batch_size']}, forward",
            ("hidden units", "our layer", *TORCH, "× the better PyTorch", "whole pipeline"),
            [
                (
                    str(row["n"]),
                    *(speed_cell(row, name) for name in (OURS, *TORCH)),
                    ratio_cell(row["ratio_to_torch"]),
                    with_share(pipeline["words_per_second"], pipeline["share_of_bound"]),
                )
                for row, pipeline in zip(figures["layer"], figures["hidden"], strict=True)
            ],
            UNTRAINED,
        ),
        Table(
            f"Entity types, `{DEFAULT.name}`: words/s (share of the bound)",
            ("types", "whole pipeline", f"× {figures['labels'][0]['n']} types"),
            [
                (
                    str(row["n"]),
                    with_share(row["words_per_second"], row["share_of_bound"]),
                    ratio_cell(row["ratio_to_first"]),
                )
                for row in figures["labels"]
            ],
            UNTRAINED,
        ),
    ]


def _pipe_table(title: str, column: str, growth: dict[str, list[dict[str, Any]]]) -> Table:
    first = next(iter(growth.values()))[0]["n"]
    header = [column]
    for name in growth:
        header += [f"{name}: words/s", f"× that of {first}"]
    rows = [
        (
            thousands(row[0]["n"]),
            *(
                cell
                for own in row
                for cell in (thousands(own["words_per_second"]), ratio_cell(own["ratio_to_first"]))
            ),
        )
        for row in zip(*growth.values(), strict=True)
    ]
    return Table(title, tuple(header), rows)
