"""The contenders of the comparison. Each is a command that reads a file and writes Avro."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that turns events into Avro.

    Attributes:
        letter: Its name on the command line and in the tables.
        title: A description of a few words.
        arguments: Arguments for the Python interpreter, with the placeholders `{input}`, `{output}`
            and `{cores}`.
        results: The directory of the Avro files within its output directory.
    """

    letter: str
    title: str
    arguments: tuple[str, ...]
    results: str = ""

    def command(self, source: str, directory: str) -> list[str]:
        """Returns the command line that reads a file and writes into an empty directory."""
        places = {"input": source, "output": directory, "cores": cores()}
        return [sys.executable, *(each.format(**places) for each in self.arguments)]


def cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _job_status(*options: str) -> tuple[str, ...]:
    # The entry point of `job-status`, which works without an installation.
    command = "import sys; from pipeline.cli import main; sys.exit(main())"
    files = ("--input={input}", "--output={output}", "--report={output}/report.json")
    return ("-c", command, "run", *files, "--codec=deflate", *options)


CONTENDERS = (
    Contender(
        "a",
        "Beam as its guides show it",
        ("-m", "benchmarks.beam_text", "{input}", "{output}"),
    ),
    Contender(
        "b",
        "plain loop, json + fastavro",
        ("-m", "benchmarks.plain_json", "{input}", "{output}"),
    ),
    Contender(
        "c",
        "best plain loop, msgspec + fastavro",
        ("-m", "benchmarks.plain_msgspec", "{input}", "{output}"),
    ),
    Contender(
        "d",
        "job-status, one process",
        _job_status("--direct_num_workers=1"),
        "job_status",
    ),
    Contender(
        "e",
        "job-status, all cores",
        _job_status("--direct_running_mode=multi_processing", "--direct_num_workers={cores}"),
        "job_status",
    ),
)
