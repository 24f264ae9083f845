"""The build, but for what setup.cfg cannot say."""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

try:
    from Cython.Build import cythonize
except ImportError:  # built without isolation; NumPy does what the compiled loops would
    cythonize = None

PIPELINE = "en_tweet_ner"
LAYERS = Path("spacy_twitter_ner", "layers")
# What lets a compiler take several numbers at a time; results stay those of float arithmetic.
UNIX_FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math"]


class BuildKernel(build_ext):
    """Flags for the compiler that is there. Where there is none, or it fails, the extension is
    left out: it is optional."""

    def build_extensions(self) -> None:
        if self.compiler.compiler_type != "msvc":
            for extension in self.extensions:
                extension.extra_compile_args = UNIX_FLAGS
        super().build_extensions()


def find_extensions() -> list[Extension]:
    """RETURNS (list[Extension]): The compiled loops, if Cython is there to translate them."""
    if cythonize is None:
        return []
    kernel = Extension(
        "spacy_twitter_ner.layers.lstm_kernel",
        [str(LAYERS / "lstm_kernel.pyx")],
        depends=[str(LAYERS / name) for name in ("lstm_kernel.h", "lstm_steps.h")],
        include_dirs=[str(LAYERS)],
    )
    extensions = cythonize([kernel], build_dir="build/cython")
    for extension in extensions:
        extension.optional = True  # Cython makes other objects, and forgets it
    return extensions


class BuildPipeline(build_py):
    """Adds metadata for the pretrained pipeline, which is part of our distribution. spaCy loads
    by name what importlib.metadata finds as a distribution of that name; an egg-info folder makes
    it one without a wheel of its own. pip replaces it when another build is installed."""

    def run(self) -> None:
        super().run()
        for path, text in self._metadata().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        written = [] if self.editable_mode else [str(path) for path in self._metadata()]
        return [*super().get_outputs(include_bytecode), *written]

    def _metadata(self) -> dict[Path, str]:
        # Another version than that of the full build, so that pip installs that in its place.
        version = f"{self.distribution.get_version()}+small"
        base = Path(self.build_lib)
        package = base / PIPELINE
        if self.editable_mode:
            # The wheel that pip unpacks takes only what is in its install folder; modules stay.
            base = Path(self.get_finalized_command("install").install_lib)
            package = Path(PIPELINE)
        folder = base / f"{PIPELINE}-{version}.egg-info"
        info = (
            f"Metadata-Version: 2.1\nName: {PIPELINE}\nVersion: {version}\n"
            "Summary: Named entities of tweets: the small build that spacy-twitter-ner comes with\n"
            "License: MIT\n"
        )
        meta = Path("spacy_twitter_ner", PIPELINE, "meta.json").read_text(encoding="utf-8")
        return {
            folder / "PKG-INFO": info,
            folder / "top_level.txt": f"{PIPELINE}\n",
            # `spacy info` looks for it here.
            package / "meta.json": meta,
        }


setup(
    cmdclass={"build_py": BuildPipeline, "build_ext": BuildKernel},
    ext_modules=find_extensions(),
)
