"""Beam's in-process engine with worker processes, without its surprises.

Beam starts workers through a shell without quoting the interpreter's path, gives them none of the
pipeline's options (a file system's endpoint, say), and lets all of their log through to the
terminal.
"""

from __future__ import annotations

import gc
import os
import shlex
import sys

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.transforms.environments import SubprocessSDKEnvironment

_ALLOCATIONS = 100_000
"""Between two looks for cycles; Python's own choice is 700."""

_WORKER = "pipeline.worker"


def engine_with_processes(options: PipelineOptions, debug: bool) -> FnApiRunner | None:
    """Makes the engine if the options ask for worker processes, else None.

    Args:
        options: Of the pipeline; the running mode is taken over by the engine that is returned.
        debug: Whether the workers may write to the terminal.
    """
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "multi_processing":
        return None
    # Beam would put its own command in the place of this one.
    direct.direct_running_mode = "in_memory"
    command = f"exec {shlex.quote(sys.executable)} -m {_WORKER} {os.getpid()}"
    if not debug:
        command += " >/dev/null 2>&1"
    told = JobServiceHandle.encode_pipeline_options(options.get_all_options(drop_default=True))
    return FnApiRunner(
        default_environment=SubprocessSDKEnvironment.from_command_string(command),
        provision_info=ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=told), job_name="job-status"
        ),
    )


def relax_collector() -> None:
    """Keeps Python's collector of cycles from looking at everything again and again.

    What the engine has loaded stays anyway, and blocks hold no cycles: they go when they are done.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, *gc.get_threshold()[1:])
