"""How many threads the matrix products of other processes take."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# With a thread of BLAS in each worker, workers do not get in each other's way.
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Processes that are started meanwhile have one, unless the user has set another number."""
    added = [name for name in _BLAS_THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
