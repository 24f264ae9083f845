"""Named entity recognition for tweets: a trainable BiLSTM tagger for spaCy."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language

__version__ = "0.1.0"

PRETRAINED = Path(__file__).parent / "en_tweet_ner"


def load(types: str = "fine", **overrides: Any) -> "Language":
    """Load the pretrained pipeline that comes with this package. It finds entities in English
    tweets, from raw text, without a network. Its model card is README.md in the folder PRETRAINED.

    types (str): The entity types: the thirteen "fine" ones; "coarse" for person, location,
        organization, product, creative-work, event and other; or "ten" for those of the WNUT-2016
        corpus.
    **overrides (Any): vocab, disable, enable, exclude and config, as in spacy.load.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): If there are no such types.
    """
    # Imported here because importing spaCy takes seconds.
    import spacy

    from .label_schemes import SCHEMES

    if types not in SCHEMES:
        raise ValueError(f"types must be one of {', '.join(SCHEMES)}, not {types!r}")
    nlp = spacy.load(PRETRAINED, **overrides)
    for name, component in nlp.components:
        if nlp.get_pipe_meta(name).factory == "twitter_bilstm_ner":
            component.cfg["fold"] = dict(SCHEMES[types])  # type: ignore[attr-defined]
    return nlp
