import re

import numpy
import pytest
from spacy.lookups import Lookups

from spacy_twitter_ner.lexical.clusters import (
    TABLE,
    ClusteredWord,
    cluster_code,
    cluster_paths,
    create_cluster_lookups,
    read_clusters,
    write_clusters,
)

from ..training.corpora import needs_lexical

LINES = ["00\tlondon\t50", "00\tparis\t40", "010\tlol\t90", "1\t#Friday\t3"]


@pytest.fixture
def write(tmp_path):
    def write_lines(*lines, name="clusters.tsv"):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write_lines


def add_lookups(nlp, path):
    nlp.config["initialize"]["lookups"] = {
        "@misc": "spacy-twitter-ner.ClusterLookups.v1",
        "path": path if path is None else str(path),
    }
    return nlp


def test_read_clusters_keeps_order(write):
    assert list(read_clusters(write(*LINES))) == [
        ("00", "london", 50),
        ("00", "paris", 40),
        ("010", "lol", 90),
        ("1", "#Friday", 3),
    ]


def test_read_clusters_keeps_words(write):
    # Stripping lines or str.splitlines would break these.
    words = ["'", "\u00a0", "a\u2028b", "\x85", "\\t", '"', "😂"]
    path = write(*(f"{i:03b}\t{word}\t1" for i, word in enumerate(words)))
    assert [word.word for word in read_clusters(path)] == words


def test_read_clusters_windows_line_ends(tmp_path):
    path = tmp_path / "clusters.tsv"
    path.write_bytes(b"0\tlol\t1\r\n1\tparis\t2\r\n")
    assert list(read_clusters(path)) == [("0", "lol", 1), ("1", "paris", 2)]


@pytest.mark.parametrize(
    ("path", "code"), [("0", 0), ("1", 1), ("10", 1), ("01", 2), ("0001", 8), ("1" * 64, 2**64 - 1)]
)
def test_cluster_code(path, code):
    assert cluster_code(path) == code


def test_cluster_lookups_in_config(nlp, write):
    add_lookups(nlp, write(*LINES)).initialize()
    words = ["london", "paris", "lol", "#Friday", "#friday", "unknown"]
    assert [nlp.vocab[word].cluster for word in words] == [0, 0, 2, 1, 0, 0]
    assert [token.cluster for token in nlp("so lol")] == [0, 2]
    table = nlp.vocab.lookups.get_table(TABLE)
    # A cluster may have the number 0, as do words without a cluster in spaCy.
    assert "london" in table
    assert "unknown" not in table


def test_cluster_lookups_longest_path_round_trip(write):
    lookups = create_cluster_lookups(write("1" * 64 + "\ta\t1", "0\tb\t1"))
    table = Lookups().from_bytes(lookups.to_bytes()).get_table(TABLE)
    assert (table["a"], table["b"]) == (2**64 - 1, 0)


def test_cluster_lookups_map_foreign_placeholders(write):
    table = create_cluster_lookups(
        write("00\t<@MENTION>\t9", "010\t<URL-a.b>\t2", "011\t<URL-t.co>\t7", "1\t<URL-x>\t1")
    ).get_table(TABLE)
    assert table["<USR>"] == cluster_code("00")
    assert table["<URL>"] == cluster_code("011")


def test_cluster_lookups_by_normalized_spelling(write):
    table = create_cluster_lookups(
        write("00\tZoe\u0308\t1", "01\t𝗞𝗶𝗺\t2", "10\tＫｉｍ\t7", "110\tﬁne\t9", "111\tfine\t1")
    ).get_table(TABLE)
    assert table["Zoë"] == table["Zoe\u0308"] == cluster_code("00")
    # The most frequent word takes precedence if none has the normalized spelling.
    assert table["Kim"] == cluster_code("10")
    assert table["fine"] == cluster_code("111")


def test_cluster_lookups_prefer_own_placeholders(write):
    table = create_cluster_lookups(
        write("00\t<@MENTION>\t9", "01\t<URL-a>\t2", "10\t<USR>\t1", "11\t<URL>\t1")
    ).get_table(TABLE)
    assert table["<USR>"] == cluster_code("10")
    assert table["<URL>"] == cluster_code("11")


def test_cluster_lookups_without_placeholders(write):
    table = create_cluster_lookups(write(*LINES)).get_table(TABLE)
    assert len(table) == len(LINES)


@pytest.mark.parametrize(
    ("lines", "number", "message"),
    [
        (["00\tlol"], 1, "expected 3 tab-separated fields (bit path, word, count), found 2"),
        (["00\tlol\t1", "01\tpa\tris\t1"], 2, "found 4"),
        (["00\tlol\t1", ""], 2, "found 1"),
        (["00\tlol\t1", "012\tparis\t1"], 2, "consists of 0 and 1, got '012'"),
        (["\tparis\t1"], 1, "consists of 0 and 1, got ''"),
        (["0" * 65 + "\tparis\t1"], 1, "the path has 65 bits, but at most 64 are supported"),
        (["00\t\t1"], 1, "the word is missing"),
        (["00\tlol\tmany"], 1, "the count 'many' isn't a number"),
        (["00\tlol\t²"], 1, "the count '²' isn't a number"),
        (["00\tlol\t1", "01\ta\t1", "1\tlol\t1"], 3, "'lol' already has a cluster in line 1"),
        (["00\tlol\t1", "1\ta\t1", "001\tb\t1"], 3, "contains the cluster 00 of line 1"),
    ],
)
def test_read_clusters_raises_error_on_invalid_lines(write, lines, number, message):
    path = write(*lines)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        create_cluster_lookups(path)
    assert str(error.value).startswith(f"{path}:{number}: ")


