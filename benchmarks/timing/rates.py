"""The bound: how fast a BiLSTM could be on this machine if only what cannot be avoided took time.

Two things depend on a token's neighbours and so cannot be computed once per word: the product of
the hidden state and the recurrent weights, 2 directions × 2 × nH × 4 nH operations a token, and
the five transcendental functions of each hidden unit, four gates and the tanh of the cell.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy

DIRECTIONS, GATES, TRANSCENDENTALS = 2, 4, 5
# Forwards the recurrent product is computed once. Backwards it comes twice more: for the gradient
# of the hidden states, and for that of the weights.
FORWARD, FORWARD_BACKWARD = 1, 3

# (rows, nI, nO) of the products: a step of 256 tweets with 200 hidden units, and a large one.
PRODUCTS = ((256, 200, 800), (1024, 1024, 1024))
# A block of gates that stays in the cache.
N_ELEMENTS = 256 * 100


class Rates(NamedTuple):
    """What a machine can do.

    flops (float): Floating-point operations a second in products of float32 matrices.
    tanh_seconds (float): What one tanh of a float32 takes.
    """

    flops: float
    tanh_seconds: float

    def seconds(self, n_words: int, n_hidden: int, n_products: int = FORWARD) -> float:
        """Find the least time that a BiLSTM may take.

        n_words (int): How many words it reads.
        n_hidden (int): Hidden units of each direction.
        n_products (int): How often the recurrent product is computed: FORWARD, or
            FORWARD_BACKWARD.
        RETURNS (float): The seconds.
        """
        operations = n_products * DIRECTIONS * 2 * n_hidden * GATES * n_hidden
        functions = DIRECTIONS * TRANSCENDENTALS * n_hidden
        return n_words * (operations / self.flops + functions * self.tanh_seconds)

    def words_per_second(self, n_hidden: int, n_products: int = FORWARD) -> float:
        """RETURNS (float): The bound: how many words a second a BiLSTM can read at most."""
        return 1.0 / self.seconds(1, n_hidden, n_products)


def measure_rates(seconds: float) -> Rates:
    """Measure this machine, with the threads that BLAS has now.

    seconds (float): How long each measurement shall take.
    RETURNS (Rates): The better of the products' rates, and the time of a tanh.
    """
    flops = max(measure_product(*sizes, seconds=seconds) for sizes in PRODUCTS)
    return Rates(flops, measure_tanh(N_ELEMENTS, seconds=seconds))


def measure_product(n_rows: int, nI: int, nO: int, *, seconds: float) -> float:
    """Time the product of a (n_rows, nI) and a (nI, nO) matrix of float32.

    RETURNS (float): Floating-point operations a second.
    """
    X = numpy.ones((n_rows, nI), dtype="float32")
    W = numpy.ones((nI, nO), dtype="float32")
    Y = numpy.empty((n_rows, nO), dtype="float32")
    return 2 * n_rows * nI * nO / mean_seconds(lambda: numpy.matmul(X, W, out=Y), seconds)


def measure_tanh(n_elements: int, *, seconds: float) -> float:
    """RETURNS (float): The seconds that a tanh takes in an array of so many float32."""
    X = numpy.linspace(-4, 4, n_elements, dtype="float32")
    Y = numpy.empty_like(X)
    return mean_seconds(lambda: numpy.tanh(X, out=Y), seconds) / n_elements


def mean_seconds(call: Callable[[], object], seconds: float) -> float:
    """Repeat a call for a while. The mean, not the least: what is measured beside it has to share
    a busy machine as well.

    RETURNS (float): The seconds of one call.
    """
    call()
    n_calls, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        call()
        n_calls += 1
    return elapsed / n_calls
