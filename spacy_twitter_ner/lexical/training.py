"""Train word vectors and word clusters on unlabelled tweets."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy
import spacy
from spacy.strings import StringStore
from spacy.vectors import Vectors
from thinc.types import Floats2d

from ..scale.compression import find_codec
from ..scale.inputs import find_format, open_input, read_records, resolve_format
from ..scale.parsing import Tweet, parse
from ..scale.records import InputError, RawRecord
from .clusters import ClusteredWord, cluster_paths, write_clusters
from .tokenizing import normal_words

VECTORS = "vectors"
CLUSTERS = "clusters.tsv"
META = "meta.json"

# Words are sampled by frequency to the power of 3/4; frequent ones are left out at random.
_NEGATIVE_SAMPLES = 8
_SUBSAMPLING = 1e-4

_SHORTEST_NGRAM, _LONGEST_NGRAM = 3, 5
_HASHES = 2
_END_OF_LINE = "</s>"

_PACKAGES = {"word2vec": ("gensim", "sklearn"), "floret": ("floret", "sklearn")}
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
_DTYPES = ("float16", "float32")

Progress = Callable[[str], None]
_LINE_END = re.compile(r"[\r\n]+")


@dataclass(frozen=True)
class LexicalSettings:
    """How to train.

    width (int): The vectors' width.
    window (int): How many words on each side are a word's context.
    min_count (int): Words that occur less often are left out.
    epochs (int): How often to read the tweets.
    max_words (int): How many rows the table of vectors gets. word2vec: a row for each of the most
        frequent words; the clusters are of all words. floret: what n-grams are hashed to.
    clusters (int): How many clusters.
    algorithm (str): "word2vec" (skip-gram; Mikolov et al. 2013), or "floret", which makes a
        vector of the n-grams of any word (Bojanowski et al. 2017).
    dtype (Optional[str]): The vectors are stored as "float16" or "float32". spaCy reads vectors
        of floret as float32 only. Default: the smallest that will do.
    seed (int): Seed of word2vec and of the clusters; floret has one of its own.
    workers (int): Threads. More than one is faster, but no two runs agree.
    lang (str): The language of the pipelines that the vectors are for.
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
                    f"{name}: at least {least.get(name, 1)}, not {getattr(self, name)}"
                )
        if self.algorithm not in TRAINERS:
            raise ValueError(f"algorithm: {' or '.join(TRAINERS)}, not {self.algorithm!r}")
        if self.dtype not in (None, *_DTYPES):
            raise ValueError(f"dtype: {' or '.join(_DTYPES)}, not {self.dtype!r}")
        if self.algorithm == "floret" and self.dtype == "float16":
            raise ValueError("dtype: spaCy reads vectors of floret as float32 only")


class Trained(NamedTuple):
    """What a training gives.

    words (list[str]): The words, the most frequent first.
    frequencies (list[int]): How often each occurs.
    matrix (Floats2d): (n, width) their vectors.
    table (Vectors): The vectors that are stored.
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
    """Train vectors and clusters, and write them to a folder: `vectors`, for [initialize] vectors;
    `clusters.tsv`, for [initialize.lookups]; and `meta.json`, which tells how they were made.

    tweets (Sequence[Path]): Files of tweets, as for `read_tweets`, or folders of them.
    output (Path): The folder. Nothing is written before the training is done.
    settings (Optional[LexicalSettings]): How to train.
    progress (Callable[[str], None]): Told what is being done.
    RETURNS (dict[str, Any]): What is in `meta.json`.
    RAISES (ImportError): If a package is missing, which the extra `lexical` brings.
    RAISES (OSError): If a file cannot be read.
    RAISES (ValueError): If a file is not text, or there is too little of it.
    """
    settings = settings or LexicalSettings()
    _require_packages(settings.algorithm)
    tweets = tweet_files(tweets)
    _validate_output(output)
    with TemporaryDirectory() as folder:
        # The words are read once an epoch: from a file, so that memory does not grow with them.
        words = Path(folder) / "words.txt"
        progress(f"Reading {len(tweets)} file(s)")
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
        "words": len(trained.words),
        "vectors": list(trained.table.shape),
        "dtype": str(trained.table.data.dtype),
        "clusters": len(set(paths)),
        "settings": asdict(settings),
        "files": [_provenance(path) for path in tweets],
        "packages": _versions(settings.algorithm),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    _write(output, trained, paths, meta)
    return meta


def tweet_files(paths: Iterable[Path]) -> list[Path]:
    """Find files of tweets.

    paths (Iterable[Path]): Files, and folders of files that end in .txt or .txt.gz.
    RETURNS (list[Path]): The files, those of a folder in order of their names.
    RAISES (FileNotFoundError): If there is no such file or folder, or none in a folder.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted({*path.glob("*.txt"), *path.glob("*.txt.gz")}) if path.is_dir() else [path]
        if not found:
            raise FileNotFoundError(f"{path}: no file in this folder ends in .txt or .txt.gz")
        if not found[0].is_file():
            raise FileNotFoundError(f"{path}: there is no such file of tweets")
        files.extend(found)
    return files


