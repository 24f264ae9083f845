"""Accuracy of every contestant and of our ladder of models: trains, scores, writes the tables.

    python benchmarks/accuracy.py --corpus hse --seeds 3 --jobs 1 --threads 1

needs corpus/<corpus>/{train,validation,test}.spacy, as `python -m spacy project run convert`
makes them. What a run predicted goes to metrics/<corpus>/accuracy/<contestant>-<seed>.json, with
digests of all that decided it: a run whose digests still fit is not repeated, so an interrupted
command continues where it stopped. The tables go to docs/accuracy.md. They always show all
contestants that have results; --only says which may be trained.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy
import spacy
import typer
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus
from spacy.util import import_file
from thinc.api import Config
from thinc.types import Floats2d, FloatsXd, Ints2d, Ints3d, Ints4d, IntsXd
from wasabi import msg


class Contestant(NamedTuple):
    """What competes.

    name (str): Its name, of letters, digits and underscores.
    adds (str): A line for the table: what it is, or what it adds to the rung below.
    source (str): A config for `spacy train`, or a script of this folder, which has no seed.
    overrides (dict[str, Any]): Settings of the config to change. In these and in what it needs,
        "{corpus}" stands for the name of the corpus.
    without (tuple[str, ...]): Sections of the config to leave out, as "a.b.c".
    needs (tuple[str, ...]): Files or folders without which it cannot run.
    packages (tuple[str, ...]): Distributions whose version may change its result.
    """

    name: str
    adds: str
    source: str
    overrides: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    without: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("spacy", "thinc")

    @property
    def is_script(self) -> bool:
        return self.source.endswith(".py")


EMBED = "components.twitter_bilstm_ner.model.tok2vec.embed"
CHARACTERS, HASHTAGS, VECTORS = (
    f"{EMBED}.*.{name}" for name in ("characters", "hashtags", "vectors")
)
PHRASES = f"{EMBED}.phrases"
CLUSTER_FILE, VECTOR_FOLDER = "assets/lexical/6mpaths.tsv", "lexical/vectors"
MERGED_FOLDER, FACTS_FOLDER = "lexical/merged", "lexical/facts"
SILVER_FILE = "corpus/{corpus}/silver.spacy"

BASELINES = (
    Contestant("gazetteer", "the training entities, longest match", "benchmarks/gazetteer.py"),
    Contestant(
        "crfsuite",
        "linear CRF; word, affix and shape features, ±2 words",
        "benchmarks/crfsuite.py",
        needs=("spacy_twitter_ner/iob.py", "spacy_twitter_ner/normalization.py"),
        packages=("sklearn-crfsuite", "python-crfsuite"),
    ),
    Contestant("spacy_ner", "spaCy's own `ner`, default settings", "configs/spacy_ner.cfg"),
)
# Each rung adds to the one before. A rung may be another's config with overrides.
LADDER = (
    Contestant("article", "the article's recipe", "configs/article.cfg"),
    Contestant("bilstm", "normal form, affixes, shape; softmax", "configs/bilstm.cfg"),
    Contestant(
        "crf",
        "a CRF on top",
        "configs/bilstm_crf.cfg",
        without=(CHARACTERS, HASHTAGS, PHRASES),
    ),
    Contestant(
        "crf_characters",
        "character CNN",
        "configs/bilstm_crf.cfg",
        without=(HASHTAGS, PHRASES),
    ),
    Contestant("crf_hashtags", "words of hashtags", "configs/bilstm_crf.cfg", without=(PHRASES,)),
    Contestant("bilstm_crf", "gazetteer of the training data", "configs/bilstm_crf.cfg"),
    Contestant(
        "clusters",
        "`crf_characters` with word clusters",
        "configs/bilstm_crf_lexical.cfg",
        {"paths.vectors": None},
        without=(VECTORS,),
        needs=(CLUSTER_FILE,),
    ),
    Contestant(
        "bilstm_crf_lexical",
        "word vectors",
        "configs/bilstm_crf_lexical.cfg",
        needs=(CLUSTER_FILE, VECTOR_FOLDER),
    ),
    Contestant(
        "own_clusters",
        "with `lexical`'s own clusters instead",
        "configs/bilstm_crf_lexical.cfg",
        {"paths.clusters": "lexical/clusters.tsv"},
        needs=("lexical/clusters.tsv", VECTOR_FOLDER),
    ),
    Contestant(
        "merged_vectors",
        "`bilstm_crf_lexical` with vectors merged with GloVe's",
        "configs/bilstm_crf_lexical.cfg",
        {"paths.vectors": MERGED_FOLDER},
        needs=(CLUSTER_FILE, MERGED_FOLDER),
    ),
    Contestant(
        "bilstm_crf_knowledge",
        "places and names; 150 hidden units",
        "configs/bilstm_crf_knowledge.cfg",
        needs=(CLUSTER_FILE, MERGED_FOLDER, FACTS_FOLDER),
    ),
    Contestant(
        "bilstm_crf_silver",
        "tweets that four of those annotated",
        "configs/bilstm_crf_silver.cfg",
        {"paths.silver": SILVER_FILE},
        needs=(CLUSTER_FILE, MERGED_FOLDER, FACTS_FOLDER, SILVER_FILE),
    ),
)

SPLITS = ("validation", "test")
# What of the package decides a model; the rest reads corpora and reports.
SOURCES = (
    *(f"spacy_twitter_ner/{name}" for name in ("layers", "lexical", "models", "pipeline")),
    "spacy_twitter_ner/training",
    "spacy_twitter_ner/iob.py",
    "spacy_twitter_ner/normalization.py",
)
REFERENCE, N_COMPARED = "crfsuite", 2
N_DRAWS = 1000
ROOT = Path(__file__).parents[1]

Span = tuple[int, int, str]
Result = dict[str, Any]


class BenchmarkError(RuntimeError):
    """What keeps a contestant from running; the message says what to do."""


class Run(NamedTuple):
    """A contestant on a corpus, with a seed; scripts have seed 0."""

    contestant: Contestant
    corpus: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.contestant.name}-{self.seed}"

    @property
    def overrides(self) -> dict[str, Any]:
        settings = self.contestant.overrides.items()
        return {
            name: value.format(corpus=self.corpus) if isinstance(value, str) else value
            for name, value in settings
        }

    @property
    def needs(self) -> list[str]:
        return [name.format(corpus=self.corpus) for name in self.contestant.needs]

    @property
    def path(self) -> Path:
        return ROOT / "metrics" / self.corpus / "accuracy" / f"{self.name}.json"


class Gold(NamedTuple):
    """A corpus.

    docs (dict[str, list[Doc]]): The docs of train, validation and test, none empty.
    labels (list[str]): All entity types.
    """

    docs: dict[str, list[Doc]]
    labels: list[str]


class Trained(NamedTuple):
    """A trained contestant.

    predict (Callable): Split → the spans of each tweet.
    seconds (float): What the training took.
    n_bytes (int | None): Size of the model on disk, if it has one.
    notes (dict[str, Any]): What else is worth keeping.
    """

    predict: Callable[[str], list[list[Span]]]
    seconds: float
    n_bytes: int | None
    notes: dict[str, Any]


# --- Corpus and digests


def read_gold(corpus: str) -> Gold:
    """Read a corpus whose every token is annotated.

    corpus (str): Name of a folder in corpus/.
    RETURNS (Gold): Its docs.
    RAISES (BenchmarkError): If a file is absent, or cannot be scored as `spacy evaluate` would.
    """
    vocab, docs = spacy.blank("xx").vocab, {}
    for split in ("train", *SPLITS):
        path = corpus_path(corpus, split)
        if not path.exists():
            command = f"python -m spacy project run convert . --vars.corpus {corpus}"
            raise BenchmarkError(f"no {path}: run `{command}`")
        # spaCy's reader passes over empty docs too.
        docs[split] = [doc for doc in DocBin().from_disk(path).get_docs(vocab) if len(doc)]
        for index, doc in enumerate(docs[split]):
            if not doc.has_unknown_spaces or not all(token.ent_iob for token in doc):
                raise BenchmarkError(
                    f"{path}, tweet {index + 1}: needs gold tokens without spaces, each of them "
                    "annotated: make the file with `python -m spacy twitter-ner convert`"
                )
    labels = {ent.label_ for split in docs.values() for doc in split for ent in doc.ents}
    return Gold(docs, sorted(labels))


def corpus_path(corpus: str, split: str) -> Path:
    return ROOT / "corpus" / corpus / f"{split}.spacy"


def digest(paths: Iterable[str]) -> str:
    """RETURNS (str): The MD5 of the names and contents of files; folders are walked."""
    md5 = hashlib.md5(usedforsecurity=False)
    for name in paths:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            # Bytecode comes and goes with the interpreter.
            if file.is_file() and file.suffix != ".pyc":
                content = hashlib.md5(file.read_bytes(), usedforsecurity=False).digest()
                md5.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + content)
    return md5.hexdigest()


def decisive_inputs(run: Run) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): All that decides a run's result: digests, versions, settings. Our
    models depend on the package's source too, the baselines do not."""
    contestant = run.contestant
    corpus = {split: digest([f"corpus/{run.corpus}/{split}.spacy"]) for split in ("train", *SPLITS)}
    return {
        "source": digest([contestant.source]),
        "overrides": run.overrides,
        "without": list(contestant.without),
        "seed": run.seed,
        "corpus": corpus,
        "needs": {name: digest([name]) for name in run.needs},
        "versions": {name: version(name) for name in contestant.packages},
        "package": digest(SOURCES) if contestant in LADDER else None,
    }


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def missing_files(run: Run) -> list[str]:
    """RETURNS (list[str]): Those of the files a run needs that do not exist."""
    names = (run.contestant.source, *run.needs)
    return [name for name in names if not (ROOT / name).exists()]


