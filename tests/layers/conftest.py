from collections.abc import Iterator

import pytest

from spacy_twitter_ner.layers import lstm, products

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


@pytest.fixture(scope="module", params=[0, 24], ids=["whole", "cut"])
def each_product(request: pytest.FixtureRequest) -> Iterator[int]:
    """The products of steps by whole matrices, and by some of their columns at a time, even if
    they are as small as those of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "multiplies_small_as_they_lie", lambda: True)
        patch.setattr(products, "LARGEST_SMALL_PRODUCT", request.param)
        yield request.param
