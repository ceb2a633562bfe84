"""The number of kills, and the input of the runs that are killed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipeline.sample.write import write_samples
from tests.kills.command import records_in
from tests.pipeline.command import run

SHORT = 5
EVENTS = 4000


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, help=f"how many runs to kill (default: {SHORT}; fewer for a stream)"
    )
    parser.addoption("--in_commits", action="store_true", help="kill streams in commits only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kill" in metafunc.fixturenames:
        # The option exists only if this folder is named on the command line.
        metafunc.parametrize("kill", range(metafunc.config.getoption("--kills", None) or SHORT))


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two files for two workers."""
    directory = tmp_path_factory.mktemp("events")
    for seed in (1, 2):
        write_samples(
            str(directory / str(seed)), events=EVENTS, seed=seed, bad_fraction=0.02, shapes="lines"
        )
        (directory / str(seed) / "events.jsonl").rename(directory / f"{seed}.jsonl")
        (directory / str(seed)).rmdir()
    return directory


@pytest.fixture(scope="session")
def undisturbed(events: Path, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """The records of a run that is not killed."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    assert run("--input", events / "*.jsonl", "--output", output).code == 0
    records = records_in(output)
    assert records.total() == 2 * EVENTS
    return records
