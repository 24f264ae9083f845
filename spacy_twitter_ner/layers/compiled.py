"""The compiled kernel. It exists if the package was built with a compiler."""

from contextlib import suppress
from importlib import import_module
from typing import Any

from thinc.api import Ops

kernel: Any = None
with suppress(ImportError):
    kernel = import_module(".kernel", __package__)


def has_kernel(ops: Ops) -> bool:
    """RETURNS (bool): Whether the compiled kernel is available for a backend."""
    return kernel is not None and ops.device_type == "cpu"
