"""JSON of Prodigy, doccano, Label Studio, spaCy v2 and Hugging Face, and our own JSON lines."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ...iob import spans_to_bio, tags_to_spans
from ..detokenize import detokenize
from ..spanfile import INVALID_LINE, INVALID_SPAN, CharSpan
from ..tagfile import Problem
from .annotated import ReadResult

_LABEL_STUDIO = {"labels", "hypertextlabels"}


class _InvalidError(Exception):
    """A record that isn't in its format."""


def read_json_lines(
    path: Path, convert: Callable[[Any, ReadResult, Path, int], None]
) -> ReadResult:
    """Read JSON lines.

    path (Path): The file.
    convert (Callable): Adds a record to the result.
    RETURNS (ReadResult): The tweets and problems.
    RAISES (OSError): If the file can't be read.
    """
    result = ReadResult()
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if line.strip():
            try:
                _convert(json.loads(line), convert, result, path, number)
            except ValueError as error:
                message = f"this line isn't JSON: {error}"
                result.problems.append(Problem(path, number, INVALID_LINE, message))
    return result


def read_json(path: Path, convert: Callable[[Any, ReadResult, Path, int], None]) -> ReadResult:
    """Read a JSON list. Problems name the number of the record instead of a line.

    path (Path): The file.
    convert (Callable): Adds a record to the result.
    RETURNS (ReadResult): The tweets and problems.
    RAISES (OSError): If the file can't be read.
    """
    result = ReadResult()
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(records, list):
            raise ValueError("expected a list of records")
    except ValueError as error:
        result.problems.append(Problem(path, 1, INVALID_LINE, f"this file isn't valid: {error}"))
        return result
    for number, record in enumerate(records, 1):
        _convert(record, convert, result, path, number)
    return result


def _convert(
    record: Any,
    convert: Callable[[Any, ReadResult, Path, int], None],
    result: ReadResult,
    path: Path,
    number: int,
) -> None:
    try:
        convert(record, result, path, number)
    except _InvalidError as error:
        result.problems.append(Problem(path, number, INVALID_LINE, str(error)))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        message = f"not in the expected format ({type(error).__name__}: {error})"
        result.problems.append(Problem(path, number, INVALID_SPAN, message))


def _get_text(record: Any, *keys: str) -> str:
    for key in keys:
        if isinstance(record, dict) and isinstance(record.get(key), str):
            return record[key]
    raise _InvalidError(f'expected an object with a string "{keys[0]}"')


def add_spans(record: Any, result: ReadResult, path: Path, number: int) -> None:
    """Add a record of ours: text, and spans with start, end and label."""
    text = _get_text(record, "text")
    spans = [CharSpan(int(s["start"]), int(s["end"]), str(s["label"])) for s in record["spans"]]
    result.add(text, spans, path, number)


def add_prodigy(record: Any, result: ReadResult, path: Path, number: int) -> None:
    """Add a task of Prodigy. Only accepted tasks are annotation."""
    text = _get_text(record, "text")
    answer = record.get("answer", "accept")
    result.skip("relations", len(record.get("relations") or ()))
    if answer != "accept":
        result.skip(f"tweets with the answer {answer!r}")
        return
    spans = [
        CharSpan(int(s["start"]), int(s["end"]), str(s["label"])) for s in record.get("spans") or ()
    ]
    tokens = [(int(t["start"]), int(t["end"])) for t in record.get("tokens") or ()]
    result.add(text, spans, path, number, tokens or None)


def add_doccano(record: Any, result: ReadResult, path: Path, number: int) -> None:
    """Add an example of doccano: "labels" (1.0), "label" (1.2 and later), or "entities" if the
    project has relations."""
    text = _get_text(record, "text", "data")
    result.skip("relations", len(record.get("relations") or ()))
    result.skip("comments", len(record.get("Comments") or record.get("comments") or ()))
    if "entities" in record:
        entities = record["entities"]
        triples = [(e["start_offset"], e["end_offset"], e["label"]) for e in entities]
    else:
        triples = record["label"] if "label" in record else record["labels"]
    spans = [CharSpan(int(start), int(end), str(label)) for start, end, label in triples]
    result.add(text, spans, path, number)


def add_label_studio(record: Any, result: ReadResult, path: Path, number: int) -> None:
    """Add a task of Label Studio, in its JSON or JSON-MIN. The first annotation that wasn't
    cancelled is used."""
    if "data" not in record:
        text = _get_text(record, "text")
        regions = [value for value in record.values() if _is_regions(value)]
        values = regions[0] if regions else []
        result.add(text, [_read_region(value) for value in values], path, number)
        return
    text = _get_text(record["data"], "text", *record["data"])
    given = record.get("annotations", record.get("completions")) or []
    done = [one for one in given if not one.get("was_cancelled")]
    result.skip("cancelled annotations", len(given) - len(done))
    result.skip("predictions", len(record.get("predictions") or ()))
    if not done:
        result.skip("tweets without annotation")
        return
    result.skip("further annotations of a tweet", len(done) - 1)
    spans = []
    for region in done[0]["result"]:
        if region["type"] in _LABEL_STUDIO:
            spans.append(_read_region(region["value"]))
        else:
            result.skip(f"results of type {region['type']!r}")
    result.add(text, spans, path, number)


def _is_regions(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) and "start" in v for v in value)


