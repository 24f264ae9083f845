import io
import json
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_twitter_ner.annotate import jobs
from spacy_twitter_ner.annotate.jobs import Job, annotate_shard, write_whole
from spacy_twitter_ner.corpus.tagfile import read_tag_file
from spacy_twitter_ner.sources.inputs import Shard
from spacy_twitter_ner.sources.records import RawRecord

RECORDS = [
    RawRecord(1, b'{"id": 1, "text": "saw Drake in Chicago lol", "user": {"n": 2}}'),
    RawRecord(2, b'{"id": 2, "text": ""}'),
    RawRecord(3, b"{"),
    RawRecord(4, b'{"id": 4, "text": "so tired\\n \\n today \\ud83d\\ude02"}'),
]
SHARD = Shard(7, "a.jsonl", "jsonl", RECORDS)


@pytest.fixture
def streamed(job: Job) -> Job:
    return replace(job, output_dir=None)


def test_jsonl_output(streamed: Job) -> None:
    outcome = annotate_shard(SHARD, streamed)
    first, empty, bad, last = [json.loads(line) for line in outcome.output.splitlines()]
    assert list(first) == ["id", "text", "entities", "model", "version"]
    assert first["text"] == "saw Drake in Chicago lol"
    expected = spacy.load(streamed.model)("saw Drake in Chicago lol").ents
    assert [entity["text"] for entity in first["entities"]] == [ent.text for ent in expected]
    assert list(first["entities"][0]) == ["start", "end", "type", "text", "confidence"]
    assert (empty["id"], empty["entities"]) == ("2", [])
    assert last["text"] == "so tired\n \n today 😂"
    assert (outcome.records, outcome.entities, outcome.rejects) == (3, len(expected), 1)
    # Streams have one output per input record.
    reason = outcome.rejected[0].reason
    assert outcome.rejected[0].line == 3
    assert bad == {"id": "a.jsonl:3", "error": reason}
    assert reason.startswith("invalid JSON")


