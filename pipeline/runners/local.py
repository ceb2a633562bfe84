"""Makes Beam's in-process runner with worker processes of its own.

Beam's way to start worker processes does not quote the interpreter's path in a shell command, does
not pass the pipeline's options (a filesystem's endpoint, for example), lets the workers log to the
terminal, loads everything again in each worker, and may wait for a worker that has ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.transforms.environments import Environment, python_sdk_capabilities
from google.protobuf import json_format

from pipeline.runners.worker_pool import WorkerTemplate

_URN = "job_status:env:process:v1"
_ABORT_SECONDS = 0.1

Start = Callable[[Mapping[str, str]], Callable[[], Any]]
"""Starts a worker with more environment variables. Returns a function that waits for its end."""


def runner_with_processes(
    options: PipelineOptions, debug: bool, template: WorkerTemplate | None
) -> FnApiRunner:
    """Makes the runner, and changes the running mode in the options.

    The template forks the workers. Without one, each worker is a new process of the interpreter.
    Only with `debug` may workers write to the terminal.
    """
    # Otherwise Beam would start its own workers.
    options.view_as(DirectOptions).direct_running_mode = "in_memory"
    start = partial(_spawn, debug) if template is None else partial(template.start, debug)
    WorkerHandler.register_environment(_URN, bytes)(partial(_Worker, start))
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options(drop_default=True))
    return FnApiRunner(
        default_environment=_Processes(python_sdk_capabilities(), ()),
        provision_info=ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded), job_name="job-status"
        ),
    )


# The worker finds packages where the launcher does, not first in the current directory.
_WORK = "import sys; sys.path[:] = {}; from pipeline.runners.worker import work; work({})"


def _spawn(debug: bool, environment: Mapping[str, str]) -> Callable[[], Any]:
    output = None if debug else subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-c", _WORK.format(sys.path, os.getpid())],
        env={**os.environ, **environment},
        stdout=output,
        stderr=output,
        start_new_session=True,  # only the launcher handles signals to the process group
    ).wait


class _Processes(Environment):
    """Makes the runner use `_Worker`."""

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return _URN, b""


class _Worker(GrpcWorkerHandler):
    """Controls one worker process for the runner."""

    def __init__(self, start: Start, _: bytes, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._start = start
        self._is_stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def start_worker(self) -> None:
        options = json_format.MessageToJson(self.provision_info.provision_info.pipeline_options)
        wait = self._start(
            {
                "WORKER_ID": self.worker_id,
                "PIPELINE_OPTIONS": options,
                "CONTROL_API_SERVICE_DESCRIPTOR": str(self.control_api_service_descriptor()),
                "LOGGING_API_SERVICE_DESCRIPTOR": str(self.logging_api_service_descriptor()),
            }
        )
        self._watcher = threading.Thread(target=self._abort_at_end, args=(wait,), daemon=True)
        self._watcher.start()

    def _abort_at_end(self, wait: Callable[[], Any]) -> None:
        wait()
        # An abort only fails the requests that a dead worker has. Beam waits for later ones, so
        # abort until the runner stops.
        while not self._is_stopping.wait(_ABORT_SECONDS):
            with suppress(RuntimeError):
                self.control_conn.abort(RuntimeError("a worker process ended"))

    def stop_worker(self) -> None:
        self._is_stopping.set()
        if self._watcher is not None:
            self._watcher.join()
