import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.layers.crf import CRF, Lattice, select_tags
from spacy_twitter_ner.layers.decoding import viterbi
from spacy_twitter_ner.layers.forward_backward import marginals

from .crf_oracle import GOLD, LENGTHS, SCORES, assert_same_lattice, make_lattice, tag_likelihood
from .decoding_oracle import draw_masks, lattices
from .gradients import OPS, central_differences, randomize, relative_error


def make_crf(nO=5, dtype="float64"):
    model = CRF(nO).initialize()
    randomize(model, dtype=dtype)
    return model


def make_emissions(lengths, nO=5, dtype="float64"):
    rows = make_lattice(lengths, nO, dtype=dtype).emissions
    return OPS.unflatten(rows, OPS.asarray1i(lengths))


def test_crf_adds_transition_scores():
    model, Xs = make_crf(), make_emissions(LENGTHS)
    lattice = model.predict(Xs)
    assert lattice.lengths == LENGTHS
    assert (lattice.emissions == numpy.concatenate(Xs)).all()
    for name in SCORES[1:]:
        assert (getattr(lattice, name) == model.get_param(name)).all()


def test_crf_initial_scores_are_zero():
    model = CRF(3).initialize()
    assert model.get_param("transitions").tolist() == [[0.0] * 3] * 3
    assert model.get_param("start").tolist() == model.get_param("end").tolist() == [0.0] * 3


def test_crf_infers_number_of_tags():
    model = CRF().initialize(X=make_emissions([2], 7))
    assert (model.get_dim("nO"), model.get_dim("nI")) == (7, 7)
    assert model.get_param("transitions").shape == (7, 7)


@pytest.mark.parametrize("nO", [0, 2, 10])
def test_crf_raises_for_even_number_of_tags(nO):
    with pytest.raises(ValueError, match=f"odd number of tags, not {nO}"):
        CRF(nO)


def test_crf_raises_for_even_width_of_emissions():
    model = CRF()
    with pytest.raises(ValueError, match="odd number of tags, not 4"):
        model.initialize(X=make_emissions([2], 4))
    model.initialize(X=make_emissions([2], 5))
    assert model.get_dim("nO") == 5


def test_crf_backprop():
    model, Xs = make_crf(), make_emissions(LENGTHS)

    def loss() -> float:
        return float(tag_likelihood(model.predict(Xs), GOLD)[0].sum())

    for times in (1, 2):  # gradients accumulate
        lattice, backprop = model(Xs, is_train=True)
        dXs = backprop(tag_likelihood(lattice, GOLD)[1])
        for name in SCORES[1:]:
            expected = times * central_differences(loss, model.get_param(name))
            assert relative_error(model.get_grad(name), expected) < 1e-6
    assert [dX.shape for dX in dXs] == [X.shape for X in Xs]
    for X, dX in zip(Xs, dXs, strict=True):
        assert relative_error(dX, central_differences(loss, X)) < 1e-7


def test_crf_gradients_preserve_dtype():
    model, Xs = make_crf(dtype="float32"), make_emissions(LENGTHS, dtype="float32")
    lattice, backprop = model(Xs, is_train=True)
    dXs = backprop(tag_likelihood(lattice, GOLD)[1])
    assert {dX.dtype.name for dX in dXs} == {"float32"}
    assert {model.get_grad(name).dtype.name for name in SCORES[1:]} == {"float32"}


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]], ids=str)
def test_crf_without_tokens(lengths):
    model = make_crf(dtype="float32")
    lattice, backprop = model(make_emissions(lengths, dtype="float32"), is_train=True)
    assert lattice.emissions.shape == (0, 5)
    dXs = backprop(tag_likelihood(lattice, [])[1])
    assert [dX.shape for dX in dXs] == [(0, 5)] * len(lengths)
    assert not any(model.get_grad(name).any() for name in SCORES[1:])


