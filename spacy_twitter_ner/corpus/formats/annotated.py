"""Annotated tweets, as read from and written to other tools' formats."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spacy.tokens import Doc
from spacy.util import filter_spans
from spacy.vocab import Vocab

from ...tokenizer import TweetTokenizer
from ..spanfile import INVALID_SPAN, OVERLAP, CharSpan, expand_span
from ..tagfile import Problem

MISALIGNED = "misaligned span"


@dataclass(frozen=True)
class AnnotatedTweet:
    """A tweet with spans.

    text (str): The tweet.
    spans (list[CharSpan]): Its spans, sorted. They may overlap.
    path (Path): The file it was read from.
    line (int): Where in the file: the line, or the number of the record.
    tokens (Optional[list[tuple[int, int]]]): The start and end of each token, if the file has them.
    """

    text: str
    spans: list[CharSpan]
    path: Path
    line: int
    tokens: list[tuple[int, int]] | None = None


@dataclass
class ReadResult:
    """The contents of a file in another tool's format.

    tweets (list[AnnotatedTweet]): The annotated tweets.
    problems (list[Problem]): What is wrong, by line. Those with a repair were repaired.
    skipped (dict[str, int]): What isn't converted, such as relations, and how often it occurs.
    """

    tweets: list[AnnotatedTweet] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, kind: str, n: int = 1) -> None:
        """Count something that isn't converted."""
        if n:
            self.skipped[kind] = self.skipped.get(kind, 0) + n

    def add(
        self,
        text: str,
        spans: Sequence[CharSpan],
        path: Path,
        line: int,
        tokens: list[tuple[int, int]] | None = None,
    ) -> None:
        """Add a tweet. Spans that aren't part of its text become problems, whitespace at the edges
        of a span is stripped."""
        kept = set()
        for start, end, label in spans:
            if not (0 <= start < end <= len(text) and text[start:end].strip()):
                message = (
                    f"{label} span {start} to {end} isn't part of the text ({len(text)} characters)"
                )
                self.problems.append(Problem(path, line, INVALID_SPAN, message, "dropped"))
                continue
            covered = text[start:end]
            start += len(covered) - len(covered.lstrip())
            end -= len(covered) - len(covered.rstrip())
            kept.add(CharSpan(start, end, label))
        self.tweets.append(AnnotatedTweet(text, sorted(kept), path, line, tokens))


def to_docs(tweets: Sequence[AnnotatedTweet], vocab: Vocab, problems: list[Problem]) -> list[Doc]:
    """Tokenize tweets, by their own tokens or with TweetTokenizer. Spans whose ends aren't token
    boundaries are widened to whole tokens; of spans that overlap, the longest is kept.

    tweets (Sequence[AnnotatedTweet]): The tweets.
    vocab (Vocab): The docs' vocab.
    problems (list[Problem]): What was widened or dropped is added to it.
    RETURNS (list[Doc]): Docs with entities.
    """
    tokenizer = TweetTokenizer(vocab, split_slashes=True)
    docs = []
    for tweet in tweets:
        doc = tokenizer(tweet.text) if tweet.tokens is None else _make_doc(tweet, vocab)
        found = []
        for given in tweet.spans:
            span = expand_span(doc, given)
            found.append(span)
            if (span.start_char, span.end_char) != given[:2]:
                surface = tweet.text[given.start : given.end]
                message = (
                    f"{surface!r} ({given.label}, {given.start} to {given.end}) ends inside a token"
                )
                repair = f"widened to {span.text!r}"
                problems.append(Problem(tweet.path, tweet.line, MISALIGNED, message, repair))
        kept = filter_spans(found)
        for span in found:
            if span not in kept:
                message = f"{span.text!r} ({span.label_}) overlaps another span"
                problems.append(Problem(tweet.path, tweet.line, OVERLAP, message, "dropped"))
        doc.set_ents(kept, default="outside")
        docs.append(doc)
    return docs


def _make_doc(tweet: AnnotatedTweet, vocab: Vocab) -> Doc:
    """Make a doc with the tweet's own tokens. Characters between them become tokens as well, so
    that the text stays the same."""
    words: list[str] = []
    spaces: list[bool] = []
    position = 0
    text = tweet.text
    for start, end in [*(tweet.tokens or ()), (len(text), len(text))]:
        gap = text[position:start]
        if gap.startswith(" ") and words:
            spaces[-1], gap = True, gap[1:]
        for word in (gap, text[start:end]):
            if word:
                words.append(word)
                spaces.append(False)
        position = end
    return Doc(vocab, words=words, spaces=spaces)
