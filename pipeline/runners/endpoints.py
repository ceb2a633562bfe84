"""Checks before a job starts that its job server, its Flink cluster and its worker pool answer.

Without these checks Beam waits for a missing job server or worker without a time limit.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_fn_api_pb2 as fn_api
from apache_beam.portability.api import beam_fn_api_pb2_grpc as fn_api_grpc
from apache_beam.portability.api import beam_provision_api_pb2 as provision_api
from apache_beam.portability.api import beam_provision_api_pb2_grpc as provision_grpc
from apache_beam.portability.api import beam_runner_api_pb2 as runner_api
from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.flink_runner import MAGIC_HOST_NAMES
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.window import GlobalWindows

from pipeline.graph import build
from schemas.errors import UsageError

_CONNECT_SECONDS = 5.0
_START_SECONDS = 20.0
_LOAD_SECONDS = 5.0
_PROBE = "job-status-check"
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def check_endpoints(options: PipelineOptions) -> None:
    """Checks the servers that the options of a portable runner name.

    The address of a worker pool is that of the TaskManagers, so a pool is checked only if the whole
    cluster is on this machine.

    Raises:
        UsageError: A server does not answer, or the pool starts workers that cannot run.
    """
    portable = options.view_as(PortableOptions)
    master = str(options.view_as(FlinkRunnerOptions).flink_master)
    if portable.job_endpoint:
        server = portable.job_endpoint
        _check_answers(server, "job server", "--job_endpoint")
    elif master not in MAGIC_HOST_NAMES:
        server = master.rpartition("://")[2]
        _check_answers(server, "Flink JobManager", "--flink_master")
    else:
        server = "localhost:"  # Flink runs in the job server that starts with the command
    pool = portable.environment_config
    if portable.environment_type == "EXTERNAL" and pool and _is_loopback(server):
        pool = json.loads(pool)["url"] if pool.startswith("{") else pool
        if _is_loopback(pool):
            _check_answers(pool, "worker pool", "--environment_config")
            _check_worker_starts(pool)


def _is_loopback(address: str) -> bool:
    return address.rpartition(":")[0] in _LOOPBACK_HOSTS


def _check_answers(address: str, name: str, option: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no {name} answers at {address} ({error})",
            f"start it, or correct {option}; docs/deploy-flink.md has the commands",
        ) from error


class _Control(
    fn_api_grpc.BeamFnControlServicer,
    fn_api_grpc.BeamFnStateServicer,
    provision_grpc.ProvisionServiceServicer,
):
    """Makes a worker load the graph, and ends it with the end of its stream of instructions."""

    def __init__(self) -> None:
        self.is_connected = threading.Event()
        self.is_loaded = threading.Event()
        self.error = ""
        self.endpoint = endpoints_pb2.ApiServiceDescriptor()

    def GetProvisionInfo(self, _: Any, __: Any) -> provision_api.GetProvisionInfoResponse:
        """Answers Beam's `boot`, which starts the workers of an image."""
        endpoint = self.endpoint
        info = provision_api.ProvisionInfo(
            control_endpoint=endpoint, logging_endpoint=endpoint, artifact_endpoint=endpoint
        )
        return provision_api.GetProvisionInfoResponse(info=info)

    def Control(self, responses: Any, _: Any) -> Iterator[fn_api.InstructionRequest]:
        self.is_connected.set()
        bundle = fn_api.ProcessBundleRequest(process_bundle_descriptor_id=_PROBE)
        yield fn_api.InstructionRequest(instruction_id=_PROBE, process_bundle=bundle)
        self.error = next(responses).error
        self.is_loaded.set()

    def GetProcessBundleDescriptor(self, _: Any, __: Any) -> fn_api.ProcessBundleDescriptor:
        # A worker loads the function when it prepares the bundle. No data follows.
        step: tuple[Any, ...] = (beam.Map(build).fn, (), {}, [], Windowing(GlobalWindows()))
        function = runner_api.FunctionSpec(
            urn=python_urns.PICKLED_DOFN_INFO, payload=pickler.dumps(step)
        )
        payload = runner_api.ParDoPayload(do_fn=function).SerializeToString()
        spec = runner_api.FunctionSpec(urn=common_urns.primitives.PAR_DO.urn, payload=payload)
        transform = runner_api.PTransform(unique_name=_PROBE, spec=spec)
        return fn_api.ProcessBundleDescriptor(
            id=_PROBE, transforms={_PROBE: transform}, state_api_service_descriptor=self.endpoint
        )

    def State(self, _: Any, __: Any) -> Iterator[fn_api.StateResponse]:
        # A worker opens this stream for each bundle, and logs a traceback if it cannot.
        yield from ()


def _check_worker_starts(pool: str) -> None:
    control = _Control()
    server = grpc.server(ThreadPoolExecutor(4))
    fn_api_grpc.add_BeamFnControlServicer_to_server(control, server)
    fn_api_grpc.add_BeamFnStateServicer_to_server(control, server)
    provision_grpc.add_ProvisionServiceServicer_to_server(control, server)
    control.endpoint.url = f"localhost:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    start = fn_api.StartWorkerRequest(
        worker_id=_PROBE,
        control_endpoint=control.endpoint,
        logging_endpoint=control.endpoint,
        artifact_endpoint=control.endpoint,
        provision_endpoint=control.endpoint,
    )
    try:
        with grpc.insecure_channel(pool) as channel:
            stub = fn_api_grpc.BeamFnExternalWorkerPoolStub(channel)
            problem = stub.StartWorker(start, timeout=_CONNECT_SECONDS).error
            is_started = not problem and control.is_connected.wait(_START_SECONDS)
            # A missing package is an error at once. A worker that loads for longer has them.
            if is_started:
                control.is_loaded.wait(_LOAD_SECONDS)
            stub.StopWorker(fn_api.StopWorkerRequest(worker_id=_PROBE), timeout=_START_SECONDS)
    except grpc.RpcError as error:
        raise UsageError(
            f"the worker pool at {pool} cannot start a worker ({error.code().name})",
            "is it Beam's worker pool? docs/deploy-flink.md has the command",
        ) from error
    finally:
        server.stop(0)
    if not is_started or control.error:
        lines = control.error.strip().splitlines() or ["none has connected"]
        raise UsageError(
            f"the worker pool at {pool} starts workers that cannot run ({lines[-1]})",
            "its `python` needs the packages of job-status: start the pool with the environment of "
            "job-status first on PATH; docs/deploy-flink.md has the command",
        )
