"""The models that are compared: baselines and ours, and how to train them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.language import Language
from thinc.api import Config

import crfsuite
import gazetteer

from .machine import package_version
from .project import COMPONENT, ROOT, BenchmarkError, corpus_path, digest, read_docs


class ModelSpec(NamedTuple):
    """A model to train.

    name (str): Its name, also of its folder in training/.
    features (str): A line for the table: its features, or those added to the previous model.
    source (str): A config for `spacy train`, or a script in benchmarks/, which is deterministic.
    overrides (dict[str, Any]): Settings of the config to change. In these and in `needs`,
        "{corpus}" is replaced with the name of the corpus.
    without (tuple[str, ...]): Sections of the config to remove, as "a.b.c".
    needs (tuple[str, ...]): Files or folders that it can't be trained without.
    """

    name: str
    features: str
    source: str
    overrides: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    without: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def is_script(self) -> bool:
        """RETURNS (bool): Whether it is a script without a seed."""
        return self.source.endswith(".py")

    def for_corpus(self, corpus: str) -> "ModelSpec":
        """RETURNS (ModelSpec): The model with "{corpus}" replaced."""
        overrides = {
            name: value.format(corpus=corpus) if isinstance(value, str) else value
            for name, value in self.overrides.items()
        }
        needs = tuple(name.format(corpus=corpus) for name in self.needs)
        return self._replace(overrides=overrides, needs=needs)

    def missing_files(self) -> list[str]:
        """RETURNS (list[str]): Files that it needs and that don't exist."""
        return [name for name in (self.source, *self.needs) if not (ROOT / name).exists()]


MODEL = f"components.{COMPONENT}.model"
EMBED = f"{MODEL}.tok2vec.embed"
WORD_FEATURES = {
    "@architectures": "spacy-twitter-ner.FeatureEmbed.v1",
    "features": ["norm", "prefix3", "suffix3", "shape"],
    "widths": [100, 30, 30, 30],
    "min_freq": 1,
    "unknown_rate": 0.5,
}
# The teachers are trained without silver data and calibration.
NO_SILVER = {
    "training.before_to_disk": None,
    "training.batcher": {
        "@batchers": "spacy.batch_by_sequence.v1",
        "size": 32,
        "get_length": None,
    },
}
CHARACTERS, HASHTAGS, VECTORS = (
    f"{EMBED}.*.{name}" for name in ("characters", "hashtags", "vectors")
)
PHRASES = f"{EMBED}.phrases"
CLUSTER_FILE, VECTOR_FOLDER = "assets/lexical/6mpaths.tsv", "lexical/vectors"
LEXICAL_FILES = {"paths.vectors": VECTOR_FOLDER, "paths.clusters": CLUSTER_FILE}
# Models without phrase lists.
LISTS = (PHRASES, "initialize.components.twitter_bilstm_ner.phrases")
MERGED_FOLDER, FACTS_FOLDER = "lexical/merged", "lexical/facts"
SILVER_FILE = "training/{corpus}/silver.spacy"
DEFAULT_CONFIG, LEXICAL_CONFIG = "configs/bilstm_crf.cfg", "configs/bilstm_crf_lexical.cfg"

