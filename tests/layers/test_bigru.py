"""What holds for the GRU only; test_recurrent.py has the rest."""

import pytest

from spacy_twitter_ner.layers.bigru import BiGRU

from .gradients import make_batch, randomise
from .torch_oracle import compare


def test_biases_are_zero_at_first() -> None:
    model = BiGRU(6, 2).initialize()
    assert model.get_param("b").shape == (2, 9)
    assert model.get_param("d").shape == (2, 3)
    assert not model.get_param("b").any()
    assert not model.get_param("d").any()


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("lengths", [[3, 1, 5, 0, 2], [1], [4, 4]], ids=str)
def test_equals_torch(depth: int, lengths: list[int]) -> None:
    torch = pytest.importorskip("torch")
    model = BiGRU(6, 4, depth=depth).initialize()
    randomise(model)
    layer = torch.nn.GRU(4, 3, num_layers=depth, bidirectional=True)
    # The order r, z, n is PyTorch's. Its second bias matters to the candidate only: our d.
    errors = compare(model, layer, make_batch(lengths, 4), (0, 1, 2), "d", slice(6, 9))
    assert len(errors) == 2 + depth * 8
    assert max(errors.values()) < 1e-9, errors
