"""Time baselines in turns, so that other work on the machine slows all of them down."""

import gc
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

Run = Callable[[], object]
# Creates the input of a round, given its number, and returns the function to time.
Prepare = Callable[[int], Run]


class Timings(NamedTuple):
    """The timings of some baselines.

    words (list[int]): Number of words in each round.
    seconds (dict[str, list[float]]): By baseline, the seconds of each round.
    cpu_share (float): CPU time / wall time. Less than 1 with one thread means that other processes
        were running.
    """

    words: list[int]
    seconds: dict[str, list[float]]
    cpu_share: float

    def words_per_second(self, name: str) -> float:
        """RETURNS (float): The median over the rounds."""
        rounds = zip(self.words, self.seconds[name], strict=True)
        return statistics.median(words / seconds for words, seconds in rounds)

    def ratio(self, name: str, reference: str) -> float:
        """RETURNS (float): How many times faster than the reference: the median of the ratios
        within a round, which is more reliable on a busy machine than the ratio of medians."""
        rounds = zip(self.seconds[name], self.seconds[reference], strict=True)
        return statistics.median(other / own for own, other in rounds)

    def fastest(self, names: Sequence[str]) -> str:
        """RETURNS (str): The fastest of some baselines."""
        return max(names, key=self.words_per_second)


def time_in_turns(
    baselines: Mapping[str, Prepare], words: Callable[[int], int], rounds: int
) -> Timings:
    """Time baselines round by round, in rotating order, after a round that doesn't count.

    baselines (Mapping[str, Callable[[int], Callable]]): By name, what prepares a round.
    words (Callable[[int], int]): Returns the number of words in a round.
    rounds (int): Number of rounds.
    RETURNS (Timings): The timings.
    """
    seconds: dict[str, list[float]] = {name: [] for name in baselines}
    cpu_seconds = 0.0
    names = list(baselines)
    for prepare in baselines.values():
        prepare(0)()
    # Spares the objects of spaCy and PyTorch from garbage collection.
    gc.freeze()
    try:
        for number in range(1, rounds + 1):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                run = baselines[name](number)
                # Collect the garbage of others outside of the timing.
                gc.collect()
                wall, cpu = time.perf_counter(), time.process_time()
                run()
                seconds[name].append(time.perf_counter() - wall)
                cpu_seconds += time.process_time() - cpu
    finally:
        gc.unfreeze()
    numbers = range(1, rounds + 1)
    return Timings(
        [words(number) for number in numbers],
        seconds,
        cpu_seconds / sum(map(sum, seconds.values())),
    )


def exhaust(stream: Iterable[object]) -> None:
    """Consume a stream without keeping anything."""
    deque(stream, maxlen=0)


def cpu_note(timings: Sequence[Timings]) -> str:
    """RETURNS (str): A sentence about how busy the machine was."""
    return f"CPU time / wall time: at least {min(t.cpu_share for t in timings):.2f}."
