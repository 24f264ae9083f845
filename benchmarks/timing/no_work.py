"""What workers do that have nothing to do. It stands in a module of its own, which they can import:
what stands in the script that is run, Dask would send them with each shard."""

from spacy_twitter_ner.annotate.jobs import Job, Outcome
from spacy_twitter_ner.sources.inputs import Shard


def count_only(shard: Shard, job: Job) -> Outcome:
    """RETURNS (Outcome): How many records a shard has, and nothing else."""
    return Outcome(shard.number, len(shard.records), 0, 0, shard.position)
