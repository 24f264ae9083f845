"""What the recurrent layers share: depth, directions, dropout and initial weights."""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeVar

import numpy
from thinc.api import Model, Ops, chain
from thinc.types import Floats2d, Floats3d, Ragged

ResultT = TypeVar("ResultT")

# Below that many rows a second thread takes longer to start than it saves.
MIN_ROWS_FOR_THREADS = 256
# The steps of fewer sequences are so short that it pays to make one of two. Larger ones fit a cache
# better by themselves.
MIN_SEQUENCES_FOR_ONE_BY_ONE = 128


def stack_layers(
    make_layer: Callable[[int | None], Model[Ragged, Ragged]],
    nO: int | None,
    nI: int | None,
    depth: int,
) -> Model[Ragged, Ragged]:
    """Put recurrent layers one over another.

    make_layer (Callable): Makes one layer, given its input width.
    nO (Optional[int]): Output width of every layer.
    nI (Optional[int]): Input width of the lowest layer.
    depth (int): How many layers.
    RETURNS (Model[Ragged, Ragged]): (N, nI) -> (N, nO); for depth 1 the layer itself.
    RAISES (ValueError): If depth is less than 1.
    """
    if depth < 1:
        raise ValueError(f"a recurrent encoder needs a depth of at least 1, not {depth}")
    layers = [make_layer(nI), *(make_layer(nO) for _ in range(depth - 1))]
    return layers[0] if depth == 1 else chain(*layers)


def validate_width(name: str, nO: int | None) -> None:
    """RAISES (ValueError): If an output width cannot be split between two directions."""
    if nO is not None and (nO < 2 or nO % 2):
        raise ValueError(
            f"{name}: the output width nO = {nO} must be even, half of it for each direction"
        )


def validate_threads(threads: int) -> None:
    """RAISES (ValueError): If there are not one or two threads."""
    if threads not in (1, 2):
        raise ValueError(
            f"a recurrent layer has two directions, so threads must be 1 or 2, not {threads}"
        )


def set_threads(model: Model, threads: int) -> None:
    """Let the recurrent layers of a model read from the left and from the right one after the
    other, or at the same time, in two threads.

    Two threads are faster where two cores are free and matrix products run in one thread: set
    OPENBLAS_NUM_THREADS=1 (or MKL_NUM_THREADS=1) before Python starts, as otherwise products
    wait for each other. Processes that were started by multiprocessing, as those of nlp.pipe
    with n_process, and threads other than the main one never use two, nor does a GPU.

    model (Model): Any model; its layers that know the setting are changed.
    threads (int): 1 or 2.
    RAISES (ValueError): If there are not one or two threads.
    """
    validate_threads(threads)
    for node in model.walk():
        if "threads" in node.attrs:
            node.attrs["threads"] = threads


@dataclass(frozen=True)
class Plan:
    """How the direction from the left, 0, and that from the right, 1, are read.

    parts (list[slice]): The directions, both at once or one by one.
    in_threads (bool): Whether the two parts run in two threads.
    """

    parts: list[slice]
    in_threads: bool

    def run(self, read: Callable[[slice], ResultT]) -> list[ResultT]:
        """Call a function for each part.

        read (Callable[[slice], Any]): The function. It may run in two threads at the same time.
        RETURNS (list[Any]): Its results.
        """
        if not self.in_threads:
            return [read(part) for part in self.parts]
        left, right = self.parts
        with ThreadPoolExecutor(1) as pool:
            # NumPy keeps its handling of floating-point errors in a context.
            result = pool.submit(copy_context().run, read, right)
            return [read(left), result.result()]


def plan_directions(model: Model, n_rows: int, n_sequences: int) -> Plan:
    """Decide how both directions are read.

    model (Model): The layer, with the setting "threads".
    n_rows (int): How many rows are read.
    n_sequences (int): How many sequences are read side by side.
    RETURNS (Plan): The decision.
    """
    in_threads = n_rows >= MIN_ROWS_FOR_THREADS and _may_use_threads(model)
    on_gpu = model.ops.device_type != "cpu"
    if not in_threads and (on_gpu or n_sequences < MIN_SEQUENCES_FOR_ONE_BY_ONE):
        return Plan([slice(0, 2)], in_threads=False)
    return Plan([slice(0, 1), slice(1, 2)], in_threads)


def _may_use_threads(model: Model) -> bool:
    return (
        model.attrs["threads"] > 1
        and model.ops.device_type == "cpu"
        and threading.current_thread() is threading.main_thread()
        and multiprocessing.parent_process() is None
    )


def drop_inputs(model: Model, X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable]:
    """Apply the layer's dropout_rate to its input while training.

    RETURNS (tuple[Floats2d, Callable]): The input and its backpropagation.
    """
    rate = model.attrs["dropout_rate"]
    if not is_train or rate <= 0:
        return X, lambda dX: dX
    mask = model.ops.get_dropout_mask(X.shape, rate)
    return X * mask, lambda dX: dX * mask


def recurrent_dropout_mask(
    model: Model, shape: tuple[int, int, int], is_train: bool
) -> Floats3d | None:
    """Draw a mask for the hidden states that enter the next step.

    RETURNS (Optional[Floats3d]): Zeros and 1 / (1 - rate), or None where nothing is dropped.
    """
    rate = model.attrs["recurrent_dropout_rate"]
    return model.ops.get_dropout_mask(shape, rate) if is_train and rate > 0 else None


def glorot_gates(ops: Ops, n_gates: int, nH: int, nI: int) -> Floats3d:
    """Glorot-uniform input weights, each gate's matrix on its own (Glorot & Bengio 2010).

    RETURNS (Floats3d): (2, n_gates * nH, nI)
    """
    scale = numpy.sqrt(6.0 / (nH + nI))
    weights = numpy.random.uniform(-scale, scale, (2, n_gates * nH, nI))
    return ops.asarray3f(weights.astype("float32"))


def orthogonal_gates(ops: Ops, n_gates: int, nH: int) -> Floats3d:
    """Orthogonal recurrent weights, each gate's matrix on its own (Saxe et al. 2014).

    RETURNS (Floats3d): (2, n_gates * nH, nH)
    """
    Q, R = numpy.linalg.qr(numpy.random.normal(size=(2, n_gates, nH, nH)))
    # Without the signs of R's diagonal, QR does not draw evenly from all orthogonal matrices.
    Q *= numpy.sign(numpy.diagonal(R, axis1=-2, axis2=-1))[..., None, :]
    return ops.asarray3f(Q.reshape(2, n_gates * nH, nH).astype("float32"))
