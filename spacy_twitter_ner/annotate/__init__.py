"""Annotate files, streams and data frames of tweets."""

from .annotator import Annotator, Entity, Record, annotate_batch

__all__ = ["Annotator", "Entity", "Record", "annotate_batch"]
