"""Shared by the benchmarks: models, tweets, timing, results and tables."""
