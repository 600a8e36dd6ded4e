"""What is counted and timed while a bundle is served, for Prometheus. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from automl.monitoring.comparing import MATTERS, Movement

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The numbers of one server; a registry of its own, so that several live in one process."""

    def __init__(
        self,
        *,
        waiting: Callable[[], int],
        ready: Callable[[], bool],
        movements: Callable[[], tuple[Movement, ...]],
    ) -> None:
        """Take the functions that tell what is so at the moment of being asked."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "automl_requests", "Requests by route and status.", ("route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "automl_request_seconds", "From the request's arrival to the end of its answer.",
            ("route",), buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self._rows = Counter("automl_rows", "Rows answered.", registry=self.registry)
        self._batch = Histogram(
            "automl_batch_rows", "Rows the model was given at once.", buckets=ROWS,
            registry=self.registry,
        )  # fmt: skip
        self._model = Histogram(
            "automl_model_seconds", "Time of the model for a batch.", buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "automl_in_flight_requests", "Requests not answered yet.", registry=self.registry
        )
        Gauge(
            "automl_queue_rows", "Rows that wait for the model.", registry=self.registry
        ).set_function(waiting)
        Gauge(
            "automl_ready", "Whether the model is loaded and no end is near.",
            registry=self.registry,
        ).set_function(lambda: float(ready()))  # fmt: skip
        self.registry.register(_Drift(movements))

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, rows: int, seconds: float) -> None:
        """Count a batch."""
        self._rows.inc(rows)
        self._batch.observe(rows)
        self._model.observe(seconds)

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self.registry)


class _Drift:
    """Gauges of drift, found when they are asked for."""

    def __init__(self, movements: Callable[[], tuple[Movement, ...]]) -> None:
        self._movements = movements

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        psi = GaugeMetricFamily(
            "automl_drift_psi",
            "Population stability index of the last rows against the bundle's profile.",
            labels=("feature",),
        )
        threshold = GaugeMetricFamily(
            "automl_drift_threshold",
            f"PSI from which on a feature counts as moved: {MATTERS} (Siddiqi 2006), or what "
            "chance explains of so few rows where that is more.",
            labels=("feature",),
        )
        rows = GaugeMetricFamily(
            "automl_drift_rows", "Rows in the sliding window.", labels=("feature",)
        )
        moved = GaugeMetricFamily(
            "automl_drift_moved", "1 where a feature has moved, else 0.", labels=("feature",)
        )
        for each in self._movements():
            name = (each.feature.name,)
            rows.add_metric(name, each.rows)
            if each.verdict == "too few rows":
                continue
            psi.add_metric(name, each.psi)
            threshold.add_metric(name, max(MATTERS, each.noise))
            moved.add_metric(name, float(each.matters))
        yield from (psi, threshold, rows, moved)
