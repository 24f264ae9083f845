"""The training configs of the project, as templates for configs of other corpora."""

from pathlib import Path

from thinc.api import Config

_PACKAGE = Path(__file__).parents[1]
# A wheel contains the configs (see setup.py). In a clone, they are next to the package.
_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


def list_configs() -> dict[str, Path]:
    """RETURNS (dict[str, Path]): The configs by name."""
    return {path.stem: path for folder in _FOLDERS for path in sorted(folder.glob("*.cfg"))}


def make_config(base: str, *, lang: str = "en") -> Config:
    """Make a complete training config for another corpus. The paths of its splits are null, so that
    spaCy asks for them.

    base (str): The name of a config.
    lang (str): Language code of the pipeline.
    RETURNS (Config): The config, with variables.
    RAISES (ValueError): If there is no config of that name.
    """
    configs = list_configs()
    if base not in configs:
        raise ValueError(f"there is no config {base!r}. Use one of: {', '.join(configs)}")
    config = Config().from_disk(configs[base], interpolate=False)
    config["nlp"]["lang"] = lang
    config["paths"].update(train=None, dev=None)
    return config
