"""Reads Pub/Sub: in rounds until the subscription is empty, or as a stream until stopped."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from pipeline.graph import GraphSettings
from pipeline.options import RunOptions
from pipeline.report import ProgressBar
from pipeline.runners import (
    RunGraph,
    is_detached,
    is_local,
    may_be_running,
    run_supervised,
)
from pipeline.setup import check_output, removed_where_unused
from schemas.errors import StoppedBySignal
from schemas.manifest import Manifest
from transforms.storage import filesystem, manifest_path, read_manifests
from transforms.write import clear_staging_of


def read_messages(
    options: RunOptions, settings: GraphSettings, beam: PipelineOptions, console: Console
) -> tuple[Manifest | None, StoppedBySignal | None]:
    """Reads, commits and acknowledges messages.

    Returns:
        The sum of all commits, or None for a detached job; and the signal that stopped the run,
        if there was one.

    Raises:
        JobStatusError: The run failed. Its commits stay. Pub/Sub delivers the other messages again.
    """
    assert settings.messages is not None
    mark = settings.commit.run_id.rpartition("-")[2]
    started = time.monotonic()
    stopped: StoppedBySignal | None = None
    with (
        removed_where_unused(settings.commit),
        tempfile.TemporaryDirectory(prefix="job-status-", ignore_cleanup_errors=True) as directory,
    ):
        stop_file = os.path.join(directory, "stop-pulling")
        pull = replace(settings.messages.pull, stop_file=stop_file)
        settings = replace(settings, messages=replace(settings.messages, pull=pull))

        def work(run: RunGraph) -> None:
            if options.drain:
                console.print("draining the subscription")
                _drain(run, settings, options.max_seconds)
            else:
                if is_local(beam):
                    console.print("reading until stopped (Ctrl-C)")
                run(replace(settings, commit=replace(settings.commit, run_id=mark, started_at=0.0)))

        def stop() -> None:
            Path(stop_file).touch()
            console.print("stopping once what was pulled is committed; a second signal ends it now")

        try:
            check_output(settings.commit)
            on_signal = stop if is_local(beam) else None
            run_supervised(work, beam, options.debug, ProgressBar(console), on_signal)
        except StoppedBySignal as signal:
            stopped = signal
        finally:
            if not may_be_running(stopped, beam):
                clear_staging_of(settings.commit, mark)
    if is_detached(beam):
        return None, stopped
    report = Manifest(
        run_id=settings.commit.run_id,
        mapping_fingerprint=settings.commit.mapping_fingerprint,
        mapping_files=list(settings.commit.mapping_files),
    )
    for _, each in read_manifests(settings.commit.output, mark):
        report.add(each)
    report.duration_seconds = round(time.monotonic() - started, 3)
    report.events_per_second = round(report.read / report.duration_seconds)
    return report, stopped


def _drain(run: RunGraph, settings: GraphSettings, max_seconds: float | None) -> None:
    """Pulls, commits and acknowledges in rounds, until a round finds no message."""
    assert settings.messages is not None
    started = time.monotonic()
    for number in itertools.count():
        run_id = f"{settings.commit.run_id}-{number:04d}"
        commit = replace(settings.commit, run_id=run_id, started_at=time.time())
        run(replace(settings, commit=commit))
        found_none = not filesystem.exists(manifest_path(commit.output, run_id))
        is_late = max_seconds is not None and time.monotonic() - started >= max_seconds
        if found_none or is_late or settings.messages.pull.is_stopped():
            return