def read_result(run: Run, *, accept_stale: bool = False) -> Result | None:
    """Read the result of a run if what decided it is still the same.

    run (Run): The run.
    accept_stale (bool): Take a result of earlier source of the package, and mark it as stale.
    RETURNS (dict[str, Any] | None): The result, None if it has to be made anew.
    """
    if not run.path.exists():
        return None
    result: Result = json.loads(run.path.read_text(encoding="utf8"))
    inputs = decisive_inputs(run)
    changed = [key for key, value in inputs.items() if result["inputs"].get(key) != value]
    if changed and not (accept_stale and changed == ["package"]):
        return None
    if result["stale"] != bool(changed):
        result["stale"] = bool(changed)
        write_json(run.path, result)
    return result


def write_json(path: Path, data: Any) -> None:
    """Write a file whole or not at all, so that an interrupted run leaves nothing half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf8")
    os.replace(temporary, path)


# --- Training


def train(run: Run, gold: Gold, threads: int) -> Trained:
    """Train a contestant.

    run (Run): The run.
    gold (Gold): Its corpus.
    threads (int): BLAS threads of the training process.
    RETURNS (Trained): What was trained.
    RAISES (BenchmarkError): If it fails; the message has the end of the log.
    """
    if not run.contestant.is_script:
        return train_spacy(run, threads)
    module = import_file(run.contestant.name, ROOT / run.contestant.source)
    start = time.perf_counter()
    if run.contestant.name == "gazetteer":
        gazetteer = module.Gazetteer(gold.docs["train"])
        seconds = time.perf_counter() - start
        return Trained(_annotator(gazetteer, gold), seconds, None, {})
    try:
        tagger, choices = module.train(gold.docs["train"], gold.docs["validation"])
    except ImportError as error:
        raise BenchmarkError(str(error)) from error
    module.print_choices(choices)
    notes = {"choices": [choice._asdict() for choice in choices]}
    return Trained(_annotator(tagger, gold), choices[0].seconds, tagger.n_bytes, notes)


def _annotator(tagger: Any, gold: Gold) -> Callable[[str], list[list[Span]]]:
    return lambda split: [doc_spans(tagger.annotate(doc)) for doc in gold.docs[split]]


def train_spacy(run: Run, threads: int) -> Trained:
    """Train a pipeline with `spacy train`, in a process of its own; its output is kept in
    train.log beside the models."""
    output = ROOT / "training" / run.corpus / "accuracy" / run.name
    # What an earlier run left must not pass for this one's.
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    write_config(run, output / "config.cfg")
    limits = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    log, start = output / "train.log", time.perf_counter()
    with log.open("w", encoding="utf8") as file:
        process = subprocess.run(  # noqa: S603 (our own command, no shell)
            train_command(run, output),
            cwd=ROOT,
            env={**os.environ, **limits},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    seconds = time.perf_counter() - start
    if process.returncode:
        lines = log.read_text(encoding="utf8").splitlines()
        raise BenchmarkError(f"{run.name} failed, see {log}:\n" + "\n".join(lines[-15:]))
    model = output / "model-best"
    n_bytes = sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
    return Trained(lambda split: predict_spacy(model, run.corpus, split), seconds, n_bytes, {})


def write_config(run: Run, path: Path) -> None:
    """Write a run's config: that of its contestant without the sections it leaves out.

    RAISES (BenchmarkError): If the config cannot be read or has no such section.
    """
    source = run.contestant.source
    try:
        config = Config().from_disk(ROOT / source, interpolate=False)
    except ValueError as error:
        raise BenchmarkError(f"{run.name}: {source}: {error}") from error
    for name in run.contestant.without:
        *parents, last = name.split(".")
        section = config
        try:
            for parent in parents:
                section = section[parent]
            del section[last]
        except KeyError as error:
            raise BenchmarkError(f"{run.name}: {source} has no section [{name}]") from error
    config.to_disk(path, interpolate=False)


def train_command(run: Run, output: Path) -> list[str]:
    """RETURNS (list[str]): The command that trains a run's pipeline."""
    settings = {
        "paths.train": str(corpus_path(run.corpus, "train")),
        "paths.dev": str(corpus_path(run.corpus, "validation")),
        "system.seed": run.seed,
        **run.overrides,
    }
    command = [sys.executable, "-m", "spacy", "train", str(output / "config.cfg")]
    command += ["--output", str(output)]
    for name, value in settings.items():
        command += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
    return command


