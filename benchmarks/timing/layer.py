"""The layers beside each other: ours, Thinc's and PyTorch's, at several batch sizes."""

from typing import Any

from .clock import Timings, take_turns
from .rates import FORWARD, FORWARD_BACKWARD
from .recurrent import OURS, OURS_NUMPY, OURS_SORTED, PADDED, THINC, TORCH, make_layers
from .tables import Table, cpu_note, with_share
from .texts import draw_lengths
from .workload import Workload

WIDTH = 200
MODES = {"forward": FORWARD, "forward+backward": FORWARD_BACKWARD}
MISSING = "-"


def measure(work: Workload, modes: tuple[str, ...] = tuple(MODES)) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): A row for each mode and batch size, with the timings."""
    rows = [
        measure_row(work, mode, batch_size) for mode in modes for batch_size in work.effort.batches
    ]
    return {"width": WIDTH, "rows": rows}


def measure_row(work: Workload, mode: str, batch_size: int, nH: int = WIDTH) -> dict[str, Any]:
    """Time all layers at one batch size.

    RETURNS (dict[str, Any]): Words a second, share of the bound, and the ratios.
    """
    # At batch 1 layers are many times slower. With fewer than four batches, sorting by length
    # would be of little use.
    n_tweets = work.effort.layer_tweets // 8 if batch_size == 1 else work.effort.layer_tweets
    n_tweets = max(n_tweets, 4 * batch_size)
    lengths = draw_lengths(work.texts, n_tweets)
    is_train = mode == "forward+backward"
    runs = make_layers(
        work.torch, lengths, batch_size, WIDTH, nH, is_train=is_train, threads=work.threads
    )
    # All rounds read the same batches, made ready.
    turns = {name: lambda _, run=run: run for name, run in runs.items()}
    timings = take_turns(turns, lambda _: sum(lengths), work.effort)
    return {"mode": mode, "batch_size": batch_size, **summarise(timings, nH, MODES[mode])}


def summarise(timings: Timings, nH: int, n_products: int) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): All figures of a row; ratios to what is not there are None."""
    torch = timings.best([name for name in TORCH if name in timings.seconds] or [OURS])
    return {
        **timings.to_json(),
        "share_of_bound": {
            name: timings.share_of_bound(name, nH, n_products) for name in timings.seconds
        },
        "ratio_to_torch": timings.ratio(OURS, torch) if torch in TORCH else None,
        "ratio_of_sorted": timings.ratio(OURS_SORTED, PADDED) if torch in TORCH else None,
        "ratio_to_thinc": timings.ratio(OURS, THINC) if THINC in timings.seconds else None,
    }


def tables(figures: dict[str, Any]) -> list[Table]:
    """RETURNS (list[Table]): One table, a row for each mode and batch size."""
    names = (OURS, OURS_NUMPY, OURS_SORTED, THINC, *TORCH)
    return [
        Table(
            f"Layer, {figures['width']} wide, {figures['width']} hidden units a direction: words/s "
            "(share of the bound)",
            (
                "",
                "tweets a batch",
                *names,
                "ours × the better PyTorch",
                "both sorted: ours × PyTorch",
                "ours × Thinc",
            ),
            [
                (
                    row["mode"],
                    str(row["batch_size"]),
                    *(speed_cell(row, name) for name in names),
                    ratio_cell(row["ratio_to_torch"]),
                    ratio_cell(row["ratio_of_sorted"]),
                    ratio_cell(row["ratio_to_thinc"]),
                )
                for row in figures["rows"]
            ],
            "Forward+backward is measured against the bound of three recurrent products. "
            + cpu_note(figures["rows"]),
        )
    ]


def speed_cell(row: dict[str, Any], name: str) -> str:
    if name not in row["words_per_second"]:
        return MISSING
    return with_share(row["words_per_second"][name], row["share_of_bound"][name])


def ratio_cell(ratio: float | None) -> str:
    return MISSING if ratio is None else f"{ratio:.2f}"
