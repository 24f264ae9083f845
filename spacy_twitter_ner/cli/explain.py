import json
import sys
from typing import TYPE_CHECKING, Annotated

from wasabi import msg

from ._util import Arg, Opt, app, errors_as_messages, printable, printable_json, split_model

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from ..pipeline.explain import Explanation

# Smaller effects are printed without color.
_SMALL = 0.005
# Table width if the output is not a terminal.
_FILE_WIDTH = 200


# fmt: off
@app.command("explain")
def explain_cli(
    arguments: Annotated[list[str], Arg(metavar="[MODEL] TEXT", help="Folder or package of a trained pipeline, by default the pretrained pipeline; then a tweet")],
    min_probability: Annotated[float | None, Opt("--min-probability", "-p", min=1e-6, max=1.0, help="Explain all spans with at least this probability, predicted or not")] = None,
    component: Annotated[str | None, Opt("--component", "-c", help="Name of the component. Default: the first")] = None,
    as_json: Annotated[bool, Opt("--json", "-j", help="Print JSON")] = False,
) -> None:
    # fmt: on
    """
    Explain a tweet's entities. Each figure is the entity's probability minus its probability if
    the token, or one feature of it, were unknown; positive values support the entity.
    For example: spacy-twitter-ner explain "saw Drake in Chicago"
    """
    # Imported here because spaCy takes seconds to import.
    from ..loading import load_pipeline
    from ..pipeline.explain import explain

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
        msg.info("No entities found. To explain less probable ones, pass --min-probability 0.01")
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
    """Make a table of the effects on one entity.

    explanation (Explanation): The explanation of one entity.
    RETURNS (Table): One row per token and one column per feature, with totals for each token and,
        in the last row, each feature.
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
