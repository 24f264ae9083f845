"""Check a corpus before training: compute statistics and find likely problems."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from ..util import plural
from .layout import FileFormat
from .splits import compare_splits, training_first
from .tagfile import AUTO, DEFAULT_FORMAT, Problem, TagFile, TaggedTweet, read_tag_file

if TYPE_CHECKING:
    from .tokenization import TokenizerAgreement

# The thresholds of `spacy debug data`.
LOW_LABEL_COUNT = 50
LOW_TWEET_COUNT = 2000
TOP = 10

SIZE = "size"
LABELS = "labels"
DUPLICATES = "duplicates"


class Lengths(NamedTuple):
    """Minimum, median and maximum length."""

    min: int
    median: float
    max: int


@dataclass
class SplitStats:
    """Statistics of one split. Shares are between 0 and 1, or None if there is nothing to count.
    The last two compare the split to the training split; they are None for the latter."""

    path: str
    scheme: str
    tweets: int
    tokens: int
    entities: int
    missing_labels: int
    without_entities: float | None
    tweet_lengths: Lengths | None
    token_lengths: Lengths | None
    labels: dict[str, int]
    entity_lengths: dict[int, int]
    duplicates: int
    unseen_entities: float | None = None
    unseen_tokens: float | None = None


@dataclass
class Duplicate:
    """Two tweets with the same tokens, as "file:line", and whether their tags are the same too."""

    first: str
    second: str
    same_tags: bool


@dataclass
class Overlap:
    """The number of tweets of a later split that also occur in an earlier one."""

    earlier: str
    later: str
    tweets: int


@dataclass
class Conflict:
    """A lower-cased surface form and its counts as an entity of each type."""

    form: str
    labels: dict[str, int]


@dataclass
class CorpusWarning:
    """A likely problem: its topic (SIZE, LABELS or DUPLICATES) and a message."""

    topic: str
    message: str


@dataclass
class CorpusCheck:
    """The results of checking a corpus. Only the first duplicates of each kind are listed, and the
    worst conflicts, out of `conflicting_forms`. `tokenizers` maps names of tokenizers to their
    agreement with each split."""

    splits: list[SplitStats]
    problems: list[Problem]
    warnings: list[CorpusWarning]
    notes: list[str]
    overlaps: list[Overlap]
    duplicates_within: list[Duplicate]
    duplicates_across: list[Duplicate]
    conflicting_forms: int
    conflicts: list[Conflict]
    tokenizers: dict[str, list["TokenizerAgreement"]]

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The check, in JSON types."""
        data = asdict(self)
        for split, stats in zip(data["splits"], self.splits, strict=True):
            for name in ("tweet_lengths", "token_lengths"):
                lengths = getattr(stats, name)
                split[name] = lengths and lengths._asdict()
            split["entity_lengths"] = {str(n): k for n, k in stats.entity_lengths.items()}
        for problem in data["problems"]:
            problem["path"] = str(problem["path"])
        data["tokenizers"] = {
            name: [agreement.to_dict() for agreement in agreements]
            for name, agreements in self.tokenizers.items()
        }
        return data


def check_corpus(
    paths: Sequence[Path], scheme: str = AUTO, file_format: FileFormat = DEFAULT_FORMAT
) -> CorpusCheck:
    """Check the token/tag files of a corpus. Problems are collected, not raised.

    paths (Sequence[Path]): The splits. The training split is found by its name, or else it's the
        first (see training_first).
    scheme (str): Tag scheme of the files: BIO, IOB1, BILUO or IO; or "auto" to recognize it.
    file_format (FileFormat): The columns and comments of the files.
    RETURNS (CorpusCheck): The statistics and likely problems.
    RAISES (OSError): If a file can't be read.
    RAISES (ValueError): If there are no paths, or the scheme is unknown.
    """
    # Imported here because importing spaCy takes seconds.
    from .tokenization import compare_tokenizers

    if not paths:
        raise ValueError("no files to check")
    files = [
        read_tag_file(path, scheme=scheme, file_format=file_format)
        for path in training_first(paths)
    ]
    type_problems, notes = compare_splits(files)
    splits = [_describe_split(file) for file in files]
    for file, stats in zip(files[1:], splits[1:], strict=True):
        stats.unseen_entities = _unseen_share(_entity_forms(file), _entity_forms(files[0]))
        stats.unseen_tokens = _unseen_share(_all_tokens(file), _all_tokens(files[0]))
    within, across, overlaps = _find_duplicates(files, splits)
    conflicts = _find_conflicts(files)
    return CorpusCheck(
        splits=splits,
        problems=[problem for file in files for problem in file.problems] + type_problems,
        warnings=_list_warnings(files, splits, overlaps),
        notes=notes,
        overlaps=overlaps,
        duplicates_within=within,
        duplicates_across=across,
        conflicting_forms=len(conflicts),
        conflicts=conflicts[:TOP],
        tokenizers=compare_tokenizers([file.tweets for file in files]),
    )


