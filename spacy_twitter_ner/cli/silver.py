from pathlib import Path
from typing import Annotated

from wasabi import msg

from ._util import Arg, Opt, TweetFiles, app, errors_as_messages, printable


# fmt: off
@app.command("silver")
def silver_cli(
    tweets: TweetFiles,
    output: Annotated[Path, Arg(metavar="OUT", help="Output file, .spacy")],
    models: Annotated[list[str], Opt("--model", "-m", help="Folder or package of a trained pipeline; repeatable, to average several")],
    limit: Annotated[int, Opt("--limit", "-n", help="Number of tweets, or 0 for all")] = 0,
    min_words: Annotated[int, Opt("--min-words", help="Skip tweets with fewer words")] = 4,
    min_probability: Annotated[float, Opt("--min-probability", "-p", min=0.0, max=1.0, help="Leave less probable annotations missing")] = 0.5,
) -> None:
    # fmt: on
    """
    Annotate unlabeled tweets with trained pipelines, as training data for another one. Tweets are
    taken from all files in turn, without near duplicates. The pipelines' probabilities are averaged. Annotations of low confidence are left missing, so that
    a CRF sums over all tags there. Train on the .spacy file alone, or put it in a folder with the
    annotated tweets.
    """
    # Imported here because spaCy takes seconds to import.
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
