"""Score long docs in overlapping windows and large batches in parts, which bounds memory use.

Each token's scores are taken from the window in which it has at least CONTEXT tokens on both sides,
or the doc's start or end. Scores are concatenated before decoding, so that no entity is split.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy
from spacy.attrs import ORTH, SPACY
from spacy.tokens import Doc

from ..layers.heads import Head

CONTEXT = 50
# Maximum number of tokens to score at once, unless a single window is longer.
MAX_TOKENS = 2**15


class Window(NamedTuple):
    """Token offsets of a window of a doc, and of the part of it whose scores are kept."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def validate_window_length(length: int, section: str) -> None:
    """RAISES (ValueError): If windows of this length can't overlap. Names the config section."""
    if length != 0 and length <= 2 * CONTEXT:
        raise ValueError(
            f"{section} window_length must be more than {2 * CONTEXT} tokens, the overlap between "
            f"windows, or 0 to disable windowing; it is {length}"
        )


def score_docs(
    predict: Callable[[list[Doc]], Any], head: Head, docs: list[Doc], window_length: int
) -> Any:
    """Score a batch of docs, in parts if it is large.

    predict (Callable[[list[Doc]], Any]): Computes the tagger's output for a batch.
    head (Head): The tagger's head, which concatenates outputs.
    docs (list[Doc]): The batch. At least one doc has tokens.
    window_length (int): Maximum window size in tokens. 0 disables windowing.
    RETURNS (Any): The scores. Equivalent to predict(docs), except that context more than CONTEXT
        tokens away is ignored in docs longer than window_length.
    """
    lengths = [len(doc) for doc in docs]
    if sum(lengths) <= MAX_TOKENS and max(lengths) <= (window_length or MAX_TOKENS):
        return predict(docs)
    parts, rows = [], []
    n_scored = 0
    for part in _batch_windows(pair for doc in docs for pair in _split_doc(doc, window_length)):
        parts.append(predict([doc for _, doc in part]))
        for window, _ in part:
            kept = numpy.arange(window.keep_start, window.keep_end) - window.start
            rows.append(n_scored + kept)
            n_scored += window.end - window.start
    return head.concat_windows(parts, numpy.concatenate(rows), lengths)


def find_windows(n_tokens: int, length: int) -> Iterator[Window]:
    """Split a doc into as few windows as possible, whose lengths differ by at most one token.

    n_tokens (int): Number of tokens of the doc.
    length (int): Maximum window size. 0 disables windowing.
    YIELDS (Window): The windows, from left to right. None if the doc is empty.
    """
    overlap = 2 * CONTEXT
    if n_tokens == 0:
        return
    is_whole = length == 0 or n_tokens <= length
    n_windows = 1 if is_whole else math.ceil((n_tokens - overlap) / (length - overlap))
    size, n_larger = divmod(n_tokens + (n_windows - 1) * overlap, n_windows)
    start = 0
    for index in range(n_windows):
        end = start + size + (index < n_larger)
        keep_start = start + CONTEXT if start else 0
        keep_end = end if end == n_tokens else end - CONTEXT
        yield Window(start, end, keep_start, keep_end)
        start = end - overlap


def _batch_windows(windows: Iterator[tuple[Window, Doc]]) -> Iterator[list[tuple[Window, Doc]]]:
    """Batch windows up to MAX_TOKENS."""
    batch: list[tuple[Window, Doc]] = []
    n_tokens = 0
    for window, doc in windows:
        if batch and n_tokens + len(doc) > MAX_TOKENS:
            yield batch
            batch, n_tokens = [], 0
        batch.append((window, doc))
        n_tokens += len(doc)
    if batch:
        yield batch


def _split_doc(doc: Doc, length: int) -> Iterator[tuple[Window, Doc]]:
    """Split a doc into windows, each with a doc of its tokens."""
    windows = list(find_windows(len(doc), length))
    if len(windows) <= 1:
        yield from ((window, doc) for window in windows)
        return
    # Not Span.as_doc, which is slower and copies annotation that may be invalid in a part.
    words, spaces = doc.to_array([ORTH, SPACY]).T
    for window in windows:
        tokens = slice(window.start, window.end)
        part = Doc(doc.vocab, words=words[tokens].tolist(), spaces=spaces[tokens].tolist())
        yield window, part
