"""Runs pipelines on a job server: Prism's, Flink's, or the one that `--job_endpoint` names.

Beam sets a signal handler when it starts a server, which only the main thread can do. It leaves the
server running when the launcher is killed. And Ctrl-C, which a terminal sends to both, ends a
server that the launcher still needs for its last commit. `supervisor` prevents the last two.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.flink_runner import FlinkJarJobServer, FlinkRunner
from apache_beam.runners.portability.job_server import (
    JobServer,
    StopOnExitJobServer,
    SubprocessJobServer,
)
from apache_beam.runners.portability.portable_runner import JobServiceHandle, PortableRunner
from apache_beam.runners.portability.prism_runner import PrismJobServer, PrismRunner
from apache_beam.runners.worker import sdk_worker

from pipeline.runners import supervisor
from schemas.errors import UsageError


def silence_workers() -> None:
    """Keeps workers in this process from printing tracebacks, which may hold values.

    They print at every log level. The job server reports the error as well.
    """
    vars(sdk_worker)["print"] = lambda *_, **__: None


class _JobHandle(JobServiceHandle):
    """Submits a job and follows it without a time limit.

    Beam's `--job_server_timeout` (300 s) is meant for single requests, but Beam also sets it on the
    streams of states and messages: a job that runs for longer then fails with DEADLINE_EXCEEDED.
    """

    def run(self, preparation_id: str) -> Any:
        self.timeout = None
        return super().run(preparation_id)


class JobServerRunner(PortableRunner):
    """Runs pipelines on a job server, from any thread."""

    _server: SubprocessJobServer | None = None

    def create_job_service_handle(self, job_service: Any, options: PipelineOptions) -> _JobHandle:
        """Returns the handle of a job that may run for any time."""
        handle = super().create_job_service_handle(job_service, options)
        return _JobHandle(job_service, options, handle._retain_unknown_options)

    def stop(self) -> None:
        """Ends the server if this runner has started one. Its jobs cannot be asked any more."""
        # Beam's own method fails if the server was never started.
        if self._server is not None and self._server._server is not None:
            self._server.stop()


class _Supervised(SubprocessJobServer):
    """Makes Beam start a server with a supervisor."""

    def subprocess_cmd_and_endpoint(self) -> tuple[list[Any], str]:
        command, endpoint = super().subprocess_cmd_and_endpoint()
        supervise = [sys.executable, "-I", "-S", supervisor.__file__, os.getpid()]
        return [*supervise, *command], endpoint


class _PrismServer(_Supervised, PrismJobServer):
    pass


class _FlinkServer(_Supervised, FlinkJarJobServer):
    pass


@contextmanager
def _download_errors(program: str, hint: str) -> Iterator[None]:
    """Raises UsageError for any error: Beam raises whatever a download raises."""
    try:
        yield
    except Exception as error:
        problem = f"is missing and cannot be downloaded ({type(error).__name__})"
        raise UsageError(f"{program} {problem}", hint) from error


class SupervisedPrismRunner(JobServerRunner, PrismRunner):
    """Runs pipelines on its own Prism server.

    Attributes:
        program: The path of Prism's program.

    Raises:
        UsageError: The program is missing and cannot be downloaded.
    """

    def __init__(self, options: PipelineOptions) -> None:
        super().__init__()
        self._server = server = _PrismServer(options)
        hint = "give it with --prism_location FILE, or use --drain in place of --streaming"
        with _download_errors("the program of the Prism runner", hint):
            self.program = server.local_bin(server.path_to_binary())

    def default_job_server(self, options: PipelineOptions) -> JobServer | None:
        """Returns the server. Beam starts it, and only `stop` ends it."""
        return self._server


class SupervisedFlinkRunner(JobServerRunner, FlinkRunner):
    """Runs pipelines on Flink; `stop` also ends a Flink that is embedded in the job server."""

    def default_job_server(self, options: PipelineOptions) -> JobServer:
        """Returns the job server, which is started once for all jobs of a run."""
        beam_server = super().default_job_server(options)
        if not isinstance(beam_server, StopOnExitJobServer):
            return beam_server  # an uber jar is sent to the cluster: there is no local server
        if self._server is None:
            server = _FlinkServer(options)
            hint = "give it with --flink_job_server_jar FILE; docs/deploy-flink.md has its build"
            with _download_errors("the job server for Flink", hint):
                server.local_jar(server.path_to_jar(), server._jar_cache_dir)
            self._server = server
        return self._server
