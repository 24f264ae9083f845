"""Comparison of recurrent layers with PyTorch's, with the same weights."""

from collections.abc import Sequence
from typing import Any

import numpy
from thinc.api import Model
from thinc.types import Ragged

from .gradients import relative_error

DIRECTIONS = ("", "_reverse")


def reorder_gates(weight: numpy.ndarray, order: Sequence[int]) -> numpy.ndarray:
    """Reorder the gates, blocks of the first axis."""
    gates = numpy.split(weight, len(order))
    return numpy.concatenate([gates[gate] for gate in order])


def to_torch_names(node: Model, weights: dict[str, numpy.ndarray], order: Sequence[int]) -> dict:
    """Convert the weights of a layer, or their gradients, to PyTorch's names and order, except
    bias_hh."""
    named = {}
    for name, ours in (("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b")):
        for suffix, weight in zip(DIRECTIONS, weights[ours], strict=True):
            named[f"{name}{suffix}"] = reorder_gates(weight, order)
    return named


def compare(
    model: Model[Ragged, Ragged],
    layer: Any,
    X: Ragged,
    order: Sequence[int],
    bias_name: str,
    bias_rows: slice,
) -> dict[str, float]:
    """Run a layer and PyTorch's equivalent on a batch, forward and backward.

    order (Sequence[int]): The index of each of PyTorch's gates among ours.
    bias_name (str): Our name for PyTorch's bias_hh, empty if there is none.
    bias_rows (slice): Its rows in bias_hh; the others are 0.
    RETURNS (dict[str, float]): The relative errors of output and gradients, by name.
    """
    import torch

    nodes = [node for node in model.walk() if node.param_names]
    layer.double()
    theirs = dict(layer.named_parameters())
    with torch.no_grad():
        for number, node in enumerate(nodes):
            params = {name: node.get_param(name) for name in node.param_names}
            for name, weight in to_torch_names(node, params, order).items():
                theirs[_numbered(name, number)].copy_(torch.from_numpy(weight))
            for direction, suffix in enumerate(DIRECTIONS):
                bias = theirs[_numbered(f"bias_hh{suffix}", number)]
                bias.zero_()
                if bias_name:
                    bias[bias_rows] = torch.from_numpy(params[bias_name][direction])
    Y, backprop = model(X, is_train=True)
    weights = numpy.random.RandomState(2).normal(size=Y.dataXd.shape)
    dX = backprop(Ragged(weights.copy(), Y.lengths))

    rows = torch.tensor(X.dataXd, requires_grad=True)
    # PyTorch doesn't support empty sequences.
    lengths = [length for length in X.lengths.tolist() if length]
    packed = torch.nn.utils.rnn.pack_sequence(torch.split(rows, lengths), enforce_sorted=False)
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
    output = torch.cat([padded[i, :length] for i, length in enumerate(lengths)])
    (output * torch.from_numpy(weights)).sum().backward()

    assert rows.grad is not None
    errors = {
        "Y": relative_error(Y.dataXd, output.detach().numpy()),
        "dX": relative_error(dX.dataXd, rows.grad.numpy()),
    }
    for number, node in enumerate(nodes):
        gradients = {name: node.get_grad(name) for name in node.param_names}
        for name, gradient in to_torch_names(node, gradients, order).items():
            name = _numbered(name, number)
            errors[name] = relative_error(gradient, theirs[name].grad.numpy())
        for direction, suffix in enumerate(DIRECTIONS if bias_name else ()):
            name = _numbered(f"bias_hh{suffix}", number)
            expected = theirs[name].grad.numpy()[bias_rows]
            errors[name] = relative_error(gradients[bias_name][direction], expected)
    return errors


def _numbered(name: str, number: int) -> str:
    """Insert the layer's number, before "_reverse"."""
    base, reverse, _ = name.partition("_reverse")
    return f"{base}_l{number}{reverse}"