def predict_spacy(model: Path, corpus: str, split: str) -> list[list[Span]]:
    """RETURNS (list[list[tuple[int, int, str]]]): The spans of each tweet, predicted as
    `spacy evaluate` does."""
    nlp = spacy.load(model)
    examples = Corpus(corpus_path(corpus, split))(nlp)
    return [doc_spans(doc) for doc in nlp.pipe(example.predicted for example in examples)]


def doc_spans(doc: Doc) -> list[Span]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def run_all(runs: Sequence[Run], gold: Gold, jobs: int, threads: int) -> list[str]:
    """Train, predict and store, each run as it ends.

    RETURNS (list[str]): What went wrong; a failure does not stop the other runs.
    """
    failures = []
    source = digest(SOURCES)
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {pool.submit(start, run, gold, threads, source): run for run in runs}
        for future in as_completed(futures):
            try:
                inputs, trained = future.result()
            except BenchmarkError as error:
                failures.append(str(error))
                # As it is: wasabi would join the lines of a log.
                typer.echo(failures[-1])
            else:
                store(futures[future], inputs, trained, gold, threads)
    finally:
        # Otherwise an interruption waits for all that have not begun.
        pool.shutdown(cancel_futures=True)
    return failures


def start(run: Run, gold: Gold, threads: int, source: str) -> tuple[dict[str, Any], Trained]:
    """Train a contestant and say what decided it.

    source (str): Digest of the package's source when the command began.
    RAISES (BenchmarkError): If the training fails, or the source is no longer the same: a new
        process would train with the new source, and this one predict with the old.
    """
    # Before training: if the source changes meanwhile, the result is stale and known to be.
    inputs = decisive_inputs(run)
    if inputs["package"] not in (None, source):
        raise BenchmarkError(f"{run.name}: the package's source has changed: begin again")
    msg.text(f"{run.name}: training")
    return inputs, train(run, gold, threads)


