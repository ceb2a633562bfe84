"""The runner gets the options that it needs."""

from __future__ import annotations

import pytest

from pipeline.options.flink import FlinkJobOptions
from pipeline.runners.choose import beam_options, runner_name


@pytest.mark.parametrize("runner", ["FlinkRunner", "PortableRunner"])
def test_a_stream_on_flink_finishes_its_bundles_before_a_checkpoint(runner: str) -> None:
    options = beam_options([f"--runner={runner}"], streaming=True)
    assert options.view_as(FlinkJobOptions).finish_bundle_before_checkpointing is True
    batch = beam_options([f"--runner={runner}"])
    assert batch.view_as(FlinkJobOptions).finish_bundle_before_checkpointing is None


def test_a_stream_on_another_runner_has_no_option_of_flink() -> None:
    options = beam_options([], streaming=True)
    assert options.view_as(FlinkJobOptions).finish_bundle_before_checkpointing is None


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("flink", "FlinkRunner"),
        ("FLINKRUNNER", "FlinkRunner"),
        ("prism", "PrismRunner"),
        ("direct", "DirectRunner"),
        ("fnapi", "FnApiRunner"),
        ("FlinkRunner", "FlinkRunner"),
        ("apache_beam.runners.direct.DirectRunner", "DirectRunner"),
    ],
)
def test_a_runner_is_known_by_each_name_that_beam_accepts(given: str, name: str) -> None:
    assert runner_name(beam_options([f"--runner={given}"])) == name
