import gzip
import io
import json
import tarfile

import numpy
import pytest
import spacy
from spacy.strings import StringStore
from spacy.vectors import Vectors

from spacy_twitter_ner.lexical.vectors import read_vectors

WORDS = ["the", "\u0085", "É"]
VECTORS = numpy.asarray([[1, 2], [3, 4.5], [-1, 0]], dtype="float32")
TEXT = "the 1 2\n\u0085 3 4.5\nÉ -1 0\n"
WINK = {
    "dimensions": 2,
    "words": ["the", "\u0085", "É", "lost"],
    "vectors": {"É": [-1, 0, 1.0, 2], "the": [1, 2, 2.2, 0], "\u0085": [3, 4.5, 5.4, 1]},
}


def assert_read(path):
    table = read_vectors(path)
    assert table.words == WORDS
    numpy.testing.assert_array_equal(table.vectors, VECTORS)


@pytest.mark.parametrize("text", [TEXT, f"3 2\n{TEXT}", f"{TEXT}the 7 7\n"])
@pytest.mark.parametrize("name", ["glove.txt", "model.vec", "glove.txt.gz"])
def test_read_vectors_text(tmp_path, text, name):
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert_read(tmp_path / name)


def test_read_vectors_normalizes_words(tmp_path):
    text = "Zoe\u0308 1 2\nZoë 3 4\n𝗞𝗶𝗺 5 6\nthe 7 8\n"
    (tmp_path / "glove.txt").write_text(text, encoding="utf-8")
    table = read_vectors(tmp_path / "glove.txt")
    assert table.words == ["Zoë", "Kim", "the"]
    assert table.vectors.tolist() == [[1, 2], [5, 6], [7, 8]]


def test_read_vectors_spacy(tmp_path):
    nlp = spacy.blank("xx")
    nlp.vocab.vectors = Vectors(strings=StringStore(WORDS), data=VECTORS, keys=WORDS)
    nlp.to_disk(tmp_path / "vectors")
    assert_read(tmp_path / "vectors")


def test_read_vectors_wink(tmp_path):
    (tmp_path / "wink.json").write_text(json.dumps(WINK))
    assert_read(tmp_path / "wink.json")
    write_archive(tmp_path / "wink.tgz", "package/wink-embeddings.json", json.dumps(WINK))
    assert_read(tmp_path / "wink.tgz")


def write_archive(path, name, text):
    with tarfile.open(path, "w:gz") as archive:
        for member, content in (("package/package.json", "{}"), (name, text)):
            info = tarfile.TarInfo(member)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 2\na 1\n", r"x\.txt:2: expected 2 numbers as before, got 1"),
        ("the 1 2\na 1 b\n", r"x\.txt:2: expected a word and numbers"),
        ("the 1 nan\n", r"x\.txt:1: expected a word and finite numbers"),
        ("the 1 2\n\n", r"x\.txt:2: expected a word and finite numbers"),
        ("", r"x\.txt: there are no vectors"),
    ],
)
def test_read_vectors_broken_text(tmp_path, text, message):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_vectors(tmp_path / "x.txt")


def test_read_vectors_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.txt: no such file of vectors"):
        read_vectors(tmp_path / "no.txt")
    (tmp_path / "x.bin").write_bytes(b"\0")
    with pytest.raises(ValueError, match=r"x\.bin: not a supported table of vectors"):
        read_vectors(tmp_path / "x.bin")
    (tmp_path / "x.txt").write_bytes(b"caf\xe9 1 2\n")
    with pytest.raises(ValueError, match=r"x\.txt: not UTF-8"):
        read_vectors(tmp_path / "x.txt")
    spacy.blank("xx").to_disk(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"empty: this pipeline has no vectors"):
        read_vectors(tmp_path / "empty")


@pytest.mark.parametrize("content", ["{}", "[", '{"dimensions": 2, "words": [], "vectors": {}}'])
def test_read_vectors_broken_wink(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match=r"x\.json: (not winkNLP vectors|there are no vectors)"):
        read_vectors(tmp_path / "x.json")
    write_archive(tmp_path / "x.tgz", "package/other.json", "{}")
    with pytest.raises(ValueError, match=r"x\.tgz: there is no embeddings file"):
        read_vectors(tmp_path / "x.tgz")
    (tmp_path / "y.tgz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"y\.tgz: not winkNLP vectors"):
        read_vectors(tmp_path / "y.tgz")
