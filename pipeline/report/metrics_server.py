"""Serves the figures of a local run to Prometheus: `/metrics`, and `/healthz` for a supervisor."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from schemas.errors import UsageError
from transforms.local import LATENCY_BUCKETS, LocalRun, Progress

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_ADDRESS = "0.0.0.0"


def check_port(port: int) -> None:
    """Raises UsageError if nothing can listen on a port."""
    with socket.socket() as listener:
        # A port that a run has just left can be used again.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_ADDRESS, port))
        except OSError as error:
            raise UsageError(
                f"cannot serve metrics on port {port} ({error.strerror})",
                "give --metrics_port another one, or end the program that uses it",
            ) from error


@contextmanager
def served_metrics(local_run: LocalRun, port: int | None) -> Iterator[None]:
    """Serves the figures of a run while its context is open, if a port is given.

    Raises:
        UsageError: The port is in use.
    """
    if port is None:
        yield
        return
    check_port(port)
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    from prometheus_client.exposition import ThreadingWSGIServer

    class QuietHandler(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Logs nothing: each scrape would be a line."""

    app = _app_of(local_run)
    with make_server(_ADDRESS, port, app, ThreadingWSGIServer, QuietHandler) as server:
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def metrics_of(progress: Progress) -> Iterator[Metric]:
    """Yields the figures of a run."""
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    def counter(name: str, text: str, value: float) -> Metric:
        return CounterMetricFamily(f"job_status_{name}", text, value)

    def gauge(name: str, text: str, value: float) -> Metric:
        return GaugeMetricFamily(f"job_status_{name}", text, value)

    def by_outcome(name: str, text: str, *outcomes: str) -> Metric:
        family = CounterMetricFamily(f"job_status_{name}", text, labels=["outcome"])
        for outcome in outcomes:
            family.add_metric([outcome], getattr(progress, outcome))
        return family

    yield by_outcome("events", "Events by outcome.", "written", "dead_lettered", "ignored")
    yield counter("input_bytes", "Bytes that were read from files.", progress.bytes)
    yield counter("messages_pulled", "Messages that were pulled.", progress.pulled)
    yield by_outcome(
        "messages_committed",
        "Messages that were committed, by the outcome of their acknowledgement.",
        "acknowledged",
        "not_acknowledged",
    )
    yield gauge(
        "messages_waiting", "Messages that were pulled, not yet acknowledged.", progress.waiting
    )
    yield gauge(
        "oldest_message_age_seconds",
        "Age of the oldest message that was pulled and not yet acknowledged.",
        progress.oldest_age,
    )
    counts = [progress.latencies.get(number, 0) for number in range(len(LATENCY_BUCKETS) + 1)]
    bounds = [*map(str, map(float, LATENCY_BUCKETS)), "+Inf"]
    yield HistogramMetricFamily(
        "job_status_publish_to_commit_seconds",
        "Age of the oldest message of each block when it was committed.",
        buckets=[*zip(bounds, accumulate(counts), strict=True)],
        sum_value=progress.latency_sum,
    )
    yield counter("commits", "Commits.", progress.commits)
    yield gauge(
        "last_commit_timestamp_seconds",
        "Time of the last commit since 1970; 0 before the first one.",
        progress.committed_at,
    )
    yield counter(
        "retries", "Calls and commits that failed and were tried again.", progress.retries
    )


_App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def _app_of(local_run: LocalRun) -> _App:
    from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
    from prometheus_client.registry import Collector

    class RunCollector(Collector):
        def collect(self) -> Iterator[Metric]:
            return metrics_of(local_run.progress())

    registry = CollectorRegistry()
    registry.register(RunCollector())
    ProcessCollector(registry=registry)
    metrics = make_wsgi_app(registry)

    def app(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path == "/metrics":
            return metrics(environment, start)
        if path != "/healthz":
            return _answer(start, "404 Not Found", "there are /metrics and /healthz")
        if local_run.failure() is not None:
            return _answer(start, "503 Service Unavailable", "the run failed, and is ending")
        return _answer(start, "200 OK", "the run goes on")

    return app


def _answer(start: Callable[..., Any], status: str, text: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode() + b"\n"]
