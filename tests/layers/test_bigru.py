"""Tests of the GRU only. See test_recurrent.py for those of both recurrent layers."""

import pytest

from spacy_twitter_ner.layers.bigru import BiGRU

from .gradients import make_batch, randomize
from .torch_oracle import compare


def test_bigru_initial_biases_are_zero() -> None:
    model = BiGRU(6, 2).initialize()
    assert model.get_param("b").shape == (2, 9)
    assert model.get_param("d").shape == (2, 3)
    assert not model.get_param("b").any()
    assert not model.get_param("d").any()


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("lengths", [[3, 1, 5, 0, 2], [1], [4, 4]], ids=str)
def test_bigru_equals_torch(depth: int, lengths: list[int]) -> None:
    torch = pytest.importorskip("torch")
    model = BiGRU(6, 4, depth=depth).initialize()
    randomize(model)
    layer = torch.nn.GRU(4, 3, num_layers=depth, bidirectional=True)
    # PyTorch has the same order r, z, n. Its second bias only matters for the candidate: our d.
    errors = compare(model, layer, make_batch(lengths, 4), (0, 1, 2), "d", slice(6, 9))
    assert len(errors) == 2 + depth * 8
    assert max(errors.values()) < 1e-9, errors
