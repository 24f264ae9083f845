"""Files as the tools write them: invented tweets in the published formats."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.vocab import Vocab

from spacy_twitter_ner.corpus.formats.annotated import to_docs
from spacy_twitter_ner.corpus.formats.registry import (
    READERS,
    convert_format,
    detect_format,
    read_annotated,
    write_annotated,
)
from spacy_twitter_ner.corpus.tagfile import CorpusError

from ...cli.util import run

TEXT = "saw Drake in Chicago 😂"
TOKENS = ["saw", "Drake", "in", "Chicago", "😂"]
TAGS = ["O", "B-person", "O", "B-geo-loc", "O"]
SPANS = [(4, 9, "person"), (13, 20, "geo-loc")]
NAMES = ("start", "end", "label")
DICTS = [dict(zip(NAMES, span, strict=True)) for span in SPANS]

PRODIGY = {
    "text": TEXT,
    "_input_hash": 1,
    "_task_hash": 2,
    "tokens": [
        {"text": "saw", "start": 0, "end": 3, "id": 0, "ws": True},
        {"text": "Drake", "start": 4, "end": 9, "id": 1, "ws": True},
        {"text": "in", "start": 10, "end": 12, "id": 2, "ws": True},
        {"text": "Chicago", "start": 13, "end": 20, "id": 3, "ws": True},
        {"text": "😂", "start": 21, "end": 22, "id": 4, "ws": False},
    ],
    "_view_id": "ner_manual",
    "spans": [
        {**one, "token_start": i, "token_end": i} for one, i in zip(DICTS, (1, 3), strict=True)
    ],
    "relations": [{"head": 1, "child": 3, "label": "AT"}],
    "answer": "accept",
}
REJECTED = {"text": "so tired", "spans": [], "answer": "reject"}
DOCCANO_1 = {"id": 1, "text": TEXT, "meta": {}, "labels": [list(span) for span in SPANS]}
DOCCANO_2 = {"id": 1, "text": TEXT, "label": [list(span) for span in SPANS], "Comments": []}
DOCCANO_RELATIONS = {
    "id": 1,
    "text": TEXT,
    "entities": [
        {"id": i, "label": label, "start_offset": start, "end_offset": end}
        for i, (start, end, label) in enumerate(SPANS)
    ],
    "relations": [{"id": 1, "from_id": 0, "to_id": 1, "type": "AT"}],
}
REGIONS = [
    {
        "id": str(start),
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {"start": start, "end": end, "text": TEXT[start:end], "labels": [label]},
    }
    for start, end, label in SPANS
]
RELATION = {"from_id": "4", "to_id": "13", "type": "relation", "direction": "right"}
LABEL_STUDIO = [
    {
        "id": 1,
        "data": {"text": TEXT},
        "annotations": [
            {"id": 1, "was_cancelled": True, "result": []},
            {"id": 2, "was_cancelled": False, "result": [*REGIONS, RELATION]},
        ],
        "predictions": [],
    }
]
LABEL_STUDIO_MIN = [{"id": 1, "text": TEXT, "label": [one["value"] for one in REGIONS]}]
LABEL_STUDIO_CONLL = "-DOCSTART- -X- O\n" + "".join(
    f"{token} -X- _ {tag}\n" for token, tag in zip(TOKENS, TAGS, strict=True)
)
DOCCANO_CONLL = "".join(f"{token} _ _ {t}\n" for token, t in zip(TOKENS, TAGS, strict=True)) + "\n"
HUGGING_FACE = {"id": "0", "tokens": TOKENS, "ner_tags": [0, 1, 0, 3, 0]}
INFO = {
    "features": {
        "ner_tags": {
            "feature": {
                "names": ["O", "B-person", "I-person", "B-geo-loc", "I-geo-loc"],
                "_type": "ClassLabel",
            },
            "_type": "Sequence",
        }
    }
}


def lines(*records) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


FILES = {
    "prodigy": ("p.jsonl", lines(PRODIGY, REJECTED), "prodigy"),
    "doccano 1.0": ("d.jsonl", lines(DOCCANO_1), "doccano"),
    "doccano 1.8": ("d.jsonl", lines(DOCCANO_2), "doccano"),
    "doccano with relations": ("d.jsonl", lines(DOCCANO_RELATIONS), "doccano"),
    "doccano conll": ("d.conll", DOCCANO_CONLL, "conll"),
    "label studio": ("l.json", json.dumps(LABEL_STUDIO), "label-studio"),
    "label studio min": ("l.json", json.dumps(LABEL_STUDIO_MIN), "label-studio"),
    "label studio conll": ("l.conll", LABEL_STUDIO_CONLL, "conll"),
    "spacy v2": ("t.json", json.dumps([[TEXT, {"entities": SPANS}]]), "tuples"),
    "hugging face": ("h.jsonl", lines(HUGGING_FACE), "hugging-face"),
    "ours": ("s.jsonl", lines({"text": TEXT, "spans": DICTS}), "spans"),
}


@pytest.mark.parametrize(("name", "content", "expected"), FILES.values(), ids=FILES)
def test_published_formats(write, name, content, expected):
    write("dataset_info.json", json.dumps(INFO))
    path = write(name, content)
    assert detect_format(path) == expected
    result = read_annotated(path)
    assert result.problems == []
    assert [(tweet.text, tweet.spans) for tweet in result.tweets] == [(TEXT, SPANS)]


def test_brat(write):
    write("brat/a.txt", f"{TEXT}\nand Leeds")
    ann = "T1\tperson 4 9\tDrake\nT2\tgeo-loc 13 20\tChicago\nR1\tAT Arg1:T1 Arg2:T2\n"
    ann += "T3\tgeo-loc 27 32\tLeeds\n#1\tAnnotatorNotes T1\tsinger\nT4\tother 0 3;10 12\tsaw in\n"
    write("brat/a.ann", ann)
    result = read_annotated(write("brat/b.ann", "").parent / "a.ann")
    assert result.tweets[0].spans == [*SPANS, (27, 32, "geo-loc")]
    assert result.skipped == {"relations": 1, "notes": 1}
    (problem,) = result.problems
    assert (problem.line, "discontinuous" in problem.message) == (6, True)


def test_what_is_not_converted_is_reported(write):
    assert read_annotated(write("p.jsonl", lines(PRODIGY, REJECTED))).skipped == {
        "relations": 1,
        "tweets with the answer 'reject'": 1,
    }
    assert read_annotated(write("l.json", json.dumps(LABEL_STUDIO))).skipped == {
        "cancelled annotations": 1,
        "results of type 'relation'": 1,
    }
    assert read_annotated(write("d.jsonl", lines(DOCCANO_RELATIONS))).skipped == {"relations": 1}


def test_misaligned_spans_are_listed_and_widened_on_request(write, tmp_path):
    record = {"text": "the Drakemania in Leeds", "label": [[4, 9, "person"], [18, 99, "geo-loc"]]}
    path = write("d.jsonl", lines(DOCCANO_2, record))
    output = tmp_path / "out.spacy"
    with pytest.raises(CorpusError) as error:
        convert_format(path, output)
    kinds = [(problem.line, problem.kind) for problem in error.value.problems]
    assert kinds == [(2, "invalid span"), (2, "misaligned span")]
    assert not output.exists()
    conversion = convert_format(path, output, repair=True)
    assert [ent.text for ent in conversion.docs[1].ents] == ["Drakemania"]
    assert len(conversion.problems) == 2


@pytest.mark.parametrize("broken", ["{", "[]", '{"text": 1}', '{"text": "a", "label": [[0]]}'])
def test_broken_records_are_problems(write, broken):
    result = read_annotated(write("d.jsonl", lines(DOCCANO_2) + broken + "\n"), "doccano")
    assert [problem.line for problem in result.problems] == [2]
    assert len(result.tweets) == 1


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=20)
@given(data=st.data())
def test_round_trips_keep_text_and_entities(tmp_path_factory, name, data):
    """Texts of words that the tokenizer doesn't split, with random adjacent entities."""
    words = data.draw(
        st.lists(st.sampled_from(["Leeds", "#jobs", "@kim", "😂", "été"]), min_size=1)
    )
    cuts = sorted(data.draw(st.sets(st.integers(0, len(words)))))
    text = " ".join(words)
    starts = [len(" ".join(words[:i])) + bool(i) for i in range(len(words) + 1)]
    spans = [
        {"start": starts[a], "end": starts[b] - (b < len(words)) - (b == len(words)), "label": "x"}
        for a, b in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    folder = tmp_path_factory.mktemp("formats")
    path = folder / "in.jsonl"
    path.write_text(json.dumps({"text": text, "spans": spans}) + "\n", encoding="utf-8")
    docs = to_docs(read_annotated(path, "spans").tweets, Vocab(), problems := [])
    assert problems == []
    output = folder / ("out.spacy" if name == "spacy" else "out")
    write_annotated(docs, output, name)
    result = read_annotated(output, name)
    assert result.problems == []
    again = to_docs(result.tweets, Vocab(), problems)
    assert [[(e.text, e.label_) for e in doc.ents] for doc in again] == [
        [(e.text, e.label_) for e in doc.ents] for doc in docs
    ]
    if name not in ("conll", "hugging-face"):
        assert [doc.text for doc in again] == [text]


def test_convert_command(write, tmp_path):
    path = write("d.jsonl", lines(DOCCANO_RELATIONS))
    result = run("convert", path, tmp_path / "out.json", "--to", "label-studio")
    assert result.exit_code == 0, result.output
    assert "Not converted: 1 relations" in result.output
    assert "1 tweet, 2 entities (doccano to label-studio)" in " ".join(result.output.split())
    result = run("convert", tmp_path / "out.json", tmp_path / "back.jsonl")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "back.jsonl").read_text()) == {"text": TEXT, "spans": DICTS}
    result = run("convert", path, tmp_path / "out.bin")
    assert result.exit_code == 1
    assert "pass --to" in " ".join(result.output.split())
