"""Train word vectors and word clusters on unlabeled tweets."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy
import spacy
from spacy.strings import StringStore
from spacy.vectors import Vectors
from thinc.types import Floats2d

from ..corpus.tweets import normal_words, read_tweets, tweet_files
from ..lexical.clusters import ClusteredWord, cluster_paths, write_clusters
from ..util import plural, require

VECTORS = "vectors"
CLUSTERS = "clusters.tsv"
META = "meta.json"

_NEGATIVE_SAMPLES = 5
_SUBSAMPLING = 3e-5
_LEARNING_RATE = 0.05

_SHORTEST_NGRAM, _LONGEST_NGRAM = 3, 5
_HASHES = 2
_END_OF_LINE = "</s>"

_PACKAGES = {"word2vec": ("gensim", "sklearn"), "floret": ("floret", "sklearn")}
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
_DTYPES = ("float16", "float32")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class LexicalSettings:
    """Training settings.

    width (int): Vector width.
    window (int): Context size in words on each side.
    min_count (int): Minimum frequency of words.
    epochs (int): Number of passes over the tweets.
    max_words (int): Number of rows in the vector table. word2vec: one row for each of the most
        frequent words; all words have clusters. floret: number of buckets for n-grams.
    clusters (int): Number of clusters.
    algorithm (str): "word2vec" (skip-gram; Mikolov et al. 2013), or "floret", which computes
        vectors for any word from its n-grams (Bojanowski et al. 2017).
    dtype (Optional[str]): Data type of stored vectors, "float16" or "float32". Defaults to
        float16 for word2vec and to float32 for floret, since spaCy requires it.
    seed (int): Random seed for word2vec and the clusters. floret doesn't use it.
    workers (int): Number of threads. With more than one, results aren't reproducible.
    lang (str): The language of the pipelines that use the vectors.
    """

    width: int = 100
    window: int = 4
    min_count: int = 5
    epochs: int = 6
    max_words: int = 30_000
    clusters: int = 1000
    algorithm: str = "word2vec"
    dtype: str | None = None
    seed: int = 0
    workers: int = 1
    lang: str = "en"

    def __post_init__(self) -> None:
        least = {"clusters": 2, "max_words": 2}
        for name in (*least, "width", "window", "min_count", "epochs", "workers"):
            if getattr(self, name) < least.get(name, 1):
                raise ValueError(
                    f"{name}: must be at least {least.get(name, 1)}, got {getattr(self, name)}"
                )
        if self.algorithm not in TRAINERS:
            raise ValueError(f"algorithm: must be {' or '.join(TRAINERS)}, got {self.algorithm!r}")
        if self.dtype not in (None, *_DTYPES):
            raise ValueError(f"dtype: must be {' or '.join(_DTYPES)}, got {self.dtype!r}")
        if self.algorithm == "floret" and self.dtype == "float16":
            raise ValueError("dtype: spaCy only supports float32 for floret vectors")


class Trained(NamedTuple):
    """The results of training.

    words (list[str]): n words, the most frequent first.
    frequencies (list[int]): Their frequencies.
    matrix (Floats2d): (n, width) their vectors.
    table (Vectors): The vector table to store.
    """

    words: list[str]
    frequencies: list[int]
    matrix: Floats2d
    table: Vectors


def train_lexical(
    tweets: Sequence[Path],
    output: Path,
    settings: LexicalSettings | None = None,
    *,
    progress: Progress = lambda message: None,
) -> dict[str, Any]:
    """Train vectors and clusters and write them to a folder: `vectors` for [initialize] vectors,
    `clusters.tsv` for [initialize.lookups], and `meta.json` with settings and inputs.

    tweets (Sequence[Path]): Files of tweets, as for `read_tweets`, or folders of them.
    output (Path): The folder. Nothing is written before training is done.
    settings (Optional[LexicalSettings]): The settings.
    progress (Callable[[str], None]): Called with progress messages.
    RETURNS (dict[str, Any]): The contents of `meta.json`.
    RAISES (ImportError): If a package of the extra `vectors` is missing.
    RAISES (OSError): If a file can't be read.
    RAISES (ValueError): If a file isn't text, or there is too little text.
    """
    settings = settings or LexicalSettings()
    require("vectors", *_PACKAGES[settings.algorithm])
    tweets = tweet_files(tweets)
    _validate_output(output)
    with TemporaryDirectory() as folder:
        # The words are read from a file in each epoch, so that memory use is constant.
        words = Path(folder) / "words.txt"
        progress(f"Reading {plural(len(tweets), 'file')}")
        n_tweets, n_tokens = _write_words(read_tweets(tweets), words)
        if not n_tokens:
            raise ValueError(f"{', '.join(map(str, tweets))}: there are no tweets")
        progress(f"Training on {n_tweets:,} tweets, {n_tokens:,} tokens")
        trained = TRAINERS[settings.algorithm](words, settings, progress)
    progress(f"Clustering {len(trained.words):,} words")
    paths = cluster_paths(trained.matrix, settings.clusters, seed=settings.seed)
    meta = {
        "tweets": n_tweets,
        "tokens": n_tokens,
        "clusters": len(set(paths)),
        **_describe(trained, settings, tweets),
    }
    _write(output, trained, paths, meta)
    return meta


def train_word2vec(words: Path, settings: LexicalSettings, progress: Progress) -> Trained:
    """Train skip-gram vectors with gensim.

    words (Path): A file with one tweet per line, its words separated by spaces.
    settings (LexicalSettings): The settings.
    progress (Callable[[str], None]): Called after each epoch.
    RETURNS (Trained): The words and their vectors.
    """
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec
    from gensim.models.word2vec import LineSentence

    class LogEpochs(CallbackAny2Vec):
        epoch = 0

        def on_epoch_end(self, model: Word2Vec) -> None:
            self.epoch += 1
            progress(f"Epoch {self.epoch} of {settings.epochs}")

    model = Word2Vec(
        vector_size=settings.width,
        window=settings.window,
        min_count=settings.min_count,
        alpha=_LEARNING_RATE,
        sg=1,
        negative=_NEGATIVE_SAMPLES,
        sample=_SUBSAMPLING,
        workers=settings.workers,
        seed=settings.seed,
    )
    sentences = LineSentence(str(words))
    model.build_vocab(sentences)
    known = list(model.wv.index_to_key)
    if len(known) < 2:
        raise _too_few(len(known), settings)
    model.train(
        sentences,
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
        epochs=settings.epochs,
        callbacks=[LogEpochs()],
    )
    kept = known[: settings.max_words]
    data = model.wv.vectors[: len(kept)].astype(settings.dtype or "float16")
    frequencies = [model.wv.get_vecattr(word, "count") for word in known]
    table = Vectors(strings=StringStore(kept), data=data, keys=kept)
    return Trained(known, frequencies, model.wv.vectors, table)


def train_floret(words: Path, settings: LexicalSettings, progress: Progress) -> Trained:
    """Train n-gram vectors with floret.

    words (Path): A file with one tweet per line, its words separated by spaces.
    settings (LexicalSettings): The settings.
    progress (Callable[[str], None]): Not used, since floret prints its progress itself.
    RETURNS (Trained): The words and their vectors.
    """
    import floret

    try:
        model = floret.train_unsupervised(
            str(words),
            mode="floret",
            model="skipgram",
            dim=settings.width,
            ws=settings.window,
            minCount=settings.min_count,
            epoch=settings.epochs,
            lr=_LEARNING_RATE,
            neg=_NEGATIVE_SAMPLES,
            t=_SUBSAMPLING,
            bucket=settings.max_words,
            hashCount=_HASHES,
            minn=_SHORTEST_NGRAM,
            maxn=_LONGEST_NGRAM,
            thread=settings.workers,
            label=" ",  # no word starts with a space, so none is a label
        )
    except ValueError as error:
        # floret raises this if no word is frequent enough.
        raise _too_few(0, settings) from error
    counted = zip(*model.get_words(include_freq=True), strict=True)
    frequencies = {word: int(count) for word, count in counted if word != _END_OF_LINE}
    known = list(frequencies)
    if len(known) < 2:
        raise _too_few(len(known), settings)
    matrix = numpy.stack([model.get_word_vector(word) for word in known])
    saved = words.with_suffix(".floret")
    model.save_floret_vectors(str(saved))
    return Trained(known, list(frequencies.values()), matrix, _read_floret_table(saved))


TRAINERS: dict[str, Callable[[Path, LexicalSettings, Progress], Trained]] = {
    "word2vec": train_word2vec,
    "floret": train_floret,
}


def _validate_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise FileExistsError(f"{output} is a file: name an output folder")


def _too_few(n_words: int, settings: LexicalSettings) -> ValueError:
    return ValueError(
        f"Too few tweets: only {plural(n_words, 'word')} with a frequency of at least "
        f"{settings.min_count}. Use more tweets, or lower --min-count"
    )


def _write_words(tweets: Iterable[str], path: Path) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): The number of tweets and words written."""
    n_tweets = n_tokens = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for tweet in tweets:
            words = normal_words(tweet)
            file.write(" ".join(words) + "\n")
            n_tweets += 1
            n_tokens += len(words)
    return n_tweets, n_tokens


