"""The build, but for what setup.cfg cannot say."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PIPELINE = "en_tweet_ner"


class BuildPipeline(build_py):
    """Adds metadata of the pretrained pipeline, which is part of our distribution. spaCy loads by
    name what importlib.metadata knows as a distribution of that name; a folder of this kind is the
    way for one that is no wheel of its own. pip takes its place when another build is installed."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path, text in self._metadata().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        written = [] if self.editable_mode else [str(path) for path in self._metadata()]
        return [*super().get_outputs(include_bytecode), *written]

    def _metadata(self) -> dict[Path, str]:
        # Another version than that of the full build, so that pip installs that in its place.
        version = f"{self.distribution.get_version()}+small"
        folder = Path(self.build_lib) / f"{PIPELINE}-{version}.egg-info"
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
            Path(self.build_lib) / PIPELINE / "meta.json": meta,
        }


setup(cmdclass={"build_py": BuildPipeline})
