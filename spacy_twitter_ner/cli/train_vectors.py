from typing import Annotated

import typer
from wasabi import msg

from ._util import Lang, Opt, Output, TweetFiles, app, errors_as_messages


# fmt: off
@app.command("train-vectors")
@app.command("lexical", hidden=True)
def train_vectors_cli(
    tweets: TweetFiles,
    output: Output,
    width: Annotated[int, Opt("--width", "-w", help="Vector width")] = 100,
    window: Annotated[int, Opt("--window", help="Context size in words on each side")] = 4,
    min_count: Annotated[int, Opt("--min-count", help="Minimum word frequency")] = 5,
    epochs: Annotated[int, Opt("--epochs", help="Passes over the tweets")] = 6,
    max_words: Annotated[int, Opt("--max-words", help="Rows of the vector table: the number of words with a vector, most frequent first; with floret, the number of hash buckets. All words get a cluster")] = 30_000,
    clusters: Annotated[int, Opt("--clusters", "-c", help="Number of clusters")] = 1000,
    algorithm: Annotated[str, Opt("--algorithm", "-a", help="word2vec (skip-gram) or floret (n-grams)")] = "word2vec",
    dtype: Annotated[str | None, Opt("--dtype", help="float16 or float32. Default: float16, or float32 with floret. spaCy's own components require float32")] = None,
    seed: Annotated[int, Opt("--seed", help="Random seed for word2vec and the clusters")] = 0,
    workers: Annotated[int, Opt("--workers", help="Threads. With more than one, results aren't reproducible")] = 1,
    lang: Lang = "en",
) -> None:
    # fmt: on
    """
    Train word vectors and word clusters on unlabeled tweets (extra `vectors`).

    Writes OUTPUT/vectors, a pipeline for [initialize] vectors; OUTPUT/clusters.tsv, for
    "spacy-twitter-ner.ClusterLookups.v1" in [initialize.lookups]; and OUTPUT/meta.json with the
    sources and settings.
    """
    # Imported here because spaCy takes seconds to import.
    from ..training.lexical import LexicalSettings, train_lexical

    with errors_as_messages(msg):
        settings = LexicalSettings(
            width=width,
            window=window,
            min_count=min_count,
            epochs=epochs,
            max_words=max_words,
            clusters=clusters,
            algorithm=algorithm,
            dtype=dtype,
            seed=seed,
            workers=workers,
            lang=lang,
        )
        meta = train_lexical(tweets, output, settings, progress=_progress)
    rows, columns = meta["vectors"]
    msg.good(
        f"{output}: {rows:,} vectors of width {columns}, {meta['clusters']:,} clusters of "
        f"{meta['words']:,} words"
    )


def _progress(message: str) -> None:
    typer.echo(message, err=True)
