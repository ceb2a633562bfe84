"""A standalone Flink cluster on this machine, with Beam's job server and a pool of workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.components import component_path
from tests.pubsub import wait_for

START_SECONDS = 180
"""The longest wait for a process of the cluster; a busy machine takes minutes to start a JVM."""

_OPENED = (
    *("java.io", "java.lang", "java.lang.reflect", "java.net", "java.nio", "java.text"),
    *("java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic"),
)

_CONFIGURATION = """
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: {rpc_port}
jobmanager.bind-host: 127.0.0.1
jobmanager.memory.process.size: 1600m
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: {rest_port}
blob.server.port: {blob_port}
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: 4
taskmanager.cpu.cores: 1.0
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 512m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.managed.size: 128m
taskmanager.memory.network.min: 192m
taskmanager.memory.network.max: 192m
taskmanager.memory.jvm-metaspace.size: 512m
taskmanager.memory.jvm-overhead.min: 128m
taskmanager.memory.jvm-overhead.max: 128m
heartbeat.interval: 2000
heartbeat.timeout: 12000
state.backend.type: hashmap
state.checkpoints.dir: file://{directory}/checkpoints
state.savepoints.dir: file://{directory}/savepoints
state.checkpoints.num-retained: 20
metrics.fetcher.update-interval: 300
classloader.resolve-order: parent-first
pekko.startup-timeout: 180 s
pekko.ask.timeout: 60 s
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 100
restart-strategy.fixed-delay.delay: 1 s
"""


def free_ports(count: int) -> list[int]:
    """Returns ports that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    """One JobManager, TaskManagers, a job server and a worker pool, each its own process.

    Args:
        directory: Holds the configuration, the logs and the checkpoints.
        environment: Variables of the workers, beside those of this process.
    """

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        jar = component_path("flink")
        assert jar is not None
        self._libraries = f"{Path(jar).parent}/lib/*"
        self.directory = directory
        self._environment = {**os.environ, **environment}
        ports = free_ports(7)
        self.rest = f"http://127.0.0.1:{ports[1]}"
        self._job_port, self._pool_port = ports[3], ports[6]
        self._ports = ports
        (directory / "config.yaml").write_text(
            _CONFIGURATION.format(
                rpc_port=ports[0], rest_port=ports[1], blob_port=ports[2], directory=directory
            )
        )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, task_managers: int = 2) -> None:
        """Starts everything and waits until it answers."""
        configuration = ("--configDir", str(self.directory))
        self._start_java(
            "jobmanager",
            "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
            *configuration,
        )
        for number in range(task_managers):
            self.start_task_manager(f"tm{number}")
        self._start_java(
            "jobserver",
            "org.apache.beam.runners.flink.FlinkJobServerDriver",
            *(f"--flink-master=127.0.0.1:{self._ports[1]}", f"--flink-conf-dir={self.directory}"),
            *(f"--job-port={self._job_port}", f"--artifact-port={self._ports[4]}"),
            f"--expansion-port={self._ports[5]}",
        )
        self.start_pool()
        assert wait_for(self._is_up(task_managers), START_SECONDS, 0.5), self.logs()

    def start_task_manager(self, name: str) -> None:
        """Starts a TaskManager, whose resource id is its name."""
        self._start_java(
            name,
            "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
            *("--configDir", str(self.directory), "-D", f"taskmanager.resource-id={name}"),
        )

    def start_pool(self) -> None:
        """Starts the pool of workers. It starts `python` from PATH: that of the tests."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._start(
            "pool",
            [
                *(sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"),
                f"--service_port={self._pool_port}",
            ],
            {**self._environment, "PATH": path},
        )

    def kill(self, name: str) -> None:
        """Kills a process and all that it started with SIGKILL."""
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """Ends every process."""
        for name in list(self._processes):
            self.kill(name)

    @property
    def job_endpoint(self) -> str:
        """The address of the job server."""
        return f"127.0.0.1:{self._job_port}"

    @property
    def pool_endpoint(self) -> str:
        """The address of the worker pool."""
        return f"127.0.0.1:{self._pool_port}"

    @property
    def arguments(self) -> list[str]:
        """The arguments of `job-status run` that choose this cluster and its workers."""
        return [
            *("--runner=PortableRunner", f"--job_endpoint={self.job_endpoint}"),
            *("--environment_type=EXTERNAL", f"--environment_config={self.pool_endpoint}"),
        ]

    def ask(self, path: str, body: Any = None) -> Any:
        """Asks Flink's REST interface."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.rest}{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def running_job(self) -> str:
        """Waits until a job runs, and returns the id of the newest."""
        found: list[str] = []

        def is_there() -> bool:
            jobs = self.ask("/jobs/overview")["jobs"]
            running = [job for job in jobs if job["state"] == "RUNNING"]
            found[:] = [job["jid"] for job in sorted(running, key=lambda job: job["start-time"])]
            return bool(found)

        assert wait_for(is_there, START_SECONDS, 0.2), self.logs()
        return found[-1]

    def state(self, job: str) -> str:
        """Returns the state of a job, for example RUNNING."""
        return str(self.ask(f"/jobs/{job}")["state"])

    def task_managers_of(self, job: str) -> set[str]:
        """Returns the TaskManagers that run tasks of a job."""
        return {
            subtask["taskmanager-id"]
            for vertex in self.ask(f"/jobs/{job}")["vertices"]
            for subtask in self.ask(f"/jobs/{job}/vertices/{vertex['id']}")["subtasks"]
        }

    def checkpoints(self, job: str) -> list[dict[str, Any]]:
        """Returns the completed checkpoints of a job, newest first."""
        history = self.ask(f"/jobs/{job}/checkpoints")["history"]
        return [each for each in history if each["status"] == "COMPLETED"]

    def watermark_lag(self, job: str) -> float:
        """Returns how far the watermark at the commits is behind the clock, in seconds."""
        vertices = self.ask(f"/jobs/{job}")["vertices"]
        (commits,) = [each["id"] for each in vertices if "WriteAvro/GroupByKey" in each["name"]]
        watermarks = self.ask(f"/jobs/{job}/vertices/{commits}/watermarks")
        # There is none before the tasks run.
        oldest = min((int(each["value"]) for each in watermarks), default=0)
        return time.time() - oldest / 1000

    def cancel(self, job: str) -> None:
        """Cancels a job."""
        request = urllib.request.Request(f"{self.rest}/jobs/{job}?mode=cancel", method="PATCH")
        urllib.request.urlopen(request, timeout=30).close()

    def logs(self) -> str:
        """Returns the ends of all logs."""
        logs = sorted(self.directory.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in logs)

    def _is_up(self, task_managers: int) -> Any:
        def is_up() -> bool:
            try:
                managers = self.ask("/taskmanagers")["taskmanagers"]
                for port in (self._job_port, self._pool_port):
                    socket.create_connection(("127.0.0.1", port), 1).close()
            except (OSError, urllib.error.URLError):
                return False
            return len(managers) >= task_managers

        return is_up

    def _start_java(self, name: str, main: str, *arguments: str) -> None:
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
        exported = [
            "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
            "--add-exports=java.management/sun.management=ALL-UNNAMED",
            "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
        ]
        command = ["java", "-Xmx700m", *opened, *exported, "-cp", self._libraries, main]
        self._start(name, [*command, *arguments], self._environment)

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