BASELINES = (
    ModelSpec(
        "gazetteer", "entities of the training data, longest match", "benchmarks/gazetteer.py"
    ),
    ModelSpec(
        "crfsuite",
        "linear-chain CRF; word, affix and shape features, ±2 words",
        "benchmarks/crfsuite.py",
    ),
    ModelSpec("spacy_ner", "spaCy's own `ner`, default settings", "configs/spacy_ner.cfg"),
)
DEFAULT = ModelSpec("bilstm_crf", "gazetteer of the training data", DEFAULT_CONFIG)
# Each adds features to the one before. Several are one config with different overrides.
LADDER = (
    ModelSpec("article", "the article's recipe", "configs/article.cfg"),
    ModelSpec(
        "bilstm",
        "normalized form, affixes, shape; softmax",
        DEFAULT_CONFIG,
        {f"{MODEL}.@architectures": "spacy-twitter-ner.BiLSTMTagger.v1", EMBED: WORD_FEATURES},
    ),
    ModelSpec(
        "crf",
        "a CRF instead of softmax",
        DEFAULT_CONFIG,
        without=(CHARACTERS, HASHTAGS, PHRASES),
    ),
    ModelSpec("crf_characters", "character CNN", DEFAULT_CONFIG, without=(HASHTAGS, PHRASES)),
    ModelSpec("crf_hashtags", "words of hashtags", DEFAULT_CONFIG, without=(PHRASES,)),
    DEFAULT,
    ModelSpec(
        "clusters",
        "`crf_characters` with word clusters",
        LEXICAL_CONFIG,
        {**LEXICAL_FILES, "paths.vectors": None},
        without=(VECTORS, *LISTS),
        needs=(CLUSTER_FILE,),
    ),
    ModelSpec(
        "bilstm_crf_lexical",
        "word vectors",
        LEXICAL_CONFIG,
        LEXICAL_FILES,
        without=LISTS,
        needs=(CLUSTER_FILE, VECTOR_FOLDER),
    ),
    ModelSpec(
        "own_clusters",
        "`bilstm_crf_lexical` with the project's own clusters",
        LEXICAL_CONFIG,
        {**LEXICAL_FILES, "paths.clusters": "lexical/clusters.tsv"},
        without=LISTS,
        needs=("lexical/clusters.tsv", VECTOR_FOLDER),
    ),
    ModelSpec(
        "merged_vectors",
        "`bilstm_crf_lexical` with vectors merged with GloVe",
        LEXICAL_CONFIG,
        {**LEXICAL_FILES, "paths.vectors": MERGED_FOLDER},
        without=LISTS,
        needs=(CLUSTER_FILE, MERGED_FOLDER),
    ),
    ModelSpec(
        "bilstm_crf_knowledge",
        "places and names; 150 hidden units",
        "configs/bilstm_crf_silver.cfg",
        NO_SILVER,
        needs=(CLUSTER_FILE, MERGED_FOLDER, FACTS_FOLDER),
    ),
    ModelSpec(
        "bilstm_crf_silver",
        "silver tweets annotated by four of those",
        "configs/bilstm_crf_silver.cfg",
        {"paths.silver": SILVER_FILE},
        needs=(CLUSTER_FILE, MERGED_FOLDER, FACTS_FOLDER, SILVER_FILE),
    ),
)
MODELS = {spec.name: spec for spec in (*BASELINES, *LADDER)}

# Files of the package that determine a model.
FOLDERS = ("layers", "lexical", "models", "pipeline", "training")
SOURCES = tuple(
    ROOT / "spacy_twitter_ner" / name for name in (*FOLDERS, "iob.py", "normalization.py")
)


class Trained(NamedTuple):
    """A trained model.

    nlp (Language): The pipeline.
    seconds (float): CPU seconds of the training.
    n_bytes (Optional[int]): Size of the model on disk, if it has a file.
    notes (dict[str, Any]): Settings chosen in training.
    """

    nlp: Language
    seconds: float
    n_bytes: int | None = None
    notes: dict[str, Any] = {}  # noqa: RUF012 (never changed)


def get_inputs(spec: ModelSpec, corpus: str) -> dict[str, str | None]:
    """Get everything that determines a model, apart from the seed.

    spec (ModelSpec): The model.
    corpus (str): Name of a folder in corpus/.
    RETURNS (dict[str, Optional[str]]): Digests of the corpus, of the settings or the script, of the
        package's source and of lexical files, and versions; None for files that don't exist.
    """
    spec = spec.for_corpus(corpus)
    splits = ("train", "validation", "test")
    inputs: dict[str, str | None] = {
        f"corpus/{split}": digest([corpus_path(corpus, split)]) for split in splits
    }
    for name in spec.needs:
        inputs[name] = digest([ROOT / name]) if (ROOT / name).exists() else None
    if spec.is_script:
        inputs["settings"] = digest([ROOT / spec.source])
        packages = ("python-crfsuite",) if spec.name == "crfsuite" else ("spacy",)
    else:
        text = json.dumps(_decisive_settings(make_config(spec, corpus)), sort_keys=True)
        inputs["settings"] = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        packages = ("spacy", "thinc")
        if COMPONENT in text:
            inputs["package"] = digest(SOURCES)
    return {**inputs, **{name: package_version(name) for name in packages}}


