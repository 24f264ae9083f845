"""The command `explain`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import msg

from .app import app, errors_as_messages, printable, printable_json, split_model

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from ..pipeline.explanation import Explanation

# Effects below it are not worth a colour.
_SMALL = 0.005
# Where output is no terminal, tables are not folded to its width.
_FILE_WIDTH = 200


@app.command("explain")
def explain_cli(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] TEXT",
            help="A trained pipeline: its folder or package; the pretrained one if it is left out. "
            "A tweet",
        ),
    ],
    min_probability: Annotated[
        float | None,
        typer.Option(
            "--min-probability",
            "-p",
            min=1e-6,
            max=1.0,
            help="Explain all that is an entity with this probability, found or not",
        ),
    ] = None,
    component: Annotated[
        str | None,
        typer.Option("--component", "-c", help="Name of the component; default: the first"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", "-j", help="Print JSON")] = False,
) -> None:
    """
    Tell which tokens, and what is known of them, make a tweet's entities probable. Each figure is
    the entity's probability minus what it would be if that token, or that feature of it, were
    unknown; above 0 speaks for the entity. For example:
    spacy-twitter-ner explain "saw Drake in Chicago"
    """
    # Imported here because it imports spaCy, which takes seconds.
    from ..loading import load_pipeline
    from ..pipeline.explanation import explain

    with errors_as_messages(msg):
        model, texts = split_model(arguments, n_others=1)
        if len(texts) != 1:
            raise ValueError("give a pipeline and one tweet, in quotes, or the tweet alone")
        (text,) = texts
        explanations = explain(
            load_pipeline(model), text, name=component, min_probability=min_probability
        )
    if as_json:
        data = [explanation.to_dict() for explanation in explanations]
        print(printable_json(json.dumps(data, ensure_ascii=False, indent=2)))
        return
    if not explanations:
        msg.info("No entity was found; --min-probability 0.01 shows what may be one")
    from rich.console import Console

    console = Console(
        highlight=False,
        markup=False,
        emoji=False,
        width=None if sys.stdout.isatty() else _FILE_WIDTH,
    )
    for explanation in explanations:
        console.print(make_table(explanation))


def make_table(explanation: "Explanation") -> "Table":
    """Make a table for a terminal.

    explanation (Explanation): The explanation of one entity.
    RETURNS (Table): A row a token, a column a feature, and the effects of whole tokens and, in the
        last row, of features of all tokens.
    """
    from rich.table import Table
    from rich.text import Text

    title = (
        f"{printable(explanation.text)} {printable(explanation.label)}, probability "
        f"{explanation.probability:.3f}"
    )
    table = Table(title=Text(title, "bold"), title_justify="left", box=None, pad_edge=False)
    table.add_column("Token")
    for name in ("all", *explanation.features):
        table.add_column(name, justify="right")
    for index, token in enumerate(explanation.tokens):
        is_inside = explanation.start <= index < explanation.end
        table.add_row(
            Text(printable(token), "bold" if is_inside else ""),
            _figure(explanation.by_token[index]),
            *map(_figure, explanation.by_token_and_feature[index]),
        )
    if explanation.features:
        table.add_section()
        table.add_row(Text("all tokens", "italic"), Text(""), *map(_figure, explanation.by_feature))
    return table


def _figure(effect: float) -> "Text":
    from rich.text import Text

    if abs(effect) < _SMALL:
        return Text(f"{effect:.2f}".replace("-0.00", "0.00"), "dim")
    return Text(f"{effect:+.2f}", "green" if effect > 0 else "red")
