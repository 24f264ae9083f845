"""How far confidence can be trusted, what the knobs do, and what confidence costs.

    python benchmarks/confidence.py training/hse/bilstm_crf/model-best --corpus hse --write-docs

Fits the temperature on validation by two objectives, shows which gives the smaller calibration
error there, and measures the model, calibrated by the first, on validation and test. For the cost,
unlabelled tweets (the corpus's own, if there are none) go through the component with confidence
and without, by turns; processor time counts.
"""

import math
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.training import Corpus, Example
from wasabi import msg

from spacy_twitter_ner.evaluation.reliability import (
    measure_calibration,
    measure_point,
    reliability_tables,
)
from spacy_twitter_ner.layers.crf import log_likelihood
from spacy_twitter_ner.lexical.training import read_tweets, tweet_files
from spacy_twitter_ner.pipeline.bilstm_ner import TwitterBiLSTMNER
from spacy_twitter_ner.pipeline.gold import gold_tags
from spacy_twitter_ner.training.calibrating import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    find_components,
    fit_temperature,
    judge_entities,
    measure_reliability,
    minimize,
)
from spacy_twitter_ner.viz.reliability import draw_reliability
from timing.tables import Table, print_table, to_markdown, write_block
from timing.texts import BenchmarkError

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "confidence.md"
PICTURE = ROOT / "docs" / "img" / "reliability.png"
BIASES = (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
_SPANS_KEY = "confidence"
_BATCH_SIZE = 256


def read_split(nlp: Language, corpus: str, split: str) -> list[Example]:
    """RETURNS (list[Example]): The examples of a converted split.
    RAISES (BenchmarkError): If it is not there."""
    path = ROOT / "corpus" / corpus / f"{split}.spacy"
    if not path.exists():
        raise BenchmarkError(
            f"{path} is missing: python -m spacy project run convert . --vars.corpus {corpus}"
        )
    return list(Corpus(path)(nlp))


def fit_by_sequences(component: TwitterBiLSTMNER, examples: list[Example]) -> float:
    """Find the temperature at which the gold sequences of tags are most probable. As their
    log-likelihood is concave in its inverse, there is but one.

    component (TwitterBiLSTMNER): The component.
    examples (list[Example]): The split; its docs are complete but for this component.
    RETURNS (float): The temperature.
    """
    lattice = component.predict_lattice([example.predicted for example in examples]).lattice
    types = {label: number for number, label in enumerate(component.labels)}
    gold = numpy.concatenate([gold_tags(example, types) for example in examples])

    def loss(log_temperature: float) -> float:
        likelihoods, _ = log_likelihood(lattice.scaled(math.exp(-log_temperature)), gold)
        return -float(likelihoods.sum())

    return math.exp(minimize(loss, math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)))


def compare_objectives(nlp: Language, examples: list[Example]) -> Table:
    """Compare two ways to find a temperature, by the calibration error on the same split.

    nlp (Language): The pipeline; its component's temperature is set to that of the first.
    examples (list[Example]): The validation split.
    RETURNS (Table): Temperature and error of each.
    """
    component = find_components(nlp)[0]
    judged = judge_entities(nlp, component, examples)
    temperatures = {
        "none": 1.0,
        "log loss of the predicted entities": fit_temperature(judged),
        "likelihood of the gold sequences of tags": fit_by_sequences(component, examples),
    }
    rows = []
    for name, temperature in temperatures.items():
        ece = measure_calibration(judged.confidences(temperature), judged.judgements).ece
        rows.append((name, f"{temperature:.3f}", "-" if ece is None else f"{ece:.3f}"))
    component.cfg["temperature"] = temperatures["log loss of the predicted entities"]
    return Table("Objectives, on validation", ("Fitted by", "Temperature", "ECE"), rows)


def vary_bias(nlp: Language, examples: list[Example]) -> Table:
    """RETURNS (Table): What outside_bias does to precision and recall."""
    component = find_components(nlp)[0]
    before, rows = component.cfg["outside_bias"], []
    for bias in BIASES:
        component.cfg["outside_bias"] = bias
        judged = judge_entities(nlp, component, examples)
        point = measure_point(judged.confidences(1.0), judged.judgements, judged.n_gold, 0.0)
        scores = (point.precision, point.recall, point.f)
        figures = ("-" if score is None else f"{score:.3f}" for score in scores)
        rows.append((f"{bias:g}", f"{math.exp(bias):.2f}", str(point.n), *figures))
    component.cfg["outside_bias"] = before
    header = ("outside_bias", "Odds of O times", "Entities", "Precision", "Recall", "F1")
    return Table("Weight of O, on validation", header, rows)