def make_config(spec: ModelSpec, corpus: str, changes: dict[str, Any] | None = None) -> Config:
    """Create the training config of a model.

    spec (ModelSpec): The model.
    corpus (str): Name of a folder in corpus/.
    changes (Optional[dict[str, Any]]): Other settings to change.
    RETURNS (Config): The config, not interpolated.
    RAISES (BenchmarkError): If the config can't be read or has no such section.
    """
    spec = spec.for_corpus(corpus)
    settings = {
        "paths.train": str(corpus_path(corpus, "train")),
        "paths.dev": str(corpus_path(corpus, "validation")),
        **spec.overrides,
        **(changes or {}),
    }
    try:
        config = Config().from_disk(ROOT / spec.source, interpolate=False)
        for name in spec.without:
            parent, last = _find_section(config, name)
            del parent[last]
        for name, value in settings.items():
            parent, last = _find_section(config, name)
            parent[last] = value
    except ValueError as error:
        raise BenchmarkError(f"{spec.name}: {spec.source}: {error}") from error
    except KeyError as error:
        raise BenchmarkError(f"{spec.name}: {spec.source} has no section {error}") from error
    return config


def _find_section(config: Config, name: str) -> tuple[dict[str, Any], str]:
    """RETURNS (tuple[dict[str, Any], str]): The section that contains a setting or section, and the
    last part of the name."""
    *parents, last = name.split(".")
    section: dict[str, Any] = config
    for parent in parents:
        section = section[parent]
    return section, last


def _decisive_settings(config: Config) -> Config:
    """RETURNS (Config): A config without what doesn't change the predicted entities: scorers,
    loggers, calibration, and the paths of the corpus, whose contents are separate inputs."""
    config = config.copy()
    for component in config["components"].values():
        component.pop("scorer", None)
    training = config["training"]
    for name in ("logger", "before_to_disk"):
        training.pop(name, None)
    config["paths"].update(train=None, dev=None)
    return config


def train(
    spec: ModelSpec,
    corpus: str,
    output: Path,
    *,
    seed: int = 0,
    threads: int = 1,
    max_steps: int | None = None,
) -> Trained:
    """Train a model.

    spec (ModelSpec): The model.
    corpus (str): Name of a folder in corpus/.
    output (Path): Folder for the pipeline, as model-best, and the log. It is replaced.
    seed (int): The random seed; scripts have none.
    threads (int): BLAS threads of the training.
    max_steps (Optional[int]): Train only for this number of steps, or on that many batches.
    RETURNS (Trained): The trained model.
    RAISES (BenchmarkError): If the training fails, with the end of the log.
    """
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    if spec.is_script:
        trained = _train_script(spec, corpus, max_steps)
        trained.nlp.to_disk(output / "model-best")
        return trained
    changes: dict[str, Any] = {"system.seed": seed}
    if max_steps:
        changes.update({"training.max_steps": max_steps, "training.eval_frequency": max_steps})
    make_config(spec, corpus, changes).to_disk(output / "config.cfg")
    seconds = _run_training(output, threads)
    model = output / "model-best"
    n_bytes = sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
    return Trained(spacy.load(model), seconds, n_bytes)


def _train_script(spec: ModelSpec, corpus: str, max_steps: int | None) -> Trained:
    docs = read_docs(corpus_path(corpus, "train"))
    if spec.name == "gazetteer":
        start = time.thread_time()
        return Trained(gazetteer.train(docs), time.thread_time() - start)
    validation = read_docs(corpus_path(corpus, "validation"))
    if max_steps:
        nlp, choices = crfsuite.train(docs[: 32 * max_steps], validation, [crfsuite.BEST])
    else:
        nlp, choices = crfsuite.train(docs, validation)
    component: Any = nlp.get_pipe("crfsuite")
    n_bytes = Path(component.crf.modelfile.name).stat().st_size
    notes = {"choices": [choice._asdict() for choice in choices]}
    return Trained(nlp, choices[0].seconds, n_bytes, notes)


def _run_training(output: Path, threads: int) -> float:
    """Run `spacy train` in its own process, with its output in train.log.

    RETURNS (float): Its CPU seconds.
    """
    config = str(output / "config.cfg")
    command = [sys.executable, "-m", "spacy", "train", config, "--output", str(output)]
    limits = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    log = output / "train.log"
    with log.open("w", encoding="utf8") as file:
        process = subprocess.Popen(  # noqa: S603 (our own command, no shell)
            command, cwd=ROOT, env={**os.environ, **limits}, stdout=file, stderr=subprocess.STDOUT
        )
        # Reports the time of this process only, unlike getrusage.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = log.read_text(encoding="utf8").splitlines()
        raise BenchmarkError(f"{output.name} failed, see {log}:\n" + "\n".join(lines[-15:]))
    return usage.ru_utime + usage.ru_stime
