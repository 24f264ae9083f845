"""Generated tweets in which words of the same kind occur in the same contexts."""

import gzip
import random
from importlib.util import find_spec
from pathlib import Path

import pytest

NEEDED = ("gensim", "floret", "sklearn")
needs_lexical = pytest.mark.skipif(
    any(find_spec(name) is None for name in NEEDED), reason="needs the extra `vectors`"
)

CITIES = ["london", "paris", "tokyo", "berlin", "madrid"]
FOODS = ["pizza", "pasta", "sushi", "curry", "salad"]
TEMPLATES = [
    (CITIES, "@{user} flying to {word} tomorrow , meet me at the airport"),
    (CITIES, "moving to {word} next year , the airport is near"),
    (FOODS, "so hungry , eating {word} for dinner with cheese :)"),
    (FOODS, "my mum makes the best {word} for dinner !!! http://t.co/{user}"),
]


def write_tweets(path: Path, n: int = 1200) -> Path:
    """Write generated tweets, gzipped if the path ends in .gz. The output is deterministic."""
    chance = random.Random(0)
    lines = []
    for _ in range(n):
        words, template = chance.choice(TEMPLATES)
        lines.append(template.format(word=chance.choice(words), user=chance.choice("abcdefgh")))
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
