"""Word clusters: a binary tree of words that are used alike, read into spaCy's lookups.

A file of clusters has a word a line: the path from the tree's root to the word's cluster, in
bits, then the word and how often it occurred, with tabs between. Brown et al. (1992) made such
trees; the command `lexical` makes one of word vectors.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy
from spacy.lookups import Lookups
from thinc.types import Floats2d

from ..normalization import URL, USER, normalize_word

TABLE = "lexeme_cluster"
MAX_PATH = 64

# What clusters made elsewhere call a user name, and how they begin those of URLs: the clusters of
# Owoputi et al. (2013), http://www.cs.cmu.edu/~ark/TweetNLP/.
_MENTION = "<@MENTION>"
_URL_BEGIN = "<URL-"

# K-means stops here if it has not settled before.
_MAX_ITERATIONS = 20


class ClusteredWord(NamedTuple):
    """A line of a file of clusters.

    path (str): The bits from the root to the word's cluster.
    word (str): The word.
    frequency (int): How often it occurred.
    """

    path: str
    word: str
    frequency: int


def create_cluster_lookups(path: str | Path | None) -> Lookups | None:
    """Read word clusters into lookups, where Lexeme.cluster and ClusterEmbed find them. Name this
    function in the config, as [initialize.lookups]; the lookups are stored with the pipeline.

    path (Optional[str | Path]): The file of clusters. Without one, as in the config of a pipeline
        that was saved with its clusters, the vocab keeps its lookups.
    RETURNS (Optional[Lookups]): The lookups, of one table.
    RAISES (FileNotFoundError): If there is no such file.
    RAISES (ValueError): If a line is wrong, with file and line.
    """
    if path is None:
        return None
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"[initialize.lookups] path: there is no file {path}. `spacy-twitter-ner lexical` "
            "makes one of unlabelled tweets, clusters.tsv; any file of Brown clusters will do, "
            "with a bit path, a word and a count a line"
        )
    words = list(read_clusters(path))
    codes = {word.word: cluster_code(word.path) for word in words}
    # Words are looked up as they are normalized; the most frequent of one spelling decides.
    spelled = {normalize_word(word.word): word for word in sorted(words, key=_frequency)}
    for key, word in {**spelled, **_placeholders(words)}.items():
        codes.setdefault(key, cluster_code(word.path))
    lookups = Lookups()
    lookups.add_table(TABLE, codes)
    return lookups


def read_clusters(path: Path) -> Iterator[ClusteredWord]:
    """Read a file of clusters.

    path (Path): The file: a bit path, a word and a count a line, tabs between, in UTF-8.
    YIELDS (ClusteredWord): Each line's.
    RAISES (ValueError): If a line is wrong, a word occurs twice, or a cluster's path leads on to
        another cluster; with file and line.
    """
    word_lines: dict[str, int] = {}
    path_lines: dict[str, int] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            place = f"{path}:{number}"
            word = _parse(line, place)
            first = word_lines.setdefault(word.word, number)
            if first != number:
                raise ValueError(f"{place}: {word.word!r} has a cluster already, in line {first}")
            path_lines.setdefault(word.path, number)
            yield word
    if not word_lines:
        raise ValueError(f"{path}: the file is empty; expected a bit path, word and count a line")
    _validate_tree(path, path_lines)


def write_clusters(path: Path, words: Iterable[ClusteredWord]) -> None:
    """Write a file of clusters, as read_clusters reads it.

    path (Path): The file.
    words (Iterable[ClusteredWord]): What to write, by path and, in a cluster, by frequency.
    """
    ordered = sorted(words, key=lambda word: (word.path, -word.frequency, word.word))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{word.path}\t{word.word}\t{word.frequency}\n" for word in ordered)


def cluster_paths(vectors: Floats2d, n_clusters: int, *, seed: int = 0) -> list[str]:
    """Cluster vectors by their direction (k-means), and the clusters' centres into a binary tree
    (Ward 1963).

    vectors (Floats2d): (n, width) the vectors, two at least.
    n_clusters (int): How many clusters; of fewer vectors, each is a cluster.
    seed (int): Seed of k-means.
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
    """Make a number of a path: its first bit is the number's lowest. No path of a tree being the
    beginning of another, the paths' numbers are all different, and so are those of their first
    k bits: the number's lowest k.

    path (str): The bits.
    RETURNS (int): The number, as Lexeme.cluster gives it.
    """
    return int(path[::-1], 2)


def _parse(line: bytes, place: str) -> ClusteredWord:
    try:
        fields = line.decode("utf-8").rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: not UTF-8 ({error}); save the file as UTF-8") from error
    if len(fields) != 3:
        raise ValueError(
            f"{place}: expected 3 fields (bit path, word, count) with tabs between, found "
            f"{len(fields)}"
        )
    path, word, count = fields
    if not path or not set(path) <= {"0", "1"}:
        raise ValueError(f"{place}: a path is made of 0 and 1, this is {path!r}")
    if len(path) > MAX_PATH:
        raise ValueError(f"{place}: the path has {len(path)} bits; there is room for {MAX_PATH}")
    if not word:
        raise ValueError(f"{place}: the word is missing")
    if not (count.isascii() and count.isdigit()):
        raise ValueError(f"{place}: the count {count!r} is no number")
    return ClusteredWord(path, word, int(count))


def _validate_tree(path: Path, path_lines: dict[str, int]) -> None:
    ordered = sorted(path_lines)
    for shorter, longer in pairwise(ordered):
        if longer.startswith(shorter):
            raise ValueError(
                f"{path}:{path_lines[longer]}: the path {longer} leads through the cluster "
                f"{shorter} of line {path_lines[shorter]}; clusters are a tree's leaves"
            )


def _placeholders(words: list[ClusteredWord]) -> dict[str, ClusteredWord]:
    """RETURNS (dict[str, ClusteredWord]): What stands for user names and for URLs, by our names
    for them."""
    users = [word for word in words if word.word == _MENTION]
    urls = [word for word in words if word.word.startswith(_URL_BEGIN)]
    return {key: max(found, key=_frequency) for key, found in ((USER, users), (URL, urls)) if found}


def _frequency(word: ClusteredWord) -> int:
    return word.frequency


def _leaf_paths(children: Sequence[Sequence[int]], n_leaves: int) -> list[str]:
    """RETURNS (list[str]): The path to each leaf of a tree whose inner nodes come after the
    leaves, each after its children, the root last."""
    paths = [""] * (n_leaves + len(children))
    for node in range(len(children) - 1, -1, -1):
        for bit, child in zip("01", children[node], strict=True):
            paths[child] = paths[n_leaves + node] + bit
    return paths[:n_leaves]
