"""Scores of kinds of entities: seen in the training data or not, short or long, in short or long
tweets. Gold and predicted entities are sorted by the same rule, so that each kind has precision,
recall and F1 of its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..iob import TokenSpan
from .predictions import Tweet
from .scores import Scores, count_groups, to_scores

Surfaces = Mapping[str, frozenset[str]]

SEEN = ("seen", "seen with another type", "unseen")
_ENTITY_LENGTHS = ((1, "1 token"), (2, "2 tokens"), (3, "3 tokens"), (999, "4 and more tokens"))
_TWEET_LENGTHS = (
    (9, "under 10 tokens"),
    (19, "10 to 19 tokens"),
    (29, "20 to 29 tokens"),
    (999_999, "30 and more tokens"),
)


class Slices(NamedTuple):
    """Scores by kind of entity, each kind in the order to show it in.

    seen (Optional[dict[str, Scores]]): Whether its words, in any case, are an entity of the
        training data, and of this type; None if the training data are not known.
    entity_length (dict[str, Scores]): By tokens of the entity.
    tweet_length (dict[str, Scores]): By tokens of its tweet.
    """

    seen: dict[str, Scores] | None
    entity_length: dict[str, Scores]
    tweet_length: dict[str, Scores]


def collect_surfaces(
    spans: Iterable[tuple[Sequence[str], Iterable[TokenSpan]]],
) -> dict[str, frozenset[str]]:
    """Collect the words of all entities.

    spans (Iterable[tuple[Sequence[str], Iterable[TokenSpan]]]): The words of each tweet and its
        gold entities.
    RETURNS (dict[str, frozenset[str]]): The types by the words in lower case.
    """
    found: dict[str, set[str]] = {}
    for words, entities in spans:
        for span in entities:
            found.setdefault(surface(words, span), set()).add(span[2])
    return {words: frozenset(types) for words, types in found.items()}


def surface(words: Sequence[str], span: TokenSpan) -> str:
    """RETURNS (str): The words of a span in lower case."""
    return " ".join(words[span[0] : span[1]]).lower()


def seen_group(words: Sequence[str], span: TokenSpan, surfaces: Surfaces) -> str:
    """RETURNS (str): One of SEEN."""
    types = surfaces.get(surface(words, span))
    if types is None:
        return SEEN[2]
    return SEEN[0] if span[2] in types else SEEN[1]


def score_slices(tweets: Sequence[Tweet], surfaces: Surfaces | None) -> Slices:
    """Score a corpus slice by slice.

    tweets (Sequence[Tweet]): The tweets.
    surfaces (Optional[Mapping[str, frozenset[str]]]): The types by words of the entities of the
        training data, see collect_surfaces.
    RETURNS (Slices): The scores; kinds that do not occur are left out.
    """

    def group_scores(
        group_of: Callable[[int, TokenSpan], str], names: Iterable[str]
    ) -> dict[str, Scores]:
        counts = count_groups([(tweet.gold, tweet.predicted) for tweet in tweets], group_of)
        return {name: to_scores(counts[name].sum(0)) for name in names if name in counts}

    seen = None
    if surfaces is not None:
        seen = group_scores(lambda i, span: seen_group(tweets[i].words, span, surfaces), SEEN)
    return Slices(
        seen,
        group_scores(
            lambda i, span: _bucket(span[1] - span[0], _ENTITY_LENGTHS),
            (name for _, name in _ENTITY_LENGTHS),
        ),
        group_scores(
            lambda i, span: _bucket(len(tweets[i].words), _TWEET_LENGTHS),
            (name for _, name in _TWEET_LENGTHS),
        ),
    )


def _bucket(length: int, buckets: Sequence[tuple[int, str]]) -> str:
    return next(name for maximum, name in buckets if length <= maximum)
