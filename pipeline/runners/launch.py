"""Runs a graph on a Beam runner and turns whatever comes back into an error for people."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from pipeline.graph import GraphSettings, build
from pipeline.report import ProgressBar
from pipeline.runners.choose import ends_with_command, engine, has_jobs, is_detached, is_local
from pipeline.runners.gc_tuning import freeze_loaded_objects
from pipeline.runners.submitted_jobs import SubmittedJobs
from pipeline.stop_signals import collected_signals
from schemas.errors import JobStatusError, StoppedBySignal
from transforms.local import REMOTE_RUN, LocalRun, preserved_error

_STOP_SECONDS = 2.0
"""How long a stopped run may take to come to its end before it is left where it is."""

_STOPPED_ON_PURPOSE = (PipelineState.DRAINED, PipelineState.UPDATED)
"""Ends of a job that somebody asked its engine for; what it had read is committed, or handed on."""

Run = Callable[[GraphSettings], None]
"""Runs a graph to its end on the engine of this run, or gives it the graph and leaves it alone."""


def launch(
    settings: GraphSettings, options: PipelineOptions, debug: bool, display: ProgressBar
) -> None:
    """Runs one graph to its end, unless the engine is left alone with it.

    Raises:
        StoppedBySignal: SIGINT or SIGTERM ended it.
        JobStatusError: What a worker refused, or what the engine said last.
    """
    supervise(lambda run: run(settings), options, debug, display)


def supervise(
    work: Callable[[Run], None],
    options: PipelineOptions,
    debug: bool,
    display: ProgressBar,
    stop: Callable[[], None] | None = None,
) -> None:
    """Does the work in a thread on one engine: the main thread keeps the signals.

    Args:
        work: Runs graphs, one after the other.
        options: Beam's.
        debug: Whether to show what the engine says.
        display: Shows how far it is.
        stop: Is called at the first signal, for the work to come to a good end by itself. The
            second signal ends it at once, as the first one does where this is missing. A job on
            other machines is not ended: only this command is.

    Raises:
        StoppedBySignal: SIGINT or SIGTERM ended it.
        JobStatusError: What a worker refused, or what the engine said last.
    """
    jobs = SubmittedJobs(display)
    with _local_run(options) as local_run, engine(options, debug) as runner:

        def run(settings: GraphSettings) -> None:
            pipeline = beam.Pipeline(runner=runner, options=options)
            build(pipeline, settings, local_run)
            result = pipeline.run()
            if is_detached(options):
                return
            if has_jobs(options):
                jobs.show(result)
            _wait(result)

        def guarded() -> None:
            freeze_loaded_objects()
            work(run)

        failure = _in_thread(guarded, local_run, debug, display, stop)
        if isinstance(failure, StoppedBySignal) and has_jobs(options):
            if ends_with_command(options):
                jobs.cancel()
            else:
                failure.outcome = "a job that its engine has taken goes on; the engine can end it"
    if failure is None:
        return
    if isinstance(failure, JobStatusError | StoppedBySignal):
        raise failure
    if debug:
        logging.getLogger(__name__).error("the engine failed", exc_info=failure)
    told = preserved_error(str(failure))
    if told is not None:
        raise told from failure
    raise JobStatusError(
        f"the engine failed: {_kind_of_failure(failure)}", "run again with --debug to see more"
    ) from failure


def _wait(result: PipelineResult) -> None:
    try:
        result.wait_until_finish()
    except Exception:
        # Dataflow's result takes every end but one for a failure.
        if result.state not in _STOPPED_ON_PURPOSE:
            raise


def _kind_of_failure(failure: BaseException) -> str:
    """What failed and where; never the text of the error, which may hold a value of the data."""
    text = str(failure)
    kinds = re.findall(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception))\b", text, re.MULTILINE)
    steps = re.findall(r"\[while running '([^']+)'\]", text)
    kind = kinds[-1] if kinds else type(failure).__name__
    return f"{kind} in {steps[-1]}" if steps else kind


@contextmanager
def _local_run(options: PipelineOptions) -> Iterator[LocalRun]:
    """Connects local workers with this process."""
    if not is_local(options):
        yield REMOTE_RUN
        return
    directory = tempfile.mkdtemp(prefix="job-status-")
    try:
        yield LocalRun(os.path.join(directory, "stop"), os.getpid())
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _in_thread(
    work: Callable[[], None],
    local_run: LocalRun,
    debug: bool,
    display: ProgressBar,
    stop: Callable[[], None] | None,
) -> BaseException | None:
    """Does the work and returns what it raised, or that it was stopped."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=guarded, name="pipeline", daemon=True)
    if not debug:
        # Threads of the engine print what they raise when their run ends early.
        threading.excepthook = _silent

    def wait(signals: int) -> None:
        """Waits for the end of the work, or until so many signals came."""
        while thread.is_alive() and len(caught) < signals:
            thread.join(0.1)
            display.show(local_run.progress())

    with collected_signals() as caught, display:
        thread.start()
        wait(1)
        if caught and local_run is REMOTE_RUN:
            return StoppedBySignal(caught[0], "the job was cancelled")
        if caught and stop is not None:
            stop()
            wait(2)
            if not thread.is_alive():
                outcome = "what was pulled is committed and acknowledged"
                return failures[0] if failures else StoppedBySignal(caught[0], outcome)
        if caught:
            make_empty(local_run.stop_file)
            thread.join(_STOP_SECONDS)
            if stop is not None:
                return StoppedBySignal(caught[-1], "what was not committed will come again")
            return StoppedBySignal(caught[0])
    return failures[0] if failures else None


def make_empty(path: str) -> None:
    """Makes a file of nothing, for others to see that it is there."""
    with open(path, "wb"):
        pass


def _silent(_: threading.ExceptHookArgs) -> None:
    pass
