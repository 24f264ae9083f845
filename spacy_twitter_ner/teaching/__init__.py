"""Teach a pipeline: annotate the tweets it learns most from, in a page, while it learns (extra
`serve`)."""
