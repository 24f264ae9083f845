"""How much a command measures, and on what."""

from pathlib import Path
from typing import Any, NamedTuple

from .texts import Texts


class Effort(NamedTuple):
    """How much is measured.

    repeats (int): Timed rounds of everything.
    rate_seconds (float): What measuring each of the machine's rates may take.
    batches (tuple[int, ...]): Tweets of a batch, for the layers.
    growth_batch (int): The same where layers of several widths are measured.
    layer_tweets (int): Tweets that the layers read in a round; four batches at least.
    pipelines (tuple[str, ...]): Which pipelines compete; see contestants.py.
    pipeline_tweets (int): Tweets that the pipelines read in a round.
    warm_tweets (int): Other tweets that they have read before.
    growth_words (int): Words that a pipeline reads in a round where growth is measured; a multiple
        of all lengths.
    growth_batches (tuple[int, ...]): Batch sizes of nlp.pipe.
    lengths (tuple[int, ...]): Tokens of a text; the first is what the others are compared with.
    hidden (tuple[int, ...]): Hidden units of each direction.
    labels (tuple[int, ...]): Numbers of entity types.
    memory_docs (int): Tweets that are streamed to see the memory grow.
    train_batches (int): Batches that are trained on in a round.
    train_steps (int): Steps of a pipeline that is trained for the benchmark.
    """

    repeats: int
    rate_seconds: float
    batches: tuple[int, ...]
    growth_batch: int
    layer_tweets: int
    pipelines: tuple[str, ...]
    pipeline_tweets: int
    warm_tweets: int
    growth_words: int
    growth_batches: tuple[int, ...]
    lengths: tuple[int, ...]
    hidden: tuple[int, ...]
    labels: tuple[int, ...]
    memory_docs: int
    train_batches: int
    train_steps: int


FULL = Effort(
    repeats=5,
    rate_seconds=0.1,
    batches=(1, 32, 256, 1000),
    growth_batch=256,
    layer_tweets=2048,
    pipelines=("bilstm_crf", "small", "bilstm_crf_lexical", "spacy_ner", "crfsuite"),
    pipeline_tweets=2000,
    warm_tweets=20_000,
    growth_words=40_000,
    growth_batches=(1, 10, 100, 1000),
    lengths=(20, 10, 100, 1000, 10_000),
    hidden=(50, 100, 200, 400),
    labels=(2, 10, 30, 100),
    memory_docs=50_000,
    train_batches=20,
    train_steps=200,
)
QUICK = Effort(
    repeats=2,
    rate_seconds=0.02,
    batches=(1, 32),
    growth_batch=32,
    layer_tweets=64,
    pipelines=("bilstm_crf", "spacy_ner", "crfsuite"),
    pipeline_tweets=100,
    warm_tweets=100,
    growth_words=1000,
    growth_batches=(1, 100),
    lengths=(20, 500),
    hidden=(50, 100),
    labels=(2, 20),
    memory_docs=200,
    train_batches=2,
    train_steps=10,
)


class Workload(NamedTuple):
    """What a section is measured on.

    root (Path): The project's folder.
    corpus (str): Name of a folder in corpus/.
    texts (Texts): The tweets.
    effort (Effort): How much is measured.
    torch (Any): The module torch, or None if it is not there.
    threads (int): How many threads contestants may use.
    """

    root: Path
    corpus: str
    texts: Texts
    effort: Effort
    torch: Any
    threads: int = 1
