"""The pipelines that compete: which they are, and how each gets a trained model."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.cli.train import train as train_config
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import load_config
from thinc.api import Config
from wasabi import msg

import crfsuite
from spacy_twitter_ner.iob import tags_to_spans

from .texts import corpus_path, read_docs
from .workload import Workload

COMPONENT = "twitter_bilstm_ner"
EMBED = f"components.{COMPONENT}.model.tok2vec.embed.*"
HIDDEN = f"components.{COMPONENT}.model.tok2vec.encode.hidden_width"
SCRIPT = "benchmarks/crfsuite.py"
# What of the package decides whether a model that was kept can be loaded.
ROOMS = ("layers", "lexical", "models", "pipeline")
BATCH_SIZE = 32
# The weights of CRFsuite's penalties that docs/accuracy.md found best.
PENALTIES = (0.03, 0.01)


class Contestant(NamedTuple):
    """A pipeline that competes.

    name (str): Its name in the tables.
    key (str): Its folder's name.
    source (str): A config for `spacy train`, or the script of CRFsuite.
    overrides (dict[str, Any]): Settings of the config to change.
    without (tuple[str, ...]): Sections of the config to leave out, as "a.b.c".
    paths (dict[str, str]): Settings that are files, without which it cannot be trained.
    """

    name: str
    key: str
    source: str
    overrides: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    without: tuple[str, ...] = ()
    paths: dict[str, str] = {}  # noqa: RUF012 (never changed)


class TrainedModel(NamedTuple):
    """Where a contestant's pipeline lies, for spacy.load, and how it was trained."""

    path: Path
    origin: str


DEFAULT = Contestant("ours, default", "bilstm_crf", "configs/bilstm_crf.cfg")
SMALL = Contestant(
    "ours, small",
    "small",
    "configs/bilstm_crf.cfg",
    {HIDDEN: 50},
    without=(f"{EMBED}.characters",),
)
LEXICAL = Contestant(
    "ours, lexical",
    "bilstm_crf_lexical",
    "configs/bilstm_crf_lexical.cfg",
    paths={"paths.clusters": "assets/lexical/6mpaths.tsv", "paths.vectors": "lexical/vectors"},
)
SPACY = Contestant("spaCy `ner`", "spacy_ner", "configs/spacy_ner.cfg")
CRFSUITE = Contestant("CRFsuite", "crfsuite", SCRIPT)
CONTESTANTS = (DEFAULT, SMALL, LEXICAL, SPACY, CRFSUITE)


@Language.factory("crfsuite", default_config={"path": ""}, assigns=["doc.ents"])
def make_crfsuite(nlp: Language, name: str, path: str) -> Callable[[Doc], Doc]:
    """Make a component that sets the entities that CRFsuite finds.

    path (str): The model's file.
    """
    crf = crfsuite.import_crf()(model_filename=path)

    def annotate(doc: Doc) -> Doc:
        spans = tags_to_spans(crf.predict_single(crfsuite.doc_features(doc)))
        doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
        return doc

    return annotate


def find_models(work: Workload, keys: Sequence[str] | None = None) -> dict[str, TrainedModel]:
    """Find a model for each contestant: the one that `spacy project run` has trained, or else
    one that is trained here for a few steps and kept in training/speed/.

    work (Workload): What is measured.
    keys (Optional[Sequence[str]]): Which contestants; those of the workload if not given.
    RETURNS (dict[str, TrainedModel]): By name, the models of all that can be run; of the others
        it is said why they cannot.
    """
    found: dict[str, TrainedModel] = {}
    for contestant in CONTESTANTS:
        if contestant.key not in (work.effort.pipelines if keys is None else keys):
            continue
        if missing := missing_files(work, contestant):
            msg.warn(f"{contestant.name}: left out, there is no {', '.join(missing)}")
            continue
        try:
            found[contestant.name] = find_model(work, contestant)
        except ImportError as error:
            msg.warn(f"{contestant.name}: left out", str(error))
    return found


def missing_files(work: Workload, contestant: Contestant) -> list[str]:
    """RETURNS (list[str]): Those of the files a contestant needs that do not exist."""
    return [name for name in contestant.paths.values() if not (work.root / name).exists()]