def store(run: Run, inputs: dict[str, Any], trained: Trained, gold: Gold, threads: int) -> None:
    """Write the result of a run: what decided it, what it cost, its scores and predictions."""
    predictions = {split: trained.predict(split) for split in SPLITS}
    scores = score_splits(predictions, gold)
    result = {
        "contestant": run.contestant.name,
        "corpus": run.corpus,
        "seed": run.seed,
        "stale": False,
        "inputs": inputs,
        "threads": threads,
        "train_seconds": round(trained.seconds, 1),
        "n_bytes": trained.n_bytes,
        "notes": trained.notes,
        "scores": scores,
        "predictions": predictions,
    }
    write_json(run.path, result)
    figures = ", ".join(f"{split} {percent(scores[split]['all']['f'])}" for split in SPLITS)
    msg.good(f"{run.name}: F1 {figures}, {trained.seconds:.0f} s")


# --- Scores


def count_spans(
    references: Sequence[Doc], predictions: Sequence[Iterable[Span]], labels: Sequence[str]
) -> Ints3d:
    """Count right, wrong and missed spans.

    references (Sequence[Doc]): nT tweets with their gold entities.
    predictions (Sequence[Iterable[tuple[int, int, str]]]): The spans predicted for each.
    labels (Sequence[str]): All nY entity types.
    RETURNS (Ints3d): (nT, nY, 3) true positives, false positives and false negatives.
    """
    index = {label: i for i, label in enumerate(labels)}
    counts = numpy.zeros((len(references), len(labels), 3), dtype="int64")
    for row, doc, spans in zip(counts, references, predictions, strict=True):
        gold, predicted = set(doc_spans(doc)), {(s, e, label) for s, e, label in spans}
        for span in gold | predicted:
            outcome = 0 if span in gold & predicted else 1 if span in predicted else 2
            row[index[span[2]], outcome] += 1
    return counts


