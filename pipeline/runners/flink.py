"""Beam's Flink runner with a job server that starts in any thread and ends with the command.

Beam sets a signal handler when it starts the job server, which only the main thread can do, and it
leaves the server running where its launcher is killed.
"""

from __future__ import annotations

from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.flink_runner import FlinkJarJobServer, FlinkRunner
from apache_beam.runners.portability.job_server import JobServer, StopOnExitJobServer

from pipeline.runners.job_server import PortableEngine, supervised
from schemas.errors import UsageError


class _Server(FlinkJarJobServer):
    def subprocess_cmd_and_endpoint(self) -> tuple[list[Any], str]:
        try:
            command, endpoint = super().subprocess_cmd_and_endpoint()
        except Exception as error:
            # Beam fetches the jar, and raises whatever the download does.
            raise UsageError(
                "the job server for Flink is not there and cannot be fetched "
                f"({type(error).__name__})",
                "give it with --flink_job_server_jar FILE; docs/deploy.md says how to build it",
            ) from error
        return supervised(command), endpoint

    def stop(self) -> None:
        if self._server is not None:  # Beam's own way fails where the server was never started
            super().stop()


class FlinkEngine(PortableEngine, FlinkRunner):
    """Runs pipelines on Flink, from any thread; `stop` ends the job server."""

    def __init__(self) -> None:
        super().__init__()
        self._server: _Server | None = None

    def default_job_server(self, options: PipelineOptions) -> JobServer:
        """The job server, which is started once for all jobs of a run."""
        server = super().default_job_server(options)
        if not isinstance(server, StopOnExitJobServer):
            return server  # an uber jar is sent to the cluster; nothing runs here
        if self._server is None:
            self._server = _Server(options)
        return self._server

    def stop(self) -> None:
        """Ends the job server, if one was started, and with it Flink where it is embedded."""
        if self._server is not None:
            self._server.stop()
