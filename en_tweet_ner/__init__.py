"""The pretrained pipeline under its own name: `spacy.load("en_tweet_ner")`."""

from typing import Any

from spacy.language import Language

from spacy_twitter_ner import __version__
from spacy_twitter_ner import load as _load

__all__ = ["__version__", "load"]


def load(**overrides: Any) -> Language:
    """Load the pipeline. Called by spacy.load.

    **overrides (Any): vocab, disable, enable, exclude and config, as spacy.load has them.
    RETURNS (Language): The pipeline.
    """
    return _load(**overrides)
