"""The command `draw`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import msg

from .app import app, count_of, errors_as_messages, split_model

if TYPE_CHECKING:
    from spacy.language import Language

    from ..evaluation.predictions import Predictions, Tweet


@app.command("draw")
def draw_cli(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] OUT",
            help="A trained pipeline: its folder or package; the pretrained one if it is left out. "
            "File to write: .png or .svg of one tweet, .gif of several",
        ),
    ],
    text: Annotated[
        str | None, typer.Option("--text", "-t", help="A tweet; it has no gold entities")
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            "--corpus", "-c", help="Annotated tweets to take them from: a .spacy or token/tag file"
        ),
    ] = None,
    view: Annotated[
        str,
        typer.Option(
            "--view", "-v", help="heatmap of tokens by tags, or card: the text with its entities"
        ),
    ] = "heatmap",
    first: Annotated[
        int, typer.Option("--first", "-f", min=1, help="Begin with this tweet of the corpus")
    ] = 1,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="How many tweets a .gif shows")
    ] = 12,
    only: Annotated[
        str,
        typer.Option(
            "--only", help="all tweets, those with entities, or those with errors in them"
        ),
    ] = "entities",
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=0.02, help="How long a .gif shows each tweet")
    ] = 2.5,
) -> None:
    """
    Draw how probable each tag of each token is, with predicted and gold tags marked (extra
    `viz`): one tweet as PNG or SVG, or many as an animated GIF. Tweets come from an annotated
    corpus, with --corpus, or are given with --text.
    """
    from tqdm import tqdm

    from ..loading import load_pipeline
    from ..viz.animations import ANIMATED, VIEWS, save_animation, save_tweet
    from ..viz.libraries import import_matplotlib
    from ..viz.style import FORMATS, require_format

    with errors_as_messages(msg):
        model, others = split_model(arguments, n_others=1)
        if len(others) != 1:
            raise ValueError("give a pipeline and a file to write, or the file alone")
        output = Path(others[0])
        if (text is None) == (corpus is None):
            raise ValueError("give either --text or --corpus")
        if view not in VIEWS:
            raise ValueError(f"--view has to be {' or '.join(VIEWS)}, not {view}")
        require_format(output, (*FORMATS, *ANIMATED))
        import_matplotlib()
        is_animated = output.suffix in ANIMATED
        predictions = _predict(load_pipeline(model), text, corpus)
        tweets = _choose(predictions.tweets[first - 1 :], "all" if text else only)
        tweets = tweets[: limit if is_animated else 1]
        if not tweets:
            raise ValueError(f"no tweets to draw: {corpus} has none of them from tweet {first} on")
        if is_animated:
            with tqdm(total=len(tweets), disable=None, leave=False) as bar:
                save_animation(
                    *(tweets, predictions.tags, output, view),
                    seconds=seconds,
                    on_frame=lambda: bar.update(),
                )
        else:
            save_tweet(tweets[0], predictions.tags, output, view)
    msg.good(f"Drew {count_of(tweets, 'tweet')} to {output}")


def _predict(nlp: "Language", text: str | None, corpus: Path | None) -> "Predictions":
    from ..evaluation.predictions import predict_corpus, read_docs

    if corpus is not None:
        return predict_corpus(nlp, read_docs(corpus, nlp.vocab), corpus.stem)
    doc = nlp.make_doc(text or "")
    if not len(doc):
        raise ValueError("--text has no tokens")
    doc.set_ents([], default="outside")
    return predict_corpus(nlp, [doc], "text")


def _choose(tweets: "Sequence[Tweet]", only: str) -> "list[Tweet]":
    wanted = {
        "all": lambda tweet: True,
        "entities": lambda tweet: bool(tweet.gold or tweet.predicted),
        "errors": lambda tweet: tweet.gold != tweet.predicted,
    }
    if only not in wanted:
        raise ValueError(f"--only has to be {', '.join(wanted)}, not {only}")
    return [tweet for tweet in tweets if wanted[only](tweet)]
