import numpy
import pytest

from timing.rates import FORWARD_BACKWARD, Rates, mean_seconds, measure_rates

RATES = Rates(flops=100e9, tanh_seconds=1e-9)


def test_bound_counts_the_recurrent_product_and_the_functions() -> None:
    """The figures of a layer with 200 hidden units: 0.64 million operations and 2,000 functions."""
    assert RATES.seconds(1, 200) == pytest.approx(0.64e6 / 100e9 + 2000e-9)
    assert RATES.seconds(50, 200) == pytest.approx(50 * RATES.seconds(1, 200))
    assert RATES.words_per_second(200) == pytest.approx(1 / (6.4e-6 + 2e-6))


def test_training_has_three_products_and_the_same_functions() -> None:
    assert RATES.seconds(1, 200, FORWARD_BACKWARD) == pytest.approx(3 * 6.4e-6 + 2e-6)


def test_product_grows_with_the_square_of_the_hidden_units_and_functions_with_their_number() -> (
    None
):
    only_product, only_functions = RATES._replace(tanh_seconds=0), RATES._replace(flops=numpy.inf)
    assert only_product.seconds(1, 400) == pytest.approx(4 * only_product.seconds(1, 200))
    assert only_functions.seconds(1, 400) == pytest.approx(2 * only_functions.seconds(1, 200))


def test_machine_is_measured() -> None:
    rates = measure_rates(0.001)
    # A thousandth and a hundredfold of what processors do today.
    assert 1e7 < rates.flops < 1e14
    assert 1e-12 < rates.tanh_seconds < 1e-6


def test_mean_counts_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 0.4, 0.8, 1.2])
    monkeypatch.setattr("timing.rates.time.perf_counter", lambda: next(clock))
    calls: list[None] = []
    assert mean_seconds(lambda: calls.append(None), 1.0) == pytest.approx(0.4)
    # The first call is not counted.
    assert len(calls) == 4