def test_read_clusters_requires_utf8(tmp_path):
    path = tmp_path / "clusters.tsv"
    path.write_bytes("0\tlol\t1\n1\tcafé\t1\n".encode("latin-1"))
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: not UTF-8")):
        create_cluster_lookups(path)


def test_read_clusters_empty_file(write):
    with pytest.raises(ValueError, match="the file is empty"):
        create_cluster_lookups(write())


def test_cluster_lookups_missing_file(nlp, tmp_path):
    add_lookups(nlp, tmp_path / "none.tsv")
    with pytest.raises(FileNotFoundError) as error:
        nlp.initialize()
    for part in ("[initialize.lookups] path", str(tmp_path / "none.tsv"), "en_tweet_ner"):
        assert part in str(error.value)


def test_cluster_lookups_of_a_pipeline(nlp, write, tmp_path):
    add_lookups(nlp, write(*LINES)).initialize()
    nlp.to_disk(tmp_path / "pipeline")
    lookups = create_cluster_lookups(str(tmp_path / "pipeline"))
    assert lookups.tables == [TABLE]
    assert dict(lookups.get_table(TABLE)) == dict(nlp.vocab.lookups.get_table(TABLE))


def test_cluster_lookups_of_a_pipeline_without_clusters(nlp, tmp_path):
    nlp.to_disk(tmp_path / "pipeline")
    with pytest.raises(ValueError, match="a pipeline without clusters"):
        create_cluster_lookups(tmp_path / "pipeline")


def test_cluster_lookups_without_path(nlp):
    """So that a pipeline that was saved with its clusters can be initialized without the file."""
    before = nlp.vocab.lookups
    add_lookups(nlp, None).initialize()
    assert nlp.vocab.lookups is before


def test_write_clusters_round_trip(tmp_path):
    path = tmp_path / "clusters.tsv"
    words = [("01", "b", 1), ("00", "é", 2), ("01", "a", 1), ("01", "c", 5)]
    write_clusters(path, [ClusteredWord(*word) for word in words])
    assert path.read_bytes().decode() == "00\té\t2\n01\tc\t5\n01\ta\t1\n01\tb\t1\n"
    assert len(list(read_clusters(path))) == len(words)


def bundles(n, centres, scale=0.01):
    """Vectors close to one of some directions, of very different lengths, by turns."""
    random = numpy.random.RandomState(0)
    vectors = numpy.asarray(centres)[numpy.arange(n) % len(centres)]
    lengths = random.uniform(0.1, 10, size=(n, 1))
    return ((vectors + random.normal(scale=scale, size=vectors.shape)) * lengths).astype("float32")


@needs_lexical
def test_cluster_paths_by_direction():
    centres = [[1, 0, 0], [0.9, 0.4, 0], [0, 0, 1], [0, 0.4, 0.9]]
    paths = cluster_paths(bundles(40, centres), 4)
    for k in range(4):
        assert len(set(paths[k::4])) == 1
    first = [path[0] for path in paths[:4]]
    assert first[0] == first[1] != first[2] == first[3]
    assert sorted(set(paths)) == ["00", "01", "10", "11"]


@needs_lexical
def test_cluster_paths_are_leaves_of_binary_tree():
    vectors = numpy.random.RandomState(1).normal(size=(200, 8)).astype("float32")
    paths = set(cluster_paths(vectors, 30))
    assert len(paths) == 30
    # In a binary tree, 2**-depth of all leaves adds up to one.
    assert sum(2.0 ** -len(path) for path in paths) == 1.0
    assert not any(a != b and a.startswith(b) for a in paths for b in paths)


@needs_lexical
def test_cluster_paths_are_deterministic():
    vectors = numpy.random.RandomState(1).normal(size=(200, 8)).astype("float32")
    assert cluster_paths(vectors, 30, seed=3) == cluster_paths(vectors, 30, seed=3)
    assert cluster_paths(vectors, 30, seed=3) != cluster_paths(vectors, 30, seed=4)


@pytest.mark.parametrize("n", [2, 3])
@needs_lexical
def test_cluster_paths_of_few_vectors(n):
    vectors = numpy.eye(4, dtype="float32")[:n]
    assert len(set(cluster_paths(vectors, 1000))) == n


@needs_lexical
def test_cluster_paths_of_zero_vector():
    vectors = numpy.eye(4, dtype="float32")
    vectors[0] = 0
    assert all(cluster_paths(vectors, 4))
