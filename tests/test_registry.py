import configparser
import json
import subprocess
import sys
from pathlib import Path

import pytest

SETUP_CFG = Path(__file__).parents[1] / "setup.cfg"


def read_entry_points() -> list[tuple[str, str, str]]:
    """RETURNS (list[tuple[str, str, str]]): Each entry point's group, name and target."""
    config = configparser.ConfigParser(delimiters=["="])
    config.optionxform = str  # type: ignore[assignment, method-assign]
    config.read(SETUP_CFG, encoding="utf-8")
    found = []
    for group, lines in config["options.entry_points"].items():
        for line in lines.strip().splitlines():
            name, _, target = line.partition("=")
            found.append((group, name.strip(), target.strip()))
    return found


ENTRY_POINTS = read_entry_points()
GROUPS = {group for group, _, _ in ENTRY_POINTS}

# Runs where neither this folder nor a module of ours is known: what it finds, it finds by entry
# points alone. Python's own way to them serves for those that neither spaCy nor Thinc reads.
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
def test_entry_point(looked_up, group, name, target):
    assert looked_up["found"][f"{group} {name}"] == target, "install the package anew?"


def test_nothing_is_registered_by_an_import(looked_up):
    """The look-ups above have to find things by themselves."""
    loaded = set(looked_up["loaded_before"])
    # spaCy looks the logger of its default config up, which is an old one, and imports all others
    # on the way.
    loaded -= {"spacy_twitter_ner.training", "spacy_twitter_ner.training.logger"}
    # spaCy imports a factory's module for spacy.blank(), and that what it is made of.
    assert not {name for name in loaded if name.split(".")[1] in ("models", "cli", "training")}


def test_there_are_entry_points():
    assert {"spacy_factories", "spacy_architectures", "thinc_layers"} <= GROUPS
    assert len(ENTRY_POINTS) == len(set(ENTRY_POINTS)) >= 10


def test_importing_the_package_loads_no_library(tmp_path):
    """Not even spaCy, which takes seconds."""
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
