"""Simulated annotation: gold annotation answers what `spacy-twitter-ner teach` asks.

    python benchmarks/teach.py choice assets/modern/train.jsonl assets/modern/dev.jsonl
    python benchmarks/teach.py new-type assets/modern/train.jsonl assets/modern/dev.jsonl

Corpora are .spacy files, token/tag files or JSON lines with spans.

`choice` starts without a trained model, from the lexical knowledge of the pretrained pipeline, and
prints F1 by number of answers if the tweets are chosen as `teach` chooses them, at random, or the
shortest first. The first 200 answers are to random tweets, since there is no model to choose by.

`new-type` trains a pipeline on tweets in which one type isn't annotated, then teaches it that type
with answers to tweets that contain it, and prints F1 of the type and of the others.
"""

import json
import random
import statistics
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
from spacy.language import Language
from spacy.vocab import Vocab

from spacy_twitter_ner.corpus.reader import read_docs
from spacy_twitter_ner.corpus.spanfile import CharSpan
from spacy_twitter_ner.evaluation.scorer import score_entities
from spacy_twitter_ner.teaching.learning import (
    Gold,
    count_steps,
    make_blank,
    make_examples,
    make_rehearsal,
    train,
)
from spacy_twitter_ner.teaching.selection import choose, drop_near_duplicates, get_entropies

OURS, RANDOM, SHORTEST = "ours", "random", "shortest"
STRATEGIES = [OURS, RANDOM, SHORTEST]
# Numbers of answers after which a pipeline is trained and scored.
SIZES = [200, 400, 600, 800, 1000, 1200]
OTHER_SIZES = [600, 1200, 2000]
SEEDS = [0, 1, 2]
LABELS = ["person", "geo-loc", "company"]

app = typer.Typer(help="Simulated annotation", rich_markup_mode=None)


