"""All formats by name: detect, read, write and convert."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ...iob import spans_to_bio
from ...util import write_atomic
from ..convert import FILE_TYPE, docs_from_tweets
from ..reader import read_docs
from ..tagfile import Problem, check_problems, read_tag_file
from . import json_formats as formats
from .annotated import AnnotatedTweet, ReadResult, to_docs
from .brat import read_brat, write_brat

SPACY, CONLL, BRAT = "spacy", "conll", "brat"
_HEAD = 2**16


@dataclass
class FormatConversion:
    """A conversion: the docs that were written, what was repaired, and what wasn't converted."""

    docs: list[Doc]
    source: str
    target: str
    problems: list[Problem]
    skipped: dict[str, int]


def read_annotated(path: Path, name: str | None = None) -> ReadResult:
    """Read annotated tweets in any of the formats.

    path (Path): The file; for brat, a folder.
    name (Optional[str]): The format, one of READERS. Detected by default.
    RETURNS (ReadResult): The tweets and problems.
    RAISES (OSError): If the file can't be read.
    RAISES (ValueError): If the format is unknown.
    """
    name = name or detect_format(path)
    if name not in READERS:
        raise ValueError(f"unknown format {name!r}: use one of {', '.join(READERS)}")
    return READERS[name](path)


def detect_format(path: Path) -> str:
    """Detect the format of a file by its name and its first record.

    path (Path): The file or folder.
    RETURNS (str): The name of the format.
    RAISES (OSError): If the file can't be read.
    RAISES (ValueError): If the format can't be detected.
    """
    if path.is_dir() or path.suffix == ".ann":
        return BRAT
    if path.suffix == FILE_TYPE:
        return SPACY
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8-sig", errors="replace").lstrip()
    if head.startswith("["):
        return _detect_list(path)
    if head.startswith("{"):
        try:
            return _detect_record(json.loads(head.split("\n", 1)[0]))
        except ValueError:
            pass
        raise ValueError(f"{path}: the format can't be detected. Pass --from, one of {_names()}")
    return CONLL


def _detect_list(path: Path) -> str:
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError:
        return CONLL  # A tag file whose first token is a bracket
    return "tuples" if records and isinstance(records[0], list) else "label-studio"


def _detect_record(record: dict[str, Any]) -> str:
    keys = record.keys()
    if "ner_tags" in keys:
        return "hugging-face"
    if keys & {"answer", "_input_hash", "_task_hash", "tokens"}:
        return "prodigy"
    # Tweets of Twitter's API have an object "entities".
    if any(isinstance(record.get(key), list) for key in ("label", "labels", "entities")):
        return "doccano"
    if "spans" in keys:
        return "spans"
    raise ValueError("unknown record")


def _names() -> str:
    return ", ".join(READERS)


def _read_spacy(path: Path) -> ReadResult:
    return _from_docs(read_docs(path, Vocab()), path)


def _read_conll(path: Path) -> ReadResult:
    file = read_tag_file(path)
    result = _from_docs(docs_from_tweets(file.tweets, Vocab(), raw=True), path)
    result.problems += file.problems
    return result


def _from_docs(docs: Iterable[Doc], path: Path) -> ReadResult:
    result = ReadResult()
    for number, doc in enumerate(docs, 1):
        spans = [formats.CharSpan(e.start_char, e.end_char, e.label_) for e in doc.ents]
        tokens = [(token.idx, token.idx + len(token)) for token in doc if not token.is_space]
        result.add(doc.text, spans, path, number, tokens)
    return result


READERS: dict[str, Callable[[Path], ReadResult]] = {
    SPACY: _read_spacy,
    CONLL: _read_conll,
    "spans": partial(formats.read_json_lines, convert=formats.add_spans),
    "prodigy": partial(formats.read_json_lines, convert=formats.add_prodigy),
    "doccano": partial(formats.read_json_lines, convert=formats.add_doccano),
    "label-studio": partial(formats.read_json, convert=formats.add_label_studio),
    "tuples": partial(formats.read_json, convert=formats.add_tuple),
    "hugging-face": formats.read_hugging_face,
    BRAT: read_brat,
}
_TEXT_WRITERS: dict[str, Callable[[Iterable[Doc]], str]] = {
    "spans": formats.write_spans,
    "prodigy": formats.write_prodigy,
    "doccano": formats.write_doccano,
    "label-studio": formats.write_label_studio,
    "tuples": formats.write_tuples,
    "hugging-face": formats.write_hugging_face,
}
_SUFFIXES = {FILE_TYPE: SPACY, ".jsonl": "spans", ".conll": CONLL, ".txt": CONLL, ".tsv": CONLL}


def find_target(output: Path, name: str | None) -> str:
    """RETURNS (str): The given format of an output, or the one that its name implies.

    RAISES (ValueError): If there is none.
    """
    target = name or _SUFFIXES.get(output.suffix)
    if target not in READERS:
        problem = f"unknown format {name!r}" if name else f"no format for {output}"
        raise ValueError(f"{problem}: pass --to, one of {_names()}")
    return target


def convert_format(
    path: Path,
    output: Path,
    *,
    source: str | None = None,
    target: str | None = None,
    repair: bool = False,
) -> FormatConversion:
    """Convert annotated tweets from one format to another.

    path (Path): The input.
    output (Path): The output, a folder for brat.
    source (Optional[str]): Format of the input. Detected by default.
    target (Optional[str]): Format of the output. By default, its suffix determines it.
    repair (bool): Widen and drop spans instead of raising an error.
    RETURNS (FormatConversion): What was converted.
    RAISES (CorpusError): If there are problems that are not repaired, listing all of them.
    RAISES (OSError): If a file can't be read or written.
    RAISES (ValueError): If a format is unknown.
    """
    target = find_target(output, target)
    source = source or detect_format(path)
    read = read_annotated(path, source)
    problems = list(read.problems)
    docs = to_docs(read.tweets, Vocab(), problems)
    check_problems(problems, repair=repair)
    write_annotated(docs, output, target)
    return FormatConversion(docs, source, target, problems, read.skipped)


def write_annotated(docs: Sequence[Doc], output: Path, target: str) -> None:
    """Write docs in one of the formats.

    docs (Sequence[Doc]): Docs with entities.
    output (Path): The file; a folder for brat.
    target (str): The format.
    RAISES (OSError): If the output can't be written.
    """
    if target == BRAT:
        write_brat(docs, output)
        return
    with write_atomic(output) as (temporary,):
        if target == SPACY:
            DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=docs).to_disk(temporary)
        else:
            write = _TEXT_WRITERS.get(target, _write_conll)
            temporary.write_text(write(docs), encoding="utf-8", newline="\n")


def _write_conll(docs: Iterable[Doc]) -> str:
    """RETURNS (str): One token and its tag per line, a blank line between tweets."""
    lines = []
    for doc in docs:
        spans = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
        tags = spans_to_bio(spans, len(doc))
        rows = zip(doc, tags, strict=True)
        # A token with spaces would be several columns.
        lines += [f"{t.text}\t{tag}\n" for t, tag in rows if not any(map(str.isspace, t.text))]
        lines.append("\n")
    return "".join(lines)


__all__ = ["READERS", "AnnotatedTweet", "convert_format", "detect_format", "read_annotated"]
