"""Prometheus metrics. No label depends on the input of clients."""

from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)


class ServiceMetrics:
    """Metrics of one service, with their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "twitter_ner_requests",
            "Number of responses",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "twitter_ner_request_seconds",
            "Seconds from a request's first byte to its response",
            ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.batch_texts = Histogram(
            "twitter_ner_batch_texts",
            "Number of texts per batch",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self.waiting = Gauge(
            "twitter_ner_waiting_texts",
            "Cost of the texts in the queue",
            registry=self.registry,
        )
        self.active = Gauge(
            "twitter_ner_active_requests",
            "Requests being received or processed",
            registry=self.registry,
        )
        self.workers = Gauge(
            "twitter_ner_ready_workers", "Workers that are ready", registry=self.registry
        )
        # Looking up a child by its labels is slower than incrementing it.
        self._requests = lru_cache(None)(self.requests.labels)
        self._seconds = lru_cache(None)(self.seconds.labels)

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a response.

        route (str): The path of a known route, or "other".
        status (int): The HTTP status.
        seconds (float): The duration.
        """
        self._requests(route, str(status)).inc()
        self._seconds(route).observe(seconds)

    @property
    def content_type(self) -> str:
        """The media type of render."""
        return CONTENT_TYPE_LATEST

    def render(self) -> bytes:
        """Render all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
