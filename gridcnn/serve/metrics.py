"""What a service counts, in the format of Prometheus."""

from __future__ import annotations

import prometheus_client as prometheus

__all__ = ["Metrics"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one service, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)
        self.requests = prometheus.Counter(
            "gridcnn_requests", "Requests that were answered.", ["route", "status"], registry=registry
        )
        self.seconds = prometheus.Histogram(
            "gridcnn_request_seconds", "From the head of a request to its answer.", ["route"], buckets=SECONDS,
            registry=registry,
        )  # fmt: skip
        self.in_progress = prometheus.Gauge(
            "gridcnn_requests_in_progress", "Requests that are being answered.", registry=registry
        )
        self.items = prometheus.Counter(
            "gridcnn_items", "Items, by the model and by whether they have an answer or an error.",
            ["model", "outcome"], registry=registry,
        )  # fmt: skip
        self.batches = prometheus.Histogram(
            "gridcnn_batch_items", "Items that were answered together.", ["model"], buckets=BATCHES, registry=registry
        )
        self.computing = prometheus.Counter(
            "gridcnn_computing_seconds", "Time in which a model read and answered items.", ["model"], registry=registry
        )

    def text(self) -> bytes:
        """Return all of them as a scraper reads them."""
        return prometheus.generate_latest(self._registry)

    content_type = prometheus.CONTENT_TYPE_LATEST
