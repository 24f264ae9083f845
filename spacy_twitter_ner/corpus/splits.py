"""Identify the splits of a corpus by file name, and compare their entity types and schemes."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..iob import Scheme
from .tagfile import NEW_TYPE, Problem, TagFile

_WORD = re.compile(r"[^\W\d_]+")
_WORD_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TRAINING = re.compile(r"(?:train|training|trn)(?:set|data|split)?")
_HELD_OUT = re.compile(
    r"(?:dev|devel|development|val|valid|validation|test|testa|testb|testing|tst|eval|evaluation|"
    r"heldout)(?:set|data|split)?"
)


def training_first(paths: Sequence[Path]) -> list[Path]:
    """Sort splits so that the training split comes first.

    paths (Sequence[Path]): The splits.
    RETURNS (list[Path]): Files named as training data, such as train.txt, wnut17train.conll and
        eng.train, then the others. Otherwise, the order is kept.
    """
    return sorted((Path(path) for path in paths), key=_rank)


def split_name(path: Path) -> str:
    """Return the name of a split.

    path (Path): The file.
    RETURNS (str): The file name without its suffix. Suffixes that name the split are kept, as in
        btc.dev and eng.testa.
    """
    suffix = path.suffix[1:].lower()
    is_split = any(
        pattern.fullmatch(word)
        for word in _WORD.findall(suffix)
        for pattern in (_TRAINING, _HELD_OUT)
    )
    return path.name if is_split else path.stem


def _rank(path: Path) -> int:
    words = _WORD.findall(_WORD_BOUNDARY.sub(" ", path.name).lower())
    is_held_out = any(map(_HELD_OUT.fullmatch, words))
    if any(map(_TRAINING.fullmatch, words)):
        return 1 if is_held_out else 0
    has_part = any(word.startswith("train") or word.endswith("train") for word in words)
    return 1 if has_part and not is_held_out else 2


def compare_splits(files: Sequence[TagFile]) -> tuple[list[Problem], list[str]]:
    """Compare the entity types and the tag schemes of later splits with the training split's.

    files (Sequence[TagFile]): The splits, the training split first.
    RETURNS (tuple[list[Problem], list[str]]): A problem for each entity type that doesn't
        occur in the training split, at its first entity in the later split; and notes on how files
        were read, on the training split, on types that don't occur in later splits and on
        different tag schemes.
    """
    problems: list[Problem] = []
    notes = [note for file in files for note in file.notes]
    if not files or not files[0].tweets:
        return problems, notes
    if len(files) > 1 and _rank(files[0].path) == 2:
        notes.append(
            f"{files[0].path}, the first file, is used as the training split, since no file name "
            "contains 'train'"
        )
    training, *later_files = files
    known = _first_lines(training)
    for later in later_files:
        found = _first_lines(later)
        for label, line in found.items():
            if label not in known:
                message = f"entity type {label!r} does not occur in {training.path}"
                problems.append(Problem(later.path, line, NEW_TYPE, message, "kept"))
        absent = [label for label in sorted(known) if label not in found]
        if absent and later.tweets:
            notes.append(f"{later.path} has no entities of type {', '.join(absent)}")
    return problems, notes + _scheme_notes(files)


def _scheme_notes(files: Sequence[TagFile]) -> list[str]:
    # A file without entities fits any scheme.
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
    """RETURNS (dict[str, int]): The line of each entity type's first entity."""
    lines: dict[str, int] = {}
    for tweet in file.tweets:
        for start, _, label in tweet.spans():
            lines.setdefault(label, tweet.lines[start])
    return lines