def read_golds(path: Path) -> list[Gold]:
    """RETURNS (list[Gold]): The annotated tweets of a corpus."""
    golds = []
    for doc in read_docs(path, Vocab()):
        spans = [CharSpan(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
        golds.append(Gold(doc.text, spans))
    return golds


def find_labels(golds: Sequence[Gold]) -> list[str]:
    """RETURNS (list[str]): The types, sorted."""
    return sorted({span.label for gold in golds for span in gold.spans})


def score(nlp: Language, golds: Sequence[Gold]) -> dict[str, float]:
    """RETURNS (dict[str, float]): F1 from raw text, in percent, overall ("") and by type."""
    examples = make_examples(nlp, golds)
    for _ in nlp.pipe([example.predicted for example in examples]):
        pass
    scores = score_entities(examples)
    by_type = {label: 100 * one["f"] for label, one in scores["ents_per_type"].items()}
    return {"": 100 * scores["ents_f"], **by_type}


def simulate(
    pool: Sequence[Gold],
    dev: Sequence[Gold],
    strategy: str,
    sizes: Sequence[int],
    seed: int,
    steps: int,
) -> dict[int, float]:
    """Replay the annotation of a pool with one strategy.

    pool (Sequence[Gold]): The annotated tweets to choose from, without near duplicates.
    dev (Sequence[Gold]): The tweets to score on.
    strategy (str): One of STRATEGIES.
    sizes (Sequence[int]): Numbers of answers after which a pipeline is trained and scored.
    seed (int): Seed of the first answers, random choices and training.
    steps (int): Number of updates of each training.
    RETURNS (dict[int, float]): F1 by number of answers.
    """
    labels = find_labels(pool)
    order = list(range(len(pool)))
    random.Random(seed).shuffle(order)  # noqa: S311
    if strategy == SHORTEST:
        order.sort(key=lambda index: len(pool[index].text))
    answered = order[: sizes[0]]
    found = {}
    for size, following in pairwise([*sizes, 0]):
        golds = [pool[index] for index in answered]
        nlp = make_blank(golds, labels, seed=seed)
        train(nlp, make_examples(nlp, golds), n_steps=steps, seed=seed)
        found[size] = score(nlp, dev)[""]
        print(f"seed {seed}, {strategy}: {size} answers, F1 {found[size]:.1f}", flush=True)
        if strategy != OURS:
            answered = order[:following]
        elif following:
            answered = answered + choose_next(nlp, pool, answered, following - size, seed + size)
    return found


def choose_next(
    nlp: Language, pool: Sequence[Gold], answered: Sequence[int], n: int, seed: int
) -> list[int]:
    """RETURNS (list[int]): The next tweets, as `teach` chooses them."""
    left = sorted(set(range(len(pool))) - set(answered))
    entropies = get_entropies(nlp, (gold.text for gold in pool))
    return [choice.tweet for choice in choose(left, entropies, n, seed=seed)]


@app.command("choice")
def choice_cli(
    pool: Annotated[Path, typer.Argument(help="Corpus to choose from")],
    dev: Annotated[Path, typer.Argument(help="Corpus to score on")],
    strategies: Annotated[list[str], typer.Option("--strategy", help="Strategies")] = STRATEGIES,
    ours: Annotated[
        list[int], typer.Option("--size", help="Numbers of answers to score for ours")
    ] = SIZES,
    others: Annotated[
        list[int], typer.Option("--other-size", help="The same of the others")
    ] = OTHER_SIZES,
    seeds: Annotated[list[int], typer.Option("--seed", help="Seeds")] = SEEDS,
    steps: Annotated[int, typer.Option(min=1, help="Updates of each training")] = 500,
    output: Annotated[Path | None, typer.Option(help="JSON file for the scores")] = None,
) -> None:
    """Print F1 by number of answers for each strategy."""
    golds = read_golds(pool)
    golds = [golds[index] for index in drop_near_duplicates([gold.text for gold in golds])]
    dev_golds = read_golds(dev)
    rows: dict[str, list[dict[int, float]]] = {strategy: [] for strategy in strategies}
    for seed in seeds:
        for strategy in strategies:
            sizes = ours if strategy == OURS else others
            rows[strategy].append(simulate(golds, dev_golds, strategy, sizes, seed, steps))
    print_choice(rows)
    if output is not None:
        output.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def print_choice(rows: dict[str, list[dict[int, float]]]) -> None:
    """Print the mean and standard deviation over seeds by number of answers."""
    sizes = sorted({size for runs in rows.values() for run in runs for size in run})
    print(f"| answers | {' | '.join(rows)} |")
    print("|---:|" + "---:|" * len(rows))
    for size in sizes:
        cells = [_summarize([run[size] for run in runs if size in run]) for runs in rows.values()]
        print(f"| {size:,} | {' | '.join(cells)} |")


def _summarize(values: Sequence[float]) -> str:
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def without_type(gold: Gold, label: str) -> Gold:
    """RETURNS (Gold): The annotation without a type."""
    return gold._replace(spans=[span for span in gold.spans if span.label != label])


def teach_type(
    pool: Sequence[Gold], dev: Sequence[Gold], label: str, n_answers: int, steps: int, seed: int
) -> list[tuple[float, float]]:
    """Train without a type, then teach it.

    RETURNS (list[tuple[float, float]]): F1 of the type and of the others, before and after.
    """
    rng = random.Random(seed)  # noqa: S311
    tweets = rng.sample(list(pool), len(pool))
    answers = [gold for gold in tweets if any(s.label == label for s in gold.spans)][:n_answers]
    asked = {gold.text for gold in answers}
    others = [without_type(gold, label) for gold in tweets if gold.text not in asked]
    nlp = make_blank(others[:6000], [one for one in find_labels(pool) if one != label], seed=seed)
    train(nlp, make_examples(nlp, others[:6000]), n_steps=steps, seed=seed)
    old_dev = [without_type(gold, label) for gold in dev]
    before = score(nlp, old_dev)[""]
    rehearsal = make_rehearsal(nlp, [gold.text for gold in others[6000:8000]], [label])
    nlp.get_pipe("twitter_bilstm_ner").add_label(label)
    train(nlp, make_examples(nlp, answers), rehearsal, n_steps=count_steps(len(answers)), seed=seed)
    new = score(nlp, dev)[label]
    return [(0.0, before), (new, score_without(nlp, dev, label))]


def score_without(nlp: Language, golds: Sequence[Gold], label: str) -> float:
    """RETURNS (float): F1 of all types except one."""
    examples = make_examples(nlp, [without_type(gold, label) for gold in golds])
    for doc in nlp.pipe([example.predicted for example in examples]):
        doc.set_ents([ent for ent in doc.ents if ent.label_ != label], default="outside")
    return 100 * score_entities(examples)["ents_f"]


@app.command("new-type")
def new_type_cli(
    pool: Annotated[Path, typer.Argument(help="Corpus to train on")],
    dev: Annotated[Path, typer.Argument(help="Corpus to score on")],
    labels: Annotated[
        list[str], typer.Option("--label", help="Types to learn later, one by one")
    ] = LABELS,
    answers: Annotated[int, typer.Option(min=1, help="Tweets to learn it from")] = 100,
    steps: Annotated[int, typer.Option(min=1, help="Updates of the first training")] = 600,
    seed: Annotated[int, typer.Option(help="Random seed")] = 0,
) -> None:
    """Print F1 of a new type and of the others, before and after teaching it."""
    golds, dev_golds = read_golds(pool), read_golds(dev)
    print("| new type | its F1 | others before | others after |")
    print("|---|---:|---:|---:|")
    losses = []
    for label in labels:
        (_, before), (new, after) = teach_type(golds, dev_golds, label, answers, steps, seed)
        losses.append(before - after)
        print(f"| {label} | {new:.1f} | {before:.1f} | {after:.1f} |", flush=True)
    print(f"Mean loss of the others: {statistics.mean(losses):.1f}")


if __name__ == "__main__":
    app()
