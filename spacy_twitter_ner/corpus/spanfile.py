"""Read JSON lines of tweets with spans: {"text": ..., "spans": [{"start", "end", "label"}, ...]}.

Offsets count characters of the text. A span whose ends aren't token boundaries is widened to whole
tokens.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from spacy.tokens import Doc, Span
from spacy.util import filter_spans, logger
from spacy.vocab import Vocab

from ..tokenizer import TweetTokenizer
from ..util import plural
from .tagfile import CorpusError, Problem, summarize_problems

FILE_TYPE = ".jsonl"
INVALID_LINE = "invalid line"
INVALID_SPAN = "invalid span"
OVERLAP = "overlap"


class CharSpan(NamedTuple):
    """A span in characters, with an exclusive end."""

    start: int
    end: int
    label: str


def read_span_file(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read a file of tweets with spans. Of spans that overlap, the longest is kept, with a warning.

    path (Path): The file.
    vocab (Vocab): The docs' vocab.
    YIELDS (Doc): Docs with entities, as tokenized by TweetTokenizer with split_slashes.
    RAISES (CorpusError): If lines are invalid, listing all of them.
    RAISES (OSError): If the file can't be read.
    """
    tokenizer = TweetTokenizer(vocab, split_slashes=True)
    n_widened = 0
    overlaps = []
    for number, text, char_spans in _read_lines(path):
        doc = tokenizer(text)
        spans = [expand_span(doc, char_span) for char_span in char_spans]
        kept = filter_spans(spans)
        doc.set_ents(kept, default="outside")
        n_widened += sum(map(_is_widened, spans, char_spans))
        dropped = [span for span in spans if span not in kept]
        overlaps += [
            Problem(path, number, OVERLAP, f"{span.text!r} ({span.label_}) overlaps another span")
            for span in dropped
        ]
        yield doc
    if overlaps:
        lines = "\n".join(summarize_problems(overlaps))
        logger.warning("Dropped %s:\n%s", plural(len(overlaps), "span"), lines)
    if n_widened:
        logger.info("%s: widened %s to whole tokens", path, plural(n_widened, "span"))


def expand_span(doc: Doc, given: CharSpan) -> Span:
    """RETURNS (Span): The tokens of a doc that overlap a span of its text."""
    start, end, label = given
    # Not None, since offsets are checked.
    return cast("Span", doc.char_span(start, end, label=label, alignment_mode="expand"))


def _is_widened(span: Span, given: CharSpan) -> bool:
    return (span.start_char, span.end_char) != (given.start, given.end)


def _read_lines(path: Path) -> list[tuple[int, str, list[CharSpan]]]:
    """RETURNS (list[tuple[int, str, list[CharSpan]]]): Line number, text and distinct spans."""
    tweets, problems = [], []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                text, spans = _parse(line)
                tweets.append((number, text, spans))
            except _InvalidError as error:
                kind, message = error.args
                problems.append(Problem(path, number, kind, message))
    if problems:
        raise CorpusError(problems)
    return tweets


class _InvalidError(Exception):
    """The kind of a problem, and a message."""


def _parse(line: str) -> tuple[str, list[CharSpan]]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise _InvalidError(INVALID_LINE, f"this line isn't JSON: {error}") from None
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise _InvalidError(INVALID_LINE, 'expected an object with a string "text"')
    if not isinstance(record.get("spans"), list):
        raise _InvalidError(INVALID_LINE, 'expected a list "spans": [] if there are no entities')
    return text, sorted({_parse_span(span, text) for span in record["spans"]})


def _parse_span(span: Any, text: str) -> CharSpan:
    fields = [span.get(name) for name in CharSpan._fields] if isinstance(span, dict) else []
    start, end, label = fields or (None, None, None)
    if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
        raise _InvalidError(INVALID_SPAN, f'expected "start", "end" and "label", got {span!r}')
    if not 0 <= start < end <= len(text) or not text[start:end].strip():
        raise _InvalidError(
            INVALID_SPAN, f"span {start} to {end} isn't part of the text ({len(text)} characters)"
        )
    return CharSpan(start, end, label)
