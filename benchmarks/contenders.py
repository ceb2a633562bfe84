"""The contenders of the comparison. Each is a command that reads a file and writes Avro.

Those that are not exact show what another engine costs, and `benchmarks.losses` what they lose.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that turns events into Avro.

    Attributes:
        letter: Its name on the command line and in the tables.
        title: A description of a few words.
        arguments: Arguments for the Python interpreter, with the placeholders `{input}`, `{output}`
            and `{cores}`.
        results: The directory of its files of records within its output directory.
        is_exact: Whether it writes the same records, in Avro with deflate. Others write other
            formats, and may change the fields in `benchmarks.content.CHANGED`.
        needs: The module of the development tools that it needs.
    """

    letter: str
    title: str
    arguments: tuple[str, ...]
    results: str = ""
    is_exact: bool = True
    needs: str | None = None

    def command(self, source: str, directory: str) -> list[str]:
        """Returns the command line that reads a file and writes into an empty directory."""
        places = {"input": source, "output": directory, "cores": cores()}
        return [sys.executable, *(each.format(**places) for each in self.arguments)]


def is_installed(contender: Contender) -> bool:
    """Returns whether the module that a contender needs is installed."""
    return contender.needs is None or find_spec(contender.needs) is not None


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


def _duckdb(letter: str, title: str, output_format: str) -> Contender:
    arguments = ("-m", "benchmarks.duckdb_sql", output_format, "{input}", "{output}")
    return Contender(letter, title, arguments, "records", is_exact=False, needs="duckdb")


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
    _duckdb("f", "DuckDB to Parquet", "parquet"),
    _duckdb("g", "DuckDB to Avro, uncompressed", "avro"),
    _duckdb("h", "DuckDB, bad lines kept, to Parquet", "lines"),
    Contender(
        "i",
        "Polars to Parquet",
        ("-m", "benchmarks.polars_frames", "{input}", "{output}"),
        is_exact=False,
        needs="polars",
    ),
)
