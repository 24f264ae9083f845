from collections.abc import Iterator

import pytest

from spacy_twitter_ner.layers import lstm_ops

COMPILED, NUMPY = "compiled", "numpy"


@pytest.fixture(scope="module", params=[COMPILED, NUMPY])
def each_kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """LSTM steps, compiled and with NumPy as on machines without a compiler."""
    if request.param == COMPILED and lstm_ops.kernel is None:
        pytest.skip("the LSTM kernel was not compiled")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == NUMPY:
            patch.setattr(lstm_ops, "kernel", None)
        yield request.param