def _describe_split(file: TagFile) -> SplitStats:
    spans = [span for tweet in file.tweets for span in tweet.spans()]
    labels = Counter(label for _, _, label in spans)
    without = sum(not tweet.spans() for tweet in file.tweets)
    return SplitStats(
        path=str(file.path),
        scheme=file.scheme,
        tweets=len(file.tweets),
        tokens=sum(len(tweet.tokens) for tweet in file.tweets),
        entities=len(spans),
        missing_labels=sum(tweet.tags.count(None) for tweet in file.tweets),
        without_entities=without / len(file.tweets) if file.tweets else None,
        tweet_lengths=_lengths(len(tweet.tokens) for tweet in file.tweets),
        token_lengths=_lengths(len(token) for token in _all_tokens(file)),
        labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
        entity_lengths=dict(sorted(Counter(end - start for start, end, _ in spans).items())),
        duplicates=0,
    )


def _lengths(lengths: Iterable[int]) -> Lengths | None:
    known = list(lengths)
    return Lengths(min(known), median(known), max(known)) if known else None


def _all_tokens(file: TagFile) -> list[str]:
    return [token for tweet in file.tweets for token in tweet.tokens]


def _entity_forms(file: TagFile) -> list[tuple[tuple[str, ...], str]]:
    """List the surface form and the type of all entities."""
    return [
        (tuple(tweet.tokens[start:end]), label)
        for tweet in file.tweets
        for start, end, label in tweet.spans()
    ]


def _unseen_share(items: Sequence[Any], training_items: Iterable[Any]) -> float | None:
    """RETURNS (float | None): The share of items that don't occur in the training split."""
    seen = set(training_items)
    return sum(item not in seen for item in items) / len(items) if items else None


def _find_duplicates(
    files: Sequence[TagFile], splits: Sequence[SplitStats]
) -> tuple[list[Duplicate], list[Duplicate], list[Overlap]]:
    """Find tweets with the same tokens, within a split (counted in its stats) and across splits.
    Each is paired with the first such tweet."""
    within: list[Duplicate] = []
    across: list[Duplicate] = []
    overlaps: list[Overlap] = []
    indexes: list[dict[tuple[str, ...], TaggedTweet]] = []
    for file, stats in zip(files, splits, strict=True):
        index: dict[tuple[str, ...], TaggedTweet] = {}
        shared: Counter[int] = Counter()
        for tweet in file.tweets:
            key = tuple(tweet.tokens)
            if key in index:
                stats.duplicates += 1
                within.append(_pair(file, index[key], file, tweet))
            index.setdefault(key, tweet)
            found = [number for number, earlier in enumerate(indexes) if key in earlier]
            shared.update(found)
            across.extend(_pair(files[n], indexes[n][key], file, tweet) for n in found[:1])
        overlaps.extend(
            Overlap(str(files[n].path), str(file.path), shared[n]) for n in sorted(shared)
        )
        indexes.append(index)
    return within[:TOP], across[:TOP], overlaps


def _pair(file: TagFile, first: TaggedTweet, other: TagFile, second: TaggedTweet) -> Duplicate:
    return Duplicate(
        f"{file.path}:{first.line}", f"{other.path}:{second.line}", first.tags == second.tags
    )


def _find_conflicts(files: Sequence[TagFile]) -> list[Conflict]:
    """Find surface forms that are entities of several types, the most ambiguous first."""
    types: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for file in files:
        for tokens, label in _entity_forms(file):
            types[" ".join(tokens).lower()][label] += 1
    ambiguous = [(form, labels) for form, labels in types.items() if len(labels) > 1]
    # By the number of entities that don't have their form's most frequent type.
    ambiguous.sort(key=lambda item: (max(item[1].values()) - item[1].total(), item[0]))
    return [Conflict(form, dict(labels.most_common())) for form, labels in ambiguous]


def _list_warnings(
    files: Sequence[TagFile], splits: Sequence[SplitStats], overlaps: Sequence[Overlap]
) -> list[CorpusWarning]:
    messages = [
        *((SIZE, message) for message in _size_warnings(splits)),
        *((LABELS, message) for message in _label_warnings(files[0], splits)),
        *((DUPLICATES, message) for message in _duplicate_warnings(splits, overlaps)),
    ]
    return [CorpusWarning(topic, message) for topic, message in messages]


def _size_warnings(splits: Sequence[SplitStats]) -> Iterator[str]:
    tweets = splits[0].tweets
    if 0 < tweets < LOW_TWEET_COUNT:
        yield (
            f"Low number of tweets to train a model ({tweets}); at least {LOW_TWEET_COUNT} are "
            "recommended"
        )
    for stats in splits:
        if stats.tweets and not stats.entities:
            yield f"No entities in {stats.path}"


def _label_warnings(training: TagFile, splits: Sequence[SplitStats]) -> Iterator[str]:
    tweets_with = Counter(
        label for tweet in training.tweets for label in {label for _, _, label in tweet.spans()}
    )
    for label, count in splits[0].labels.items():
        if count < LOW_LABEL_COUNT:
            yield f"Low number of examples for label '{label}' ({count})"
        if tweets_with[label] == len(training.tweets):
            yield f"No examples of tweets WITHOUT the label '{label}'"
    for stats in splits:
        if stats.missing_labels:
            yield f"{plural(stats.missing_labels, 'token')} without a label in {stats.path}"


def _duplicate_warnings(splits: Sequence[SplitStats], overlaps: Sequence[Overlap]) -> Iterator[str]:
    for stats in splits:
        if stats.duplicates:
            yield f"{plural(stats.duplicates, 'duplicate tweet')} in {stats.path}"
    for overlap in overlaps:
        yield f"{plural(overlap.tweets, 'tweet')} of {overlap.later} also in {overlap.earlier}"