def prf(counts: IntsXd) -> FloatsXd:
    """RETURNS (FloatsXd): (…, 3) precision, recall and F1 of (…, 3) counts; 0 where undefined."""
    tp, fp, fn = numpy.moveaxis(counts, -1, 0)
    ratios = (tp / numpy.maximum(n, 1) for n in (tp + fp, tp + fn, tp + (fp + fn) / 2))
    return numpy.stack(list(ratios), axis=-1)


def with_total(counts: IntsXd) -> IntsXd:
    """RETURNS (IntsXd): (…, 1 + nY, 3) the sum over the types, then the (…, nY, 3) counts."""
    return numpy.concatenate([counts.sum(-2, keepdims=True), counts], axis=-2)


def resampling_weights(n_tweets: int) -> Ints2d:
    """RETURNS (Ints2d): (N_DRAWS, nT) how often each tweet is in each draw of nT tweets, with
    replacement; always the same, so that contestants are compared on the same draws."""
    generator = numpy.random.default_rng(0)
    return generator.multinomial(n_tweets, numpy.full(n_tweets, 1 / n_tweets), size=N_DRAWS)


def draw_f1(counts: Ints4d) -> Floats2d:
    """Draw the tweets anew and score each draw.

    counts (Ints4d): (nS, nT, nY, 3) counts of nS seeds.
    RETURNS (Floats2d): (N_DRAWS, 1 + nY) F1 of all types and of each, the mean of the seeds.
    """
    weights = resampling_weights(counts.shape[1]).astype("float64")
    drawn = numpy.tensordot(weights, counts.astype("float64"), axes=(1, 1))
    return prf(with_total(drawn))[..., 2].mean(axis=1)


