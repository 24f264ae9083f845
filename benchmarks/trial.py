"""Try a setting: train on four fifths of train, score validation and the fifth that was left out.

    python benchmarks/trial.py configs/bilstm_crf.cfg --corpus hse --training.batcher.size 16

Validation of hse has 537 entities, so that single seeds differ by more than most settings do. The
fifth has 911 more, and unlike validation it does not choose the step whose model is kept. Nothing
is scored on test. The fifth is always the same; what is trained goes to training/<corpus>-trial.
"""

import random
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from spacy.cli._util import parse_config_overrides
from spacy.tokens import Doc, DocBin
from wasabi import msg

from contest.contestants import Contestant
from contest.corpus import corpus_path, read_gold
from contest.project import BenchmarkError
from contest.results import Run
from contest.scores import score_splits
from contest.tables import mean_and_deviation, percent
from contest.training import train_spacy

N_PARTS = 5
# That of the fifth, whatever the seed of a training.
SPLIT_SEED = 7


def split_fifth(docs: Sequence[Doc]) -> tuple[list[Doc], list[Doc]]:
    """RETURNS (tuple[list[Doc], list[Doc]]): Four fifths of the docs, and the fifth left out, both
    in the order of the corpus."""
    indices = list(range(len(docs)))
    random.Random(SPLIT_SEED).shuffle(indices)  # noqa: S311 (no secret)
    held = set(indices[: len(docs) // N_PARTS])
    rest = [doc for index, doc in enumerate(docs) if index not in held]
    return rest, [docs[index] for index in sorted(held)]


def make_corpus(corpus: str) -> str:
    """Write a corpus whose test split is a fifth of the training split of another.

    corpus (str): Name of a folder in corpus/.
    RETURNS (str): The name of the new one.
    RAISES (BenchmarkError): If the corpus cannot be read, or is too small.
    """
    rest, held = split_fifth(read_gold(corpus).docs["train"])
    if not held:
        raise BenchmarkError(f"corpus {corpus!r}: a fifth of its training split is no tweet")
    name = f"{corpus}-trial"
    corpus_path(name, "train").parent.mkdir(parents=True, exist_ok=True)
    for split, docs in (("train", rest), ("test", held)):
        DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=docs).to_disk(corpus_path(name, split))
    shutil.copy(corpus_path(corpus, "validation"), corpus_path(name, "validation"))
    return name


def try_setting(
    config: str, overrides: dict[str, Any], corpus: str, seeds: int, threads: int
) -> list[tuple[dict[str, Any], dict[str, Any], float]]:
    """Train and score each seed.

    RETURNS (list[tuple[dict[str, Any], dict[str, Any], float]]): For each seed, the scores of all
        types on validation and on the fifth, and the processor seconds of the training.
    RAISES (BenchmarkError): If a training fails.
    """
    gold, rows = read_gold(corpus), []
    for seed in range(seeds):
        run = Run(Contestant("trial", "", config, overrides), corpus, seed)
        trained = train_spacy(run, threads)
        predictions = {split: trained.predict(split) for split in ("validation", "test")}
        scores = score_splits(predictions, gold)
        rows.append((scores["validation"]["all"], scores["test"]["all"], trained.seconds))
        msg.text(f"seed {seed}: {percent(rows[-1][0]['f'])}, {percent(rows[-1][1]['f'])}")
    return rows


def trial_cli(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Config to try")],
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "sample",
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="BLAS threads", min=1)] = 1,
) -> None:
    """Train on four fifths of train, score validation and the fifth. All other options are those
    of `spacy train`: settings of the config, as --training.dropout 0.4."""
    overrides = parse_config_overrides(context.args, env_var=None)
    try:
        rows = try_setting(str(config.resolve()), overrides, make_corpus(corpus), seeds, threads)
    except BenchmarkError as error:
        msg.fail(str(error), exits=1)
    cells = [[mean_and_deviation([row[i][key] for row in rows]) for key in "fpr"] for i in (0, 1)]
    seconds = f"{statistics.mean(row[2] for row in rows):.0f}"
    msg.table(
        [("validation", *cells[0], seconds), ("a fifth of train", *cells[1], "")],
        header=("scored on", "F1", "P", "R", "training, CPU s"),
        aligns=("l", "r", "r", "r", "r"),
    )


def make_app() -> typer.Typer:
    app = typer.Typer()
    settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(context_settings=settings)(trial_cli)
    return app


if __name__ == "__main__":
    make_app()()
