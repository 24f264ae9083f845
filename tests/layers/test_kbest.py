import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.layers.crf import Lattice
from spacy_twitter_ner.layers.kbest import kbest
from spacy_twitter_ner.layers.viterbi import viterbi

from .crf_oracle import make_lattice, valid_sequences
from .spans_oracle import masked

LENGTHS = [3, 0, 1, 4, 0]


def assert_equal_to_enumeration(lattice: Lattice, k: int, no_begin=None, no_inside=None) -> None:
    found = kbest(lattice, k, no_begin=no_begin, no_inside=no_inside)
    everything = list(valid_sequences(masked(lattice, no_begin, no_inside)))
    assert len(found) == len(everything)
    for (tags, scores), scored in zip(found, everything, strict=True):
        possible = [pair for pair in scored if pair[1] > -numpy.inf]
        best = sorted(possible, key=lambda pair: -pair[1])[:k]
        assert [tuple(row) for row in tags.tolist()] == [expected for expected, _ in best]
        assert scores.tolist() == pytest.approx([score for _, score in best], abs=1e-9)


@pytest.mark.parametrize("k", [1, 2, 7, 100])
@pytest.mark.parametrize("nO", [1, 3, 5])
def test_equal_to_enumeration(nO: int, k: int) -> None:
    for seed in range(3):
        assert_equal_to_enumeration(make_lattice(LENGTHS, nO, seed=seed), k)


@given(
    st.lists(st.integers(0, 4), max_size=4),
    st.integers(0, 2**16),
    st.integers(1, 12),
)
def test_equal_to_enumeration_with_constraints(lengths, seed, k) -> None:
    no_begin, no_inside = numpy.random.RandomState(seed).uniform(size=(2, sum(lengths))) < 0.3
    assert_equal_to_enumeration(make_lattice(lengths, 5, seed=seed), k, no_begin, no_inside)


def test_the_first_is_that_of_viterbi() -> None:
    lengths = [40, 3, 0, 25, 40, 1]
    lattice = make_lattice(lengths, 21)
    first = numpy.concatenate([tags[0] for tags, _ in kbest(lattice, 5)])
    assert first.tolist() == viterbi(lattice).tolist()


def test_all_are_distinct_and_in_order() -> None:
    ((tags, scores),) = kbest(make_lattice([40], 21), 50)
    assert tags.shape == (50, 40)
    assert len({tuple(row) for row in tags.tolist()}) == 50
    assert (numpy.diff(scores) <= 0.0).all()


def test_equal_scores() -> None:
    """As many ways as there are, each once, where all are alike."""
    ((tags, scores),) = kbest(make_lattice([3], 3, scale=0.0), 100)
    assert len({tuple(row) for row in tags.tolist()}) == len(tags) == 13
    assert scores.tolist() == [0.0] * 13


def test_no_sequences_are_asked_for() -> None:
    with pytest.raises(ValueError, match="k has to be 1 or more, not 0"):
        kbest(make_lattice([2], 3), 0)


def test_work_per_token_with_many_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every path into every tag is compared with every other."""
    n_tags, k, n_tokens, n_compared = 401, 5, 20, 0
    argpartition = numpy.argpartition

    def count(scores: numpy.ndarray, *args: int, **settings: int) -> numpy.ndarray:
        nonlocal n_compared
        n_compared += scores.size
        return argpartition(scores, *args, **settings)

    monkeypatch.setattr(numpy, "argpartition", count)
    kbest(make_lattice([n_tokens], n_tags), k)
    assert n_compared < n_tokens * n_tags**2