def _read_region(value: Any) -> CharSpan:
    labels = next(value[key] for key in ("labels", "hypertextlabels") if key in value)
    if len(labels) != 1:
        raise _InvalidError(f"a span has {len(labels)} labels, expected one: {labels}")
    return CharSpan(int(value["start"]), int(value["end"]), str(labels[0]))


def add_tuple(record: Any, result: ReadResult, path: Path, number: int) -> None:
    """Add a training example of spaCy v2: [text, {"entities": [[start, end, label], ...]}]."""
    text, annotation = record
    if not isinstance(text, str):
        raise _InvalidError("expected a list of a text and its annotation")
    for layer in sorted(set(annotation) - {"entities"}):
        result.skip(f"layers {layer!r}")
    spans = [CharSpan(int(s), int(e), str(label)) for s, e, label in annotation["entities"]]
    result.add(text, spans, path, number)


def read_hugging_face(path: Path) -> ReadResult:
    """Read JSON lines with "tokens" and "ner_tags", as in data sets on the Hugging Face hub. Tags
    that are numbers are named by dataset_info.json in the same folder.

    path (Path): The file.
    RETURNS (ReadResult): The tweets and problems. Spaces between tokens are guessed.
    RAISES (OSError): If the file can't be read.
    """
    names: list[str] = []
    info = path.with_name("dataset_info.json")
    if info.is_file():
        feature = json.loads(info.read_text(encoding="utf-8"))["features"]["ner_tags"]["feature"]
        names = feature.get("names") or []

    def add(record: Any, result: ReadResult, path: Path, number: int) -> None:
        tokens, tags = record["tokens"], record["ner_tags"]
        if len(tokens) != len(tags):
            raise _InvalidError(f"{len(tokens)} tokens but {len(tags)} tags")
        if any(isinstance(tag, int) for tag in tags) and not names:
            raise _InvalidError(
                "tags are numbers: put the data set's dataset_info.json, which names them, into "
                "the same folder"
            )
        for layer in sorted(set(record) & {"pos_tags", "chunk_tags"}):
            result.skip(f"layers {layer!r}")
        named = [names[tag] if isinstance(tag, int) else tag for tag in tags]
        text, offsets = detokenize(tokens)
        spans = [
            CharSpan(offsets[start][0], offsets[end - 1][1], label)
            for start, end, label in tags_to_spans(named)
        ]
        result.add(text, spans, path, number, offsets)

    return read_json_lines(path, add)


def write_spans(docs: Iterable[Doc]) -> str:
    """RETURNS (str): JSON lines of ours."""
    return _dump_lines({"text": doc.text, "spans": _spans(doc)} for doc in docs)


def write_prodigy(docs: Iterable[Doc]) -> str:
    """RETURNS (str): Prodigy's JSON lines, for db-in."""

    def make(doc: Doc) -> dict[str, Any]:
        tokens = [
            {
                "text": t.text,
                "start": t.idx,
                "end": t.idx + len(t),
                "id": t.i,
                "ws": bool(t.whitespace_),
            }
            for t in doc
        ]
        spans = [
            {**span, "token_start": ent.start, "token_end": ent.end - 1}
            for span, ent in zip(_spans(doc), doc.ents, strict=True)
        ]
        return {"text": doc.text, "tokens": tokens, "spans": spans, "answer": "accept"}

    return _dump_lines(map(make, docs))


def write_doccano(docs: Iterable[Doc]) -> str:
    """RETURNS (str): doccano's JSON lines for sequence labeling."""
    return _dump_lines({"text": doc.text, "label": _triples(doc)} for doc in docs)


def write_label_studio(docs: Iterable[Doc]) -> str:
    """RETURNS (str): Label Studio's JSON, for a config with <Labels name="label" toName="text">."""

    def make(doc: Doc, number: int) -> dict[str, Any]:
        regions = [
            {
                "id": f"{number}-{index}",
                "from_name": "label",
                "to_name": "text",
                "type": "labels",
                "value": {
                    "start": ent.start_char,
                    "end": ent.end_char,
                    "text": ent.text,
                    "labels": [ent.label_],
                },
            }
            for index, ent in enumerate(doc.ents)
        ]
        return {"id": number, "data": {"text": doc.text}, "annotations": [{"result": regions}]}

    return json.dumps([make(doc, i) for i, doc in enumerate(docs, 1)], ensure_ascii=False, indent=1)


def write_tuples(docs: Iterable[Doc]) -> str:
    """RETURNS (str): Training examples of spaCy v2, as JSON."""
    examples = [[doc.text, {"entities": _triples(doc)}] for doc in docs]
    return json.dumps(examples, ensure_ascii=False, indent=1)


def write_hugging_face(docs: Iterable[Doc]) -> str:
    """RETURNS (str): JSON lines with tokens and the names of their tags."""

    def make(doc: Doc, number: int) -> dict[str, Any]:
        spans = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
        tags = spans_to_bio(spans, len(doc))
        rows = [(t.text, tag) for t, tag in zip(doc, tags, strict=True) if not t.is_space]
        return {
            "id": str(number),
            "tokens": [token for token, _ in rows],
            "ner_tags": [tag for _, tag in rows],
        }

    return _dump_lines(make(doc, number) for number, doc in enumerate(docs))


def _spans(doc: Doc) -> list[dict[str, Any]]:
    return [{"start": e.start_char, "end": e.end_char, "label": e.label_} for e in doc.ents]


def _triples(doc: Doc) -> Sequence[tuple[int, int, str]]:
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def _dump_lines(records: Iterable[Any] | Iterator[Any]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
