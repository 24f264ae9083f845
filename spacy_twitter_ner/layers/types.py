"""Array types and backends that Thinc doesn't define."""

from typing import TypeAlias

import numpy
from thinc.api import NumpyOps

Bools1d: TypeAlias = numpy.ndarray
Bools2d: TypeAlias = numpy.ndarray

CPU = NumpyOps()
