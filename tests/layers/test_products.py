from collections.abc import Callable

import numpy
import pytest

from spacy_twitter_ner.layers import products
from spacy_twitter_ner.layers.products import StepProduct, multiplies_small_as_they_lie

from .gradients import OPS


@pytest.fixture
def small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of OpenBLAS, on any machine."""
    monkeypatch.setattr(products, "multiplies_small_as_they_lie", lambda: True)


@pytest.fixture
def multiplied(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, ...], ...]]:
    """The shapes of all that is multiplied."""
    shapes = []
    matmul: Callable = numpy.matmul

    def spy(rows: numpy.ndarray, weights: numpy.ndarray, out: numpy.ndarray) -> numpy.ndarray:
        shapes.append((rows.shape, weights.shape))
        return matmul(rows, weights, out=out)

    monkeypatch.setattr(numpy, "matmul", spy)
    return shapes


def make(*shape: int, seed: int = 0) -> numpy.ndarray:
    return numpy.random.RandomState(seed).normal(size=shape)


@pytest.mark.usefixtures("small_products")
@pytest.mark.parametrize("directions", [(), (1,), (2,)], ids=str)
@pytest.mark.parametrize("n_rows", [0, 1, 6, 7, 12, 13, 25, 26, 50, 51])
def test_it_is_the_product(directions: tuple[int, ...], n_rows: int) -> None:
    rows, weights = make(*directions, n_rows, 200), make(*directions, 200, 800, seed=1)
    # As in use, the rows of the result are the first ones of a larger array.
    buffer = numpy.full((*directions, 60, 800), numpy.nan)
    out = buffer[..., :n_rows, :]
    result = StepProduct(OPS, weights)(rows, out)
    assert result is out
    numpy.testing.assert_allclose(out, rows @ weights, rtol=0, atol=1e-12)
    assert numpy.isnan(buffer[..., n_rows:, :]).all()


@pytest.mark.usefixtures("small_products")
@pytest.mark.parametrize(
    ("shape", "n_rows", "parts"),
    [
        ((200, 800), 6, 1),
        ((200, 800), 7, 2),
        ((200, 800), 12, 2),
        ((200, 800), 13, 4),
        ((200, 800), 50, 8),
        ((200, 800), 51, 1),
        ((800, 200), 32, 8),
        ((100, 400), 25, 1),
        ((100, 400), 26, 2),
        # Odd halves cannot be cut again.
        ((1000, 102), 19, 2),
        ((1000, 102), 20, 1),
        ((1000, 101), 10, 1),
    ],
)
def test_parts_are_as_few_as_make_small_products(
    shape: tuple[int, int], n_rows: int, parts: int, multiplied: list
) -> None:
    StepProduct(OPS, make(*shape))(make(n_rows, shape[0]), numpy.empty((n_rows, shape[1])))
    [(_, weights)] = multiplied
    assert weights == (shape if parts == 1 else (parts, shape[0], shape[1] // parts))


def test_other_libraries_multiply_whole_matrices(
    multiplied: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "multiplies_small_as_they_lie", lambda: False)
    StepProduct(OPS, make(200, 800))(make(20, 200), numpy.empty((20, 800)))
    assert multiplied == [((20, 200), (200, 800))]


@pytest.mark.parametrize("shape", [(0, 8), (3, 0)])
@pytest.mark.usefixtures("small_products")
def test_no_weights(shape: tuple[int, int]) -> None:
    out = StepProduct(OPS, make(*shape))(make(2, shape[0]), numpy.empty((2, shape[1])))
    assert not out.any()


@pytest.mark.parametrize(
    ("blas", "features", "expected"),
    [
        ("scipy-openblas", {"AVX512_SKX": True}, True),
        ("openblas64", {"AVX512_SKX": True}, True),
        ("scipy-openblas", {"AVX512_SKX": False, "AVX2": True}, False),
        ("scipy-openblas", {"NEON": True}, False),
        ("mkl", {"AVX512_SKX": True}, False),
        ("accelerate", {}, False),
    ],
)
def test_which_library_and_processor(
    blas: str, features: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"Build Dependencies": {"blas": {"name": blas}}}
    monkeypatch.setattr(numpy, "show_config", lambda mode: config)
    monkeypatch.setattr(numpy._core._multiarray_umath, "__cpu_features__", features)
    multiplies_small_as_they_lie.cache_clear()
    try:
        assert multiplies_small_as_they_lie() is expected
    finally:
        multiplies_small_as_they_lie.cache_clear()


def test_this_library_is_known() -> None:
    """What is asked of NumPy is there to be found."""
    assert numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    assert numpy._core._multiarray_umath.__cpu_features__
