"""What a service tells Prometheus of itself. No label depends on what a client sends."""

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
            "twitter_ner_waiting_texts", "Texts that wait to be annotated", registry=self.registry
        )
        self.active = Gauge(
            "twitter_ner_active_requests",
            "Requests that are received or worked on",
            registry=self.registry,
        )

    @property
    def content_type(self) -> str:
        """RETURNS (str): The media type of what render returns."""
        return CONTENT_TYPE_LATEST

    def render(self) -> bytes:
        """RETURNS (bytes): All of it, in Prometheus' format of text."""
        return generate_latest(self.registry)
