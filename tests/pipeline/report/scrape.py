"""Scrapes the figures of a run."""

from __future__ import annotations

import socket
import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def free_port() -> int:
    """Returns a port that nothing uses."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


def get(port: int, path: str) -> str:
    """Returns the answer of a run's server."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return str(answer.read().decode())


def samples_of(port: int) -> dict[str, float]:
    """Returns the figures of job-status in a scrape, by name and labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(get(port, "/metrics")):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            if sample.name.startswith("job_status_"):
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found
