"""A training finds the memory of its last step again, as seen by the pages that the system has to
give it."""

import os
import platform
import subprocess
import sys

import pytest

# The arrays of a batch have some 2,500 pages of 4 KiB.
TRAIN = """
import resource
import sys

import numpy
from thinc.api import NumpyOps
from thinc.types import Ragged

from spacy_twitter_ner.layers import memory
from spacy_twitter_ner.layers.{module} import {layer}

if "--forget" in sys.argv:
    memory.LARGEST_KEPT = 1
model = {layer}(400, 200)
model.initialize()
lengths = NumpyOps().asarray1i([15] * 32)
rows = numpy.ones((int(lengths.sum()), 200), dtype="float32")
dY = Ragged(numpy.ones((len(rows), 400), dtype="float32"), lengths)
before = 0
for n_batches in (4, 8):
    for _ in range(n_batches):
        model.begin_update(Ragged(rows, lengths))[1](dY)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    found, before = faults - before, faults
print(found / n_batches)
"""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library, with its own ways"
)


def page_faults(layer: str, *arguments: str) -> float:
    """RETURNS (float): Of each batch of a training in a process of its own."""
    code = TRAIN.format(module=layer.lower(), layer=layer)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    return float(run.stdout)


@pytest.mark.parametrize("layer", ["BiLSTM", "BiGRU"])
def test_training_steps_reuse_memory(layer: str) -> None:
    assert page_faults(layer) < 100
    # Otherwise this test would tell nothing.
    assert page_faults(layer, "--forget") > 1000