def test_folder_has_separate_rejects(job: Job, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    outcome = annotate_shard(SHARD, job)
    assert (outcome.output, outcome.rejected) == (b"", ())
    lines = (tmp_path / "out" / "part-000007.jsonl").read_text("utf8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["1", "2", "4"]
    (reject,) = (tmp_path / "out" / "rejects" / "part-000007.jsonl").read_text().splitlines()
    assert json.loads(reject)["place"] == "a.jsonl:3"


def test_output_does_not_depend_on_batch_size(
    streamed: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = annotate_shard(SHARD, streamed)
    monkeypatch.setattr(jobs, "_BATCH", 1)
    assert annotate_shard(SHARD, streamed) == whole


def test_layout_without_text_and_with_fields(streamed: Job) -> None:
    job = replace(streamed, with_text=False, with_fields=True)
    first = json.loads(annotate_shard(SHARD, job).output.splitlines()[0])
    assert list(first) == ["id", "entities", "model", "version", "fields"]
    assert list(first["entities"][0]) == ["start", "end", "type", "confidence"]
    assert first["fields"]["user"] == {"n": 2}


def test_parquet_output(streamed: Job) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    job = replace(streamed, output_format="parquet", with_fields=True)
    found = parquet.read_table(io.BytesIO(annotate_shard(SHARD, job).output)).to_pylist()
    expected = [json.loads(line) for line in annotate_shard(SHARD, streamed).output.splitlines()]
    expected = [record for record in expected if "error" not in record]
    for ours, theirs in zip(found, expected, strict=True):
        fields = json.loads(ours.pop("fields"))
        assert fields["text"] == ours["text"]
        for entity, other in zip(ours["entities"], theirs["entities"], strict=True):
            assert entity.pop("confidence") == pytest.approx(other.pop("confidence"))
        assert ours == theirs


def test_docbin_output(streamed: Job, model: str) -> None:
    job = replace(streamed, output_format="spacy")
    nlp = spacy.load(model)
    docs = list(DocBin().from_bytes(annotate_shard(SHARD, job).output).get_docs(nlp.vocab))
    assert [doc.user_data["id"] for doc in docs] == ["1", "2", "4"]
    assert docs[0].text == "saw Drake in Chicago lol"
    expected = nlp(docs[0].text).ents
    assert expected
    assert [(ent.text, ent.label_) for ent in docs[0].ents] == [
        (ent.text, ent.label_) for ent in expected
    ]


def test_conll_output(streamed: Job, tmp_path: Path) -> None:
    output = annotate_shard(SHARD, replace(streamed, output_format="conll")).output
    path = tmp_path / "a.txt"
    path.write_bytes(output)
    blocks = output.decode().split("\n\n")
    doc = spacy.load(streamed.model)("saw Drake in Chicago lol")
    tags = [f"{token.ent_iob_}-{token.ent_type_}".rstrip("-") for token in doc]
    assert set(tags) > {"O"}
    assert blocks[0].splitlines() == [
        f"{token} {tag}" for token, tag in zip(doc, tags, strict=True)
    ]
    # Tweets without tokens and rejects are blank lines.
    assert [len(block.split("\n")) for block in blocks if block] == [5, 4]
    assert output.count(b"\n") == 5 + 4 + len(RECORDS)
    # The output is a valid tag file.
    corpus = read_tag_file(path)
    assert not corpus.problems
    assert sum(len(tweet.tokens) for tweet in corpus.tweets) == 9


def test_text_that_fails_is_rejected(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path / "blank")
    records = [
        RawRecord(1, b'{"text": "\\ud800"}'),
        RawRecord(2, b'{"text": "a"}'),
        RawRecord(3, b"{"),
    ]
    shard = Shard(0, "a.jsonl", "jsonl", records)
    outcome = annotate_shard(shard, Job(str(tmp_path / "blank"), None))
    found = [json.loads(line) for line in outcome.output.splitlines()]
    assert found[1]["text"] == "a"
    failed, broken = outcome.rejected
    assert [record.get("error") for record in found] == [failed.reason, None, broken.reason]
    assert "the pipeline failed: UnicodeEncodeError" in failed.reason
    assert (failed.line, broken.line) == (1, 3)


def test_lone_surrogate_in_json(streamed: Job) -> None:
    """It's replaced in the text, but not in the fields."""
    shard = Shard(0, "a", "jsonl", [RawRecord(1, b'{"text": "a \\ud800 b"}')])
    output = annotate_shard(shard, replace(streamed, with_fields=True)).output
    record = json.loads(output)
    assert record["text"] == "a \ufffd b"
    assert record["fields"]["text"] == "a \ud800 b"


def test_write_whole_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_whole(path, b"first")

    def fail(source: Path, target: Path) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_whole(path, b"second")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert path.read_bytes() == b"first"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"text": "a", "n": NaN}', {"text": "a", "n": None}),
        (b'{"text": "a", "n": [Infinity, -Infinity, 1e999, 1.5]}', [None, None, None, 1.5]),
        (b'{"text": "a", "n": {"b": {"c": [[NaN], 7]}}}', {"b": {"c": [[None], 7]}}),
        (b'{"text": "a", "n": NaN, "m": "\\ud800"}', {"text": "a", "n": None, "m": "\ud800"}),
    ],
)
@pytest.mark.parametrize("output_format", ["jsonl", "parquet", "spacy"])
def test_fields_are_valid_json(
    streamed: Job, line: bytes, expected: object, output_format: str
) -> None:
    """NaN and infinity, which JSON doesn't support, become null."""
    shard = Shard(0, "a", "jsonl", [RawRecord(1, line)])
    job = replace(streamed, with_fields=True, output_format=output_format)
    output = annotate_shard(shard, job).output

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    if output_format == "jsonl":
        fields = json.loads(output, parse_constant=refuse)["fields"]
    elif output_format == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        (row,) = parquet.read_table(io.BytesIO(output)).to_pylist()
        fields = json.loads(row["fields"], parse_constant=refuse)
    else:
        (doc,) = DocBin().from_bytes(output).get_docs(spacy.blank("xx").vocab)
        fields = json.loads(doc.user_data["fields"], parse_constant=refuse)
    assert fields == expected or fields["n"] == expected


def test_fields_of_parquet_with_nan(streamed: Job) -> None:
    row = {"text": "a", "n": float("nan"), "when": date(2024, 5, 1), "many": {1: float("inf")}}
    shard = Shard(0, "a", "parquet", [RawRecord(1, row)])
    record = json.loads(annotate_shard(shard, replace(streamed, with_fields=True)).output)
    assert record["fields"] == {"text": "a", "n": None, "when": "2024-05-01", "many": {"1": None}}
