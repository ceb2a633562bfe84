"""The dashboard and the alerts use figures that a run serves, and the runbook has each of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pipeline.report.metrics_server import served_metrics
from tests.pipeline.report.scrape import free_port, get
from transforms.local import LocalRun, Progress

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RUNBOOK = (ROOT / "docs" / "streaming.md").read_text("utf-8")

# Prometheus itself adds it for each target.
OF_PROMETHEUS = {"up"}


@pytest.fixture(scope="module")
def scrape(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A scrape of a run that has committed messages."""
    run = LocalRun(str(tmp_path_factory.mktemp("run") / "stop"), os.getpid())
    run.report(Progress.of_committed_block(0))
    port = free_port()
    with served_metrics(run, port):
        return get(port, "/metrics")


@pytest.fixture(scope="module")
def labels(scrape: str) -> dict[str, set[str]]:
    """The names of the figures in a scrape, with their labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scrape):
        for sample in family.samples:
            found.setdefault(sample.name, {"instance", "job"}).update(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    """Returns the alerts."""
    text = (MONITORING / "alerts.yaml").read_text("utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def queries() -> Iterator[str]:
    """Yields the queries of the dashboard."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    for panel in dashboard["panels"]:
        assert panel["description"]
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


@pytest.mark.parametrize("query", [*queries(), *(rule["expr"] for rule in rules())])
def test_each_query_uses_figures_and_labels_of_a_run(
    query: str, labels: dict[str, set[str]]
) -> None:
    names = re.findall(r"\b(?:job_status_|process_)\w+|\bup\b", query)
    assert names
    assert set(names) <= labels.keys() | OF_PROMETHEUS
    for name, selectors in re.findall(r"(\w+)\{([^}]*)\}", query):
        used = set(re.findall(r"(\w+)=", selectors))
        assert used <= labels.get(name, {"instance", "job"}), name
    grouped = {
        each.strip() for by in re.findall(r"by \(([^)]*)\)", query) for each in by.split(",")
    }
    assert grouped <= set().union(*(labels.get(name, set()) for name in names))


def test_each_figure_is_in_the_dashboard_and_in_the_runbook(scrape: str) -> None:
    used = " ".join(queries())
    for family in text_string_to_metric_families(scrape):
        if family.name.startswith("job_status_"):
            assert f"`{family.name}" in RUNBOOK, family.name
            # A stream reads no files.
            assert family.name in used or family.name == "job_status_input_bytes", family.name


def test_each_alert_has_an_entry_in_the_runbook() -> None:
    for rule in rules():
        assert f"### {rule['alert']}\n" in RUNBOOK
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".")


needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")


@needs_promtool
def test_promtool_accepts_the_alerts() -> None:
    subprocess.run(["promtool", "check", "rules", MONITORING / "alerts.yaml"], check=True)


@needs_promtool
def test_promtool_accepts_the_names_of_the_figures(scrape: str) -> None:
    subprocess.run(["promtool", "check", "metrics"], input=scrape, text=True, check=True)
