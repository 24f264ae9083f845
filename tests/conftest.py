import pytest
import spacy
from spacy.language import Language
from thinc.api import fix_random_seed


@pytest.fixture
def nlp() -> Language:
    """A blank pipeline, of no language: an English one takes ten times as long to make. Random
    numbers begin anew, so that no test depends on those that ran before it."""
    fix_random_seed(0)
    return spacy.blank("xx")
