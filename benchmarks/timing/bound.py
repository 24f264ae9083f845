"""The bound of this machine, and what it is counted from."""

from typing import Any

from .rates import PRODUCTS, measure_product, measure_rates, measure_tanh
from .tables import Table, thousands
from .workload import Workload

# Rows of a step: the tweets of a batch that are not at their end yet.
STEPS = (1, 32, 256, 1000)
# Arrays that fit the first cache, the second, and none.
ELEMENTS = (1_000, 25_600, 4_000_000)


def measure(work: Workload) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Rates of products and of tanh, and the bound by hidden units."""
    products = [(rows, n, 4 * n) for n in work.effort.hidden for rows in STEPS]
    products += [sizes for sizes in PRODUCTS if sizes not in products]
    seconds = work.effort.rate_seconds
    rates = measure_rates(seconds)
    return {
        "rates": rates._asdict(),
        "products": [
            {"sizes": sizes, "flops": measure_product(*sizes, seconds=seconds)}
            for sizes in products
        ],
        "tanh": [{"elements": n, "seconds": measure_tanh(n, seconds=seconds)} for n in ELEMENTS],
        "words_per_second": {n: rates.words_per_second(n) for n in work.effort.hidden},
    }


def tables(figures: dict[str, Any]) -> list[Table]:
    """RETURNS (list[Table]): Products, tanh, and the bound."""
    flops, nanoseconds = figures["rates"]["flops"] / 1e9, figures["rates"]["tanh_seconds"] * 1e9
    return [
        Table(
            "Products of float32 matrices",
            ("rows × inner × columns", "GFLOP/s"),
            [(_sizes(row["sizes"]), f"{row['flops'] / 1e9:.1f}") for row in figures["products"]],
        ),
        Table(
            "tanh of float32",
            ("elements", "ns an element"),
            [
                (thousands(row["elements"]), f"{row['seconds'] * 1e9:.2f}")
                for row in figures["tanh"]
            ],
        ),
        Table(
            f"The bound, at {flops:.1f} GFLOP/s and {nanoseconds:.2f} ns a tanh",
            ("hidden units a direction", "words/s"),
            [(str(n), thousands(rate)) for n, rate in figures["words_per_second"].items()],
        ),
    ]


def _sizes(sizes: tuple[int, int, int]) -> str:
    return " × ".join(map(thousands, sizes))
