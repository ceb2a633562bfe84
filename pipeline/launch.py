"""Runs a graph on a Beam runner and turns whatever comes back into an error for people."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import create_runner

from pipeline.graph import GraphSettings, build
from pipeline.local_engine import engine_with_processes, relax_collector
from schemas.errors import JobStatusError, StoppedBySignal, UsageError
from transforms.lifeline import Lifeline
from transforms.refusals import carried_error

LARGE_INPUT_BYTES = 256 << 20
"""From this size on, starting worker processes costs less than they save."""

_DEFAULT_RUNNER = "FnApiRunner"
_LOCAL_RUNNERS = ("FnApiRunner", "DirectRunner", "BundleBasedDirectRunner", "SwitchingDirectRunner")

_STOP_SECONDS = 2.0
"""How long a stopped run may take to come to its end before it is left where it is."""


def beam_options(arguments: list[str], input_bytes: int, debug: bool) -> PipelineOptions:
    """Settles the engine.

    Args:
        arguments: Beam's own, from the command line. A runner that is given is left as it is.
        input_bytes: Size of all input; where it is large, all cores work on it.
        debug: Whether the workers log.

    Raises:
        UsageError: There is no such runner.
    """
    options = PipelineOptions(arguments)
    standard = options.view_as(StandardOptions)
    names = {argument.split("=")[0] for argument in arguments}
    if standard.runner is None:
        standard.runner = _DEFAULT_RUNNER
        chosen = names & {"--direct_running_mode", "--direct_num_workers"}
        if input_bytes >= LARGE_INPUT_BYTES and _cores() > 1 and not chosen:
            direct = options.view_as(DirectOptions)
            direct.direct_running_mode = "multi_processing"
            direct.direct_num_workers = _cores()
    try:
        create_runner(standard.runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(
            f"--runner {standard.runner} is not known",
            "for example DirectRunner, FlinkRunner, DataflowRunner",
        ) from error
    if not debug and "--default_sdk_harness_log_level" not in names:
        options.view_as(WorkerOptions).default_sdk_harness_log_level = "CRITICAL"
    return options


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def launch(settings: GraphSettings, options: PipelineOptions, debug: bool) -> None:
    """Runs the graph to its end, in a thread: the main thread keeps the signals.

    Raises:
        StoppedBySignal: SIGINT or SIGTERM ended it.
        JobStatusError: What a worker refused, or what the engine said last.
    """
    runner = None
    if _runner_name(options) == _DEFAULT_RUNNER:
        runner = engine_with_processes(options, debug)
    with _lifeline(options) as lifeline:

        def work() -> None:
            relax_collector()
            pipeline = beam.Pipeline(runner=runner, options=options)
            build(pipeline, settings, lifeline)
            pipeline.run().wait_until_finish()

        failure = _in_thread(work, lifeline, debug)
    if failure is None:
        return
    if isinstance(failure, JobStatusError | StoppedBySignal):
        raise failure
    if debug:
        logging.getLogger(__name__).error("the engine failed", exc_info=failure)
    told = carried_error(str(failure))
    if told is not None:
        raise told from failure
    raise JobStatusError(
        f"the engine failed: {_kind_of_failure(failure)}", "run again with --debug to see more"
    ) from failure


def _kind_of_failure(failure: BaseException) -> str:
    """What failed and where; never the text of the error, which may hold a value of the data."""
    text = str(failure)
    kinds = re.findall(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception))\b", text, re.MULTILINE)
    steps = re.findall(r"\[while running '([^']+)'\]", text)
    kind = kinds[-1] if kinds else type(failure).__name__
    return f"{kind} in {steps[-1]}" if steps else kind


def _runner_name(options: PipelineOptions) -> str:
    return str(options.view_as(StandardOptions).runner).rpartition(".")[2]


@contextmanager
def _lifeline(options: PipelineOptions) -> Iterator[Lifeline | None]:
    """Ties local workers to this process; remote ones cannot see it."""
    if _runner_name(options) not in _LOCAL_RUNNERS:
        yield None
        return
    directory = tempfile.mkdtemp(prefix="job-status-")
    try:
        yield Lifeline(os.path.join(directory, "stop"), os.getpid())
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _in_thread(
    work: Callable[[], None], lifeline: Lifeline | None, debug: bool
) -> BaseException | None:
    """Does the work and returns what it raised."""
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
    with _signals() as caught:
        thread.start()
        while thread.is_alive() and not caught:
            thread.join(0.1)
        if caught:
            if lifeline is not None:
                with open(lifeline.stop_file, "wb"):
                    pass
            thread.join(_STOP_SECONDS)
            # A commit that was under way may have come to its end: that run is done.
            if thread.is_alive() or failures:
                return StoppedBySignal(caught[0], "nothing was committed")
            return StoppedBySignal(caught[0], "everything was committed just before")
    return failures[0] if failures else None


def _silent(_: threading.ExceptHookArgs) -> None:
    pass


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM instead of letting them cut the work anywhere."""
    caught: list[int] = []

    def catch(number: int, _: FrameType | None) -> None:
        caught.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
