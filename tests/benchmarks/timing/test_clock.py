from collections.abc import Callable

import pytest

from timing import clock
from timing.clock import Lap, Timings, cpu_share, median_ratio, take_turns
from timing.rates import FORWARD_BACKWARD, Rates
from timing.workload import QUICK

SLOW, FAST = Rates(flops=1e9, tanh_seconds=0.0), Rates(flops=2e9, tanh_seconds=0.0)
# In the second round the machine is half as fast, in the third a text is longer.
TIMINGS = Timings(
    words=[100, 100, 300],
    seconds={"ours": [1.0, 2.0, 3.0], "theirs": [3.0, 4.0, 3.0]},
    rates=[FAST, SLOW, FAST],
    cpu_share=1.0,
)


def test_speed_is_the_median_of_the_rounds() -> None:
    assert TIMINGS.words_per_second("ours") == 100
    assert TIMINGS.words_per_second("theirs") == pytest.approx(100 / 3)
    assert TIMINGS.best(["theirs", "ours"]) == "ours"


def test_ratio_is_the_median_of_ratios_within_a_round() -> None:
    """Rounds' ratios 3, 2 and 1; the ratio of medians would be 1.5."""
    assert median_ratio(TIMINGS.seconds["ours"], TIMINGS.seconds["theirs"]) == 2
    assert TIMINGS.ratio("ours", "theirs") == 2
    assert TIMINGS.ratio("theirs", "ours") == 0.5


def test_rounds_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="zip"):
        median_ratio([1.0], [1.0, 2.0])


def test_share_takes_the_bound_of_the_same_round() -> None:
    """200 hidden units are 0.64 million operations: 100 words take 0.032 s, then 0.064 s, 300
    words 0.096 s."""
    assert TIMINGS.share_of_bound("ours", 200) == pytest.approx(0.032)
    assert TIMINGS.share_of_bound("ours", 200, FORWARD_BACKWARD) == pytest.approx(0.096)
    assert TIMINGS.to_json()["words_per_second"]["ours"] == 100


def test_processor_time_by_wall_time() -> None:
    assert cpu_share([Lap(wall=1.0, cpu=0.5), Lap(wall=3.0, cpu=2.5)]) == 0.75


def test_contestants_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(clock, "measure_rates", lambda _: events.append("rates") or FAST)

    def contestant(name: str) -> Callable[[int], Callable[[], None]]:
        return lambda number: lambda: events.append(f"{name}{number}")

    names = "abc"
    timings = take_turns(
        {name: contestant(name) for name in names},
        lambda number: 10 * number,
        QUICK._replace(repeats=2),
    )
    warm_up, first, second = "a0 b0 c0", "rates b1 c1 a1", "rates c2 a2 b2"
    assert " ".join(events) == f"{warm_up} {first} {second}"
    assert timings.words == [10, 20]
    assert timings.rates == [FAST, FAST]
    assert {name: len(seconds) for name, seconds in timings.seconds.items()} == dict.fromkeys(
        names, 2
    )


def test_preparation_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(clock, "measure_rates", lambda _: FAST)
    monkeypatch.setattr("timing.clock.time.perf_counter", lambda: now[0])

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    def prepare(number: int) -> Callable[[], None]:
        pass_time(100)
        return lambda: pass_time(number)

    timings = take_turns({"a": prepare}, lambda _: 1, QUICK._replace(repeats=3))
    assert timings.seconds == {"a": [1, 2, 3]}
