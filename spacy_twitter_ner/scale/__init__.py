"""Annotate streams, files and clusters' worth of tweets."""

from .annotating import Entity, Record, annotate_batch

__all__ = ["Entity", "Record", "annotate_batch"]
