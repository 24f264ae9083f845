"""The import graph of the package: folders only import from folders below them, as
docs/architecture.md draws it. `python -m tests.test_architecture` prints the graph."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import spacy_twitter_ner

ROOT = Path(spacy_twitter_ner.__file__).parent
# From bottom to top. Modules on the same line may not import each other either.
FLOORS = [
    {"iob", "label_schemes", "lazy", "normalization", "partial", "util"},
    {"layers", "loading", "token_rules"},
    {"lexical", "sources", "tokenizer"},
    {"corpus"},
    {"models"},
    {"pipeline"},
    {"evaluation"},
    {"viz"},
    {"annotate", "training"},
    {"counts", "serving"},
    {"teaching"},
    {"cli"},
]
FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}
MODULES = sorted(ROOT.rglob("*.py"))


def imported_modules(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the absolute names of imported modules, and what is imported from each."""
    package = ("spacy_twitter_ner", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield name, [alias.name for alias in node.names]


def folder_graph() -> dict[str, set[str]]:
    """RETURNS (dict[str, set[str]]): The folders and top-level modules that each one imports."""
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        source = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for name, names in imported_modules(path):
            root, *rest = name.split(".")
            if root == "spacy_twitter_ner":
                targets = rest[:1] or names
                graph.setdefault(source, set()).update(set(targets) & FLOOR_OF.keys() - {source})
    return graph


def test_every_folder_has_its_floor():
    found = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in MODULES}
    assert found - {"__init__", "__main__", "en_tweet_ner"} == FLOOR_OF.keys()


def test_folders_import_from_lower_floors_only():
    upward = {
        (source, target)
        for source, targets in folder_graph().items()
        if source in FLOOR_OF
        for target in targets
        if FLOOR_OF[target] >= FLOOR_OF[source]
    }
    assert upward == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_private_names_of_other_modules(path):
    """Neither of other libraries nor of our own modules, except the CLI's shared helpers."""
    for name, names in imported_modules(path):
        private = [part for part in [*name.split("."), *names] if part.startswith("_")]
        assert [part for part in private if part not in ("__version__", "_util")] == [], name


if __name__ == "__main__":
    for folder, imports in sorted(
        folder_graph().items(), key=lambda item: FLOOR_OF.get(item[0], 99)
    ):
        print(f"{folder:14} -> {', '.join(sorted(imports, key=FLOOR_OF.__getitem__))}")
