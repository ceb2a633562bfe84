"""Beam's Prism engine on this machine, without its surprises.

Beam sets a signal handler when it starts the engine, which only the main thread can do. It leaves
the engine running where its launcher is killed. And Ctrl-C, which a terminal sends to both, would
end the engine, which the launcher still needs for its last commit.
"""

from __future__ import annotations

from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.prism_runner import PrismJobServer, PrismRunner

from pipeline.runners.job_server import PortableEngine, supervised
from schemas.errors import UsageError


class _Server(PrismJobServer):
    def subprocess_cmd_and_endpoint(self) -> tuple[list[Any], str]:
        command, endpoint = super().subprocess_cmd_and_endpoint()
        return supervised(command), endpoint


class PrismEngine(PortableEngine, PrismRunner):
    """Runs pipelines on an engine of its own, from any thread.

    Args:
        options: Of the pipeline; say where the engine is.

    Raises:
        UsageError: The engine's program is not there and cannot be fetched.
    """

    def __init__(self, options: PipelineOptions) -> None:
        super().__init__()
        self._server = _Server(options)
        self._is_started = False
        try:
            self.program = self._server.local_bin(self._server.path_to_binary())
            """Path of the engine's program."""
        except Exception as error:
            # Beam fetches it, and whatever can go wrong on the way does so in its own manner.
            raise UsageError(
                "the program of the Prism engine is not there and cannot be fetched "
                f"({type(error).__name__})",
                "give it with --prism_location FILE, or use --drain in place of --streaming",
            ) from error

    def default_job_server(self, options: PipelineOptions) -> PrismJobServer:
        """The server that Beam starts; it is ended by `stop` alone."""
        self._is_started = True
        return self._server

    def stop(self) -> None:
        """Ends the engine; nothing can be asked of a pipeline that ran on it any more."""
        if self._is_started:
            self._is_started = False
            self._server.stop()