def interval(draws: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (2, nO) the bounds of the 95% interval of (nDraws, nO) draws."""
    return numpy.percentile(draws, (2.5, 97.5), axis=0)


def score(
    references: Sequence[Doc], predictions: Sequence[Iterable[Span]], labels: Sequence[str]
) -> dict[str, Any]:
    """Score the predictions of one run on one split.

    RETURNS (dict[str, Any]): "all" and "per_type" by type: p, r and f as in spaCy, support, and
        low and high, the bounds of the 95% interval of f. "span_only": p, r, f with the types
        ignored.
    """
    counts = count_spans(references, predictions, labels)
    totals, bounds = with_total(counts.sum(0)), interval(draw_f1(counts[None]))
    rows = [
        dict(zip(("p", "r", "f", "low", "high"), map(float, (*figures, *bound)), strict=True))
        | {"support": int(total[0] + total[2])}
        for figures, bound, total in zip(prf(totals), bounds.T, totals, strict=True)
    ]
    return {
        "all": rows[0],
        "per_type": dict(zip(labels, rows[1:], strict=True)),
        "span_only": score_spans_only(references, predictions),
    }


def score_splits(predictions: dict[str, list[list[Span]]], gold: Gold) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): By split, what `score` returns."""
    return {split: score(gold.docs[split], predictions[split], gold.labels) for split in SPLITS}


def score_spans_only(
    references: Sequence[Doc], predictions: Sequence[Iterable[Span]]
) -> dict[str, float]:
    """RETURNS (dict[str, float]): p, r and f where a span is right whatever its type."""
    counts = numpy.zeros(3, dtype="int64")
    for doc, spans in zip(references, predictions, strict=True):
        gold = {(ent.start, ent.end) for ent in doc.ents}
        predicted = {(start, end) for start, end, _ in spans}
        counts += (len(gold & predicted), len(predicted - gold), len(gold - predicted))
    return dict(zip("prf", map(float, prf(counts)), strict=True))


class Difference(NamedTuple):
    """F1 of a model beside that of the reference, on test, the mean of the seeds.

    support (int): How many gold entities there are.
    reference (float): F1 of the reference, 0..1.
    model (float): F1 of the model, 0..1.
    low (float): Lower bound of the 95% interval of model minus reference, in pairs of draws.
    high (float): Upper bound.
    """

    support: int
    reference: float
    model: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """RETURNS (bool): Whether the model is not below the reference beyond the interval."""
        return self.high >= 0


def compare(
    reference: Sequence[Result], model: Sequence[Result], gold: Gold
) -> dict[str, Difference]:
    """Compare two contestants on test, over all types and by type.

    reference (Sequence[dict[str, Any]]): The results of one, a seed each.
    model (Sequence[dict[str, Any]]): The results of the other.
    gold (Gold): The corpus.
    RETURNS (dict[str, Difference]): By "all" and by type.
    """
    docs = gold.docs["test"]
    one, other = (
        numpy.stack([count_spans(docs, r["predictions"]["test"], gold.labels) for r in results])
        for results in (reference, model)
    )
    low, high = interval(draw_f1(other) - draw_f1(one))
    f_one, f_other = (prf(with_total(counts.sum(1)))[..., 2].mean(0) for counts in (one, other))
    total = with_total(one[0].sum(0))
    support = map(int, total[:, 0] + total[:, 2])
    figures = (map(float, values) for values in (f_one, f_other, low, high))
    rows = map(Difference._make, zip(support, *figures, strict=True))
    return dict(zip(("all", *gold.labels), rows, strict=True))


# --- Tables


def percent(value: float) -> str:
    return f"{100 * value:.2f}"


def mean_and_deviation(values: Sequence[float]) -> str:
    """RETURNS (str): In percent; the standard deviation where there are several values."""
    deviation = f" ± {percent(statistics.stdev(values))}" if len(values) > 1 else ""
    return percent(statistics.mean(values)) + deviation


def accuracy_table(results: dict[str, list[Result]], remarks: dict[str, str]) -> str:
    """Make the table of all contestants.

    results (dict[str, list[dict[str, Any]]]): By contestant, a result for each seed.
    remarks (dict[str, str]): By contestant, what the table should say of its runs.
    RETURNS (str): Markdown.
    """
    lines = [
        "| contestant | what it adds | validation F1 | test F1 | test P / R | test span-only F1 "
        "| training, s | MB |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, adds, *_ in (*BASELINES, *LADDER):
        text = adds + (f" ({remarks[name]})" if name in remarks else "")
        cells = _score_cells(results[name]) if results.get(name) else ["-"] * 6
        lines.append(f"| {' | '.join((f'`{name}`', text, *cells))} |")
    return "\n".join(lines)


def _score_cells(runs: Sequence[Result]) -> list[str]:
    def values(split: str, part: str, key: str) -> list[float]:
        return [run["scores"][split][part][key] for run in runs]

    precision, recall = (percent(statistics.mean(values("test", "all", key))) for key in "pr")
    n_bytes = [run["n_bytes"] for run in runs if run["n_bytes"] is not None]
    return [
        mean_and_deviation(values("validation", "all", "f")),
        mean_and_deviation(values("test", "all", "f")),
        f"{precision} / {recall}",
        mean_and_deviation(values("test", "span_only", "f")),
        f"{statistics.mean(run['train_seconds'] for run in runs):.0f}",
        f"{statistics.mean(n_bytes) / 1e6:.1f}" if n_bytes else "-",
    ]


def best_rungs(results: dict[str, list[Result]]) -> list[str]:
    """RETURNS (list[str]): Rungs with the best mean F1 on validation, never on test."""
    means = {
        rung.name: statistics.mean(
            run["scores"]["validation"]["all"]["f"] for run in results[rung.name]
        )
        for rung in LADDER
        if results.get(rung.name)
    }
    return sorted(means, key=lambda name: -means[name])[:N_COMPARED]


def type_table(comparisons: dict[str, dict[str, Difference]]) -> str:
    """Make the table of entity types, and a line for each model that says where it holds.

    comparisons (dict[str, dict[str, Difference]]): By model, what `compare` returns.
    RETURNS (str): Markdown.
    """
    header = ["type", "entities", f"`{REFERENCE}`"]
    for name in comparisons:
        header += [f"`{name}`", "difference", "holds"]
    lines = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    first = next(iter(comparisons.values()))
    for label, row in first.items():
        cells = [label, str(row.support), percent(row.reference)]
        for differences in comparisons.values():
            cells += _difference_cells(differences[label])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(_verdict(*item) for item in comparisons.items())])


