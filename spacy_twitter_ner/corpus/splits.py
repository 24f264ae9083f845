"""Compares the splits of a corpus, of which the first is the training split."""

from collections.abc import Sequence
from pathlib import Path

from ..iob import Scheme
from .reading import NEW_TYPE, Problem, TagFile


def training_first(paths: Sequence[Path]) -> list[Path]:
    """Put the training split first, as a shell's `*.txt` does not.

    paths (Sequence[Path]): The splits.
    RETURNS (list[Path]): Those whose file name begins with "train", then the others, each in
        the order given.
    """
    return sorted((Path(path) for path in paths), key=lambda path: path.name[:5] != "train")


def compare_splits(files: Sequence[TagFile]) -> tuple[list[Problem], list[str]]:
    """Compare the entity types and the tag schemes of later splits with the training split's.

    files (Sequence[TagFile]): The splits, the training split first.
    RETURNS (tuple[list[Problem], list[str]]): A problem for each type that the training split
        lacks, at its first entity in the later split: no model can learn it. And notes on what
        is only worth knowing: types that later splits lack, tag schemes that differ.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    if not files or not files[0].tweets:
        return problems, notes
    training, *later_files = files
    known = _first_lines(training)
    for later in later_files:
        found = _first_lines(later)
        for label, line in found.items():
            if label not in known:
                message = f"entity type {label!r} does not occur in {training.path}"
                problems.append(Problem(later.path, line, NEW_TYPE, message, "kept as it is"))
        absent = [label for label in sorted(known) if label not in found]
        if absent and later.tweets:
            notes.append(f"{later.path} has no entities of type {', '.join(absent)}")
    return problems, notes + _scheme_notes(files)


def _scheme_notes(files: Sequence[TagFile]) -> list[str]:
    # A file without entities is in any scheme.
    tagged = [file for file in files if _first_lines(file)]
    others: dict[Scheme, list[str]] = {}
    for file in tagged:
        if file.scheme != tagged[0].scheme:
            others.setdefault(file.scheme, []).append(str(file.path))
    return [
        f"{tagged[0].path} is tagged in {tagged[0].scheme}, but in {scheme}: {', '.join(paths)}"
        for scheme, paths in others.items()
    ]


def _first_lines(file: TagFile) -> dict[str, int]:
    """Find the line of the first entity of each type."""
    lines: dict[str, int] = {}
    for tweet in file.tweets:
        for start, _, label in tweet.spans():
            lines.setdefault(label, tweet.lines[start])
    return lines
