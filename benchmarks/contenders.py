"""Who takes part in the comparison: each is a command that reads a file and writes Avro."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to do the work.

    Attributes:
        letter: What the command line and the tables call it.
        title: What it is, in a few words.
        arguments: Of the Python interpreter, with `{input}`, `{output}` and `{cores}` to be filled
            in.
        results: Where in its output directory the Avro files are.
    """

    letter: str
    title: str
    arguments: tuple[str, ...]
    results: str = ""

    def command(self, source: str, directory: str) -> list[str]:
        """The command line that reads a file and writes into an empty directory."""
        places = {"input": source, "output": directory, "cores": cores()}
        return [sys.executable, *(each.format(**places) for each in self.arguments)]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _job_status(*options: str) -> tuple[str, ...]:
    # What the command `job-status` calls, without relying on where it is installed.
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
