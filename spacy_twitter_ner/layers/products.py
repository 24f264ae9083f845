"""Products of the rows of a step with a recurrent layer's weights.

A step has few rows, and BLAS libraries copy the whole matrix of the weights into an order of their
own before they multiply: for a dozen rows that takes as long as the product does. OpenBLAS goes
without, on processors with AVX-512, where a product is small, which that with some of the columns
is.
"""

from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, Generic, TypeVar

import numpy
from thinc.api import Ops
from thinc.types import Floats2d, Floats3d

FloatsT = TypeVar("FloatsT", Floats2d, Floats3d)

# n * k * m, by OpenBLAS' kernel/x86_64/sgemm_small_kernel_permit_skylakex.c.
LARGEST_SMALL_PRODUCT = 100**3
# Narrower parts are slower than what they save.
MOST_PARTS = 8


@cache
def multiplies_small_as_they_lie() -> bool:
    """RETURNS (bool): Whether NumPy's BLAS does so with small matrices."""
    libraries: Any = numpy.show_config(mode="dicts")
    blas = libraries.get("Build Dependencies", {}).get("blas", {}).get("name", "")
    with suppress(ImportError):
        numpy_core: Any = import_module("numpy._core._multiarray_umath")
        return "openblas" in blas and numpy_core.__cpu_features__.get("AVX512_SKX", False)
    return False


class StepProduct(Generic[FloatsT]):
    """Multiplies the rows of a step by weights: by some of their columns at a time if that is
    faster.

    ops (Ops): The arrays' backend.
    weights (Union[Floats2d, Floats3d]): (k, m), or (D, k, m) for D directions, row by row.
    """

    def __init__(self, ops: Ops, weights: FloatsT) -> None:
        self._matmul = ops.xp.matmul
        self._weights = weights
        *_, k, m = weights.shape
        is_cut = ops.device_type == "cpu" and multiplies_small_as_they_lie()
        # With 2 ** i parts of m / 2 ** i columns, this many rows make small products.
        self._most_rows = [
            LARGEST_SMALL_PRODUCT // (k * m // 2**i)
            for i in range(MOST_PARTS.bit_length())
            if is_cut and k * m and m % 2**i == 0
        ] or [0]

    def __call__(self, rows: FloatsT, out: FloatsT) -> FloatsT:
        """Multiply.

        rows (Union[Floats2d, Floats3d]): (n, k), or (D, n, k)
        out (Union[Floats2d, Floats3d]): (n, m), or (D, n, m), overwritten.
        RETURNS (Union[Floats2d, Floats3d]): The same.
        """
        n_rows, most_rows = rows.shape[-2], self._most_rows
        if not most_rows[0] < n_rows <= most_rows[-1]:
            return self._matmul(rows, self._weights, out=out)
        n_parts = next(2**i for i, n in enumerate(most_rows) if n_rows <= n)
        by_part = _cut(self._weights, n_parts)
        self._matmul(rows[..., None, :, :], by_part, out=_cut(out, n_parts))
        return out


def _cut(matrix: Any, n_parts: int) -> Any:
    """RETURNS (Any): A view of (..., n, m) as (..., n_parts, n, m / n_parts)."""
    *leading, n_rows, n_columns = matrix.shape
    cut = matrix.reshape(*leading, n_rows, n_parts, n_columns // n_parts)
    return cut.swapaxes(-3, -2)
