"""Formats of other annotation tools: read and write tweets with spans."""
