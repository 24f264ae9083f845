"""Long docs and large batches, scored piece by piece: memory does not grow with them.

A doc of more tokens than a window has is read in windows that overlap, and each token's scores are
taken from the window in which it has at least CONTEXT tokens on both sides, as far as the doc goes.
The scores are put together before they are decoded, so that no entity is cut by a window's end.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy
from spacy.attrs import ORTH, SPACY
from spacy.tokens import Doc

from ..layers.heads import Head

CONTEXT = 50
# How many tokens are scored at once, if no window is longer.
MAX_TOKENS = 2**15


class Window(NamedTuple):
    """Where a piece of a doc begins and ends, and the tokens of which its scores are kept."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def validate_window_length(length: int, place: str) -> None:
    """RAISES (ValueError): If windows of that many tokens cannot overlap. It names the place."""
    if length != 0 and length <= 2 * CONTEXT:
        raise ValueError(
            f"{place} window_length must be more than {2 * CONTEXT} tokens, as windows overlap by "
            f"{2 * CONTEXT}, or 0 to read each doc in one piece; it is {length}"
        )


def score_docs(
    predict: Callable[[list[Doc]], Any], head: Head, docs: list[Doc], window_length: int
) -> Any:
    """Score a batch of docs, in pieces if it is large.

    predict (Callable[[list[Doc]], Any]): Gives the tagger's output for a batch.
    head (Head): The tagger's head, which knows how to put pieces together.
    docs (list[Doc]): The batch; not all docs are empty.
    window_length (int): Docs of more tokens are read in windows of so many; 0 for no windows.
    RETURNS (Any): The scores, as if predict had seen all docs at once, but for what tokens more
        than CONTEXT tokens away from a token tell of it.
    """
    lengths = [len(doc) for doc in docs]
    if sum(lengths) <= MAX_TOKENS and max(lengths) <= (window_length or MAX_TOKENS):
        return predict(docs)
    parts, rows = [], []
    n_scored = 0
    for group in _groups(piece for doc in docs for piece in _cut(doc, window_length)):
        parts.append(predict([piece for _, piece in group]))
        for window, _ in group:
            kept = numpy.arange(window.keep_start, window.keep_end) - window.start
            rows.append(n_scored + kept)
            n_scored += window.end - window.start
    return head.join(parts, numpy.concatenate(rows), lengths)


def find_windows(n_tokens: int, length: int) -> Iterator[Window]:
    """Find the windows in which a doc is read: as few as there can be, none more than a token
    longer than another, so that a layer has no more to read than it must, in steps of like size.

    n_tokens (int): How many tokens the doc has.
    length (int): How many a window has at most; 0 for a window as long as the doc.
    YIELDS (Window): The windows, from left to right; none of a doc without tokens.
    """
    overlap = 2 * CONTEXT
    if n_tokens == 0:
        return
    is_whole = length == 0 or n_tokens <= length
    n_windows = 1 if is_whole else math.ceil((n_tokens - overlap) / (length - overlap))
    size, n_larger = divmod(n_tokens + (n_windows - 1) * overlap, n_windows)
    start = 0
    for number in range(n_windows):
        end = start + size + (number < n_larger)
        keep_start = start + CONTEXT if start else 0
        keep_end = end if end == n_tokens else end - CONTEXT
        yield Window(start, end, keep_start, keep_end)
        start = end - overlap


def _groups(pieces: Iterator[tuple[Window, Doc]]) -> Iterator[list[tuple[Window, Doc]]]:
    """Gather pieces, as many as are scored at once."""
    group: list[tuple[Window, Doc]] = []
    n_tokens = 0
    for window, piece in pieces:
        if group and n_tokens + len(piece) > MAX_TOKENS:
            yield group
            group, n_tokens = [], 0
        group.append((window, piece))
        n_tokens += len(piece)
    if group:
        yield group


def _cut(doc: Doc, length: int) -> Iterator[tuple[Window, Doc]]:
    """Cut a doc into the pieces that its windows show."""
    windows = list(find_windows(len(doc), length))
    if len(windows) <= 1:
        yield from ((window, doc) for window in windows)
        return
    # A span would read its attributes token by token.
    words, spaces = doc.to_array([ORTH, SPACY]).T
    for window in windows:
        tokens = slice(window.start, window.end)
        # Not Span.as_doc, which copies annotation that a model has no need of, and that may not be
        # valid in a piece. By their hashes words are found several times as fast as by their texts.
        piece = Doc(doc.vocab, words=words[tokens].tolist(), spaces=spaces[tokens].tolist())
        # What a shared tok2vec has found, for models that listen to it.
        if len(doc.tensor) == len(doc):
            piece.tensor = doc.tensor[tokens]
        yield window, piece
