from collections.abc import Iterator

import pytest

from spacy_twitter_ner.layers import lstm

COMPILED, NUMPY = "compiled", "numpy"


@pytest.fixture(scope="module", params=[COMPILED, NUMPY])
def each_kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """The steps of an LSTM by compiled loops, and by NumPy as where no compiler was there."""
    if request.param == COMPILED and lstm.kernel is None:
        pytest.skip("the compiled loops were not built here")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == NUMPY:
            patch.setattr(lstm, "kernel", None)
        yield request.param