def _read_floret_table(path: Path) -> Vectors:
    with path.open(encoding="utf-8") as file:
        _, _, minn, maxn, hash_count, hash_seed, bow, eow = file.readline().split()
        data = numpy.loadtxt(file, dtype="float32", ndmin=2)[:, 1:]
    return Vectors(
        data=numpy.ascontiguousarray(data),
        mode="floret",
        minn=int(minn),
        maxn=int(maxn),
        hash_count=int(hash_count),
        hash_seed=int(hash_seed),
        bow=bow,
        eow=eow,
    )


def _describe(trained: Trained, settings: LexicalSettings, files: list[Path]) -> dict[str, Any]:
    return {
        "words": len(trained.words),
        "vectors": list(trained.table.shape),
        "dtype": str(trained.table.data.dtype),
        "settings": asdict(settings),
        "files": [_provenance(path) for path in files],
        "packages": _versions(settings.algorithm),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _provenance(path: Path) -> dict[str, Any]:
    checksum = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            checksum.update(block)
    return {"name": path.name, "bytes": path.stat().st_size, "md5": checksum.hexdigest()}


def _versions(algorithm: str) -> dict[str, str]:
    trained_with = (_DISTRIBUTIONS.get(package, package) for package in _PACKAGES[algorithm])
    names = ("spacy-twitter-ner", "spacy", "numpy", *trained_with)
    return {name: version(name) for name in names}


def _write(output: Path, trained: Trained, paths: list[str], meta: dict[str, Any]) -> None:
    nlp = spacy.blank(meta["settings"]["lang"])
    nlp.vocab.vectors = trained.table
    nlp.vocab.vectors.name = nlp.meta["vectors"]["name"] = f"{nlp.lang}_tweets.vectors"
    output.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output / VECTORS)
    words = map(ClusteredWord, paths, trained.words, trained.frequencies)
    write_clusters(output / CLUSTERS, words)
    (output / META).write_text(f"{json.dumps(meta, indent=2)}\n", encoding="utf-8")
