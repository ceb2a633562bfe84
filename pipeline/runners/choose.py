"""Chooses the runner and its options, and starts the runners of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields

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

from pipeline.options import FlinkJobOptions, RunOptions, default_of
from pipeline.runners.endpoints import check_endpoints
from pipeline.runners.job_server import (
    JobServerRunner,
    SupervisedFlinkRunner,
    SupervisedPrismRunner,
    silence_workers,
)
from pipeline.runners.local import runner_with_processes
from pipeline.runners.worker_pool import taken_template
from schemas.errors import UsageError

_LARGE_INPUT_BYTES = 128 << 20
"""From this size on, there is a range for each of two worker processes."""

_DEFAULT_RUNNER = "FnApiRunner"
_STREAMING_RUNNER = "PrismRunner"
_FLINK_RUNNER = "FlinkRunner"
_PORTABLE_RUNNER = "PortableRunner"
_BATCH_RUNNERS = ("FnApiRunner", "DirectRunner", "BundleBasedDirectRunner", "SwitchingDirectRunner")
_JOB_SERVER_RUNNERS = (_FLINK_RUNNER, _PORTABLE_RUNNER)
_LOCAL_RUNNERS = (*_BATCH_RUNNERS, _STREAMING_RUNNER)

_JAVA_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")
"""Log levels that Java and Python share."""

_NEED_THE_END = ("drain", "max_dead_letter_fraction", "report")
"""Options of a run that need the end of the job."""


def beam_options(
    arguments: list[str], *, streaming: bool = False, input_bytes: int = 0, debug: bool = False
) -> PipelineOptions:
    """Makes Beam's options and chooses the runner, unless `--runner` is given.

    Args:
        arguments: The arguments for Beam.
        streaming: Whether the input has no end.
        input_bytes: The total size of the input. A large input is read by a process per core.
        debug: Whether the workers log.

    Raises:
        UsageError: The runner is unknown, or does not support the options.
    """
    options = PipelineOptions(arguments)
    standard = options.view_as(StandardOptions)
    standard.streaming = streaming
    if standard.runner is None:
        standard.runner = _STREAMING_RUNNER if streaming else _DEFAULT_RUNNER
        names = {argument.split("=")[0] for argument in arguments}
        is_chosen = names & {"--direct_running_mode", "--direct_num_workers"}
        if input_bytes >= _LARGE_INPUT_BYTES and _cores() > 1 and not is_chosen:
            direct = options.view_as(DirectOptions)
            direct.direct_running_mode = "multi_processing"
            direct.direct_num_workers = _cores()
    standard.runner = _full_name(standard.runner)
    try:
        create_runner(standard.runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(
            f"--runner {standard.runner} is not known",
            "for example DirectRunner, FlinkRunner, DataflowRunner",
        ) from error
    workers = options.view_as(DirectOptions).direct_num_workers
    if workers < 0:
        raise UsageError(f"--direct_num_workers is {workers}, but must be at least 0")
    if streaming and runner_name(options) in _BATCH_RUNNERS:
        raise UsageError(
            f"--runner {standard.runner} does not support --streaming",
            "leave --runner out for Prism, or use --drain in place of --streaming",
        )
    is_bound = is_bound_to_command(options) or _starts_job_server(options)
    if standard.no_wait_until_finish and is_bound:
        raise UsageError(
            f"--no_wait_until_finish is not for {standard.runner}, which ends with this command",
            "it is for jobs that continue alone: on Dataflow, or on Flink with --job_endpoint and "
            "--environment_type EXTERNAL, PROCESS or DOCKER",
        )
    _set_log_level(options, debug)
    if streaming and runner_name(options) in _JOB_SERVER_RUNNERS:
        # Otherwise Flink buffers what a bundle outputs during a checkpoint, and lets the watermark
        # pass it. A stream whose first checkpoint was in its first bundle never pulled a message.
        options.view_as(FlinkJobOptions).finish_bundle_before_checkpointing = True
    return options


def _set_log_level(options: PipelineOptions, debug: bool) -> None:
    worker = options.view_as(WorkerOptions)
    level = worker.default_sdk_harness_log_level
    is_java = runner_name(options) in _JOB_SERVER_RUNNERS
    if level is None and not debug:
        # CRITICAL hides tracebacks, which may hold values. Java does not accept this level.
        worker.default_sdk_harness_log_level = "ERROR" if is_java else "CRITICAL"
    elif level is not None and is_java and level not in _JAVA_LEVELS:
        raise UsageError(
            f"--default_sdk_harness_log_level {level} is unknown to {runner_name(options)}",
            f"use one of {', '.join(_JAVA_LEVELS)}",
        )


def _full_name(runner: str) -> str:
    """Returns Beam's own name of a runner: Beam accepts `flink` and `flinkrunner`, too."""
    names = {name.lower(): name for name in StandardOptions.KNOWN_RUNNER_NAMES}
    short = runner.lower()
    return names.get(short) or names.get(f"{short}runner") or runner


def runner_name(options: PipelineOptions) -> str:
    """Returns the name of the runner without its module."""
    return str(options.view_as(StandardOptions).runner).rpartition(".")[2]


