from pathlib import Path
from typing import Annotated

from wasabi import msg

from ._util import Arg, Lang, Opt, Output, app, errors_as_messages


# fmt: off
@app.command("merge-vectors")
def merge_vectors_cli(
    tables: Annotated[list[Path], Arg(metavar="{TABLES}...", help="Vector tables with the most frequent words first: spaCy pipelines, text files as used by GloVe and word2vec (.txt, .vec, also .gz), or winkNLP's vector package (.tgz, .json)")],
    output: Output,
    width: Annotated[int, Opt("--width", "-w", help="Vector width")] = 120,
    max_rows: Annotated[int, Opt("--max-rows", help="Number of vectors, for the words with the highest rank in any table")] = 40_000,
    max_words: Annotated[int, Opt("--max-words", help="Vocabulary size. Rarer words share the vector of the most similar word")] = 200_000,
    lang: Lang = "en",
) -> None:
    # fmt: on
    """
    Merge tables of word vectors into a small one, for [initialize] vectors.

    Concatenates each word's vectors and reduces their dimension. A vector missing from one table
    is predicted from another by a linear map. Vectors are stored in half precision.
    """
    # Imported here because spaCy takes seconds to import.
    from ..lexical.merge import write_merged_vectors

    with errors_as_messages(msg):
        meta = write_merged_vectors(
            tables, output, width=width, max_rows=max_rows, max_words=max_words, lang=lang
        )
    sources = ", ".join(f"{table['name']} ({table['words']:,} words)" for table in meta["tables"])
    rows, columns = meta["vectors"]
    msg.good(
        f"{output}: {rows:,} vectors of width {columns} for {meta['words']:,} words, from {sources}"
    )
