from threading import Event, Thread

from spacy_twitter_ner.lazy import lazy_property


class Squares:
    """Compute the square of a number, optionally after an event."""

    def __init__(self, number: int, wait_for: Event | None = None) -> None:
        self.number, self.wait_for, self.n_computed = number, wait_for, 0

    @lazy_property
    def square(self) -> int:
        """The square."""
        self.n_computed += 1
        assert self.wait_for is None or self.wait_for.wait(60)
        return self.number**2


def test_lazy_property_is_computed_once_per_instance() -> None:
    three, four = Squares(3), Squares(4)
    assert [three.square, four.square, three.square] == [9, 16, 9]
    assert three.n_computed == four.n_computed == 1
    assert Squares.square.__doc__ == "The square."


def test_lazy_property_does_not_block_other_instances() -> None:
    """Unlike functools.cached_property before Python 3.12."""
    go_on = Event()
    slow = Squares(5, go_on)
    thread = Thread(target=lambda: slow.square, daemon=True)
    thread.start()
    found: list[int] = []
    other = Thread(target=lambda: found.append(Squares(6).square), daemon=True)
    other.start()
    other.join(30)
    go_on.set()
    thread.join(60)
    assert found == [36]
    assert slow.square == 25
