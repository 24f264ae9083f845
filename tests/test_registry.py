"""Each entry point in pyproject.toml can be looked up and has the declared target."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="requires Python 3.11")

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf8"))["project"]
ENTRY_POINTS = [
    (group, name, target)
    for group, targets in PROJECT["entry-points"].items()
    for name, target in targets.items()
]

# Runs in another folder, so that everything is found by entry point. importlib.metadata is for
# groups that neither spaCy nor Thinc reads.
LOOK_UP = """
import json, sys
from importlib.metadata import entry_points
import spacy, thinc.api
from spacy.language import Language

def look_up(group, name):
    if group == "spacy_factories":
        assert Language.has_factory(name)
        return spacy.registry.factories.get(name)
    owner, _, registry_name = group.partition("_")
    if owner in ("spacy", "thinc"):
        registry = spacy.registry if owner == "spacy" else thinc.api.registry
        return getattr(registry, registry_name).get(name)
    return entry_points(group=group)[name].load()

nlp = spacy.blank("xx")
loaded_before = [name for name in sys.modules if name.startswith("spacy_twitter_ner.")]
found = {}
for group, name in json.load(sys.stdin):
    try:
        target = look_up(group, name)
        module = getattr(target, "__module__", None)
        found[f"{group} {name}"] = f"{module}:{target.__qualname__}" if module else target.__name__
    except Exception as error:
        found[f"{group} {name}"] = repr(error)
nlp.add_pipe("twitter_bilstm_ner")
json.dump({"found": found, "loaded_before": loaded_before}, sys.stdout)
"""


@pytest.fixture(scope="module")
def looked_up(tmp_path_factory) -> dict:
    result = subprocess.run(
        [sys.executable, "-c", LOOK_UP],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        input=json.dumps([entry_point[:2] for entry_point in ENTRY_POINTS]),
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("group", "name", "target"), ENTRY_POINTS, ids=[" ".join(e[:2]) for e in ENTRY_POINTS]
)
def test_entry_point_resolves_to_its_target(looked_up, group, name, target):
    assert looked_up["found"][f"{group} {name}"] == target, "reinstall the package"


def test_entry_points_are_resolved_lazily(looked_up):
    """Otherwise the lookups above wouldn't test entry points."""
    loaded = set(looked_up["loaded_before"])
    # spaCy's default config has a logger, and looking it up imports all loggers.
    loaded -= {name for name in loaded if name.startswith("spacy_twitter_ner.training")}
    # spacy.blank() imports the factories.
    assert not {name for name in loaded if name.split(".")[1] in ("models", "cli")}


def test_importing_the_package_imports_no_library(tmp_path):
    """spaCy takes seconds to import."""
    script = (
        "import sys; before = set(sys.modules); import spacy_twitter_ner; "
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "names = {name for name in vars(spacy_twitter_ner) if name[:2] != '__'}; "
        "print(*sorted(loaded - sys.stdlib_module_names), '|', *sorted(names))"
    )
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout
    libraries, names = output.strip().split(" | ")
    assert libraries == "spacy_twitter_ner"
    assert names == "Any PRETRAINED Path TYPE_CHECKING load"