def _difference_cells(row: Difference) -> list[str]:
    difference, low, high = (
        f"{100 * value:+.1f}" for value in (row.model - row.reference, row.low, row.high)
    )
    return [percent(row.model), f"{difference} [{low}, {high}]", "yes" if row.holds else "**no**"]


def _verdict(name: str, differences: dict[str, Difference]) -> str:
    below = [label for label, row in differences.items() if label != "all" and not row.holds]
    verdict = f"does not hold for {', '.join(below)}" if below else "holds for every type"
    return f"- `{name}`, no type below `{REFERENCE}` by more than its interval: {verdict}."


def make_block(corpus: str, seeds: int, results: dict[str, list[Result]], tables: list[str]) -> str:
    """RETURNS (str): What docs/accuracy.md says of a corpus: how it was measured, and tables."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("spacy", "thinc"))
    about = (
        f"Corpus `{corpus}`, {versions}. Mean ± standard deviation over "
        f"{'seed 0' if seeds == 1 else f'seeds 0 to {seeds - 1}'}; gazetteer and CRFsuite have "
        "none. Typed F1 is that of `spacy evaluate`: exact spans on gold tokens. Intervals: 95%, "
        f"{N_DRAWS} draws of the tweets."
    )
    for result in results.get(REFERENCE, []):
        choice = result["notes"]["choices"][0]
        about += f" CRFsuite: c1 = {choice['c1']:g}, c2 = {choice['c2']:g}, chosen on validation."
    return "\n\n".join([about, *tables])


def write_block(path: Path, corpus: str, block: str) -> None:
    """Put a corpus's block between its markers; they are added at the end where absent.

    path (Path): A Markdown file, which may not exist yet.
    corpus (str): The name in the markers.
    block (str): Markdown.
    RAISES (BenchmarkError): If the file has one marker without the other.
    """
    begin, end = (f"<!-- accuracy:{corpus}:{edge} -->" for edge in ("begin", "end"))
    text = path.read_text(encoding="utf8") if path.exists() else "# Accuracy\n"
    before, _, rest = text.partition(begin)
    found, after = end in rest, rest.partition(end)[2]
    if not found and (begin in text or end in text):
        raise BenchmarkError(f"{path}: needs {begin} and, after it, {end}, or neither of them")
    if not found:
        before, after = text.rstrip("\n") + "\n\n", "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{begin}\n{block}\n{end}{after}", encoding="utf8")


# --- Command


def make_runs(contestants: Iterable[Contestant], corpus: str, seeds: int) -> list[Run]:
    """RETURNS (list[Run]): Every contestant with every seed, the scripts once."""
    return [
        Run(contestant, corpus, seed)
        for contestant in contestants
        for seed in range(1 if contestant.is_script else seeds)
    ]


def collect(
    runs: Sequence[Run], gold: Gold, *, accept_stale: bool
) -> tuple[dict[str, list[Result]], dict[str, str]]:
    """Read the results of all runs; score them anew, as the scorer may have changed.

    RETURNS (tuple[dict[str, list[dict[str, Any]]], dict[str, str]]): By contestant, its results,
        and what the table should say of them.
    """
    results: dict[str, list[Result]] = {}
    remarks = {}
    for contestant in (*BASELINES, *LADDER):
        own = [run for run in runs if run.contestant.name == contestant.name]
        if missing := missing_files(own[0]):
            remarks[contestant.name] = f"not run: there is no {', '.join(missing)}"
            continue
        read = [read_result(run, accept_stale=accept_stale) for run in own]
        found = results[contestant.name] = [result for result in read if result is not None]
        for result in found:
            result["scores"] = score_splits(result["predictions"], gold)
        notes = ["not run"] if not found else []
        if 0 < len(found) < len(own):
            notes.append(f"{len(found)} of {len(own)} seeds")
        if any(result["stale"] for result in found):
            notes.append("trained by earlier source")
        if notes:
            remarks[contestant.name] = "; ".join(notes)
    return results, remarks


def runs_to_train(runs: Sequence[Run], *, force: bool, accept_stale: bool) -> list[Run]:
    """RETURNS (list[Run]): The runs that lack a result. Says of the others why they do not run."""
    chosen = []
    for run in runs:
        if missing := missing_files(run):
            msg.warn(f"{run.name}: skipped, there is no {', '.join(missing)}")
        elif not force and read_result(run, accept_stale=accept_stale) is not None:
            msg.text(f"{run.name}: has its result")
        else:
            chosen.append(run)
    return chosen


def write_report(
    runs: Sequence[Run], gold: Gold, seeds: int, accept_stale: bool, json_path: Path | None
) -> None:
    """Print the tables of all results there are, and write them in docs/accuracy.md."""
    corpus = runs[0].corpus
    results, remarks = collect(runs, gold, accept_stale=accept_stale)
    tables = [accuracy_table(results, remarks)]
    reference = results.get(REFERENCE)
    rungs = best_rungs(results) if reference else []
    comparisons = {name: compare(reference or [], results[name], gold) for name in rungs}
    if comparisons:
        tables.append(type_table(comparisons))
    block = make_block(corpus, seeds, results, tables)
    typer.echo(block)
    write_block(ROOT / "docs" / "accuracy.md", corpus, block)
    if json_path is not None:
        types = {
            name: {label: row._asdict() | {"holds": row.holds} for label, row in rows.items()}
            for name, rows in comparisons.items()
        }
        shown = {
            name: [{k: v for k, v in run.items() if k != "predictions"} for run in found]
            for name, found in results.items()
        }
        write_json(json_path, {"contestants": shown, "remarks": remarks, "against": types})


def accuracy_cli(
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "sample",
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0", min=1)] = 3,
    only: Annotated[
        list[str] | None, typer.Option(help="Train but this contestant; may be repeated")
    ] = None,
    jobs: Annotated[int, typer.Option(help="How many trainings at once", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="BLAS threads of each", min=1)] = 1,
    table_only: Annotated[bool, typer.Option("--table-only", help="Train nothing")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train even what has a result")] = False,
    accept_stale: Annotated[
        bool,
        typer.Option("--accept-stale", help="Take results of earlier source of the package"),
    ] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="File for all figures")
    ] = None,
) -> None:
    """Train and score all contestants and write the tables in docs/accuracy.md."""
    runs = make_runs((*BASELINES, *LADDER), corpus, seeds)
    names = list(dict.fromkeys(run.contestant.name for run in runs))
    if unknown := set(only or ()) - set(names):
        raise typer.BadParameter(
            f"no contestant {', '.join(sorted(unknown))}: there are {', '.join(names)}"
        )
    if table_only and (force or only):
        raise typer.BadParameter("--table-only trains nothing: leave --force and --only out")
    try:
        gold = read_gold(corpus)
        failures: list[str] = []
        if not table_only:
            chosen = [run for run in runs if not only or run.contestant.name in only]
            todo = runs_to_train(chosen, force=force, accept_stale=accept_stale)
            failures = run_all(todo, gold, jobs, threads)
        write_report(runs, gold, seeds, accept_stale, json_path)
    except BenchmarkError as error:
        msg.fail(str(error), exits=1)
    if failures:
        msg.fail(f"{len(failures)} of {len(todo)} trainings failed", exits=1)


if __name__ == "__main__":
    typer.run(accuracy_cli)