def time_confidence(nlp: Language, texts: list[str], n_turns: int) -> Table:
    """Time the component with confidence and without, by turns. Both find all words of a turn
    remembered from a run that does not count: without confidence it is as fast as it can be.

    nlp (Language): The pipeline.
    texts (list[str]): Tweets; each turn has its own part of them.
    n_turns (int): How many turns.
    RETURNS (Table): Words a second, and the median of the ratios within a turn.
    """
    component = find_components(nlp)[0]
    before, component.spans_key = component.spans_key, None
    size = len(texts) // n_turns
    speeds: dict[str | None, list[float]] = {None: [], _SPANS_KEY: []}
    for turn in range(n_turns):
        part = texts[turn * size : (turn + 1) * size]
        _time_component(nlp, component, part)
        for key in sorted(speeds, key=lambda key: (key is None) == (turn % 2 == 0)):
            component.spans_key = key
            speeds[key].append(_time_component(nlp, component, part))
    component.spans_key = before
    pairs = list(zip(speeds[_SPANS_KEY], speeds[None], strict=True))
    cost = 1.0 - statistics.median(on / off for on, off in pairs)
    rows = [
        ("confidence off", f"{statistics.median(speeds[None]):,.0f}", ""),
        ("confidence on", f"{statistics.median(speeds[_SPANS_KEY]):,.0f}", f"{100 * cost:.1f}%"),
    ]
    title = f"The component alone, {size * n_turns:,} tweets in {n_turns} turns"
    return Table(title, ("", "Words/s", "Slower by"), rows)


def _time_component(nlp: Language, component: TwitterBiLSTMNER, texts: list[str]) -> float:
    """RETURNS (float): Words per second of processor time."""
    docs = [nlp.make_doc(text) for text in texts]
    start = time.process_time()
    for _ in component.pipe(docs, batch_size=_BATCH_SIZE):
        pass
    return sum(len(doc) for doc in docs) / (time.process_time() - start)


def read_texts(corpus: str, limit: int) -> list[str]:
    """RETURNS (list[str]): Unlabelled tweets, or those of the corpus again and again."""
    folder = ROOT / "assets" / "unlabelled"
    if folder.is_dir():
        return list(islice(read_tweets(tweet_files([folder])), limit))
    examples = read_split(spacy.blank("en"), corpus, "test")
    texts = [example.reference.text for example in examples]
    return (texts * (limit // len(texts) + 1))[:limit]


def confidence_cli(
    model: Annotated[str, typer.Argument(help="A trained pipeline: its folder or package")],
    corpus: Annotated[str, typer.Option("--corpus", help="A folder in corpus/")] = "hse",
    limit: Annotated[int, typer.Option("--limit", "-n", min=2, help="How many tweets")] = 20_000,
    n_turns: Annotated[int, typer.Option("--turns", min=1, help="Turns; medians count")] = 39,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write tables and picture to docs/")
    ] = False,
) -> None:
    """Measure calibration, knobs and cost of a model's confidence."""
    try:
        _measure(model, corpus, limit, n_turns, write_docs)
    except (BenchmarkError, ImportError, OSError, ValueError) as error:
        msg.fail(str(error), exits=1)


def _measure(model: str, corpus: str, limit: int, n_turns: int, write_docs: bool) -> None:
    nlp = spacy.load(model)
    validation = read_split(nlp, corpus, "validation")
    blocks = {"objectives": [compare_objectives(nlp, validation)]}
    blocks["bias"] = [vary_bias(nlp, validation)]
    paths = [ROOT / "corpus" / corpus / f"{split}.spacy" for split in ("validation", "test")]
    reliability = measure_reliability(nlp, paths)
    tables = [Table(*table[:2], list(table.rows)) for table in reliability_tables(reliability)]
    blocks["ece"] = tables[:1]
    blocks["test"] = tables[3:]
    blocks["cost"] = [time_confidence(nlp, read_texts(corpus, limit), n_turns)]
    for name, block in blocks.items():
        for table in block:
            print_table(table)
        if write_docs:
            write_block(DOCS, f"confidence:{name}", "\n\n".join(map(to_markdown, block)))
    if write_docs:
        draw_reliability(reliability, [PICTURE], title=Path(model).resolve().parent.name)


if __name__ == "__main__":
    typer.run(confidence_cli)
