from collections.abc import Iterator

import pytest

from spacy_twitter_ner.layers import compiled

COMPILED, NUMPY = "compiled", "numpy"


@pytest.fixture(scope="module", params=[COMPILED, NUMPY])
def each_kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """LSTM steps, compiled and with NumPy as on machines without a compiler."""
    if request.param == COMPILED and compiled.kernel is None:
        pytest.skip("the LSTM kernel was not compiled")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == NUMPY:
            patch.setattr(compiled, "kernel", None)
        yield request.param