def test_crf_bytes_round_trip():
    model, Xs = make_crf(), make_emissions(LENGTHS)
    loaded = CRF().from_bytes(model.to_bytes())
    assert loaded.get_dim("nO") == 5
    assert_same_lattice(loaded.predict(Xs), model.predict(Xs), 0.0)


MARGIN = 5.0


def resized(lattice: Lattice, nO: int, emission_margin: float = MARGIN) -> Lattice:
    """The lattice after adding tags, whose emissions are a margin below those of O."""
    model = make_crf(len(lattice.start))
    for name in SCORES[1:]:
        model.set_param(name, getattr(lattice, name))
    n_known = len(lattice.start)
    larger = select_tags(model, [*range(n_known), *[None] * (nO - n_known)], MARGIN)
    assert larger.get_dim("nO") == larger.get_dim("nI") == nO
    assert model.get_dim("nO") == n_known
    new = numpy.repeat(lattice.emissions[:, :1] - emission_margin, nO - n_known, axis=1)
    emissions = numpy.hstack([lattice.emissions, new])
    return larger.predict(OPS.unflatten(emissions, OPS.asarray1i(lattice.lengths)))


@pytest.mark.parametrize("seed", range(5))
def test_added_tags_preserve_probabilities(seed):
    before = make_lattice([30, 1, 0, 8], 5, seed=seed)
    after = resized(before, 9)
    for name in SCORES[1:]:
        known = tuple(slice(5) for _ in getattr(after, name).shape)
        assert getattr(after, name)[known] == pytest.approx(getattr(before, name), abs=1e-6)
    assert viterbi(after).tolist() == viterbi(before).tolist()
    probabilities = marginals(after)[1].emissions
    assert abs(probabilities[:, :5] - marginals(before)[1].emissions).max() < 0.02
    # New tags are improbable, but can be learned.
    assert (probabilities[1:, [5, 7]] > 1e-12).all()


@given(
    lattices() | lattices(*[st.sampled_from([-1e8, -1.0, 0.0, 1.0, 1e8])] * 2),
    st.sampled_from([0.0, MARGIN]),
    st.data(),
)
def test_added_tags_preserve_predictions(lattice, emission_margin, data):
    """Even if all scores are equal, or so large that the margin is lost to rounding, and at the
    start of a sequence, where there is no margin."""
    no_begin, no_inside = draw_masks(data, lattice)
    before = viterbi(lattice, no_begin=no_begin, no_inside=no_inside)
    larger = resized(lattice, len(lattice.start) + 4, emission_margin)
    after = viterbi(larger, no_begin=no_begin, no_inside=no_inside)
    assert after.tolist() == before.tolist()


def test_added_tags_get_scores_of_outside():
    model = make_crf(3)
    larger = select_tags(model, [0, 1, 2, None, None], MARGIN)
    known, transitions = model.get_param("transitions"), larger.get_param("transitions")
    assert transitions[3, [0, 1]] == pytest.approx(known[0, [0, 1]])
    assert transitions[:3, 3] == pytest.approx(known[:, 0] - MARGIN)
    assert transitions[3:, 3:] == pytest.approx(known[0, 0] - MARGIN)
    for name in ("start", "end"):
        assert larger.get_param(name)[3:] == pytest.approx(model.get_param(name)[0])


def test_select_tags_reorders_and_removes():
    model = make_crf(5)
    selected = select_tags(model, [0, 3, 4], MARGIN)
    for name in SCORES[1:]:
        param = model.get_param(name)
        chosen = numpy.ix_(*[[0, 3, 4]] * param.ndim)
        assert (selected.get_param(name) == param[chosen]).all()


def test_select_tags_before_initialization():
    larger = select_tags(CRF(), [None] * 5, MARGIN)
    assert larger.get_dim("nO") == 5
    assert not larger.has_param("transitions")
    larger.initialize()
    assert larger.get_param("transitions").shape == (5, 5)
