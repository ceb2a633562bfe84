"""Runs graphs on a Beam runner in a thread. The main thread handles signals and shows progress."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from pipeline.graph import build
from pipeline.report import ProgressBar, served_metrics
from pipeline.runners.choose import (
    has_jobs,
    is_bound_to_command,
    is_cancelled_with_command,
    is_detached,
    is_local,
    started_runner,
)
from pipeline.runners.memory_tuning import freeze_loaded_objects
from pipeline.runners.submitted_jobs import SubmittedJobs
from pipeline.stop_signals import collected_signals
from schemas.errors import JobStatusError, StoppedBySignal
from transforms.local import REMOTE_RUN, LocalRun, preserved_error

_STOP_SECONDS = 2.0
"""Grace period before a stopped run is abandoned."""

_PLANNED_ENDS = (PipelineState.DRAINED, PipelineState.UPDATED)
"""States of a job that a user ended through its runner. What it has read is committed, or passed to
the job that replaces it."""

BuildGraph = Callable[[beam.Pipeline, Any, LocalRun], Any]
"""Adds the steps of a graph to a pipeline, by its settings."""

RunGraph = Callable[[Any], None]
"""Runs a graph with these settings to its end. If the job is detached, only submits it."""


def run_supervised(
    work: Callable[[RunGraph], None],
    options: PipelineOptions,
    debug: bool,
    progress: ProgressBar,
    stop: Callable[[], None] | None = None,
    metrics_port: int | None = None,
    build_graph: BuildGraph = build,
) -> None:
    """Does the work in a thread. The work may run several graphs, all on one runner.

    The first signal aborts the work. If there is a function `stop`, the first signal calls it, so
    that the work ends normally, and the second signal aborts the work. A job is cancelled with the
    command, except on Dataflow.

    Raises:
        StoppedBySignal: SIGINT or SIGTERM arrived.
        JobStatusError: A worker raised it or reported it at the end, the runner failed, or the port
            is in use.
    """
    jobs = SubmittedJobs(progress)
    with (
        _local_run(options) as local_run,
        served_metrics(local_run, metrics_port),
        started_runner(options, debug) as runner,
    ):

        def run(settings: Any) -> None:
            try:
                run_graph(settings)
            except Exception as error:
                if (reported := preserved_error(str(error))) is None:
                    raise
                raise reported from error

        def run_graph(settings: Any) -> None:
            pipeline = beam.Pipeline(runner=runner, options=options)
            build_graph(pipeline, settings, local_run)
            result = pipeline.run()
            if has_jobs(options) and getattr(result, "has_job", True):
                jobs.show(result)
            if is_detached(options):
                return
            try:
                result.wait_until_finish()
            except Exception:
                # Dataflow's result raises for every final state but DONE.
                if result.state not in _PLANNED_ENDS:
                    raise

        failure = _in_thread(lambda: work(run), local_run, debug, progress, stop)
        if failure is None:
            failure = local_run.failure()
        if isinstance(failure, StoppedBySignal) and jobs.name:
            is_over = is_cancelled_with_command(options) and jobs.cancel()
            is_bound = is_bound_to_command(options)
            failure.is_job_alive = not (is_over or is_bound)
            if failure.is_job_alive:
                failure.outcome = f"{jobs.name} goes on without this command; its runner can end it"
            elif not is_bound:
                failure.outcome = f"{jobs.name} was cancelled"
    if failure is None:
        return
    if isinstance(failure, JobStatusError | StoppedBySignal):
        raise failure
    if debug:
        logging.getLogger(__name__).error("the runner failed", exc_info=failure)
    raise _runner_error(failure) from failure


def may_be_running(error: BaseException | None, options: PipelineOptions) -> bool:
    """Returns whether the job may still write after `run_supervised` has raised an error."""
    if isinstance(error, StoppedBySignal):
        return error.is_job_alive
    return not is_bound_to_command(options)


def _runner_error(failure: BaseException) -> JobStatusError:
    missing = re.search(r"^ModuleNotFoundError: (.+)", str(failure), re.MULTILINE)
    if missing:
        return JobStatusError(
            f"the workers cannot load job-status ({missing[1]})",
            "start them with its environment, in the same version; docs/deploy.md has the commands",
        )
    return JobStatusError(
        f"the runner failed: {_summary(failure)}", "run again with --debug to see more"
    )


def _summary(failure: BaseException) -> str:
    """Returns the error's type and step, never its text, which may hold a value of the data."""
    text = str(failure)
    types = re.findall(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception))\b", text, re.MULTILINE)
    steps = re.findall(r"\[while running '([^']+)'\]", text)
    name = types[-1] if types else type(failure).__name__
    return f"{name} in {steps[-1]}" if steps else name


@contextmanager
def _local_run(options: PipelineOptions) -> Iterator[LocalRun]:
    """Connects local workers with this process."""
    if not is_local(options):
        yield REMOTE_RUN
        return
    with tempfile.TemporaryDirectory(prefix="job-status-", ignore_cleanup_errors=True) as directory:
        yield LocalRun(os.path.join(directory, "stop"), os.getpid())


def _in_thread(
    work: Callable[[], None],
    local_run: LocalRun,
    debug: bool,
    progress: ProgressBar,
    stop: Callable[[], None] | None,
) -> BaseException | None:
    """Does the work and returns the error that ended it, or StoppedBySignal."""
    failures: list[BaseException] = []

    def catch() -> None:
        try:
            freeze_loaded_objects()
            work()
        except BaseException as error:
            failures.append(error)

    # Workers on other machines report their progress to the runner only.
    shown = None if local_run.is_remote else progress
    thread = threading.Thread(target=catch, name="pipeline", daemon=True)
    if not debug:
        # The runner's threads print their errors when their run is aborted.
        threading.excepthook = lambda _: None

    def wait(signals: int) -> None:
        """Waits until the work ends or this number of signals has arrived."""
        while thread.is_alive() and len(caught) < signals:
            thread.join(0.1)
            if shown is not None:
                shown.show(local_run.progress())

    with collected_signals() as caught, shown or nullcontext():
        thread.start()
        wait(1)
        if caught and local_run is REMOTE_RUN:
            return StoppedBySignal(caught[0])
        if caught and stop is not None:
            stop()
            wait(2)
            if not thread.is_alive():
                outcome = "what was pulled is committed and acknowledged"
                return failures[0] if failures else StoppedBySignal(caught[0], outcome)
        if caught:
            Path(local_run.stop_file).touch()
            thread.join(_STOP_SECONDS)
            if stop is not None:
                return StoppedBySignal(caught[-1], "uncommitted messages will be delivered again")
            return StoppedBySignal(caught[0])
    return failures[0] if failures else None
