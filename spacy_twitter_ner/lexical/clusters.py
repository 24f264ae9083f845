"""Hierarchical word clusters, loaded into spaCy's lookups.

A file of clusters has one word per line: the path from the root of a binary tree to the word's
cluster, as bits; the word; and its frequency, separated by tabs. Brown et al. (1992) introduced
such clusters. `train-vectors` computes them from word vectors.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy
from spacy.lookups import Lookups
from spacy.util import load_model
from thinc.types import Floats2d

from ..normalization import URL, USER, normalize_word

TABLE = "lexeme_cluster"
MAX_PATH = 64

# The placeholder for user names and the prefix of those for URLs in the clusters of Owoputi et al.
# (2013), http://www.cs.cmu.edu/~ark/TweetNLP/.
_MENTION = "<@MENTION>"
_URL_BEGIN = "<URL-"

_MAX_ITERATIONS = 20


class ClusteredWord(NamedTuple):
    """A line of a file of clusters.

    path (str): The bits from the root to the word's cluster.
    word (str): The word.
    frequency (int): Its frequency.
    """

    path: str
    word: str
    frequency: int


def create_cluster_lookups(path: str | Path | None) -> Lookups | None:
    """Read word clusters into lookups for Lexeme.cluster and ClusterEmbed:
    "spacy-twitter-ner.ClusterLookups.v1", for [initialize.lookups]. The lookups are saved with the
    pipeline.

    path (Optional[str | Path]): The file of clusters, or a pipeline that has clusters: its folder
        or package. If None, as in the config of a pipeline that was saved with its clusters, the
        vocab keeps its lookups.
    RETURNS (Optional[Lookups]): The lookups, with one table.
    RAISES (FileNotFoundError): If there is no such file or pipeline.
    RAISES (ValueError): If a line is invalid, with file and line, or the pipeline has no clusters.
    """
    if path is None:
        return None
    if not Path(path).is_file():
        return _pipeline_lookups(str(path))
    words = list(read_clusters(Path(path)))
    codes = {word.word: cluster_code(word.path) for word in words}
    # Words are looked up by normalized spelling. The most frequent one takes precedence.
    spelled = {normalize_word(word.word): word for word in sorted(words, key=_frequency)}
    for key, word in {**spelled, **_placeholders(words)}.items():
        codes.setdefault(key, cluster_code(word.path))
    lookups = Lookups()
    lookups.add_table(TABLE, codes)
    return lookups


def _pipeline_lookups(name: str) -> Lookups:
    """RETURNS (Lookups): The clusters of a pipeline."""
    try:
        vocab = load_model(name).vocab
    except OSError as error:
        raise FileNotFoundError(
            f"[initialize.lookups] path: {name} is neither a file nor a pipeline. Use en_tweet_ner "
            "(the pretrained pipeline), clusters.tsv (from `spacy-twitter-ner train-vectors`), or "
            "any file of Brown clusters with a bit path, a word and a count per line"
        ) from error
    if not vocab.lookups.has_table(TABLE):
        raise ValueError(f"[initialize.lookups] path: {name} is a pipeline without clusters")
    lookups = Lookups()
    lookups.add_table(TABLE, vocab.lookups.get_table(TABLE))
    return lookups


def read_clusters(path: Path) -> Iterator[ClusteredWord]:
    """Read a file of clusters.

    path (Path): The file, in UTF-8, with a bit path, a word and a count per line.
    YIELDS (ClusteredWord): The word in each line.
    RAISES (ValueError): If a line is invalid, a word occurs twice, or a cluster's path is the
        prefix of another; with file and line.
    """
    word_lines: dict[str, int] = {}
    path_lines: dict[str, int] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            location = f"{path}:{number}"
            word = _parse(line, location)
            first = word_lines.setdefault(word.word, number)
            if first != number:
                raise ValueError(f"{location}: {word.word!r} already has a cluster in line {first}")
            path_lines.setdefault(word.path, number)
            yield word
    if not word_lines:
        raise ValueError(f"{path}: the file is empty; expected a bit path, word and count per line")
    _validate_tree(path, path_lines)


def write_clusters(path: Path, words: Iterable[ClusteredWord]) -> None:
    """Write a file of clusters, sorted by path and frequency.

    path (Path): The file.
    words (Iterable[ClusteredWord]): The words.
    """
    ordered = sorted(words, key=lambda word: (word.path, -word.frequency, word.word))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{word.path}\t{word.word}\t{word.frequency}\n" for word in ordered)


def cluster_paths(vectors: Floats2d, n_clusters: int, *, seed: int = 0) -> list[str]:
    """Cluster vectors by direction with k-means, and cluster centers hierarchically (Ward 1963).

    vectors (Floats2d): (n, width), at least two vectors.
    n_clusters (int): Maximum number of clusters.
    seed (int): Random seed.
    RETURNS (list[str]): For each vector, the bits from the root to its cluster.
    """
    from sklearn.cluster import KMeans, ward_tree

    norms = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / numpy.maximum(norms, numpy.finfo("float32").tiny)
    k_means = KMeans(
        min(n_clusters, len(vectors)), n_init=1, max_iter=_MAX_ITERATIONS, random_state=seed
    ).fit(directions)
    children, _, n_leaves, _ = ward_tree(k_means.cluster_centers_)
    paths = _leaf_paths(children.tolist(), n_leaves)
    return [paths[label] for label in k_means.labels_.tolist()]


def cluster_code(path: str) -> int:
    """Encode a path as a number, with the first bit as the lowest. The lowest k bits of the number
    are the first k bits of the path. Numbers are unique, since no path in a tree is a prefix of
    another.

    path (str): The bits.
    RETURNS (int): The number, as in Lexeme.cluster.
    """
    return int(path[::-1], 2)


def _parse(line: bytes, location: str) -> ClusteredWord:
    try:
        fields = line.decode("utf-8").rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise ValueError(f"{location}: not UTF-8 ({error}); save the file as UTF-8") from error
    if len(fields) != 3:
        raise ValueError(
            f"{location}: expected 3 tab-separated fields (bit path, word, count), found "
            f"{len(fields)}"
        )
    path, word, count = fields
    if not path or not set(path) <= {"0", "1"}:
        raise ValueError(f"{location}: a path consists of 0 and 1, got {path!r}")
    if len(path) > MAX_PATH:
        raise ValueError(
            f"{location}: the path has {len(path)} bits, but at most {MAX_PATH} are supported"
        )
    if not word:
        raise ValueError(f"{location}: the word is missing")
    if not (count.isascii() and count.isdigit()):
        raise ValueError(f"{location}: the count {count!r} isn't a number")
    return ClusteredWord(path, word, int(count))


def _validate_tree(path: Path, path_lines: dict[str, int]) -> None:
    ordered = sorted(path_lines)
    for shorter, longer in pairwise(ordered):
        if longer.startswith(shorter):
            raise ValueError(
                f"{path}:{path_lines[longer]}: the path {longer} contains the cluster "
                f"{shorter} of line {path_lines[shorter]}; clusters have to be leaves of a tree"
            )


def _placeholders(words: list[ClusteredWord]) -> dict[str, ClusteredWord]:
    """RETURNS (dict[str, ClusteredWord]): The most frequent placeholder for user names and for
    URLs, by our own placeholder."""
    users = [word for word in words if word.word == _MENTION]
    urls = [word for word in words if word.word.startswith(_URL_BEGIN)]
    return {key: max(found, key=_frequency) for key, found in ((USER, users), (URL, urls)) if found}


def _frequency(word: ClusteredWord) -> int:
    return word.frequency


def _leaf_paths(children: Sequence[Sequence[int]], n_leaves: int) -> list[str]:
    """RETURNS (list[str]): The path to each leaf of a tree. Inner nodes are numbered after the
    leaves and after their children; the root is last."""
    paths = [""] * (n_leaves + len(children))
    for node in range(len(children) - 1, -1, -1):
        for bit, child in zip("01", children[node], strict=True):
            paths[child] = paths[n_leaves + node] + bit
    return paths[:n_leaves]
