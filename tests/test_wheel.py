"""Build the wheel and use it in another folder."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "spacy_twitter_ner"
PIPELINE = "en_tweet_ner"
COMPILED = (".so", ".pyd")

pytestmark = pytest.mark.slow

USE = """
import json, sys
import spacy
nlp = spacy.blank("xx")
ner = nlp.add_pipe("twitter_bilstm_ner")
ner.add_label("LOC")
nlp.initialize()
nlp("so tired")
pretrained = spacy.load("en_tweet_ner")
assert [ent.text for ent in pretrained("saw Drake in Chicago").ents][-1] == "Chicago"
import spacy_twitter_ner
assert spacy_twitter_ner.load().meta == pretrained.meta
from spacy_twitter_ner.training.configs import make_config
assert make_config("finetune")["components"]["twitter_bilstm_ner"] == {"source": "en_tweet_ner"}
import spacy_twitter_ner.cli, spacy_twitter_ner.corpus.tagfile
print(json.dumps({n: m.__file__ for n, m in sys.modules.items() if n.startswith("spacy_tw")}))
"""


def run(*arguments: str | Path, cwd: Path, **settings: object) -> str:
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        **settings,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def copy_tree(folder: Path) -> Path:
    """Copy the sources, so that this tree's build folder is neither used nor changed."""
    for name in ("build", "setuptools", "Cython"):
        pytest.importorskip(name, reason="needed without build isolation")
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    for part in (PACKAGE, PIPELINE, "tests", "configs", "benchmarks"):
        shutil.copytree(ROOT / part, tree / part, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, tree)
    return tree


def build_wheel(folder: Path, **environment: str) -> Path:
    tree = copy_tree(folder)
    command = ("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, tree)
    run(*command, cwd=folder, env={**os.environ, **environment})
    (path,) = folder.glob("*.whl")
    return path


def test_editable_install_provides_the_pipeline_by_name(tmp_path):
    """As built by pip, which unpacks the editable wheel into site-packages."""
    tree = copy_tree(tmp_path)
    command = "from setuptools import build_meta; build_meta.build_editable('..')"
    run("-c", command, cwd=tree, env={**os.environ, "CC": "false"})  # faster without the kernel
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "site")
    (info,) = (tmp_path / "site").glob(f"{PIPELINE}-*.egg-info")
    assert f"Name: {PIPELINE}\n" in (info / "PKG-INFO").read_text(encoding="utf-8")
    assert json.loads((tree / PIPELINE / "meta.json").read_text(encoding="utf-8"))["lang"] == "en"
    use = (
        "import spacy; nlp = spacy.load('en_tweet_ner'); import spacy_twitter_ner as package; "
        "print(package.__file__, [ent.text for ent in nlp('saw Drake in Chicago').ents])"
    )
    path_of_site = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(tree)]),
    }
    for folder in (tree, tmp_path):
        found = run("-c", use, cwd=folder, env=path_of_site)
        assert str(tree) in found
        assert "Chicago" in found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_contains_every_package_file(names):
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in COMPILED
    }
    # For init-config (see setup.py).
    expected |= {f"{PACKAGE}/configs/{path.name}" for path in (ROOT / "configs").glob("*.cfg")}
    ours = {name for name in names if name.startswith(f"{PACKAGE}/")}
    ours = {name for name in ours if Path(name).suffix not in COMPILED}
    assert ours == expected
    assert f"{PACKAGE}/py.typed" in names


def test_wheel_folders_have_an_init_file(names):
    folders = {str(Path(name).parent.as_posix()) for name in names if name.endswith(".py")}
    assert {f"{folder}/__init__.py" for folder in folders} <= names


def test_wheel_contains_metadata_for_the_pretrained_pipeline(names):
    others = {name for name in names if not name.startswith(f"{PACKAGE}")}
    (info,) = {name.split("/")[0] for name in others if ".egg-info/" in name}
    assert others == {
        f"{PIPELINE}/__init__.py",
        f"{PIPELINE}/meta.json",
        f"{info}/PKG-INFO",
        f"{info}/top_level.txt",
    }


def test_wheel_contains_nothing_else(names):
    assert {name.split("/")[0].split("-")[0] for name in names} == {PACKAGE, PIPELINE}
    assert any(name.endswith("/LICENSE") for name in names)


def test_wheel_metadata(wheel, names):
    (dist_info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{dist_info}/METADATA").decode("utf-8")
        entry_points = archive.read(f"{dist_info}/entry_points.txt").decode("utf-8")
    assert "Name: spacy-twitter-ner\n" in metadata
    assert "Requires-Dist: spacy<3.9.0,>=3.8.0\n" in metadata
    assert "Description-Content-Type: text/markdown\n" in metadata
    assert "[spacy_factories]" in entry_points
    requirements = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert not any("pytest" in line and "extra ==" not in line for line in requirements)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_wheel_contains_the_compiled_kernel(names):
    assert any(Path(name).suffix in COMPILED for name in names)


def test_wheel_without_a_compiler(tmp_path):
    wheel = build_wheel(tmp_path, CC="no-such-compiler", PATH=str(Path(sys.executable).parent))
    with zipfile.ZipFile(wheel) as archive:
        assert not any(Path(name).suffix in COMPILED for name in archive.namelist())
    use_elsewhere(wheel, tmp_path)


def test_wheel_works_in_another_folder(wheel, tmp_path):
    use_elsewhere(wheel, tmp_path)


def use_elsewhere(wheel: Path, tmp_path: Path) -> None:
    """Install a wheel and use it from another folder."""
    target = tmp_path / "target"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    options = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check"]
    run("-m", "pip", "install", *options, "--target", target, wheel, cwd=elsewhere)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    modules = json.loads(run("-W", "error", "-c", USE, cwd=elsewhere, env=environment))
    # This tree may also be installed, in editable mode.
    assert f"{PACKAGE}.pipeline.bilstm_ner" in modules
    assert {name for name, path in modules.items() if target not in Path(path).parents} == set()
