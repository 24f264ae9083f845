"""What a benchmark runs on: threads, memory, versions."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from wasabi import msg

PACKAGES = ("spacy", "thinc", "numpy", "torch", "sklearn-crfsuite")
MISSING = (
    "{package} is needed for this, of the extra `dev`: "
    'pip install "spacy-twitter-ner[dev]", or pip install {package}'
)


def import_torch() -> Any:
    """RETURNS (Any): The module torch, or None if it is not installed, which is said."""
    try:
        import torch
    except ImportError:
        msg.warn(
            "PyTorch is not installed: its figures are left out",
            "pip install torch --index-url https://download.pytorch.org/whl/cpu",
        )
        return None
    return torch


@contextmanager
def limit_threads(n_threads: int) -> Iterator[None]:
    """Set how many threads NumPy's BLAS and PyTorch may use.

    n_threads (int): How many. Thinc's own BLIS and CRFsuite have one anyway.
    """
    threadpoolctl = _import_if_there("threadpoolctl")
    if threadpoolctl is None:
        msg.warn("The threads of BLAS are not limited", MISSING.format(package="threadpoolctl"))
        limit: Any = nullcontext()
    else:
        limit = threadpoolctl.threadpool_limits(n_threads)
    torch = _import_if_there("torch")
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(n_threads)
    try:
        with limit:
            yield
    finally:
        if torch:
            torch.set_num_threads(before)


def import_psutil() -> Any:
    """RETURNS (Any): The module psutil.
    RAISES (ImportError): If it is not installed; the message says how to install it.
    """
    try:
        import psutil
    except ImportError as error:
        raise ImportError(MISSING.format(package="psutil")) from error
    return psutil


def resident_bytes() -> int:
    """RETURNS (int): The memory that this process holds now.
    RAISES (ImportError): If psutil is not installed; the message says how to install it.
    """
    return int(import_psutil().Process().memory_info().rss)


def describe_machine() -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Date, processor, cores, Python and the versions of what competes;
    and the threads of each library of which threadpoolctl knows."""
    threadpoolctl = _import_if_there("threadpoolctl")
    libraries = threadpoolctl.threadpool_info() if threadpoolctl else []
    versions = {package: _version(package) for package in PACKAGES}
    return {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: number for package, number in versions.items() if number},
        "threads": {library["internal_api"]: library["num_threads"] for library in libraries},
    }


def machine_line(machine: dict[str, Any]) -> str:
    """RETURNS (str): What describe_machine found, in a line."""
    threads = ", ".join(f"{library} {n}" for library, n in machine["threads"].items())
    versions = ", ".join(f"{package} {n}" for package, n in machine["versions"].items())
    return (
        f"{machine['date']}, {machine['cores']} cores of {machine['processor']}, no GPU used; "
        f"threads: {threads or 'not known'}; Python {machine['python']}, {versions}"
    )


def _import_if_there(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
