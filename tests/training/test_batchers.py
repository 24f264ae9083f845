import random
from collections import Counter
from itertools import chain, islice
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.strings import StringStore
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vectors import Vectors
from thinc.api import fix_random_seed

from spacy_twitter_ner.pipeline.constraints import MISSING, get_aligned_tags
from spacy_twitter_ner.training.batchers import batch_with_silver

from ..pipeline.util import make_examples

N_SILVER = 7


@pytest.fixture
def nlp() -> Language:
    return spacy.blank("xx")


@pytest.fixture
def gold(nlp: Language) -> list[Example]:
    return make_examples(nlp)


@pytest.fixture
def silver(tmp_path: Path) -> Path:
    return write_docs(tmp_path / "silver.spacy", [f"s{number}" for number in range(N_SILVER)])


def write_docs(path: Path, words: list[str]) -> Path:
    vocab = spacy.blank("xx").vocab
    docs = [Doc(vocab, words=[word, "x", "y"], ents=["B-LOC", "", "O"]) for word in words]
    DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=docs).to_disk(path)
    return path


def pairs(examples):
    """Batch examples in pairs."""
    iterator = iter(examples)
    while batch := list(islice(iterator, 2)):
        yield batch


def silver_words(batches: list[list[Example]]) -> list[str]:
    words = [example.reference[0].text for example in chain.from_iterable(batches)]
    return [word for word in words if word[0] == "s" and word[1:].isdigit()]


def test_batches_start_with_gold_examples_of_inner_batcher(silver, gold):
    batches = list(batch_with_silver(silver, pairs)(gold))
    assert [batch[:2] for batch in batches] == list(pairs(gold))
    assert [len(batch) for batch in batches] == [4, 4]
    assert len(silver_words(batches)) == 4


@pytest.mark.parametrize(("ratio", "sizes"), [(2.0, [6, 6]), (0.5, [3, 3]), (0.25, [2, 3])])
def test_ratio_of_silver_examples(silver, gold, ratio, sizes):
    batches = list(batch_with_silver(silver, pairs, ratio=ratio)(gold))
    assert [len(batch) for batch in batches] == sizes


def test_silver_examples_are_used_in_rounds(silver, gold):
    batcher = batch_with_silver(silver, pairs)
    # An epoch uses 4 silver examples, so rounds of 7 span epochs.
    words = silver_words([batch for _ in range(7) for batch in batcher(gold)])
    rounds = [words[start : start + N_SILVER] for start in range(0, len(words), N_SILVER)]
    assert len(rounds) == 4
    assert all(max(Counter(words).values()) == 1 for words in rounds)
    assert len({tuple(words) for words in rounds}) > 1


def test_silver_order_depends_on_seed(silver, gold):
    def draw(seed: int) -> list[str]:
        fix_random_seed(seed)
        return silver_words(list(batch_with_silver(silver, pairs, ratio=3)(gold)))

    assert draw(1) == draw(1) != draw(2)


def test_silver_annotation_may_be_missing(nlp, silver, gold):
    (batch, *_) = batch_with_silver(silver, pairs)(gold)
    example = batch[-1]
    assert not example.predicted.ents
    assert get_aligned_tags(example, {"LOC": 0}).tolist() == [1, MISSING, 0]


def test_silver_words_have_separate_vocab_with_vectors_and_lookups(silver, gold):
    vocab = gold[0].reference.vocab
    vocab.vectors = Vectors(strings=StringStore(["x"]), data=numpy.ones((1, 2), "f"), keys=["x"])
    vocab.lookups.add_table("lexeme_cluster", {"x": 7})
    (batch, *_) = batch_with_silver(silver, pairs)(gold)
    assert batch[-1].reference[0].text not in vocab.strings
    silver_vocab = batch[-1].predicted.vocab
    assert silver_vocab["x"].vector.tolist() == [1, 1]
    assert silver_vocab.lookups.get_table("lexeme_cluster")["x"] == 7


def test_silver_whitespace_is_kept(nlp, tmp_path, gold):
    path = tmp_path / "silver.spacy"
    DocBin(docs=[nlp.make_doc("it's  raw")]).to_disk(path)
    (batch, *_) = batch_with_silver(path, pairs)(gold)
    assert batch[-1].predicted.text == "it's  raw"


def test_silver_folder(tmp_path, gold):
    write_docs(tmp_path / "a.spacy", ["s1"])
    write_docs(tmp_path / "b.spacy", ["s2"])
    batches = list(batch_with_silver(tmp_path, pairs)(gold))
    assert set(silver_words(batches)) == {"s1", "s2"}


def test_silver_errors(tmp_path, gold):
    with pytest.raises(ValueError, match=r"\[training\.batcher\] path is empty.*--paths\.silver"):
        batch_with_silver(None, pairs)
    with pytest.raises(ValueError, match=r"ratio must be above 0, got 0"):
        batch_with_silver(tmp_path / "x.spacy", pairs, ratio=0)
    with pytest.raises(ValueError, match=r"x\.spacy.*no such file.*spacy-twitter-ner silver"):
        list(batch_with_silver(tmp_path / "x.spacy", pairs)(gold))
    DocBin().to_disk(tmp_path / "empty.spacy")
    with pytest.raises(ValueError, match=r"no docs with tokens"):
        list(batch_with_silver(tmp_path / "empty.spacy", pairs)(gold))


def test_gold_examples_are_read_lazily(silver, gold):
    read = []

    def examples():
        for example in gold:
            read.append(example)
            yield example

    next(iter(batch_with_silver(silver, pairs)(examples())))
    assert len(read) == 2


def test_silver_order_uses_python_random_state(silver, gold):
    state = random.getstate()
    list(batch_with_silver(silver, pairs)(gold))
    assert random.getstate() != state
