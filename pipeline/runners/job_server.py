"""Submits jobs to a job server of Beam's, and keeps the servers of this machine under control."""

from __future__ import annotations

import os
import sys
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.portable_runner import JobServiceHandle, PortableRunner
from apache_beam.runners.worker import sdk_worker

from pipeline.runners import supervisor


def supervised(command: list[Any]) -> list[Any]:
    """Returns a command that runs the server until it ends, or this process does."""
    return [sys.executable, "-I", "-S", supervisor.__file__, os.getpid(), *command]


def silence_workers() -> None:
    """Keeps workers inside this process from printing tracebacks, which may hold values.

    They print whatever the level of the log is. The job server reports the error as well.
    """
    vars(sdk_worker)["print"] = _print_nothing


def _print_nothing(*_: Any, **__: Any) -> None:
    pass


class JobHandle(JobServiceHandle):
    """Submits a job and follows it without a time limit.

    Beam's `--job_server_timeout` (300 s) is meant for single requests, but Beam also sets it on the
    streams of states and messages: a job that runs for longer then fails with DEADLINE_EXCEEDED.
    """

    def run(self, preparation_id: str) -> Any:
        self.timeout = None
        return super().run(preparation_id)


class PortableEngine(PortableRunner):
    """Runs pipelines on a job server: the one that `--job_endpoint` names, or one of its own."""

    def create_job_service_handle(self, job_service: Any, options: PipelineOptions) -> JobHandle:
        handle = super().create_job_service_handle(job_service, options)
        return JobHandle(job_service, options, handle._retain_unknown_options)

    def stop(self) -> None:
        """Ends what this engine started on this machine."""
