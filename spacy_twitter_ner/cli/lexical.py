"""The command `lexical`."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from .app import TweetFiles, app, errors_as_messages, fail


@app.command("lexical")
def lexical_cli(
    tweets: TweetFiles,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder to write to")],
    width: Annotated[int, typer.Option("--width", "-w", help="Width of the vectors")] = 100,
    window: Annotated[
        int, typer.Option("--window", help="How many words on each side are the context")
    ] = 4,
    min_count: Annotated[
        int, typer.Option("--min-count", help="Leave out words that occur less often")
    ] = 5,
    epochs: Annotated[int, typer.Option("--epochs", help="How often to read the tweets")] = 6,
    max_words: Annotated[
        int,
        typer.Option(
            "--max-words",
            help="Rows of the table of vectors: so many words, the most frequent, get one. With "
            "floret: what n-grams are hashed to. All words get a cluster",
        ),
    ] = 30_000,
    clusters: Annotated[int, typer.Option("--clusters", "-c", help="How many clusters")] = 1000,
    algorithm: Annotated[
        str,
        typer.Option("--algorithm", "-a", help="word2vec (skip-gram), or floret (n-grams)"),
    ] = "word2vec",
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            help="float16 or float32. Default: float16, but float32 for floret, of which spaCy "
            "reads nothing else. spaCy's own components need float32, too",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of word2vec and of the clusters")] = 0,
    workers: Annotated[
        int,
        typer.Option("--workers", help="Threads. More than one is faster, but no two runs agree"),
    ] = 1,
    lang: Annotated[
        str, typer.Option("--lang", "-l", help="Language code of the pipelines to be trained")
    ] = "en",
) -> None:
    """
    Train word vectors and word clusters on unlabelled tweets. Needs the extra `lexical`:
    pip install 'spacy-twitter-ner[lexical]'.

    Writes OUTPUT/vectors, a pipeline for [initialize] vectors; OUTPUT/clusters.tsv, for
    [initialize.lookups] with "spacy-twitter-ner.ClusterLookups.v1"; and OUTPUT/meta.json, which
    tells of what they were made, and how. With one worker, the same tweets and settings give the
    same vectors and clusters.
    """
    # Imported here because it imports spaCy, which takes seconds.
    from ..lexical.training import LexicalSettings, train_lexical

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
        try:
            meta = train_lexical(tweets, output, settings, progress=_progress)
        except ImportError as error:
            fail(msg, str(error))
    rows, columns = meta["vectors"]
    msg.good(
        f"{output}: {rows:,} vectors of width {columns}, {meta['clusters']:,} clusters of "
        f"{meta['words']:,} words"
    )


def _progress(message: str) -> None:
    typer.echo(message, err=True)
