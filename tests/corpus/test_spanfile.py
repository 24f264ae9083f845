import json
import logging
from pathlib import Path

import pytest
import spacy
from spacy.vocab import Vocab

from spacy_twitter_ner.corpus.reader import read_docs, read_examples
from spacy_twitter_ner.corpus.spanfile import read_span_file
from spacy_twitter_ner.corpus.tagfile import CorpusError


def write(path: Path, *records: object) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tweet(text: str, *spans: tuple[int, int, str]) -> dict:
    names = ("start", "end", "label")
    return {"text": text, "spans": [dict(zip(names, span, strict=True)) for span in spans]}


def entities(path: Path) -> list[list[tuple[str, str]]]:
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in read_span_file(path, Vocab())]


def test_read_span_file(tmp_path):
    path = write(
        tmp_path / "tweets.jsonl",
        tweet("@kim saw Drake in Toronto 😂", (18, 25, "LOC"), (9, 14, "PER")),
        "",
        tweet("nobody home"),
    )
    assert entities(path) == [[("Drake", "PER"), ("Toronto", "LOC")], []]
    docs = list(read_docs(path, Vocab()))
    assert [doc.text for doc in docs] == ["@kim saw Drake in Toronto 😂", "nobody home"]
    assert all(doc.has_annotation("ENT_IOB") and not doc.has_unknown_spaces for doc in docs)


def test_offsets_count_characters(tmp_path):
    path = write(tmp_path / "tweets.jsonl", tweet("😂😂 é saw Drake", (9, 14, "PER")))
    assert entities(path) == [[("Drake", "PER")]]


def test_spans_are_widened_to_tokens(tmp_path, caplog):
    path = write(tmp_path / "tweets.jsonl", tweet("the Drakemania", (4, 9, "PER")))
    with caplog.at_level(logging.INFO, logger="spacy"):
        assert entities(path) == [[("Drakemania", "PER")]]
    assert "widened 1 span to whole tokens" in caplog.text


@pytest.mark.parametrize(
    ("spans", "kept"),
    [
        ([(8, 14, "LOC"), (4, 14, "ORG")], ("New London", "ORG")),
        ([(4, 14, "LOC"), (4, 14, "ORG")], ("New London", "LOC")),
        ([(4, 9, "LOC"), (9, 14, "ORG")], ("New London", "LOC")),  # both within "London"
    ],
    ids=["nested", "same", "same token"],
)
def test_longest_of_overlapping_spans_is_kept(tmp_path, caplog, spans, kept):
    path = write(tmp_path / "tweets.jsonl", tweet("nobody"), tweet("the New London", *spans))
    assert entities(path) == [[], [kept]]
    assert "Dropped 1 span" in caplog.text
    assert f"{path}:2:" in caplog.text


def test_repeated_spans_are_one(tmp_path, caplog):
    path = write(tmp_path / "tweets.jsonl", tweet("Drake", (0, 5, "PER"), (0, 5, "PER")))
    assert entities(path) == [[("Drake", "PER")]]
    assert not caplog.text


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("{", "isn't JSON"),
        ("[1]", 'a string "text"'),
        ({"text": 5, "spans": []}, 'a string "text"'),
        ({"text": "hi"}, 'a list "spans"'),
        ({"text": "hi", "spans": {}}, 'a list "spans"'),
        ({"text": "hi", "spans": ["PER"]}, 'expected "start"'),
        ({"text": "hi", "spans": [{"start": 0, "end": 1}]}, 'expected "start"'),
        (tweet("hi", (0, 2, "")), 'expected "start"'),
        (tweet("hi", (False, 2, "PER")), 'expected "start"'),
        (tweet("hi", (0.0, 2.0, "PER")), 'expected "start"'),  # type: ignore[arg-type]
        (tweet("hi", (0, 3, "PER")), "isn't part of the text"),
        (tweet("hi", (-1, 2, "PER")), "isn't part of the text"),
        (tweet("hi", (1, 1, "PER")), "isn't part of the text"),
        (tweet("a b", (1, 2, "PER")), "isn't part of the text"),
    ],
    ids=str,
)
def test_invalid_lines_are_errors(tmp_path, record, message):
    path = write(tmp_path / "tweets.jsonl", tweet("fine"), record, record)
    with pytest.raises(CorpusError, match=message) as caught:
        entities(path)
    assert str(caught.value).count(f"{path}:") == 2
    assert f"{path}:2:" in str(caught.value)


def test_examples_are_tokenized_by_the_pipeline(tmp_path):
    path = write(tmp_path / "tweets.jsonl", tweet("at #Arsenal", (3, 11, "ORG")))
    (example,) = read_examples(path, spacy.blank("en"))
    assert [token.text for token in example.predicted] == ["at", "#", "Arsenal"]
    assert [token.text for token in example.reference] == ["at", "#Arsenal"]
