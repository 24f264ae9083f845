"""The command `silver`."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from .app import TweetFiles, app, errors_as_messages, printable


@app.command("silver")
def silver_cli(
    tweets: TweetFiles,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="File to write to, in .spacy")],
    models: Annotated[
        list[str],
        typer.Option("--model", "-m", help="A trained pipeline; name several to let them vote"),
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many tweets; 0 for all")] = 0,
    min_words: Annotated[
        int, typer.Option("--min-words", help="Leave out tweets of fewer words")
    ] = 4,
    min_probability: Annotated[
        float,
        typer.Option(
            "--min-probability",
            "-p",
            min=0.0,
            max=1.0,
            help="Annotation that is less probable is left missing",
        ),
    ] = 0.5,
) -> None:
    """
    Annotate unlabelled tweets with trained pipelines, to train another one on them. The models'
    probabilities are averaged; where the models are not sure, the annotation is left missing, and
    a CRF that learns from it sums over all tags there. The .spacy file can be used with the train
    command, alone or in a folder beside the file of annotated tweets.
    """
    # Imported here because they import spaCy, which takes seconds.
    from ..training.silver import write_silver

    with errors_as_messages(msg):
        count = write_silver(
            models,
            tweets,
            output,
            limit=limit,
            min_words=min_words,
            min_probability=min_probability,
        )
    msg.good(
        f"{printable(str(output))}: {count.docs:,} tweets, {count.entities:,} entities, "
        f"{count.missing:,} of {count.tokens:,} tokens left missing"
    )
