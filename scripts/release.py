"""Prepare a trained pipeline for release: scores, meta, model card, few strings.

    python scripts/release.py training/release/small/model-best configs/en_tweet_ner.cfg \\
        spacy_twitter_ner/en_tweet_ner --small
"""

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.training import Example
from wasabi import msg

from model_card import DEV, SOURCES, write_card
from spacy_twitter_ner import __version__
from spacy_twitter_ner.corpus.multi import MappedCorpus, load_readers
from spacy_twitter_ner.training.calibration import measure_reliability

# About 11 MB in the wheel.
SMALL_LIMIT = 13_000_000
PIPE = "twitter_bilstm_ner"


def main(
    model: Annotated[Path, typer.Argument(help="The trained pipeline")],
    config: Annotated[Path, typer.Argument(help="Its config, with the development corpora")],
    output: Annotated[Path, typer.Argument(help="Folder to write to; its content is replaced")],
    small: Annotated[bool, typer.Option("--small", help="It is the small build")] = False,
) -> None:
    """Score a trained pipeline and write it with its meta and a model card."""
    nlp = spacy.load(model)
    corpora = read_corpora(config)
    examples = {name: list(corpus(nlp)) for name, corpus in corpora.items()}
    scores = {name: nlp.evaluate(found) for name, found in examples.items()}
    reliability = measure_reliability(nlp, [corpora[DEV].path])
    (measured,) = reliability.splits.values()
    if measured.after.ece is None:
        raise typer.BadParameter(f"{model} predicts no entities on the development data")
    set_meta(nlp, scores[DEV], small=small)
    if output.exists():
        shutil.rmtree(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
    forget_strings(output, nlp)
    forget_training(output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    if small and size > SMALL_LIMIT:
        raise typer.BadParameter(f"the small build has {size:,} bytes, more than {SMALL_LIMIT:,}")
    facts = {
        "temperature": reliability.temperature,
        "calibration": measured.after.ece,
        "size": f"Size: {size / 1e6:.1f} MB. Speed: {measure_speed(nlp, examples[DEV]):,.0f} "
        "words per second on one core, from raw text.",
    }
    # spaCy adds vector sizes to meta.json when it saves the pipeline.
    meta = srsly.read_json(output / "meta.json")
    (output / "README.md").write_text(write_card(meta, scores, facts), encoding="utf-8")
    found = ", ".join(f"{name} {100 * each['ents_f']:.2f}" for name, each in scores.items())
    msg.good(f"{output}: {size / 1e6:.1f} MB; F1 {found}")


def read_corpora(path: Path) -> dict[str, MappedCorpus]:
    """RETURNS (dict[str, MappedCorpus]): The config's readers whose names begin with "dev"."""
    return {name: reader for name, reader in load_readers(path).items() if name.startswith(DEV)}


def measure_speed(nlp: Language, examples: list[Example], repeats: int = 20) -> float:
    """RETURNS (float): Words per second from raw text, with a warm cache."""
    texts = [example.reference.text for example in examples]
    n_words = sum(len(doc) for doc in nlp.pipe(texts))
    start = time.perf_counter()
    for _ in range(repeats):
        for _ in nlp.pipe(texts):
            pass
    return repeats * n_words / (time.perf_counter() - start)


def set_meta(nlp: Language, scores: dict[str, Any], *, small: bool) -> None:
    """Say what the pipeline is.

    nlp (Language): The pipeline; its meta is changed.
    scores (dict[str, Any]): The scores on the development data.
    small (bool): Whether it is the small build.
    """
    build = "Small build of the pretrained pipeline" if small else "Pretrained pipeline"
    nlp.meta.update(
        name="tweet_ner",
        version=__version__,
        description=f"{build} for named entities of English tweets, thirteen types, raw text",
        author="the spacy-twitter-ner authors",
        license="MIT",
        sources=[dict(source) for source in SOURCES],
        requirements=[f"spacy-twitter-ner>={__version__}"],
        performance={key: scores[key] for key in ("ents_p", "ents_r", "ents_f", "ents_per_type")},
    )


def forget_strings(path: Path, nlp: Language, pipe: str = PIPE) -> None:
    """Leave only labels in the saved table of strings. All others are words of the corpus and of
    the vectors, which are found by their hashes.

    path (Path): The saved pipeline.
    nlp (Language): The pipeline.
    pipe (str): The component's name.
    """
    srsly.write_json(path / "vocab" / "strings.json", sorted(nlp.get_pipe(pipe).labels))


def forget_training(path: Path) -> None:
    """Remove from the saved config what only its training needs: the paths of the machine, the
    sections that can't do without them, whose data are saved with the pipeline, and the schedule.

    path (Path): The saved pipeline.
    """
    config = spacy.util.load_config(path / "config.cfg")
    config["paths"] = dict.fromkeys(config["paths"])
    config["training"]["before_to_disk"] = None
    reader = {"@readers": "spacy.Corpus.v1", "path": None, "gold_preproc": False}
    reader.update(max_length=0, limit=0, augmenter=None)
    config["corpora"] = {"train": dict(reader), "dev": dict(reader)}
    batcher = config["training"]["batcher"]
    config["training"]["batcher"] = batcher.get("batcher", batcher)
    optimizer = config["training"]["optimizer"]
    if isinstance(optimizer["learn_rate"], dict):
        # A schedule would start again in further training.
        optimizer["learn_rate"] = optimizer["learn_rate"]["initial_rate"]
    config["initialize"].update(lookups=None, components={})
    config.to_disk(path / "config.cfg")


if __name__ == "__main__":
    typer.run(main)
