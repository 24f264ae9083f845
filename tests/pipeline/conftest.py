import pytest
from spacy.language import Language
from thinc.api import fix_random_seed

from .util import trained_ner


@pytest.fixture(scope="session")
def trained() -> Language:
    """A trained pipeline. Tests only read it."""
    fix_random_seed(0)
    return trained_ner()
