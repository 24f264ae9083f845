from pathlib import Path
from typing import Annotated

from wasabi import msg

from ._util import Arg, Lang, Opt, app, errors_as_messages, fail


# fmt: off
@app.command("init-config")
def init_config_cli(
    output: Annotated[Path, Arg(metavar="OUTPUT", help="Config file to write, such as config.cfg")],
    base: Annotated[str, Opt("--base", "-b", help="Config of the project to start from: finetune, bilstm_crf_lexical, bilstm_crf, article, ...")] = "finetune",
    lang: Lang = "en",
    force: Annotated[bool, Opt("--force", "-F", help="Replace an existing file")] = False,
) -> None:
    # fmt: on
    """Write a config for `spacy train`, with all settings.

    By default, training starts from the pretrained pipeline, which is best for
    up to thousands of tweets, with the entity types of your corpus.
    """
    from ..training.configs import make_config

    with errors_as_messages(msg):
        if output.exists() and not force:
            fail(msg, f"{output} exists already. Use another name, or pass --force to replace it")
        config = make_config(base, lang=lang)
        output.parent.mkdir(parents=True, exist_ok=True)
        config.to_disk(output)
    msg.good(f"Wrote {output}. Train with:")
    msg.text(f"python -m spacy train {output} --paths.train train.spacy --paths.dev dev.spacy")
