"""A trained pipeline made ready to be given away: scores, meta, model card, few strings.

    python scripts/release.py training/hse/release_small/model-best corpus/hse \\
        spacy_twitter_ner/en_tweet_ner --small
"""

import shutil
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.training import Corpus
from wasabi import msg

from model_card import SOURCES, write_card
from spacy_twitter_ner import __version__
from spacy_twitter_ner.training.calibration import measure_reliability

SPLITS = ("validation", "test", "validation_raw", "test_raw")
SMALL_LIMIT = 10 * 1024 * 1024
PIPE = "twitter_bilstm_ner"


def main(
    model: Annotated[Path, typer.Argument(help="The trained pipeline")],
    corpus: Annotated[Path, typer.Argument(help="Folder of the corpus, converted with --raw")],
    output: Annotated[Path, typer.Argument(help="Folder to write to; what it holds is replaced")],
    small: Annotated[bool, typer.Option("--small", help="It is the small build")] = False,
) -> None:
    """Score a trained pipeline and write it with its meta and a model card."""
    nlp = spacy.load(model)
    scores = {split: _evaluate(nlp, corpus / f"{split}.spacy") for split in SPLITS}
    paths = [corpus / f"{split}.spacy" for split in ("validation", "test")]
    reliability = measure_reliability(nlp, paths)
    errors = {name: split.after.ece for name, split in reliability.splits.items()}
    set_meta(nlp, scores["test"], small=small)
    if output.exists():
        shutil.rmtree(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
    forget_strings(output, nlp)
    forget_paths(output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    if small and size > SMALL_LIMIT:
        raise typer.BadParameter(f"the small build has {size:,} bytes, more than {SMALL_LIMIT:,}")
    facts = {
        "temperature": reliability.temperature,
        "size": f"Size: {size / 1e6:.1f} MB. Speed: {scores['test_raw']['speed']:,.0f} tokens per "
        "second on one core, tokenizer included, with a warm cache.",
        "often": "at least twice" if small else "at least once",
    }
    # spaCy adds vector sizes to meta.json when it saves the pipeline.
    meta = srsly.read_json(output / "meta.json")
    (output / "README.md").write_text(write_card(meta, scores, errors, facts), encoding="utf-8")
    found = ", ".join(f"{split} {100 * scores[split]['ents_f']:.2f}" for split in SPLITS)
    msg.good(f"{output}: {size / 1e6:.1f} MB; F1 {found}")


def set_meta(nlp: Language, scores: dict[str, Any], *, small: bool) -> None:
    """Say what the pipeline is.

    nlp (Language): The pipeline; its meta is changed.
    scores (dict[str, Any]): Those of test.
    small (bool): Whether it is the small build.
    """
    build = "Small build of the pretrained pipeline" if small else "Pretrained pipeline"
    nlp.meta.update(
        name="tweet_ner",
        version=__version__,
        description=f"{build} for named entities of English tweets, ten types, raw text",
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


def forget_paths(path: Path) -> None:
    """Remove the paths of the machine it was trained on from the saved config, and the sections
    that can't do without them. What they read is saved with the pipeline.

    path (Path): The saved pipeline.
    """
    config = spacy.util.load_config(path / "config.cfg")
    config["paths"] = dict.fromkeys(config["paths"])
    config["training"]["before_to_disk"] = None
    batcher = config["training"]["batcher"]
    config["training"]["batcher"] = batcher.get("batcher", batcher)
    config["initialize"].update(lookups=None, components={})
    config.to_disk(path / "config.cfg")


def _evaluate(nlp: Language, path: Path) -> dict[str, Any]:
    return nlp.evaluate(list(Corpus(path)(nlp)))


if __name__ == "__main__":
    typer.run(main)
