"""Long docs and large batches, scored piece by piece: memory does not grow with them.

A doc of more tokens than a window has is read in windows that overlap, and each token's scores are
taken from the window in which it has at least CONTEXT tokens on both sides, as far as the doc goes.
The scores are put together before they are decoded, so that no entity is cut by a window's end.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy
from spacy.tokens import Doc

from ..layers.heads import Head

CONTEXT = 50
# How many tokens are scored at once, if no window is longer.
MAX_TOKENS = 2**15


class Window(NamedTuple):
    """A piece of a doc, and the tokens of which its scores are kept."""

    doc: Doc
    start: int
    end: int
    keep_start: int
    keep_end: int


def validate_window_length(length: int) -> None:
    """RAISES (ValueError): If windows of that many tokens cannot overlap."""
    if length != 0 and length <= 2 * CONTEXT:
        raise ValueError(
            f"window_length must be more than {2 * CONTEXT} tokens, as windows overlap by "
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
    for group in _groups(window for doc in docs for window in find_windows(doc, window_length)):
        parts.append(predict([_cut(window) for window in group]))
        for window in group:
            kept = numpy.arange(window.keep_start, window.keep_end) - window.start
            rows.append(n_scored + kept)
            n_scored += window.end - window.start
    return head.join(parts, numpy.concatenate(rows), lengths)


def find_windows(doc: Doc, length: int) -> Iterator[Window]:
    """Find the windows in which a doc is read.

    doc (Doc): The doc.
    length (int): The windows' length; 0 for a window as long as the doc.
    YIELDS (Window): The windows, from left to right; none of a doc without tokens.
    """
    n_tokens = len(doc)
    if n_tokens and (length == 0 or n_tokens <= length):
        yield Window(doc, 0, n_tokens, 0, n_tokens)
        return
    keep_start = 0
    while keep_start < n_tokens:
        # The last one ends with the doc and is as long as the others.
        start = max(min(keep_start - CONTEXT, n_tokens - length), 0)
        end = start + length
        keep_end = n_tokens if end == n_tokens else end - CONTEXT
        yield Window(doc, start, end, keep_start, keep_end)
        keep_start = keep_end


def _groups(windows: Iterator[Window]) -> Iterator[list[Window]]:
    """Gather windows, as many as are scored at once."""
    group: list[Window] = []
    n_tokens = 0
    for window in windows:
        size = window.end - window.start
        if group and n_tokens + size > MAX_TOKENS:
            yield group
            group, n_tokens = [], 0
        group.append(window)
        n_tokens += size
    if group:
        yield group


def _cut(window: Window) -> Doc:
    doc, start, end = window.doc, window.start, window.end
    if end - start == len(doc):
        return doc
    tokens = doc[start:end]
    # Not Span.as_doc, which copies annotation that a model has no need of, and that may not be
    # valid in a piece.
    piece = Doc(
        doc.vocab,
        words=[token.text for token in tokens],
        spaces=[bool(token.whitespace_) for token in tokens],
    )
    # What a shared tok2vec has found, for models that listen to it.
    if len(doc.tensor) == len(doc):
        piece.tensor = doc.tensor[start:end]
    return piece