def read_tweets(paths: Iterable[Path]) -> Iterator[str]:
    """Read files of tweets, of the formats that `annotate` reads.

    paths (Iterable[Path]): The files. Their names tell formats and compression; others are text in
        UTF-8, one tweet per line.
    YIELDS (str): Each tweet that isn't blank, in one line.
    RAISES (ValueError): If a record can't be read, with file and line.
    """
    for path in paths:
        with open_input(str(path)) as (file, _):
            # Whatever its name doesn't tell is text.
            name = path.name if find_format(path.name) else f"{path.name}.txt"
            try:
                for raw in read_records(file, name, None):
                    for tweet in _parse(raw, path, resolve_format(name, None)):
                        # Tweets are kept one per line.
                        if line := " ".join(_LINE_END.split(tweet)).strip():
                            yield line
            except InputError as error:
                raise ValueError(
                    f"{path}: it looks like JSON, not text: name it .jsonl to read its texts"
                ) from error


def _parse(raw: RawRecord, path: Path, file_format: str) -> Iterator[str]:
    """The texts of a record, which must have some, but for the notices of a stream."""
    place = f"{path}:{raw.line}"
    if raw.error and (codec := find_codec(path.name, b"")):
        problem = "not gzipped, or cut off" if codec.suffix == ".gz" else "damaged or cut off"
        raise ValueError(
            f"{place}: {problem}: {raw.error}. Fetch the file again, or name it without "
            f"{codec.suffix} if it isn't compressed"
        )
    if isinstance(raw.data, bytes):
        try:
            raw.data.decode("utf8")
        except UnicodeDecodeError as error:
            byte = raw.data[error.start]
            raise ValueError(
                f"{place}: not UTF-8: byte {byte:#04x}. Save the file as UTF-8"
            ) from error
    for found in parse(raw, str(path), file_format):
        if isinstance(found, Tweet):
            yield found.text
        elif not found.is_notice:
            raise ValueError(f"{found.place}: {found.reason}")


def train_word2vec(words: Path, settings: LexicalSettings, progress: Progress) -> Trained:
    """Train skip-gram vectors with gensim.

    words (Path): A file of words with spaces between, a tweet a line.
    settings (LexicalSettings): How to train.
    progress (Callable[[str], None]): Told of each epoch.
    RETURNS (Trained): The words and their vectors.
    """
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec
    from gensim.models.word2vec import LineSentence

    class Epochs(CallbackAny2Vec):
        done = 0

        def on_epoch_end(self, model: Word2Vec) -> None:
            self.done += 1
            progress(f"Epoch {self.done} of {settings.epochs}")

    model = Word2Vec(
        vector_size=settings.width,
        window=settings.window,
        min_count=settings.min_count,
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
        callbacks=[Epochs()],
    )
    kept = known[: settings.max_words]
    data = model.wv.vectors[: len(kept)].astype(settings.dtype or "float16")
    frequencies = [model.wv.get_vecattr(word, "count") for word in known]
    table = Vectors(strings=StringStore(kept), data=data, keys=kept)
    return Trained(known, frequencies, model.wv.vectors, table)


def train_floret(words: Path, settings: LexicalSettings, progress: Progress) -> Trained:
    """Train vectors of n-grams with floret, which reports its progress itself.

    words (Path): A file of words with spaces between, a tweet a line.
    settings (LexicalSettings): How to train.
    progress (Callable[[str], None]): Told of nothing.
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
            neg=_NEGATIVE_SAMPLES,
            t=_SUBSAMPLING,
            bucket=settings.max_words,
            hashCount=_HASHES,
            minn=_SHORTEST_NGRAM,
            maxn=_LONGEST_NGRAM,
            thread=settings.workers,
            label=" ",  # begins no word: none is taken for a label
        )
    except ValueError as error:
        # floret's way to say that no word is frequent enough.
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


def _require_packages(algorithm: str) -> None:
    for package in _PACKAGES[algorithm]:
        try:
            import_module(package)
        except ImportError as error:
            raise ImportError(
                f"Training needs {_DISTRIBUTIONS.get(package, package)}, which cannot be imported "
                f"({error}): pip install 'spacy-twitter-ner[lexical]'"
            ) from error


def _validate_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise FileExistsError(f"{output} is a file: name a folder to write to")


def _too_few(n_words: int, settings: LexicalSettings) -> ValueError:
    return ValueError(
        f"Too few tweets: {n_words} word(s) occur at least {settings.min_count} times. Give more "
        "tweets, or lower --min-count"
    )


def _write_words(tweets: Iterable[str], path: Path) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): How many tweets and how many words were written."""
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
