"""Learned vectors for the cluster of a lexeme: which words of other texts it is used like."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy
from spacy.lookups import Table
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d, Ints2d

from ..lexical.clusters import TABLE
from .features import Lexemes, distinct_lexemes
from .lookup import SHARE_VOCAB, look_up, texts_by_vocab
from .tables import draw_tables, fit_tables, gather, table_model, vocabularies
from .vocabulary import UNKNOWN

InT: TypeAlias = Lexemes
OutT: TypeAlias = Floats2d


def ClusterEmbed(
    depths: list[int], widths: list[int], *, unknown_rate: float = 0.0
) -> Model[InT, OutT]:
    """Embed the cluster of each distinct lexeme at several depths of the tree of clusters, and
    put the vectors side by side: what is rare at a leaf is frequent further up.

    The clusters are those of the vocab's lookups, as spacy-twitter-ner.ClusterLookups.v1 reads
    them. A lexeme is looked up by its text, lower-cased, by its normal form, and by that with
    the "#" if it is a hashtag. Lexemes without a cluster share a learned vector, and so do
    clusters that no lexeme of the training data is in.

    depths (list[int]): How many steps from the root to go, for each table of vectors; 0 goes all
        the way. A path that ends before is taken whole.
    widths (list[int]): The width of each table's vectors.
    unknown_rate (float): How often, in training, a lexeme is taken for one without a cluster, so
        that the vector of these is learned.
    RETURNS (Model[Lexemes, Floats2d]): nU lexemes -> (nU, sum(widths))
    RAISES (ValueError): If depths and widths do not fit.
    """
    _validate(depths, widths)
    return table_model(
        "cluster_embed",
        forward,
        init=init,
        widths=dict(zip(map(_name, depths), widths, strict=True)),
        attrs={
            "depths": depths,
            "unknown_rate": unknown_rate,
            "fit_vocabulary": fit_vocabulary,
            "see_names": see_names,
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Draw the vectors from N(0, 1 / width)."""
    if X is not None:
        _cluster_codes(X)  # raises an error if the vocab has no clusters
    draw_tables(model)


def fit_vocabulary(model: Model[InT, OutT], docs: Iterable[Doc], *, n_spare: int = 0) -> None:
    """Find the clusters that occur in the training data. If there are vectors, they are drawn
    again.

    docs (Iterable[Doc]): All docs of the training data, read once.
    n_spare (int): The number of rows per depth for clusters that are first seen in training.
    """
    counts: Counter[int] = Counter()
    for doc in docs:
        counts.update(_count_clusters(distinct_lexemes([doc])))
    prefixes: list[Counter[str]] = [Counter() for _ in model.attrs["depths"]]
    for code, count in counts.items():
        for counter, depth in zip(prefixes, model.attrs["depths"], strict=True):
            counter[_prefix(code, depth)] += count
    fit_tables(model, prefixes, n_spare=n_spare)


def forward(model: Model[InT, OutT], lexemes: InT, is_train: bool) -> tuple[OutT, Callable]:
    codes = _cluster_codes(lexemes)
    if is_train:
        known = [code for code in codes if code is not None]
        for depth, vocabulary in zip(model.attrs["depths"], vocabularies(model), strict=True):
            vocabulary.learn(_prefix(code, depth) for code in known)
    rows = _rows(model, codes)
    if is_train and model.attrs["unknown_rate"] > 0:
        rows[numpy.random.uniform(size=len(rows)) < model.attrs["unknown_rate"]] = UNKNOWN
    Y, backprop_tables = gather(model, rows)

    def backprop(dY: OutT) -> InT:
        backprop_tables(dY)
        return lexemes

    return Y, backprop


def see_names(model: Model[InT, OutT], lexemes: InT) -> list[int | None]:
    """RETURNS (list[Optional[int]]): What the model sees of user names and of URLs, for each: known
    ones have clusters of their own."""
    return _cluster_codes(lexemes)


def _validate(depths: list[int], widths: list[int]) -> None:
    if not depths:
        raise ValueError("depths: name at least one, as [4, 8, 0]")
    if len(depths) != len(widths):
        raise ValueError(f"{len(depths)} depths, but {len(widths)} widths: give one for each")
    if min(depths) < 0 or len(set(depths)) < len(depths):
        raise ValueError(f"depths: expected different numbers of bits, or 0, found {depths}")


def _name(depth: int) -> str:
    return f"depth{depth}" if depth else "path"


def _table(vocab: Vocab) -> Table:
    if not vocab.lookups.has_table(TABLE):
        raise ValueError(
            f"The vocab has no clusters: its lookups lack the table {TABLE!r}. {SHARE_VOCAB}. "
            "For a new component, name a file of clusters in the config: [initialize.lookups] "
            '@misc = "spacy-twitter-ner.ClusterLookups.v1"'
        )
    return vocab.lookups.get_table(TABLE)


def _cluster_codes(lexemes: InT) -> list[int | None]:
    """RETURNS (list[Optional[int]]): For each lexeme, its cluster as a number."""
    codes: list[int | None] = [None] * len(lexemes.texts)
    for vocab, indices, texts in texts_by_vocab(lexemes):
        table = _table(vocab)
        for index, text in zip(indices.tolist(), texts, strict=True):
            codes[index] = look_up(table, text)
    return codes


def _prefix(code: int, depth: int) -> str:
    """RETURNS (str): What stands for the first bits of a path: they are a code's lowest."""
    return str(code & ((1 << depth) - 1) if depth else code)


def _count_clusters(lexemes: InT) -> Counter[int]:
    """RETURNS (Counter[int]): How many tokens of a batch are of each cluster."""
    counts: Counter[int] = Counter()
    for code, count in zip(_cluster_codes(lexemes), lexemes.occurrences, strict=True):
        if code is not None:
            counts[code] += count
    return counts


def _rows(model: Model[InT, OutT], codes: list[int | None]) -> Ints2d:
    """Look the clusters up: (nU, depths)."""
    depths = model.attrs["depths"]
    known = vocabularies(model)
    # Clusters are fewer than lexemes: each is looked up once.
    rows_of: dict[int | None, list[int]] = {None: [UNKNOWN] * len(depths)}
    for code in set(codes):
        if code is not None:
            rows_of[code] = [
                vocabulary.row(_prefix(code, depth))
                for vocabulary, depth in zip(known, depths, strict=True)
            ]
    rows = [rows_of[code] for code in codes]
    return numpy.asarray(rows, dtype="int64").reshape(len(rows), len(depths))
