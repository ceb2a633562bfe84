"""Defines suites, optional components and fixtures for all tests."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import fastavro
import pytest
from hypothesis import settings

from tests import pubsub
from tests.components import HOW_TO_GET_THEM, component_path
from transforms.local.install_hint import install_beam_extra, pip_install

Records = list[dict[str, Any]]

# Every run uses the same examples, so that a failure comes from the change under test.
settings.register_profile("quick", derandomize=True, database=None, deadline=None, max_examples=25)
settings.register_profile("thorough", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("quick")

TESTS = Path(__file__).parent

SUITES = {
    "system": (
        *("faults/test_size.py", "flink", "kills", "readers", "runners", "storage_servers"),
        "streaming",
    ),
    "project": ("benchmarks", "project"),
}
"""Folders and files by mark. `./run_tests.sh` runs their tests only with `--all`."""


class ReadRecords(Protocol):
    """Reads every record of an output, in the order of its files."""

    def __call__(self, output: str | Path, name: str = "job_status") -> Records: ...


class Component(NamedTuple):
    """An optional component that some tests need."""

    is_available: Callable[[], bool]
    how_to_get_it: str


def _module(name: str, how_to_get_it: str) -> Component:
    def is_available() -> bool:
        try:
            return importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            return False

    return Component(is_available, how_to_get_it)


def _built(name: str) -> Component:
    return Component(lambda: component_path(name) is not None, HOW_TO_GET_THEM)


def _reaches_an_index() -> bool:
    command = [sys.executable, "-m", "pip", "--retries", "0", "index", "versions", "six"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


COMPONENTS: dict[str, Component] = {
    "aws": _module("boto3", install_beam_extra("aws")),
    "duckdb": _module("duckdb_extension_avro", pip_install("duckdb", "duckdb-extension-avro")),
    "flink": _built("flink"),
    "gcp": _module("google.cloud.storage", install_beam_extra("gcp")),
    "java": Component(lambda: shutil.which("java") is not None, "install a Java runtime"),
    "package_index": Component(_reaches_an_index, "connect pip to an index of packages"),
    "polars": _module("polars", pip_install("polars")),
    "prism": _built("prism"),
    "pubsub_client": _module("google.cloud.pubsub_v1", install_beam_extra("gcp")),
    "pubsub_emulator": Component(pubsub.is_available, HOW_TO_GET_THEM),
}
"""The names that `@pytest.mark.needs(name)` accepts."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-all",
        action="store_true",
        help="a test that lacks an optional component fails instead of being skipped",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(name): needs an optional component")
    config.addinivalue_line("markers", "system: real servers, runners, readers and kills")
    config.addinivalue_line("markers", "project: set-up, docs, packaging, deployment, benchmarks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(TESTS)
        for suite, places in SUITES.items():
            if any(path.is_relative_to(place) for place in places):
                item.add_marker(suite)
        for marker in item.iter_markers("needs"):
            unknown = set(marker.args) - COMPONENTS.keys()
            if unknown or not marker.args:
                raise pytest.UsageError(f"{item.nodeid} needs an unknown component: {unknown}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            component = COMPONENTS[name]
            if component.is_available():
                continue
            reason = f"needs {name}: {component.how_to_get_it}"
            if item.config.getoption("--require-all"):
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)


def records_of(output: str | Path, name: str = "job_status") -> Records:
    """Reads every record of an output, in the order of its files."""
    records: Records = []
    for path in sorted((Path(output) / name).rglob("*.avro")):
        with path.open("rb") as file:
            records += [record for record in fastavro.reader(file) if isinstance(record, dict)]
    return records


@pytest.fixture(scope="session")
def read_records() -> ReadRecords:
    """Reads the records of job_status or of dead_letter in an output, with fastavro."""
    return records_of


@pytest.fixture(scope="session")
def server() -> Iterator[pubsub.Server]:
    """A Pub/Sub server."""
    with pubsub.running_server() as running:
        yield running


@pytest.fixture
def published(server: pubsub.Server, monkeypatch: pytest.MonkeyPatch) -> pubsub.Published:
    """A new topic and subscription, on the server that every client of this process uses."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.address)
    return server.create()


@pytest.fixture(scope="module")
def no_sync() -> Iterator[None]:
    """Skips fsync: these tests kill runs, not the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield
