"""Scores of configs over several seeds: trains each and scores its best model.

    python benchmarks/seeds.py article bilstm spacy_ner --corpus hse --seeds 3

needs corpus/<corpus>/{train,validation,test}.spacy, as `python -m spacy project run convert`
makes them. Prints a Markdown table of validation and test F1 by config, mean and standard
deviation over the seeds, and writes all scores to metrics/<corpus>/seeds/<config>.json.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

SPLITS = ("validation", "test")
ROOT = Path(__file__).parents[1]


def score_seed(config: str, corpus: str, seed: int, threads: int) -> dict[str, Any]:
    """Train a config with one seed and score its best model.

    config (str): Name of a file in configs/.
    corpus (str): Name of a folder in corpus/.
    seed (int): The random seed.
    threads (int): BLAS threads of the training process.
    RETURNS (dict[str, Any]): The split's scores as `spacy evaluate` writes them, and the seconds
        that training took.
    """
    data, output = Path("corpus") / corpus, Path("training") / corpus / "seeds" / f"{config}-{seed}"
    start = time.perf_counter()
    paths = [
        "--paths.train",
        str(data / "train.spacy"),
        "--paths.dev",
        str(data / "validation.spacy"),
    ]
    train = ["train", f"configs/{config}.cfg", "--output", str(output)]
    _run_spacy([*train, *paths, "--system.seed", str(seed)], threads)
    result: dict[str, Any] = {"config": config, "seed": seed}
    result["train_seconds"] = round(time.perf_counter() - start, 1)
    for split in SPLITS:
        path = output / f"{split}.json"
        model, docs = str(output / "model-best"), str(data / f"{split}.spacy")
        _run_spacy(["evaluate", model, docs, "--output", str(path)], threads)
        result[split] = json.loads((ROOT / path).read_text(encoding="utf8"))
    return result


def _run_spacy(arguments: list[str], threads: int) -> None:
    limits = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    process = subprocess.run(  # noqa: S603 (our own commands, no shell)
        [sys.executable, "-m", "spacy", *arguments],
        cwd=ROOT,
        env={**os.environ, **limits},
        capture_output=True,
        text=True,
    )
    if process.returncode:
        sys.exit(f"spacy {' '.join(arguments)} failed:\n{process.stdout}\n{process.stderr}")


def summarize(results: list[dict[str, Any]], configs: list[str]) -> str:
    """Make a Markdown table.

    results (list[dict[str, Any]]): What score_seed returns.
    configs (list[str]): The rows, in order.
    RETURNS (str): Mean, standard deviation and each seed's F1, in percent, by config.
    """
    lines = [
        "| config | validation F1 | test F1 | test P / R | test F1 by seed | training, s |",
        "|---|---|---|---|---|---|",
    ]
    for config in configs:
        rows = [result for result in results if result["config"] == config]
        scores = {s: [100 * (row[s]["ents_f"] or 0.0) for row in rows] for s in SPLITS}
        p, r = (statistics.mean(100 * (row["test"][k] or 0.0) for row in rows) for k in _PR)
        cells = [_mean_and_deviation(scores[split]) for split in SPLITS]
        seeds = ", ".join(f"{f:.2f}" for f in scores["test"])
        seconds = statistics.mean(row["train_seconds"] for row in rows)
        lines.append(
            f"| {config} | {' | '.join(cells)} | {p:.1f} / {r:.1f} | {seeds} | {seconds:.0f} |"
        )
    return "\n".join(lines)


_PR = ("ents_p", "ents_r")


def _mean_and_deviation(scores: list[float]) -> str:
    deviation = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
    return f"{statistics.mean(scores):.2f}{deviation}"


def main(
    configs: Annotated[list[str], typer.Argument(help="Names of files in configs/")],
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "sample",
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0", min=1)] = 3,
    jobs: Annotated[int, typer.Option(help="How many trainings at once", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="BLAS threads of each", min=1)] = 1,
) -> None:
    """Train and score configs over several seeds."""
    if not (ROOT / "corpus" / corpus / "train.spacy").exists():
        command = f"python -m spacy project run convert . --vars.corpus {corpus}"
        sys.exit(f"no corpus/{corpus}: run `{command}`")
    with ThreadPoolExecutor(jobs) as pool:
        futures = [
            pool.submit(score_seed, config, corpus, seed, threads)
            for config in configs
            for seed in range(seeds)
        ]
        results = [future.result() for future in futures]
    folder = ROOT / "metrics" / corpus / "seeds"
    folder.mkdir(parents=True, exist_ok=True)
    for config in configs:
        rows = [result for result in results if result["config"] == config]
        (folder / f"{config}.json").write_text(json.dumps(rows, indent=1), encoding="utf8")
    print(summarize(results, configs))


if __name__ == "__main__":
    typer.run(main)
