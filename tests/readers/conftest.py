"""An output for all readers, and the components that the readers in Java need."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.components import HOW_TO_GET_THEM, component_path
from tests.conftest import COMPONENTS, Component
from tests.pipeline.command import job_status, run

COMPONENTS["avro_tools"] = Component(
    lambda: component_path("avro_tools") is not None and shutil.which("java") is not None,
    f"install a Java runtime, then {HOW_TO_GET_THEM} --only avro_tools",
)
COMPONENTS["spark"] = Component(
    lambda: component_path("spark") is not None and shutil.which("javac") is not None,
    f"install a JDK, then {HOW_TO_GET_THEM} --only spark",
)

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the output of all samples, in several files."""
    place = tmp_path_factory.mktemp("readers")
    arguments = ("--input", SAMPLES / "*", "--output", place / "output")
    assert run(*arguments, "--target_file_bytes", "20000").code == 0
    return place


@pytest.fixture(scope="session")
def compacted(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same output after a compaction, in folders for the days."""
    place = tmp_path_factory.mktemp("compacted")
    shutil.copytree(workplace / "output", place / "output")
    assert job_status("compact", place / "output", "--older_than", "0s").code == 0
    return place
