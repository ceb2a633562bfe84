"""Settles which engine a run gets, and starts and ends those of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from apache_beam.options.pipeline_options import (
    DirectOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.portability.flink_runner import MAGIC_HOST_NAMES
from apache_beam.runners.runner import PipelineRunner, create_runner

from pipeline.runners.flink import FlinkEngine
from pipeline.runners.job_server import PortableEngine, silence_workers
from pipeline.runners.local import engine_with_processes
from pipeline.runners.prism import PrismEngine
from pipeline.runners.worker_pool import taken_template
from schemas.errors import UsageError

LARGE_INPUT_BYTES = 128 << 20
"""From this size on, there is a range for each of two worker processes."""

_DEFAULT_RUNNER = "FnApiRunner"
_STREAMING_RUNNER = "PrismRunner"
_FLINK_RUNNER = "FlinkRunner"
_DATAFLOW_RUNNER = "DataflowRunner"
_PORTABLE_RUNNER = "PortableRunner"
_LOCAL_RUNNERS = (
    "FnApiRunner",
    "DirectRunner",
    "BundleBasedDirectRunner",
    "SwitchingDirectRunner",
    "PrismRunner",
)
_JAVA_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")
"""Log levels that Java and Python both know."""

_LOOPBACK = "LOOPBACK"
_WITHOUT_STREAMS = tuple(name for name in _LOCAL_RUNNERS if name != _STREAMING_RUNNER)


def beam_options(
    arguments: list[str], *, streaming: bool = False, input_bytes: int = 0, debug: bool = False
) -> PipelineOptions:
    """Settles the engine.

    Args:
        arguments: Beam's own, from the command line. A runner that is given is left as it is.
        streaming: Whether the input has no end.
        input_bytes: Size of all input; where it is large, all cores work on it.
        debug: Whether the workers log.

    Raises:
        UsageError: There is no such runner, or it cannot do what is asked.
    """
    options = PipelineOptions(arguments)
    standard = options.view_as(StandardOptions)
    standard.streaming = streaming
    names = {argument.split("=")[0] for argument in arguments}
    if standard.runner is None:
        standard.runner = _STREAMING_RUNNER if streaming else _DEFAULT_RUNNER
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
    if streaming and runner_name(options) in _WITHOUT_STREAMS:
        raise UsageError(
            f"--runner {standard.runner} cannot read without an end",
            "leave --runner out for Prism, or use --drain in place of --streaming",
        )
    is_bound = ends_with_command(options) or _starts_job_server(options)
    if standard.no_wait_until_finish and is_bound:
        raise UsageError(
            f"--no_wait_until_finish is not for {standard.runner}, which ends with this command",
            "it is for jobs that go on alone: on Dataflow, or on Flink with --job_endpoint and "
            "--environment_type EXTERNAL, PROCESS or DOCKER",
        )
    _settle_log_level(options, debug)
    return options


def _settle_log_level(options: PipelineOptions, debug: bool) -> None:
    worker = options.view_as(WorkerOptions)
    by_java = runner_name(options) in (_FLINK_RUNNER, _PORTABLE_RUNNER)
    if worker.default_sdk_harness_log_level is None:
        if not debug:
            # CRITICAL keeps tracebacks away, which may hold values; Java fails at this level.
            worker.default_sdk_harness_log_level = "ERROR" if by_java else "CRITICAL"
    elif by_java and worker.default_sdk_harness_log_level not in _JAVA_LEVELS:
        raise UsageError(
            f"--default_sdk_harness_log_level {worker.default_sdk_harness_log_level} is unknown to "
            f"{runner_name(options)}",
            f"use one of {', '.join(_JAVA_LEVELS)}",
        )


def runner_name(options: PipelineOptions) -> str:
    """The runner's name without a module."""
    return str(options.view_as(StandardOptions).runner).rpartition(".")[2]


