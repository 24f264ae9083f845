"""Named entity recognition for tweets: a trainable BiLSTM tagger for spaCy."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language

__version__ = "0.1.0"

PRETRAINED = Path(__file__).parent / "en_tweet_ner"


def load(**overrides: Any) -> "Language":
    """Load the pretrained pipeline that comes with this package. It finds ten types of entities in
    English tweets, from raw text, without a network. What it is made of is in its model card,
    README.md in the folder PRETRAINED.

    **overrides (Any): vocab, disable, enable, exclude and config, as spacy.load has them.
    RETURNS (Language): The pipeline.
    """
    # Imported here because it takes a second that our commands do not need.
    import spacy

    return spacy.load(PRETRAINED, **overrides)
