from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from wasabi import msg

from ..util import plural
from ._util import Arg, Opt, app, errors_as_messages, split_model

if TYPE_CHECKING:
    from spacy.language import Language

    from ..evaluation.predictions import Predictions, Tweet


# fmt: off
@app.command("render")
@app.command("draw", hidden=True)
def render_cli(
    arguments: Annotated[list[str], Arg(metavar="[MODEL] OUT", help="Folder or package of a trained pipeline, by default the pretrained pipeline; then the output file: .png or .svg for one tweet, .gif for several")],
    text: Annotated[str | None, Opt("--text", "-t", help="A tweet, without gold entities")] = None,
    corpus: Annotated[Path | None, Opt("--corpus", "-c", help="Annotated tweets: a .spacy or token/tag file")] = None,
    view: Annotated[str, Opt("--view", "-v", help="heatmap (tokens by tags) or card (the text with its entities)")] = "heatmap",
    first: Annotated[int, Opt("--first", "-f", min=1, help="Number of the first tweet to use from the corpus")] = 1,
    limit: Annotated[int, Opt("--limit", "-n", min=1, help="Maximum number of tweets in a .gif")] = 12,
    only: Annotated[str, Opt("--only", help="all tweets, those with entities, or those with errors")] = "entities",
    seconds: Annotated[float, Opt("--seconds", "-s", min=0.02, help="Seconds per tweet in a .gif")] = 2.5,
) -> None:
    # fmt: on
    """
    Render the probability of each tag for each token, with predicted and gold tags marked (extra
    `viz`): one tweet as PNG or SVG, or several as an animated GIF.
    """
    from tqdm import tqdm

    from ..loading import load_pipeline
    from ..viz.style import FORMATS, import_matplotlib, require_format
    from ..viz.tweets import ANIMATED, VIEWS, save_animation, save_tweet

    with errors_as_messages(msg):
        model, others = split_model(arguments, n_others=1)
        if len(others) != 1:
            raise ValueError("pass an output file, optionally after a pipeline")
        output = Path(others[0])
        if (text is None) == (corpus is None):
            raise ValueError("pass either --text or --corpus")
        if view not in VIEWS:
            raise ValueError(f"--view must be {' or '.join(VIEWS)}, not {view}")
        require_format(output, (*FORMATS, *ANIMATED))
        import_matplotlib()
        is_animated = output.suffix in ANIMATED
        predictions = _predict(load_pipeline(model), text, corpus)
        tweets = _select(predictions.tweets[first - 1 :], "all" if text else only)
        tweets = tweets[: limit if is_animated else 1]
        if not tweets:
            raise ValueError(f"no tweets to render: {corpus} has none of them from tweet {first} on")
        if is_animated:
            with tqdm(total=len(tweets), disable=None, leave=False) as bar:
                save_animation(
                    *(tweets, predictions.tags, output, view),
                    seconds=seconds,
                    on_frame=lambda: bar.update(),
                )
        else:
            save_tweet(tweets[0], predictions.tags, output, view)
    msg.good(f"Rendered {plural(len(tweets), 'tweet')} to {output}")


def _predict(nlp: "Language", text: str | None, corpus: Path | None) -> "Predictions":
    from ..evaluation.predictions import predict_corpus, read_docs

    if corpus is not None:
        return predict_corpus(nlp, read_docs(corpus, nlp.vocab), corpus.stem)
    doc = nlp.make_doc(text or "")
    if not len(doc):
        raise ValueError("--text has no tokens")
    doc.set_ents([], default="outside")
    return predict_corpus(nlp, [doc], "text")


def _select(tweets: "Sequence[Tweet]", only: str) -> "list[Tweet]":
    wanted = {
        "all": lambda tweet: True,
        "entities": lambda tweet: bool(tweet.gold or tweet.predicted),
        "errors": lambda tweet: tweet.gold != tweet.predicted,
    }
    if only not in wanted:
        raise ValueError(f"--only must be {', '.join(wanted)}, not {only}")
    return [tweet for tweet in tweets if wanted[only](tweet)]
