"""How the memory of a training's arrays is found again from batch to batch."""

from functools import cache

import numpy

# The most that glibc lets its threshold grow to is 32 MiB, with what it adds to an array.
LARGEST_KEPT = 31 * 2**20


@cache
def keep_freed_memory() -> None:
    """Have the C library keep the memory of freed arrays for those that are made next, once for
    this process.

    The arrays of a training step are some megabytes each, and all are freed at its end. glibc
    takes each from the system and gives it back, and the system clears every page of it, each
    time. But it keeps arrays no larger than the largest that was freed so far, and twice as much
    memory in all (M_MMAP_THRESHOLD in mallopt(3)). In `spacy train` the first scoring frees larger
    ones; a process that does nothing but train may never do. So one is made and freed whose pages
    are never touched. Where MALLOC_MMAP_THRESHOLD_ or MALLOC_TRIM_THRESHOLD_ are set in the
    environment, glibc does as they say; other C libraries do as they always do.
    """
    numpy.empty(LARGEST_KEPT, dtype="uint8")
