import json

import numpy
import pytest
import spacy
from typer.testing import CliRunner

from spacy_twitter_ner.cli import app
from spacy_twitter_ner.lexical.merge import merge_vectors
from spacy_twitter_ner.lexical.vectors import VectorTable, read_vectors

N_WORDS, WIDTH = 40, 6
RANDOM = numpy.random.default_rng(0)


def table(words: list[str], width: int = WIDTH) -> VectorTable:
    return VectorTable(words, RANDOM.normal(size=(len(words), width)).astype("float32"))


def names(prefix: str, number: int) -> list[str]:
    return [f"{prefix}{index}" for index in range(number)]


def cosines(vectors: numpy.ndarray) -> numpy.ndarray:
    units = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return units @ units.T


def write_text(path, words: VectorTable) -> None:
    rows = zip(words.words, words.vectors.tolist(), strict=True)
    path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in rows))


def test_merge_vectors_at_full_width_weighs_tables_equally():
    shared = names("w", N_WORDS)
    one, other = table(shared), table(shared)
    # A table's scale doesn't matter.
    merged = merge_vectors(
        [one, VectorTable(shared, 1000 * other.vectors)],
        width=2 * WIDTH,
        max_rows=N_WORDS,
        max_words=N_WORDS,
    )
    assert merged.words == shared
    expected = (cosines(one.vectors) + cosines(other.vectors)) / 2
    numpy.testing.assert_allclose(cosines(merged.vectors), expected, atol=1e-5)


def test_merge_vectors_reduces_width_by_svd():
    shared = names("w", N_WORDS)
    flat = RANDOM.normal(size=(N_WORDS, 2)).astype("float32")
    one = VectorTable(shared, flat @ RANDOM.normal(size=(2, WIDTH)).astype("float32"))
    merged = merge_vectors([one, one], width=2, max_rows=N_WORDS, max_words=N_WORDS)
    assert merged.vectors.shape == (N_WORDS, 2)
    numpy.testing.assert_allclose(cosines(merged.vectors), cosines(one.vectors), atol=1e-4)


def test_merge_vectors_predicts_missing_vectors():
    words = names("w", N_WORDS)
    one = table(words)
    rotation = numpy.linalg.qr(RANDOM.normal(size=(WIDTH, WIDTH)))[0].astype("float32")
    other = VectorTable(words[:-5], (one.vectors @ rotation)[:-5])
    merged = merge_vectors([one, other], width=2 * WIDTH, max_rows=N_WORDS, max_words=N_WORDS)
    # The other table is a rotation of the first one, so the prediction is exact.
    numpy.testing.assert_allclose(cosines(merged.vectors), cosines(one.vectors), atol=1e-4)


def test_merge_vectors_keeps_frequent_words_of_each_table():
    one = table([*names("a", 3), *names("s", 20)])
    other = table([*names("b", 3), *names("s", 20)])
    merged = merge_vectors([one, other], width=3, max_rows=20, max_words=20)
    assert set(merged.words) == {*names("a", 3), *names("b", 3), *names("s", 14)}


def test_merge_vectors_lets_rare_words_share_rows():
    one = table(names("w", N_WORDS))
    near = one.vectors.copy()
    near[30:] = 3 * near[[4, 7, 2, 0, 1, 9, 5, 6, 3, 8]] + 0.01
    one = VectorTable(one.words, near)
    merged = merge_vectors([one, one], width=2 * WIDTH, max_rows=30, max_words=38)
    assert merged.words == one.words[:38]
    assert merged.rows.tolist() == [*range(30), 4, 7, 2, 0, 1, 9, 5, 6]
    assert merged.vectors.shape == (30, 2 * WIDTH)


def test_merge_vectors_sorts_words_by_best_rank():
    one = table([*names("s", 20), "rare"])
    other = table(["rare", *names("s", 20)])
    assert merge_vectors([one, other], width=3, max_rows=10, max_words=10).words[:2] == [
        "s0",
        "rare",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 13}, r"width: must be from 1 to 12"),
        ({"width": 0}, r"width: must be from 1 to 12"),
        ({"max_rows": 0}, r"max_rows: must be from 1 to max_words \(10\)"),
        ({"max_rows": 11}, r"max_rows: must be from 1 to max_words \(10\)"),
    ],
)
def test_merge_vectors_validates_settings(settings, message):
    tables = [table(names("w", N_WORDS)), table(names("w", N_WORDS))]
    with pytest.raises(ValueError, match=message):
        merge_vectors(tables, **{"width": 3, "max_rows": 10, "max_words": 10, **settings})


def test_merge_vectors_requires_tables_with_shared_words():
    with pytest.raises(ValueError, match=r"tables 2 and 1 share 0 words"):
        merge_vectors(
            [table(names("a", 30)), table(names("b", 30))], width=3, max_rows=60, max_words=60
        )
    with pytest.raises(ValueError, match=r"at least two tables of vectors"):
        merge_vectors([table(names("a", 30))], width=3, max_rows=60, max_words=60)


def test_merge_vectors_command(tmp_path):
    words = names("w", N_WORDS)
    write_text(tmp_path / "a.txt", table(words))
    write_text(tmp_path / "b.txt", table(words))
    arguments = [str(tmp_path / name) for name in ("a.txt", "b.txt", "new/merged")]
    command = ["merge-vectors", *arguments, "-w", "4", "--max-rows", "25", "--max-words", "30"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    vocab = spacy.load(tmp_path / "new" / "merged").vocab
    assert vocab.vectors.shape == (25, 4)
    assert vocab.vectors.data.dtype == "float16"
    expected = merge_vectors(
        [read_vectors(tmp_path / name) for name in ("a.txt", "b.txt")],
        width=4,
        max_rows=25,
        max_words=30,
    )
    for word, row in zip(words[:30], expected.rows, strict=True):
        numpy.testing.assert_allclose(vocab[word].vector, expected.vectors[row], atol=1e-2)
    assert not vocab.has_vector("w30")
    meta = json.loads((tmp_path / "new" / "merged" / "meta.json").read_text())
    assert [t["name"] for t in meta["merged"]["tables"]] == ["a.txt", "b.txt"]
    result = CliRunner().invoke(app, [*command[:1], str(tmp_path / "no.txt"), *command[2:]])
    assert result.exit_code == 1
    assert "no.txt: no such file of vectors" in result.output.replace("\n", " ")
