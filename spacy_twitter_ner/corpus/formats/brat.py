"""brat's standoff format: a .txt file per text, and an .ann file with its annotation."""

from collections.abc import Iterable
from pathlib import Path

from spacy.tokens import Doc

from ..spanfile import INVALID_SPAN, CharSpan
from ..tagfile import Problem
from .annotated import ReadResult

_KINDS = {
    "R": "relations",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalizations",
    "#": "notes",
    "*": "equivalences",
}


def read_brat(path: Path) -> ReadResult:
    """Read a folder of .txt and .ann files, or one of them. A text may have line breaks.

    path (Path): The folder, or an .ann file.
    RETURNS (ReadResult): The tweets and problems.
    RAISES (OSError): If a file can't be read.
    """
    result = ReadResult()
    for file in [path] if path.is_file() else sorted(path.rglob("*.ann")):
        text = file.with_suffix(".txt").read_bytes().decode("utf-8")
        spans = []
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("T"):
                spans += _read_span(line, text, result, file, number)
            elif line.strip():
                result.skip(_KINDS.get(line[0], f"lines that start with {line[0]!r}"))
        result.add(text, spans, file, 1)
    return result


def _read_span(line: str, text: str, result: ReadResult, path: Path, number: int) -> list[CharSpan]:
    try:
        _, annotation, surface = line.split("\t", 2)
        label, offsets = annotation.split(" ", 1)
        if ";" in offsets:
            message = f"{surface!r} ({label}) is discontinuous"
            result.problems.append(Problem(path, number, INVALID_SPAN, message, "dropped"))
            return []
        start, end = map(int, offsets.split())
    except ValueError:
        message = f"expected an ID, a type with offsets, and the text, got {line!r}"
        result.problems.append(Problem(path, number, INVALID_SPAN, message))
        return []
    if text[start:end].replace("\n", " ") != surface:
        message = f"{surface!r} ({label}) isn't the text at {start} to {end}"
        result.problems.append(Problem(path, number, INVALID_SPAN, message, "dropped"))
        return []
    return [CharSpan(start, end, label)]


def write_brat(docs: Iterable[Doc], folder: Path) -> None:
    """Write a .txt and an .ann file per doc, named by number.

    docs (Iterable[Doc]): The docs.
    folder (Path): The folder, which is created.
    RAISES (OSError): If a file can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, doc in enumerate(docs, 1):
        lines = []
        for index, ent in enumerate(doc.ents, 1):
            surface = ent.text.replace("\n", " ")
            lines.append(f"T{index}\t{ent.label_} {ent.start_char} {ent.end_char}\t{surface}\n")
        (folder / f"{number:06}.txt").write_bytes(doc.text.encode("utf-8"))
        (folder / f"{number:06}.ann").write_text("".join(lines), encoding="utf-8")
