"""What a service tells Prometheus of itself. No label depends on what a client sends."""

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
    """Counters and histograms of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "twitter_ner_requests",
            "Requests that were answered",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "twitter_ner_request_seconds",
            "Seconds from a request's first byte to its answer",
            ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.batch_texts = Histogram(
            "twitter_ner_batch_texts",
            "Texts that were annotated together",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self.waiting = Gauge(
            "twitter_ner_waiting_texts",
            "Cost of the texts that wait to be annotated",
            registry=self.registry,
        )
        self.active = Gauge(
            "twitter_ner_active_requests",
            "Requests that are received or worked on",
            registry=self.registry,
        )

        self.workers = Gauge(
            "twitter_ner_ready_workers", "Pipelines that can annotate", registry=self.registry
        )
        # Looking a child up by its labels takes longer than to count.
        self._requests = lru_cache(None)(self.requests.labels)
        self._seconds = lru_cache(None)(self.seconds.labels)

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        route (str): Its path; one of few.
        status (int): The answer's HTTP status.
        seconds (float): How long it took.
        """
        self._requests(route, str(status)).inc()
        self._seconds(route).observe(seconds)

    @property
    def content_type(self) -> str:
        """RETURNS (str): The media type of what render returns."""
        return CONTENT_TYPE_LATEST

    def render(self) -> bytes:
        """RETURNS (bytes): All of it, in Prometheus' format of text."""
        return generate_latest(self.registry)
