"""Depth, directions, dropout and initialization of recurrent layers."""

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

# With fewer rows, starting a second thread takes longer than it saves.
MIN_ROWS_FOR_THREADS = 256
# With fewer sequences, the steps are so short that processing both directions at once pays off.
# Otherwise one direction at a time makes better use of the cache.
MIN_SEQUENCES_FOR_ONE_BY_ONE = 128


def stack_layers(
    make_layer: Callable[[int | None], Model[Ragged, Ragged]],
    nO: int | None,
    nI: int | None,
    depth: int,
) -> Model[Ragged, Ragged]:
    """Stack recurrent layers.

    make_layer (Callable): Creates a layer, given its input width.
    nO (Optional[int]): Output width of each layer.
    nI (Optional[int]): Input width of the lowest layer.
    depth (int): Number of layers.
    RETURNS (Model[Ragged, Ragged]): (N, nI) -> (N, nO). For depth 1, the layer itself.
    RAISES (ValueError): If depth is less than 1.
    """
    if depth < 1:
        raise ValueError(f"the depth of a recurrent encoder must be at least 1, not {depth}")
    layers = [make_layer(nI), *(make_layer(nO) for _ in range(depth - 1))]
    return layers[0] if depth == 1 else chain(*layers)


def validate_width(name: str, nO: int | None) -> None:
    """RAISES (ValueError): If an output width can't be split between two directions."""
    if nO is not None and (nO < 2 or nO % 2):
        raise ValueError(
            f"{name}: the output width nO = {nO} must be even, half of it for each direction"
        )


def validate_threads(threads: int) -> None:
    """RAISES (ValueError): If the number of threads isn't 1 or 2."""
    if threads not in (1, 2):
        raise ValueError(
            f"a recurrent layer has two directions, so threads must be 1 or 2, not {threads}"
        )


def set_threads(model: Model, threads: int) -> None:
    """Set whether the recurrent layers of a model run their two directions in parallel.

    Two threads are faster if two cores are idle and matrix products are single-threaded: set
    OPENBLAS_NUM_THREADS=1 (or MKL_NUM_THREADS=1) before starting Python. Only the main thread of
    the main process uses a second one: not the workers of nlp.pipe with n_process, other threads
    or a GPU.

    model (Model): Any model. Its recurrent layers are modified.
    threads (int): 1 or 2.
    RAISES (ValueError): If threads isn't 1 or 2.
    """
    validate_threads(threads)
    for node in model.walk():
        if "threads" in node.attrs:
            node.attrs["threads"] = threads


@dataclass(frozen=True)
class DirectionPlan:
    """How to process the two directions, forward (0) and backward (1).

    parts (list[slice]): The directions, both at once or one by one.
    in_threads (bool): Whether to run the two parts in two threads.
    """

    parts: list[slice]
    in_threads: bool

    def run(self, process: Callable[[slice], ResultT]) -> list[ResultT]:
        """Call a function for each part.

        process (Callable[[slice], Any]): The function. It may run in two threads at the same time.
        RETURNS (list[Any]): Its results.
        """
        if not self.in_threads:
            return [process(part) for part in self.parts]
        forward, backward = self.parts
        with ThreadPoolExecutor(1) as pool:
            # NumPy stores its handling of floating-point errors in a context variable.
            result = pool.submit(copy_context().run, process, backward)
            return [process(forward), result.result()]


def plan_directions(model: Model, n_rows: int, n_sequences: int) -> DirectionPlan:
    """Choose how to process the two directions.

    model (Model): The layer, with the attribute "threads".
    n_rows (int): Number of rows in the batch.
    n_sequences (int): Maximum number of sequences in a step.
    RETURNS (DirectionPlan): The plan.
    """
    in_threads = n_rows >= MIN_ROWS_FOR_THREADS and _may_use_threads(model)
    on_gpu = model.ops.device_type != "cpu"
    if not in_threads and (on_gpu or n_sequences < MIN_SEQUENCES_FOR_ONE_BY_ONE):
        return DirectionPlan([slice(0, 2)], in_threads=False)
    return DirectionPlan([slice(0, 1), slice(1, 2)], in_threads)


def _may_use_threads(model: Model) -> bool:
    return (
        model.attrs["threads"] > 1
        and model.ops.device_type == "cpu"
        and threading.current_thread() is threading.main_thread()
        and multiprocessing.parent_process() is None
    )


def apply_input_dropout(model: Model, X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable]:
    """Apply the layer's dropout_rate to its input during training.

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

    RETURNS (Optional[Floats3d]): Zeros and 1 / (1 - rate), or None without dropout.
    """
    rate = model.attrs["recurrent_dropout_rate"]
    return model.ops.get_dropout_mask(shape, rate) if is_train and rate > 0 else None


def glorot_uniform_gates(ops: Ops, n_gates: int, nH: int, nI: int) -> Floats3d:
    """Draw Glorot-uniform input weights, separately for each gate (Glorot & Bengio 2010).

    RETURNS (Floats3d): (2, n_gates * nH, nI)
    """
    scale = numpy.sqrt(6.0 / (nH + nI))
    weights = numpy.random.uniform(-scale, scale, (2, n_gates * nH, nI))
    return ops.asarray3f(weights.astype("float32"))


def orthogonal_gates(ops: Ops, n_gates: int, nH: int) -> Floats3d:
    """Draw orthogonal recurrent weights, separately for each gate (Saxe et al. 2014).

    RETURNS (Floats3d): (2, n_gates * nH, nH)
    """
    Q, R = numpy.linalg.qr(numpy.random.normal(size=(2, n_gates, nH, nH)))
    # Multiply by the signs of R's diagonal, so that the distribution is uniform.
    Q *= numpy.sign(numpy.diagonal(R, axis1=-2, axis2=-1))[..., None, :]
    return ops.asarray3f(Q.reshape(2, n_gates * nH, nH).astype("float32"))
