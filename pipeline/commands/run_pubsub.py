"""`job-status run` on Pub/Sub: rounds until nothing is left, or a stream until it is stopped."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from pipeline.graph import GraphSettings, MessageSettings
from pipeline.options import RunOptions
from pipeline.report import ProgressBar
from pipeline.runners import Run, ends_with_command, is_detached, is_local, make_empty, supervise
from pipeline.setup import check_output, removed_where_unused
from schemas.errors import StoppedBySignal
from schemas.manifest import Manifest
from transforms.storage import filesystem, manifest_path, read_manifests
from transforms.write import clear_staging_of


def read_messages(
    options: RunOptions, settings: GraphSettings, engine: PipelineOptions, console: Console
) -> tuple[Manifest | None, StoppedBySignal | None]:
    """Reads, commits and acknowledges messages until there are none, or until stopped.

    Args:
        options: Of the run.
        settings: What the graph is made of.
        engine: Beam's options.
        console: For messages.

    Returns:
        What was committed in all, or None where the engine is left alone with it; and the signal
        that stopped it, if one did.

    Raises:
        JobStatusError: It could not go on. What was committed until then stays, and what was not
            comes again.
    """
    assert settings.messages is not None
    mark = settings.commit.run_id.rpartition("-")[2]
    started = time.monotonic()
    stopped: StoppedBySignal | None = None
    with removed_where_unused(settings.commit), _stop_file() as stop_file:
        pull = replace(settings.messages.pull, stop_file=stop_file)
        messages = replace(settings.messages, pull=pull)
        settings = replace(settings, messages=messages)

        def work(run: Run) -> None:
            if options.drain:
                console.print("draining the subscription")
                _drain(run, settings, messages, options.max_seconds)
            else:
                if is_local(engine):
                    console.print("reading until stopped (Ctrl-C)")
                run(replace(settings, commit=replace(settings.commit, run_id=mark, started_at=0.0)))

        def stop() -> None:
            make_empty(stop_file)
            console.print("stopping once what was pulled is committed; a second signal ends it now")

        try:
            check_output(settings.commit)
            supervise(
                work,
                engine,
                options.debug,
                ProgressBar(console),
                stop if is_local(engine) else None,
            )
        except StoppedBySignal as signal:
            stopped = signal
        finally:
            if ends_with_command(engine):
                clear_staging_of(settings.commit, mark)
    if is_detached(engine):
        return None, stopped
    report = Manifest(run_id=settings.commit.run_id)
    for _, each in read_manifests(settings.commit.output, mark):
        report.add(each)
    report.duration_seconds = round(time.monotonic() - started, 3)
    report.events_per_second = round(report.read / report.duration_seconds)
    return report, stopped


def _drain(
    run: Run, settings: GraphSettings, messages: MessageSettings, max_seconds: float | None
) -> None:
    """Pulls, commits and acknowledges, round by round, until a round has found nothing."""
    started = time.monotonic()
    for number in itertools.count():
        commit = settings.commit
        commit = replace(commit, run_id=f"{commit.run_id}-{number:04d}", started_at=time.time())
        run(replace(settings, commit=commit))
        found_none = not filesystem.exists(manifest_path(commit.output, commit.run_id))
        is_late = max_seconds is not None and time.monotonic() - started >= max_seconds
        if found_none or is_late or messages.pull.is_stopped():
            return


@contextmanager
def _stop_file() -> Iterator[str]:
    """A path of nothing yet: once there is a file, nothing more is pulled."""
    directory = tempfile.mkdtemp(prefix="job-status-")
    try:
        yield os.path.join(directory, "stop-pulling")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
