"""Runs a graph on a Beam runner and turns whatever comes back into an error for people."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

from pipeline.graph import GraphSettings, build
from schemas.errors import JobStatusError
from transforms.refusals import carried_error
from transforms.storage import reason

LARGE_INPUT_BYTES = 256 << 20
"""From this size on, starting worker processes costs less than they save."""

_DEFAULT_RUNNER = "FnApiRunner"


def beam_options(arguments: list[str], input_bytes: int) -> PipelineOptions:
    """Settles the engine.

    Args:
        arguments: Beam's own, from the command line. A runner that is given is left as it is.
        input_bytes: Size of all input; where it is large, all cores work on it.
    """
    options = PipelineOptions(arguments)
    standard = options.view_as(StandardOptions)
    if standard.runner is None:
        standard.runner = _DEFAULT_RUNNER
        names = {argument.split("=")[0] for argument in arguments}
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        chosen = names & {"--direct_running_mode", "--direct_num_workers"}
        if input_bytes >= LARGE_INPUT_BYTES and (cores or 1) > 1 and not chosen:
            direct = options.view_as(DirectOptions)
            direct.direct_running_mode = "multi_processing"
            direct.direct_num_workers = cores
    return options


def launch(settings: GraphSettings, options: PipelineOptions, debug: bool) -> None:
    """Runs the graph to its end, in a thread: the main thread stays free for signals.

    Raises:
        JobStatusError: What a worker refused, or what the engine said last.
    """

    def work() -> None:
        pipeline = beam.Pipeline(options=options)
        build(pipeline, settings)
        pipeline.run().wait_until_finish()

    failure = _in_thread(work)
    if failure is None:
        return
    if debug:
        logging.getLogger(__name__).error("the engine failed", exc_info=failure)
    if isinstance(failure, JobStatusError):
        raise failure
    told = carried_error(str(failure))
    if told is not None:
        raise told from failure
    raise JobStatusError(
        f"the engine failed: {reason(failure)}", "run again with --debug to see more"
    ) from failure


def _in_thread(work: Callable[[], None]) -> BaseException | None:
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=guarded, name="pipeline", daemon=True)
    thread.start()
    # Joining without a limit would keep signals from the main thread on some platforms.
    while thread.is_alive():
        thread.join(0.2)
    return failures[0] if failures else None
