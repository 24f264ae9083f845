"""The machine that a benchmark runs on: threads, memory, versions."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from threadpoolctl import threadpool_info, threadpool_limits
from wasabi import msg

PACKAGES = ("spacy", "thinc", "numpy", "torch", "sklearn-crfsuite")
MB, MIB = 10**6, 2**20


def import_torch() -> Any:
    """RETURNS (Any): The module torch, or None with a warning if it isn't installed."""
    try:
        import torch
    except ImportError:
        msg.warn(
            "PyTorch isn't installed, so its figures are left out",
            "pip install torch --index-url https://download.pytorch.org/whl/cpu",
        )
        return None
    return torch


@contextmanager
def limit_threads(n_threads: int, torch: Any = None) -> Iterator[None]:
    """Limit the threads of BLAS and of PyTorch. Thinc's BLIS and CRFsuite always have one.

    n_threads (int): The maximum number of threads.
    torch (Any): The module torch, or None to leave it alone.
    """
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(n_threads)
    try:
        with threadpool_limits(n_threads):
            yield
    finally:
        if torch:
            torch.set_num_threads(before)


def resident_bytes(process: psutil.Process | None = None) -> int:
    """RETURNS (int): The resident memory of a process, by default of this one, and its children."""
    parent = process or psutil.Process()
    return sum(one.memory_info().rss for one in (parent, *parent.children(recursive=True)))


def package_version(package: str) -> str | None:
    """RETURNS (Optional[str]): The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe_machine() -> str:
    """RETURNS (str): A sentence with date, processor, threads of each library, and versions."""
    threads = ", ".join(f"{lib['internal_api']} {lib['num_threads']}" for lib in threadpool_info())
    versions = ", ".join(f"{name} {n}" for name in PACKAGES if (n := package_version(name)))
    return (
        f"{date.today().isoformat()}, {os.cpu_count()} cores of {_processor()}, no GPU used; "
        f"threads: {threads or 'unknown'}; Python {platform.python_version()}, {versions}."
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
