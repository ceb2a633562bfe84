"""NormalizeJobStatus on runners in other processes: Prism and Flink.

tests/transforms/normalize has the same cases on Beam's runners in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.runners.job_server import (
    JobServerRunner,
    SupervisedFlinkRunner,
    SupervisedPrismRunner,
)
from tests.components import component_path
from tests.conftest import ReadRecords
from tests.pipeline.command import write_events
from tests.transforms.normalize.cases import ELEMENTS, check
from transforms import NormalizeJobStatus, ReadJobEvents, WriteJobStatus

pytestmark = pytest.mark.timeout(900)

Made = tuple[JobServerRunner, PipelineOptions]


def prism() -> Made:
    """Makes a Prism runner and its options."""
    options = PipelineOptions(
        [f"--prism_location={component_path('prism')}"], prism_log_level="warn"
    )
    return SupervisedPrismRunner(options), options


def flink() -> Made:
    """Makes a runner with a Flink in its job server, and its options."""
    options = PipelineOptions([f"--flink_job_server_jar={component_path('flink')}"])
    return SupervisedFlinkRunner(), options


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(prism, id="Prism", marks=pytest.mark.needs("prism")),
        pytest.param(flink, id="Flink", marks=pytest.mark.needs("flink", "java")),
    ],
)
def runner(request: pytest.FixtureRequest) -> Iterator[Made]:
    """A runner for all tests of this module."""
    make: Callable[[], Made] = request.param
    made = make()
    yield made
    made[0].stop()


@pytest.mark.parametrize("form", ELEMENTS)
def test_an_element_of_each_type_has_its_outcome(runner: Any, form: str) -> None:
    its_runner, options = runner
    pipeline = beam.Pipeline(its_runner, options=options)
    check(pipeline, form)
    pipeline.run().wait_until_finish()


def test_the_ends_write_what_they_read(
    runner: Any, tmp_path: Path, read_records: ReadRecords
) -> None:
    its_runner, options = runner
    events = write_events(tmp_path / "events.jsonl", 0, 20, bad=2)
    pipeline = beam.Pipeline(its_runner, options=options)
    result = pipeline | ReadJobEvents(str(events)) | NormalizeJobStatus()
    result | WriteJobStatus(str(tmp_path / "out"))
    pipeline.run().wait_until_finish()
    assert len(read_records(tmp_path / "out")) == 20
    assert len(read_records(tmp_path / "out", "dead_letter")) == 2
