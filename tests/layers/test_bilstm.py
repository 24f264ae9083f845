"""Tests of the LSTM only. See test_recurrent.py for those of both recurrent layers."""

import numpy
import pytest

from spacy_twitter_ner.layers.bilstm import BiLSTM

from .gradients import make_batch, randomize
from .torch_oracle import compare

pytestmark = pytest.mark.usefixtures("each_kernel")


def test_bilstm_initial_forget_bias_is_one() -> None:
    model = BiLSTM(6, 2).initialize()
    b = model.get_param("b").reshape(2, 4, 3)
    # Gates in the order o, i, f, g.
    assert b.tolist() == [[[0.0] * 3, [0.0] * 3, [1.0] * 3, [0.0] * 3]] * 2


def test_bilstm_single_step_equals_formula() -> None:
    model = BiLSTM(2, 1).initialize()
    randomize(model)
    X = make_batch([1], 1)

    def sigmoid(x: numpy.ndarray) -> numpy.ndarray:
        return 1.0 / (1.0 + numpy.exp(-x))

    o, i, _, g = (model.get_param("W") * X.dataXd[0] + model.get_param("b")[..., None]).sum(-1).T
    expected = sigmoid(o) * numpy.tanh(sigmoid(i) * numpy.tanh(g))
    assert model.predict(X).dataXd[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("lengths", [[3, 1, 5, 0, 2], [1], [4, 4]], ids=str)
def test_bilstm_equals_torch(depth: int, lengths: list[int]) -> None:
    torch = pytest.importorskip("torch")
    model = BiLSTM(6, 4, depth=depth).initialize()
    randomize(model)
    layer = torch.nn.LSTM(4, 3, num_layers=depth, bidirectional=True)
    # PyTorch's order is i, f, g, o, and its second bias is redundant.
    errors = compare(model, layer, make_batch(lengths, 4), (1, 2, 3, 0), "", slice(0))
    assert len(errors) == 2 + depth * 6
    assert max(errors.values()) < 1e-9, errors
