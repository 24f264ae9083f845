import pytest
from spacy.language import Language
from thinc.api import fix_random_seed

from .util import SMALL, SMALL_CRF, trained_ner


@pytest.fixture(scope="session", params=[SMALL, SMALL_CRF], ids=["softmax", "crf"])
def small(request: pytest.FixtureRequest) -> dict:
    """The config of a small component, with each head in turn."""
    return request.param


@pytest.fixture(scope="session")
def trained(small: dict) -> Language:
    """A trained pipeline of that config. Tests only read it."""
    fix_random_seed(0)
    return trained_ner(**small)
