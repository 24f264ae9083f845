"""The command `merge-vectors`."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from .app import app, errors_as_messages


@app.command("merge-vectors")
def merge_vectors_cli(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="{TABLES}...",
            help="Tables of vectors: spaCy pipelines; files of text, as of GloVe or word2vec "
            "(.txt, .vec, also .gz); winkNLP's package of vectors (.tgz, .json). The most "
            "frequent words come first in each",
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder to write to")],
    width: Annotated[int, typer.Option("--width", "-w", help="Width of the vectors")] = 120,
    max_rows: Annotated[
        int,
        typer.Option(
            "--max-rows", help="How many vectors: those of the words with the best rank in a table"
        ),
    ] = 40_000,
    max_words: Annotated[
        int,
        typer.Option(
            "--max-words",
            help="How many words are known: rarer ones share the vector of the most similar word",
        ),
    ] = 200_000,
    lang: Annotated[
        str, typer.Option("--lang", "-l", help="Language code of the pipelines to be trained")
    ] = "en",
) -> None:
    """
    Merge tables of word vectors into one small table, for [initialize] vectors.

    A word's vectors are put side by side and shortened together. Where a table lacks a word, it
    gets what a linear map makes of the word's vector in another table. Rare words share vectors,
    and the numbers are of 16 bits.
    """
    # Imported here because it imports spaCy, which takes seconds.
    from ..lexical.merging import write_merged_vectors

    with errors_as_messages(msg):
        meta = write_merged_vectors(
            tables, output, width=width, max_rows=max_rows, max_words=max_words, lang=lang
        )
    sources = ", ".join(f"{table['name']} ({table['words']:,} words)" for table in meta["tables"])
    rows, columns = meta["vectors"]
    msg.good(
        f"{output}: {rows:,} vectors of width {columns} for {meta['words']:,} words, from {sources}"
    )
