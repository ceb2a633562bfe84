"""Beam's in-process engine with worker processes, without its surprises.

Beam's own way starts workers through a shell without quoting the interpreter's path, gives them
none of the pipeline's options (a file system's endpoint, say), lets all of their log through to the
terminal, has each of them load everything anew, and may wait for one that is dead.
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
"""Starts a worker with these variables beside its own; returns what waits for its end."""


def engine_with_processes(
    options: PipelineOptions, debug: bool, template: WorkerTemplate | None
) -> FnApiRunner:
    """Makes the engine.

    Args:
        options: Of the pipeline; the running mode is taken over by the engine that is returned.
        debug: Whether the workers may write to the terminal.
        template: Forks the workers. Where this is None, each is started from nothing.
    """
    # Beam would put its own workers in the place of these.
    options.view_as(DirectOptions).direct_running_mode = "in_memory"
    start = partial(_start_anew, debug) if template is None else partial(template.start, debug)
    WorkerHandler.register_environment(_URN, bytes)(partial(_Worker, start))
    told = JobServiceHandle.encode_pipeline_options(options.get_all_options(drop_default=True))
    return FnApiRunner(
        default_environment=_Processes(python_sdk_capabilities(), ()),
        provision_info=ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=told), job_name="job-status"
        ),
    )


def _start_anew(debug: bool, environment: Mapping[str, str]) -> Callable[[], Any]:
    output = None if debug else subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.runners.worker", str(os.getpid())],
        env={**os.environ, **environment},
        stdout=output,
        stderr=output,
        start_new_session=True,  # signals to a process group are for the launcher alone
    ).wait


class _Processes(Environment):
    """Tells the engine by a name which workers to make."""

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return _URN, b""


class _Worker(GrpcWorkerHandler):
    """What the engine holds of a worker process."""

    def __init__(self, start: Start, _: bytes, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._start = start
        self._is_to_stop = threading.Event()
        self._watch: threading.Thread | None = None

    def start_worker(self) -> None:
        options = json_format.MessageToJson(self.provision_info.provision_info.pipeline_options)
        environment = {
            "WORKER_ID": self.worker_id,
            "PIPELINE_OPTIONS": options,
            "CONTROL_API_SERVICE_DESCRIPTOR": str(self.control_api_service_descriptor()),
            "LOGGING_API_SERVICE_DESCRIPTOR": str(self.logging_api_service_descriptor()),
        }
        wait = self._start(environment)
        self._watch = threading.Thread(target=self._until_end, args=(wait,), daemon=True)
        self._watch.start()

    def _until_end(self, wait: Callable[[], Any]) -> None:
        wait()
        # Beam gives up what it has asked of a dead worker; what it asks later, it waits for.
        while not self._is_to_stop.wait(_ABORT_SECONDS):
            with suppress(RuntimeError):
                self.control_conn.abort(RuntimeError("a worker process ended"))

    def stop_worker(self) -> None:
        self._is_to_stop.set()
        if self._watch is not None:
            self._watch.join()
