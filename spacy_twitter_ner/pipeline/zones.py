"""What memory zones leave behind in a vocab, and how it is cleared away.

At its end a memory zone removes its strings and lexemes from the vocab's hash tables. preshed marks
their places as removed but counts them as taken, and a table with three fifths of its places taken
becomes twice as large, however few entries it has. So the tables would grow with all the distinct
words of a stream; besides, where they come to lie, malloc cannot give back what lies below.
"""

import gc
from collections import deque
from itertools import starmap

from preshed.maps import PreshMap
from spacy.vocab import Vocab

# How many places may be taken by removed entries, besides as many as the vocab has strings.
N_SPARE = 2**14


def clear_removed(vocab: Vocab) -> None:
    """Free the places of removed entries in a vocab's tables, if they have become too many. All
    entries stay as they are: they are addresses, and what they point to is not touched.

    vocab (Vocab): The vocab. As for a memory zone, no other thread may use it meanwhile.
    """
    # Each lexeme has its string, so there are not more of them.
    limit = 2 * len(vocab.strings) + N_SPARE
    for table in hash_tables(vocab):
        # The length includes the places of removed entries.
        if len(table) > limit:
            rebuild(table)


def hash_tables(vocab: Vocab) -> list[PreshMap]:
    """RETURNS (list[PreshMap]): The tables of a vocab's strings and lexemes."""
    # The latter is no attribute that Python could see.
    referents = gc.get_referents(vocab, vocab.strings)
    return [table for table in referents if isinstance(table, PreshMap)]


def rebuild(table: PreshMap) -> None:
    """Make a hash table anew, of the same capacity, in place.

    table (PreshMap): The table.
    """
    entries = list(table.items())
    try:
        PreshMap.__init__(table, table.capacity)
    finally:
        # Ctrl-C must not leave the table empty: a loop in C is not interrupted.
        deque(starmap(table.__setitem__, entries), maxlen=0)