def find_model(work: Workload, contestant: Contestant) -> TrainedModel:
    """RETURNS (TrainedModel): A contestant's model.
    RAISES (ImportError): If it needs a package that is not installed.
    """
    name = f"training/{work.corpus}/{contestant.key}/model-best"
    if (work.root / name).exists():
        return TrainedModel(work.root / name, "trained by the project's workflow")
    folder = work.root / "training" / "speed" / work.corpus / contestant.key
    made_of, path = folder / "made_of.json", folder / "model-last"
    inputs = decisive_inputs(work, contestant)
    if not made_of.exists() or json.loads(made_of.read_text(encoding="utf8")) != inputs:
        msg.text(f"{contestant.name}: training it for {work.effort.train_steps} steps")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        train = train_crfsuite if contestant.source == SCRIPT else train_spacy
        train(work, contestant, path)
        made_of.write_text(json.dumps(inputs), encoding="utf8")
    return TrainedModel(path, f"trained on the tweets of {work.effort.train_steps} steps only")


def decisive_inputs(work: Workload, contestant: Contestant) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What decides a contestant's model; if any of it changes, the model
    that was kept is trained anew."""
    package = work.root / "spacy_twitter_ner"
    sources = sorted(path for room in ROOMS for path in (package / room).glob("*.py"))
    files = [corpus_path(work.root, work.corpus, "train"), work.root / contestant.source, *sources]
    return {
        "md5": {str(path.relative_to(work.root)): md5(path) for path in files},
        "overrides": contestant.overrides,
        "without": list(contestant.without),
        "steps": work.effort.train_steps,
        "spacy": spacy.__version__,
    }


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def make_config(work: Workload, contestant: Contestant) -> Config:
    """RETURNS (Config): A contestant's config, changed as it has it, on the corpus's files."""
    overrides = {
        "paths.train": str(corpus_path(work.root, work.corpus, "train")),
        "paths.dev": str(corpus_path(work.root, work.corpus, "validation")),
        **{setting: str(work.root / name) for setting, name in contestant.paths.items()},
        **contestant.overrides,
    }
    config = load_config(work.root / contestant.source, overrides, interpolate=False)
    for name in contestant.without:
        parent, _, last = name.rpartition(".")
        del get_setting(config, parent)[last]
    return config


def train_spacy(work: Workload, contestant: Contestant, path: Path) -> None:
    """Train a config for a few steps; the output is kept in train.log.

    path (Path): The folder to write, the model-last of the training.
    """
    config = make_config(work, contestant)
    config_path = path.with_name("config.cfg")
    config.to_disk(config_path)
    steps = work.effort.train_steps
    limits = {"training.max_steps": steps, "training.eval_frequency": steps}
    with path.with_name("train.log").open("w", encoding="utf8") as log, redirect_stdout(log):
        train_config(config_path, path.parent, overrides=limits)


def train_crfsuite(work: Workload, contestant: Contestant, path: Path) -> None:
    """Train CRFsuite on as many tweets as the others see in their steps.

    path (Path): The folder of the pipeline to write.
    """
    docs = read_docs(work.root, work.corpus, "train")[: BATCH_SIZE * work.effort.train_steps]
    tagger, _ = crfsuite.train(docs, docs[:BATCH_SIZE], grid=(PENALTIES,))
    model = path.with_name("crfsuite.model")
    shutil.copy(tagger.crf.modelfile.name, model)
    nlp = spacy.blank("en")
    nlp.add_pipe("crfsuite", config={"path": str(model)})
    nlp.to_disk(path)


def hidden_units(nlp: Language) -> int:
    """RETURNS (int): The hidden units of each direction of a pipeline's BiLSTM; 0 without one."""
    return get_setting(nlp.config, HIDDEN) if nlp.has_pipe(COMPONENT) else 0


def get_setting(config: Config, name: str) -> Any:
    """RETURNS (Any): A setting or section of a config, by its name as "a.b.c"."""
    value: Any = config
    for part in name.split("."):
        value = value[part]
    return value
