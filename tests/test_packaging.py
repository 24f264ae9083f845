"""The files around the package agree with it: citation, conda recipe, workflows, source archive."""

import re
import tarfile
from pathlib import Path

import pytest
import srsly

from spacy_twitter_ner import __version__

from .test_wheel import copy_tree, run

tomllib = pytest.importorskip("tomllib", reason="requires Python 3.11")
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = ROOT / "packaging" / "conda" / "recipe.yaml"


def test_citation_has_the_version_and_license():
    citation = srsly.read_yaml(ROOT / "CITATION.cff")
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()


def test_conda_recipe_has_the_requirements_of_the_project():
    recipe = srsly.read_yaml(RECIPE)
    assert recipe["context"]["version"] == __version__
    run_requirements = [
        requirement.replace(" ", "") for requirement in recipe["requirements"]["run"]
    ]
    python, *others = run_requirements
    assert python == f"python{PROJECT['requires-python']}"
    assert others == PROJECT["dependencies"]
    ((command, _, target),) = [
        entry_point.partition(" = ") for entry_point in recipe["build"]["python"]["entry_points"]
    ]
    assert PROJECT["scripts"] == {command: target}


def test_conda_recipe_renders():
    rattler_build = pytest.importorskip("rattler_build")
    variants = rattler_build.VariantConfig({"c_stdlib": ["sysroot"], "python": ["3.13.*"]})
    (rendered,) = rattler_build.Stage0Recipe.from_file(str(RECIPE)).render(variants)
    assert rendered.recipe.package.name == "spacy-twitter-ner"


def test_classifiers_name_the_supported_versions_of_python():
    first, last = map(int, re.findall(r"3\.(\d+)", PROJECT["requires-python"]))
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert named == [f"3.{minor}" for minor in range(first, last)]
    workflow = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    assert f"python: {srsly.json_dumps(named)}".replace(",", ", ") in workflow


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name
)
def test_workflows_and_templates_are_valid_yaml(path):
    content = srsly.read_yaml(path)
    for job in content.get("jobs", {}).values():
        assert "permissions" in job or "permissions" in content, "jobs get no more than they need"
    if "body" in content:
        assert content["name"]
        assert content["description"]


def test_container_gets_what_the_package_is_built_from_and_no_more():
    allowed = (ROOT / ".containerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in allowed
    names = [line[1:] for line in allowed if line.startswith("!")]
    assert all((ROOT / name).exists() for name in names)
    assert {"setup.py", "pyproject.toml", "spacy_twitter_ner", "en_tweet_ner", "configs"} <= {
        *names
    }
    container = (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert "USER 65534:65534" in container
    assert "HEALTHCHECK" in container


@pytest.mark.slow
def test_source_archive_is_complete(tmp_path):
    tree = copy_tree(tmp_path)
    run("-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, tree, cwd=tmp_path)
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "setup.py", "configs/finetune.cfg"} <= names
    for name in ("layers/kernel.pyx", "layers/kernel.h", "en_tweet_ner/config.cfg"):
        assert f"spacy_twitter_ner/{name}" in names
    pytest.importorskip("twine")
    assert "PASSED" in run("-m", "twine", "check", "--strict", path, cwd=tmp_path)
