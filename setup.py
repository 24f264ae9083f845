"""Build the compiled kernel, and add the configs and metadata for the pretrained pipeline."""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

try:
    from Cython.Build import cythonize
except ImportError:  # built without isolation: use the NumPy implementation
    cythonize = None

PIPELINE = "en_tweet_ner"
LAYERS = Path("spacy_twitter_ner", "layers")
# Allow vectorization without changing results.
UNIX_FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math"]


class BuildKernel(build_ext):
    """Set compiler flags. The extension is optional: it's left out if it can't be compiled."""

    def build_extensions(self) -> None:
        if self.compiler.compiler_type != "msvc":
            for extension in self.extensions:
                extension.extra_compile_args = UNIX_FLAGS
        super().build_extensions()


def find_extensions() -> list[Extension]:
    """RETURNS (list[Extension]): The compiled kernel, or nothing without Cython."""
    if cythonize is None:
        return []
    kernel = Extension(
        "spacy_twitter_ner.layers.kernel",
        [str(LAYERS / "kernel.pyx")],
        depends=[str(LAYERS / name) for name in ("kernel.h", "kernel_template.h")],
        include_dirs=[str(LAYERS)],
    )
    extensions = cythonize([kernel], build_dir="build/cython")
    for extension in extensions:
        extension.optional = True  # cythonize drops it
    return extensions


class BuildPackage(build_py):
    """Add the project's configs, for `init-config`, and metadata that makes the bundled pipeline a
    distribution of its own: spacy.load only finds packages by name that importlib.metadata lists.
    Pip replaces it if another build is installed."""

    def run(self) -> None:
        super().run()
        for path, text in self._files().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        written = [] if self.editable_mode else [str(path) for path in self._files()]
        return [*super().get_outputs(include_bytecode), *written]

    def _files(self) -> dict[Path, str]:
        configs = Path(self.build_lib, "spacy_twitter_ner", "configs")
        texts = {
            configs / path.name: path.read_text(encoding="utf-8")
            for path in ([] if self.editable_mode else sorted(Path("configs").glob("*.cfg")))
        }
        return {**texts, **self._metadata()}

    def _metadata(self) -> dict[Path, str]:
        # A version of its own, so that pip replaces it with the full build.
        version = f"{self.distribution.get_version()}+small"
        base = Path(self.build_lib)
        package = base / PIPELINE
        if self.editable_mode:
            # An editable wheel only contains the install folder.
            base = Path(self.get_finalized_command("install").install_lib)
            package = Path(PIPELINE)
        folder = base / f"{PIPELINE}-{version}.egg-info"
        info = (
            f"Metadata-Version: 2.1\nName: {PIPELINE}\nVersion: {version}\n"
            "Summary: Small build of the pretrained pipeline, bundled with spacy-twitter-ner\n"
            "License: MIT\n"
        )
        meta = Path("spacy_twitter_ner", PIPELINE, "meta.json").read_text(encoding="utf-8")
        return {
            folder / "PKG-INFO": info,
            folder / "top_level.txt": f"{PIPELINE}\n",
            package / "meta.json": meta,  # for `spacy info`
        }


setup(
    cmdclass={"build_py": BuildPackage, "build_ext": BuildKernel},
    ext_modules=find_extensions(),
)
