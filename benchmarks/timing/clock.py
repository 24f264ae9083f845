"""Times contestants by turns, A B C A B C: whatever else the machine does slows them all."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .rates import FORWARD, Rates, measure_rates
from .workload import Effort

Run = Callable[[], object]
# Makes all that a contestant needs for a round, untimed, and returns what is to be timed.
Prepare = Callable[[int], Run]


class Lap(NamedTuple):
    """What a contestant took in a round, in seconds: by the wall's clock and the processor's."""

    wall: float
    cpu: float


class Timings(NamedTuple):
    """What the rounds of some contestants took.

    words (list[int]): How many words each round had.
    seconds (dict[str, list[float]]): By contestant, the seconds of each round.
    rates (list[Rates]): What the machine could do, measured before each round.
    cpu_share (float): Processor time by wall time, over all rounds. Less than 1 on one thread
        means that other programs held the processor meanwhile.
    """

    words: list[int]
    seconds: dict[str, list[float]]
    rates: list[Rates]
    cpu_share: float

    def words_per_second(self, name: str) -> float:
        """RETURNS (float): The median over the rounds."""
        return statistics.median(
            words / seconds for words, seconds in zip(self.words, self.seconds[name], strict=True)
        )

    def ratio(self, name: str, reference: str) -> float:
        """RETURNS (float): How many times faster than the reference a contestant is: the median
        of the rounds' ratios, which on a busy machine is steadier than the ratio of medians."""
        return median_ratio(self.seconds[name], self.seconds[reference])

    def share_of_bound(self, name: str, n_hidden: int, n_products: int = FORWARD) -> float:
        """RETURNS (float): Which part of the bound a contestant reaches, 0 to 1: the median over
        the rounds, each with the bound that was measured then."""
        bounds = [
            rates.seconds(words, n_hidden, n_products)
            for rates, words in zip(self.rates, self.words, strict=True)
        ]
        return median_ratio(self.seconds[name], bounds)

    def best(self, names: Sequence[str]) -> str:
        """RETURNS (str): The fastest of some contestants."""
        return max(names, key=self.words_per_second)

    def to_json(self) -> dict:
        """RETURNS (dict): All figures, for a JSON file."""
        return {
            "words": self.words,
            "seconds": self.seconds,
            "words_per_second": {name: self.words_per_second(name) for name in self.seconds},
            "rates": [rates._asdict() for rates in self.rates],
            "cpu_share": self.cpu_share,
        }


def median_ratio(seconds: Sequence[float], reference: Sequence[float]) -> float:
    """RETURNS (float): The median over the rounds of the reference's seconds by one's own."""
    return statistics.median(theirs / own for own, theirs in zip(seconds, reference, strict=True))


def take_turns(
    contestants: Mapping[str, Prepare], words: Callable[[int], int], effort: Effort
) -> Timings:
    """Let contestants take turns, after a round that does not count. Each round another begins.

    contestants (Mapping[str, Callable]): By name, what prepares a round, given its number.
    words (Callable[[int], int]): Tells how many words a round has.
    effort (Effort): How many rounds are timed, and how long the machine is measured before each.
    RETURNS (Timings): What they took.
    """
    numbers = range(1, effort.repeats + 1)
    for prepare in contestants.values():
        prepare(0)()
    # What is there already, all of spaCy and PyTorch, is not to be searched for garbage.
    gc.freeze()
    try:
        rounds = [_time_round(contestants, number, effort) for number in numbers]
    finally:
        gc.unfreeze()
    return Timings(
        words=[words(number) for number in numbers],
        seconds={name: [laps[name].wall for laps, _ in rounds] for name in contestants},
        rates=[rates for _, rates in rounds],
        cpu_share=cpu_share([lap for laps, _ in rounds for lap in laps.values()]),
    )


def _time_round(
    contestants: Mapping[str, Prepare], number: int, effort: Effort
) -> tuple[dict[str, Lap], Rates]:
    names, first = list(contestants), number % len(contestants)
    rates = measure_rates(effort.rate_seconds)
    laps = {}
    for name in names[first:] + names[:first]:
        run = contestants[name](number)
        # What others have left is not to be cleared away in this one's time.
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        laps[name] = Lap(time.perf_counter() - wall, time.process_time() - cpu)
    return laps, rates


def cpu_share(laps: Sequence[Lap]) -> float:
    """RETURNS (float): Processor time by wall time."""
    return sum(lap.cpu for lap in laps) / sum(lap.wall for lap in laps)