def is_local(options: PipelineOptions) -> bool:
    """Whether the workers are on this machine, and can see its files and processes."""
    environment = options.view_as(PortableOptions).environment_type
    if environment is None and runner_name(options) == _FLINK_RUNNER and _names_no_cluster(options):
        environment = _LOOPBACK  # as Beam does it
    return environment == _LOOPBACK or runner_name(options) in _LOCAL_RUNNERS


def has_jobs(options: PipelineOptions) -> bool:
    """Returns whether the work is a job that another program shows, with an id and a state."""
    return runner_name(options) not in _LOCAL_RUNNERS


def ends_with_command(options: PipelineOptions) -> bool:
    """Returns whether a job ends with the command, since its workers or its engine do."""
    return is_local(options) or (_starts_job_server(options) and _names_no_cluster(options))


def _starts_job_server(options: PipelineOptions) -> bool:
    has_endpoint = options.view_as(PortableOptions).job_endpoint is not None
    sends_jar = options.view_as(FlinkRunnerOptions).flink_submit_uber_jar
    is_flink = runner_name(options) == _FLINK_RUNNER
    return is_flink and not has_endpoint and (not sends_jar or _names_no_cluster(options))


def _names_no_cluster(options: PipelineOptions) -> bool:
    return options.view_as(FlinkRunnerOptions).flink_master in MAGIC_HOST_NAMES


def is_detached(options: PipelineOptions) -> bool:
    """Whether the engine is given the job, and nobody waits for its end.

    The launcher of a Flex Template asks for a file of the job (`--template_location`). Dataflow
    starts the job from it once this process has ended, so waiting would keep it from starting.
    """
    if options.view_as(StandardOptions).no_wait_until_finish:
        return True
    is_dataflow = runner_name(options) == _DATAFLOW_RUNNER
    return is_dataflow and options.view_as(GoogleCloudOptions).template_location is not None


def look_at_engine(options: PipelineOptions) -> str:
    """Looks whether an engine has what it needs on this machine, and says what it is.

    Raises:
        UsageError: It has not.
    """
    name = runner_name(options)
    if name == _STREAMING_RUNNER:
        return f"{name}, {PrismEngine(options).program}"
    if name == _FLINK_RUNNER:
        return f"{name}, {_job_server(options)}"
    if _with_processes(options):
        workers = options.view_as(DirectOptions).direct_num_workers
        return f"{name}, {workers} worker processes"
    return name


def _job_server(options: PipelineOptions) -> str:
    jar = options.view_as(FlinkRunnerOptions).flink_job_server_jar
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise UsageError(f"{_FLINK_RUNNER} needs Java, which is not installed", "install a JRE")
    if jar and "://" not in jar and not os.path.exists(jar):
        raise UsageError(
            f"--flink_job_server_jar {jar} is not there",
            "without it, Beam fetches the one it was made for",
        )
    return jar or "with the job server that Beam fetches"


@contextmanager
def engine(options: PipelineOptions, debug: bool) -> Iterator[PipelineRunner | None]:
    """Starts an engine of this machine where Beam's own way to do so has surprises.

    Yields:
        The engine, which may run several pipelines one after the other, or None where Beam makes
        the one that the options name.

    Raises:
        UsageError: The engine's program cannot be had.
    """
    processes = _with_processes(options)
    with ExitStack() as stack:
        template = stack.enter_context(taken_template(processes))
        if processes:
            yield engine_with_processes(options, debug, template)
            return
        portable = _portable_engine(options)
        if portable is None:
            yield None
            return
        if not debug:
            silence_workers()
        stack.callback(portable.stop)
        yield portable


def _portable_engine(options: PipelineOptions) -> PortableEngine | None:
    name = runner_name(options)
    if name == _STREAMING_RUNNER:
        return PrismEngine(options)
    if name == _FLINK_RUNNER:
        return FlinkEngine()
    return PortableEngine() if name == _PORTABLE_RUNNER else None


def _with_processes(options: PipelineOptions) -> bool:
    mode = options.view_as(DirectOptions).direct_running_mode
    return runner_name(options) == _DEFAULT_RUNNER and mode == "multi_processing"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
