import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from wasabi import msg

from ._util import Arg, app, errors_as_messages, printable, split_model

if TYPE_CHECKING:
    from rich.text import Text
    from spacy.tokens import Doc


# fmt: off
@app.command("show")
def show_cli(
    arguments: Annotated[list[str] | None, Arg(metavar="[MODEL] [TEXT]...", help="Folder or package of a trained pipeline, by default the pretrained pipeline; then tweets, by default the lines of standard input")] = None,
) -> None:
    # fmt: on
    """
    Print tweets with their entities highlighted, with types and, if available, probabilities.
    Without a terminal, entities are in brackets: [Drake musicartist 93%].
    For example: spacy-twitter-ner show "saw Drake in Chicago"
    """
    from rich.console import Console

    from ..loading import load_pipeline, require_pipeline
    from ..pipeline.distribution import request_scores
    from ..util import find_ners

    with errors_as_messages(msg):
        model, texts = split_model(arguments or [])
        if texts == arguments and texts[0] and not any(map(str.isspace, texts[0])):
            try:
                require_pipeline(texts[0])
            except OSError as error:
                raise ValueError(
                    f"{error}. To show a tweet with a single word, pass the pipeline: "
                    f"spacy-twitter-ner show MODEL {texts[0]}"
                ) from None
        if not texts and sys.stdin.isatty():
            raise ValueError('give a tweet: spacy-twitter-ner show "saw Drake in Chicago"')
        nlp = load_pipeline(model)
        console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        lines = texts or (line.rstrip("\n") for line in sys.stdin)
        tweets = (line for line in lines if line.strip())
        is_terminal = console.color_system is not None
        for doc in nlp.pipe(tweets, component_cfg=request_scores(nlp)):
            console.print(color_entities(doc, find_ners(nlp), in_color=is_terminal))


def color_entities(
    doc: "Doc", ners: Sequence[Any] = (), *, in_color: bool = True
) -> "Text":
    """Highlight the entities of a doc for a terminal.

    doc (Doc): A doc with entities.
    ners (Sequence[TwitterBiLSTMNER]): The components that predicted probabilities.
    in_color (bool): Whether to use colors instead of brackets.
    RETURNS (Text): The text with each entity followed by its type and, if available, probability.
    """
    from rich.text import Text

    from ..pipeline.distribution import get_confidence
    from ..viz.colors import type_colors

    colors = type_colors(doc.vocab.strings[ent.label] for ent in doc.ents)
    text, end = Text(), 0
    for ent in doc.ents:
        text.append(printable(doc.text[end : ent.start_char]))
        words, label = printable(ent.text), printable(ent.label_)
        confidence = get_confidence(ent, ners)
        if confidence is not None:
            label += f" {confidence:.0%}"
        if in_color:
            color = colors[ent.label_]
            text.append(f" {words} ", f"#16181d on {color}")
            text.append(f"{label} ", f"bold #16181d on {color}")
        else:
            text.append(f"[{words} {label}]")
        end = ent.end_char
    text.append(printable(doc.text[end:]))
    return text
