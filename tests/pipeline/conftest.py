import multiprocessing

import pytest
from spacy.language import Language
from thinc.api import fix_random_seed

from .util import SMALL, SMALL_CRF, trained_ner


@pytest.fixture(scope="session", params=[SMALL, SMALL_CRF], ids=["softmax", "crf"])
def small(request: pytest.FixtureRequest) -> dict:
    """The config of a small component, with either head."""
    return request.param


@pytest.fixture(scope="session")
def trained(small: dict) -> Language:
    """A trained pipeline with that config. Tests must not modify it."""
    fix_random_seed(0)
    return trained_ner(**small)


@pytest.fixture
def safe_start_method():
    """Use a fork server that preloads spaCy. Processes with BLAS threads must not be forked."""
    before = multiprocessing.get_start_method(allow_none=True)
    available = multiprocessing.get_all_start_methods()
    method = "forkserver" if "forkserver" in available else "spawn"
    multiprocessing.set_start_method(method, force=True)
    multiprocessing.set_forkserver_preload(["spacy"])
    yield
    multiprocessing.set_start_method(before, force=True)
