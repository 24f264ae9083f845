"""What a Markdown file says of a corpus: a block between two markers, written anew each time."""

from pathlib import Path

from .contestants import REFERENCE
from .project import BenchmarkError
from .results import Result, version
from .scores import N_DRAWS


def make_block(corpus: str, seeds: int, results: dict[str, list[Result]], tables: list[str]) -> str:
    """RETURNS (str): What docs/accuracy.md says of a corpus: how it was measured, and tables."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("spacy", "thinc"))
    about = (
        f"Corpus `{corpus}`, {versions}. Mean ± standard deviation over "
        f"{'seed 0' if seeds == 1 else f'seeds 0 to {seeds - 1}'}; gazetteer and CRFsuite have "
        "none. Typed F1 is that of `spacy evaluate`: exact spans on gold tokens. Intervals: 95%, "
        f"{N_DRAWS} draws of the tweets."
    )
    for result in results.get(REFERENCE, []):
        choice = result["notes"]["choices"][0]
        about += f" CRFsuite: c1 = {choice['c1']:g}, c2 = {choice['c2']:g}, chosen on validation."
    return "\n\n".join([about, *tables])


def write_block(path: Path, corpus: str, block: str) -> None:
    """Put a corpus's block between its markers; they are added at the end where absent.

    path (Path): A Markdown file, which may not exist yet.
    corpus (str): The name in the markers.
    block (str): Markdown.
    RAISES (BenchmarkError): If the file has one marker without the other.
    """
    begin, end = (f"<!-- accuracy:{corpus}:{edge} -->" for edge in ("begin", "end"))
    text = path.read_text(encoding="utf8") if path.exists() else "# Accuracy\n"
    before, _, rest = text.partition(begin)
    found, after = end in rest, rest.partition(end)[2]
    if not found and (begin in text or end in text):
        raise BenchmarkError(f"{path}: needs {begin} and, after it, {end}, or neither of them")
    if not found:
        before, after = text.rstrip("\n") + "\n\n", "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{begin}\n{block}\n{end}{after}", encoding="utf8")
