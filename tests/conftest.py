from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from thinc.api import fix_random_seed


@pytest.fixture(scope="session")
def project_root() -> Path:
    return Path(__file__).parents[1]


@pytest.fixture
def nlp() -> Language:
    """A blank English pipeline; random numbers begin anew, so that a test cannot depend on those
    that ran before it."""
    fix_random_seed(0)
    return spacy.blank("en")
