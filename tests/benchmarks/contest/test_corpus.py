from pathlib import Path

import pytest
from spacy.tokens import Doc, DocBin

from contest.corpus import read_gold
from contest.project import BenchmarkError

from ..util import VOCAB, make_doc, write_corpus


def test_corpus_must_be_annotated_gold_tokens(root: Path) -> None:
    folder = root / "corpus" / "tiny"
    write_corpus(folder, test=["Ann/B-person -"])
    with pytest.raises(BenchmarkError, match=r"test\.spacy, tweet 1: needs gold tokens"):
        read_gold("tiny")
    spaced = Doc(VOCAB, words=["Ann", "!"], spaces=[False, False], ents=["B-person", "O"])
    write_corpus(folder)
    DocBin(docs=[make_doc("Ann/B-person"), spaced]).to_disk(folder / "validation.spacy")
    with pytest.raises(BenchmarkError, match=r"validation\.spacy, tweet 2"):
        read_gold("tiny")
