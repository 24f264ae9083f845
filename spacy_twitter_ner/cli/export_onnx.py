from pathlib import Path
from typing import Annotated

from wasabi import msg

from ._util import Model, Opt, Output, app, errors_as_messages, printable


# fmt: off
@app.command("export-onnx")
def export_onnx_cli(
    model: Model,
    output: Output,
    words: Annotated[Path | None, Opt("--words", help="File with one word per line, whose vectors are exported too")] = None,
) -> None:
    # fmt: on
    """
    Export a pipeline's tagger for ONNX runtimes (extra `onnx`): OUTPUT/tagger.onnx, from the
    vectors of tokens to the scores of tags, and OUTPUT/tagger.json, with the tags and their
    transition scores. With --words, also OUTPUT/words.npz, with the vectors of these words.
    """
    # Imported here because spaCy takes seconds to import.
    from ..loading import load_pipeline
    from ..pipeline.onnx_export import export_onnx

    with errors_as_messages(msg):
        chosen = words.read_text(encoding="utf-8").split() if words else []
        export_onnx(load_pipeline(model), output, words=list(dict.fromkeys(chosen)))
    msg.good(f"Saved the tagger to {printable(str(output))}")
