"""Embeddings of pretrained word clusters."""

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
from .interface import EmbedPart
from .lexemes import SHARE_VOCAB, Lexemes, distinct_lexemes, lookup, texts_by_vocab
from .tables import UNKNOWN, fit_tables, gather, init_tables, table_model, vocabularies

InT: TypeAlias = Lexemes
OutT: TypeAlias = Floats2d


def ClusterEmbed(
    depths: list[int], widths: list[int], *, unknown_rate: float = 0.0
) -> Model[InT, OutT]:
    """Embed the cluster of each distinct lexeme at several depths of the cluster tree, and
    concatenate the vectors. Clusters that are rare at a leaf are frequent further up.

    The clusters are in the vocab's lookups, as read by spacy-twitter-ner.ClusterLookups.v1. A
    lexeme is looked up by its text, the lower-cased text, the normal form and, for hashtags, the
    normal form with the "#". Lexemes without a cluster share a learned vector with clusters that
    don't occur in the training data.

    depths (list[int]): The length of the path prefix to embed, per table, in bits. 0 for the full
        path. Shorter paths are used in full.
    widths (list[int]): The width of each table's vectors.
    unknown_rate (float): Probability, in training, of ignoring a lexeme's cluster, so that the
        vector of lexemes without a cluster is learned.
    RETURNS (Model[Lexemes, Floats2d]): nU lexemes -> (nU, sum(widths))
    RAISES (ValueError): If depths or widths are invalid.
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
            "part": EmbedPart(fit_vocabulary, name_keys),
        },
    )


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Initialize the vectors from N(0, 1 / width)."""
    if X is not None:
        _cluster_codes(X)  # raises an error if the vocab has no clusters
    init_tables(model)


def fit_vocabulary(model: Model[InT, OutT], docs: Iterable[Doc], *, n_spare: int = 0) -> None:
    """Build the vocabularies of clusters that occur in the training data. Existing vectors are
    reinitialized.

    docs (Iterable[Doc]): All docs of the training data. Iterated once.
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


def name_keys(model: Model[InT, OutT], lexemes: InT) -> list[int | None]:
    """RETURNS (list[Optional[int]]): The clusters. Some user names have their own."""
    return _cluster_codes(lexemes)


def _validate(depths: list[int], widths: list[int]) -> None:
    if not depths:
        raise ValueError("ClusterEmbed: depths is empty. Give at least one, such as [4, 8, 0]")
    if len(depths) != len(widths):
        raise ValueError(
            f"ClusterEmbed: {len(depths)} depths, but {len(widths)} widths. "
            "Give one width per depth"
        )
    if min(depths) < 0 or len(set(depths)) < len(depths):
        raise ValueError(f"ClusterEmbed: depths must be distinct and at least 0, not {depths}")


def _name(depth: int) -> str:
    return f"depth{depth}" if depth else "path"


def _table(vocab: Vocab) -> Table:
    if not vocab.lookups.has_table(TABLE):
        raise ValueError(
            f"ClusterEmbed: the vocab's lookups have no table {TABLE!r}. {SHARE_VOCAB}. For a new "
            "component, set the file of clusters in the config: [initialize.lookups] "
            '@misc = "spacy-twitter-ner.ClusterLookups.v1", path = "clusters.tsv"'
        )
    return vocab.lookups.get_table(TABLE)


def _cluster_codes(lexemes: InT) -> list[int | None]:
    """RETURNS (list[Optional[int]]): The code of each lexeme's cluster, if any."""
    codes: list[int | None] = [None] * len(lexemes.texts)
    for vocab, indices, texts in texts_by_vocab(lexemes):
        table = _table(vocab)
        for index, text in zip(indices.tolist(), texts, strict=True):
            codes[index] = lookup(table, text)
    return codes


def _prefix(code: int, depth: int) -> str:
    """RETURNS (str): A string for the first `depth` bits of a path, the code's lowest bits."""
    return str(code & ((1 << depth) - 1) if depth else code)


def _count_clusters(lexemes: InT) -> Counter[int]:
    """RETURNS (Counter[int]): The frequency of each cluster in a batch."""
    counts: Counter[int] = Counter()
    for code, count in zip(_cluster_codes(lexemes), lexemes.occurrences, strict=True):
        if code is not None:
            counts[code] += count
    return counts


def _rows(model: Model[InT, OutT], codes: list[int | None]) -> Ints2d:
    """RETURNS (Ints2d): (nU, depths) the rows of the lexemes' clusters."""
    depths = model.attrs["depths"]
    known = vocabularies(model)
    # There are fewer clusters than lexemes: look up each one once.
    rows_of: dict[int | None, list[int]] = {None: [UNKNOWN] * len(depths)}
    for code in set(codes):
        if code is not None:
            rows_of[code] = [
                vocabulary.row(_prefix(code, depth))
                for vocabulary, depth in zip(known, depths, strict=True)
            ]
    rows = [rows_of[code] for code in codes]
    return numpy.asarray(rows, dtype="int64").reshape(len(rows), len(depths))
