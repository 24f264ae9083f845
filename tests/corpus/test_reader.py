import logging

import pytest
import spacy
from spacy.training import Corpus
from spacy.util import registry

from spacy_twitter_ner.corpus.convert import convert
from spacy_twitter_ner.corpus.reader import create_tag_file_reader, read_docs, read_examples
from spacy_twitter_ner.corpus.tagfile import CorpusError

TEXT = "RT O\n#Arsenal B-team\nwon't O\n\nJustin B-person\nBieber I-person\n\nok O\n"
BROKEN = "RT O\nBob\n\nok O\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def nlp():
    return spacy.blank("en")


def tokens(examples):
    return [[token.text for token in example.predicted] for example in examples]


def test_reader_yields_unannotated_and_gold_docs(path, nlp):
    examples = list(create_tag_file_reader(path)(nlp))
    assert tokens(examples) == [["RT", "#Arsenal", "won't"], ["Justin", "Bieber"], ["ok"]]
    assert [example.get_aligned_ner() for example in examples] == [
        ["O", "U-team", "O"],
        ["B-person", "L-person"],
        ["O"],
    ]
    assert not any(example.predicted.ents for example in examples)
    assert all(example.reference.vocab is nlp.vocab for example in examples)


def test_reader_matches_corpus_of_converted_file(path, nlp, tmp_path):
    convert([path], tmp_path / "train.spacy")
    ours = list(create_tag_file_reader(path)(nlp))
    spacys = list(Corpus(tmp_path / "train.spacy")(nlp))
    assert [example.to_dict() for example in ours] == [example.to_dict() for example in spacys]


def test_reader_raw_matches_corpus_of_converted_raw_file(path, nlp, tmp_path):
    (raw,) = convert([path], tmp_path / "train.spacy", raw=True).raw_outputs
    ours = list(create_tag_file_reader(path, raw=True)(nlp))
    spacys = list(Corpus(raw)(nlp))
    assert tokens(ours) == [["RT", "#", "Arsenal", "wo", "n't"], ["Justin", "Bieber"], ["ok"]]
    assert ours[0].get_aligned_ner() == ["O", "B-team", "L-team", "O", "O"]
    assert [example.to_dict() for example in ours] == [example.to_dict() for example in spacys]


def test_reader_yields_new_examples_at_each_call(path, nlp):
    reader = create_tag_file_reader(path)
    first, second = list(reader(nlp)), list(reader(nlp))
    assert tokens(first) == tokens(second)
    first[0].predicted.ents = [spacy.tokens.Span(first[0].predicted, 0, 1, label="x")]
    assert not second[0].predicted.ents


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"limit": 1}, [3]),
        ({"limit": 9}, [3, 2, 1]),
        ({"max_length": 2}, [2, 1]),
        ({"max_length": 3}, [3, 2, 1]),
        # max_length applies before limit.
        ({"limit": 1, "max_length": 2}, [2]),
    ],
)
def test_reader_limit_and_max_length(path, nlp, settings, expected):
    examples = create_tag_file_reader(path, **settings)(nlp)
    assert [len(example) for example in examples] == expected


def test_reader_augmenter(path, nlp):
    def twice(nlp, example):
        yield example
        yield example

    examples = create_tag_file_reader(path, augmenter=twice)(nlp)
    assert [len(example) for example in examples] == [3, 3, 2, 2, 1, 1]


def test_reader_scheme(tmp_path, nlp):
    path = tmp_path / "iob1.txt"
    path.write_text("a I-x\nb I-x\n", encoding="utf-8")
    (example,) = create_tag_file_reader(path, scheme="IOB1")(nlp)
    assert example.get_aligned_ner() == ["B-x", "L-x"]
    with pytest.raises(CorpusError, match=r"iob1\.txt:1: I-x without its B-x"):
        list(create_tag_file_reader(path, scheme="BIO")(nlp))


def test_reader_raises_error_on_problems(tmp_path, nlp):
    path = tmp_path / "broken.txt"
    path.write_text(BROKEN, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"broken\.txt:2: no tag after the token 'Bob'"):
        list(create_tag_file_reader(path)(nlp))


def test_reader_repair_warns_once(tmp_path, nlp, caplog, monkeypatch):
    path = tmp_path / "broken.txt"
    path.write_text(BROKEN, encoding="utf-8")
    reader = create_tag_file_reader(path, repair=True)
    monkeypatch.setattr(logging.getLogger("spacy"), "propagate", True)
    with caplog.at_level(logging.WARNING, logger="spacy"):
        first, _ = list(reader(nlp))
        list(reader(nlp))
    assert first.get_aligned_ner() == ["O", None]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"Repaired 1 problem in the corpus:\n{path}:2: no tag after the token 'Bob'"
    )


def test_reader_requires_path():
    with pytest.raises(ValueError, match=r"the setting 'path' is empty.*--paths\.train"):
        create_tag_file_reader(None)


def test_reader_missing_file(tmp_path, nlp):
    with pytest.raises(FileNotFoundError, match="no such file"):
        list(create_tag_file_reader(tmp_path / "none.txt")(nlp))


def test_reader_in_config(path, nlp):
    # Under a private name, since tests/test_registry.py covers the entry point.
    registry.readers.register("test.TagFileCorpus", func=create_tag_file_reader)
    config = {"corpora": {"train": {"@readers": "test.TagFileCorpus", "path": str(path)}}}
    reader = registry.resolve(config)["corpora"]["train"]
    assert len(list(reader(nlp))) == 3


def test_reader_file_format(tmp_path, nlp):
    path = tmp_path / "train.tsv"
    path.write_text("% a note\n7\tNew York\tB\t_\n7\tok\tO\t_\n", encoding="utf-8")
    reader = create_tag_file_reader(
        path, token_column=2, tag_column=-2, comments=["%"], label="place"
    )
    (example,) = reader(nlp)
    assert [token.text for token in example.predicted] == ["New York", "ok"]
    assert example.get_aligned_ner() == ["U-place", "O"]


def test_read_functions_accept_tag_files_and_binary_files(path, nlp, tmp_path):
    convert([path], tmp_path / "folder" / "train.spacy")
    expected = [example.to_dict() for example in create_tag_file_reader(path)(nlp)]
    for file in (path, tmp_path / "folder" / "train.spacy", tmp_path / "folder"):
        assert [example.to_dict() for example in read_examples(file, nlp)] == expected
        docs = read_docs(file, nlp.vocab)
        assert [[t.text for t in doc] for doc in docs] == tokens(read_examples(file, nlp))


@pytest.mark.parametrize("read", [lambda p, nlp: read_docs(p, nlp.vocab), read_examples])
def test_read_functions_raise_helpful_errors(tmp_path, nlp, read):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "dev.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "dev.txt").write_text(BROKEN, encoding="utf-8")
    (tmp_path / "dev.spacy").write_bytes(b"no docs")
    for name, message in [
        ("folder", r"is a folder without \.spacy files.*convert"),
        ("dev.txt", r"dev\.txt:2: no tag after the token 'Bob'"),
        ("dev.spacy", r"dev\.spacy can't be read"),
        ("none.txt", "doesn't exist.*convert"),
    ]:
        with pytest.raises(ValueError, match=message):
            list(read(tmp_path / name, nlp))
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "none.spacy", nlp))