def is_local(options: PipelineOptions) -> bool:
    """Returns whether the workers run on this machine and share its files and processes."""
    environment = options.view_as(PortableOptions).environment_type
    if environment is None and runner_name(options) == _FLINK_RUNNER and _names_no_cluster(options):
        environment = "LOOPBACK"  # Beam's own default
    return environment == "LOOPBACK" or runner_name(options) in _LOCAL_RUNNERS


def has_jobs(options: PipelineOptions) -> bool:
    """Returns whether the pipeline is submitted as a job, which has an id and a state."""
    return runner_name(options) not in _LOCAL_RUNNERS


def is_bound_to_command(options: PipelineOptions) -> bool:
    """Returns whether a job ends with the command, because its workers or its runner do."""
    return is_local(options) or (_starts_job_server(options) and _names_no_cluster(options))


def is_cancelled_with_command(options: PipelineOptions) -> bool:
    """Returns whether a signal to the command ends the job. Dataflow's jobs are drained instead."""
    return runner_name(options) in _JOB_SERVER_RUNNERS


def _starts_job_server(options: PipelineOptions) -> bool:
    has_endpoint = options.view_as(PortableOptions).job_endpoint is not None
    sends_jar = options.view_as(FlinkRunnerOptions).flink_submit_uber_jar
    is_flink = runner_name(options) == _FLINK_RUNNER
    return is_flink and not has_endpoint and (not sends_jar or _names_no_cluster(options))


def _names_no_cluster(options: PipelineOptions) -> bool:
    return options.view_as(FlinkRunnerOptions).flink_master in MAGIC_HOST_NAMES


def is_detached(options: PipelineOptions) -> bool:
    """Returns whether the command ends without waiting for the job.

    The launcher of a Flex Template asks for a file of the job (`--template_location`). Dataflow
    starts the job from it once this process has ended, so waiting would keep it from starting.
    """
    if options.view_as(StandardOptions).no_wait_until_finish:
        return True
    is_dataflow = runner_name(options) == "DataflowRunner"
    return is_dataflow and options.view_as(GoogleCloudOptions).template_location is not None


def check_detached(run: RunOptions, options: PipelineOptions) -> None:
    """Checks that a detached job has no option that needs its end.

    Raises:
        UsageError: It has one.
    """
    for each in fields(RunOptions):
        is_given = getattr(run, each.name) != default_of(each)
        if each.name in _NEED_THE_END and is_given and is_detached(options):
            raise UsageError(
                f"--{each.name} has to wait for the end of the job, which nobody does here",
                "leave it out; or run job-status itself, without a template and without "
                "--no_wait_until_finish",
            )


def check_runner(options: PipelineOptions) -> str:
    """Checks that this machine has what the runner needs, and returns a description of the runner.

    Raises:
        UsageError: A program is missing, or a server does not answer.
    """
    name = runner_name(options)
    if name in _JOB_SERVER_RUNNERS:
        check_endpoints(options)
    if name == _STREAMING_RUNNER:
        return f"{name}, {SupervisedPrismRunner(options).program}"
    if name == _FLINK_RUNNER:
        jar = options.view_as(FlinkRunnerOptions).flink_job_server_jar
        if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
            raise UsageError(f"{name} needs Java, which is not installed", "install a JRE")
        if jar and "://" not in jar and not os.path.exists(jar):
            raise UsageError(
                f"--flink_job_server_jar {jar} does not exist",
                "without this option, Beam downloads the job server of its own version",
            )
        return f"{name}, {jar or 'with the job server that Beam downloads'}"
    if _has_processes(options):
        workers = options.view_as(DirectOptions).direct_num_workers
        return f"{name}, {workers} worker processes"
    return name


@contextmanager
def started_runner(options: PipelineOptions, debug: bool) -> Iterator[PipelineRunner | None]:
    """Starts a runner where Beam's own way to start it is not safe, and stops it at the end.

    Yields:
        The runner, which may run several pipelines one after the other. None if Beam makes it
        from the options.

    Raises:
        UsageError: The runner's program is missing and cannot be downloaded.
    """
    has_processes = _has_processes(options)
    with ExitStack() as stack:
        template = stack.enter_context(taken_template(has_processes))
        if has_processes:
            yield runner_with_processes(options, debug, template)
        elif runner := _job_server_runner(options):
            if not debug:
                silence_workers()
            stack.callback(runner.stop)
            yield runner
        else:
            yield None


def _job_server_runner(options: PipelineOptions) -> JobServerRunner | None:
    name = runner_name(options)
    if name == _STREAMING_RUNNER:
        return SupervisedPrismRunner(options)
    if name == _FLINK_RUNNER:
        return SupervisedFlinkRunner()
    return JobServerRunner() if name == _PORTABLE_RUNNER else None


def _has_processes(options: PipelineOptions) -> bool:
    mode = options.view_as(DirectOptions).direct_running_mode
    return runner_name(options) == _DEFAULT_RUNNER and mode == "multi_processing"


def _cores() -> int:
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(allowed(0)) if allowed else os.cpu_count() or 1
