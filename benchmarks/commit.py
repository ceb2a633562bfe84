"""Measures the commit of a run, the one step that no runner can distribute.

    python -m benchmarks.commit --files 10000 --inputs 10000

Each bundle has one staged file of a few bytes, or one input. So the result is the cost that grows
with the number of files and inputs: merging the ledgers of the bundles, and committing. `--others`
puts files of other runs into the output first, as a stream does.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from transforms.blocks.ledger import InputLedger, Ledger, StagedFile
from transforms.write.commit import commit
from transforms.write.settings import CommitSettings

_DATA = b"0123456789"
_EVENT = Ledger(
    read=1,
    written=1,
    by_value={"open": 1},
    by_record_type={"job": 1},
    by_source_value_type={"string": 1},
    by_derivation={"provider_rule": 1},
    by_provider={"greenhouse": {"open": 1}},
    by_day={"2025-05-01": 1},
)


class Cost(NamedTuple):
    """The cost of a commit: processor time in seconds, sizes and memory in bytes."""

    merge_seconds: float
    commit_seconds: float
    manifest_bytes: int
    memory_bytes: int


def measure(directory: Path, files: int, inputs: int, others: int) -> Cost:
    """Stages files, commits them, and returns the cost.

    Args:
        directory: An empty directory for the output.
        files: Number of files of the run.
        inputs: Number of inputs of the run.
        others: Number of files of other runs in the output.
    """
    settings = CommitSettings(str(directory), "20261122T165300Z-0a1b2c3d", "0" * 16)
    place = settings.place("job_status_event")
    final, staging = Path(place.files), Path(place.staging(settings.run_id))
    final.mkdir(parents=True)
    staging.mkdir(parents=True)
    for number in range(others):
        (final / f"job_status-{number:012d}-00000-of-00001.avro").write_bytes(_DATA)
    records = [
        ledger.to_bytes() for ledger in (*_file_ledgers(staging, files), *_input_ledgers(inputs))
    ]
    start = time.process_time()
    ledger = Ledger.merged(records)
    merged = time.process_time()
    path = commit(settings, ledger)
    end = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(merged - start, end - merged, os.path.getsize(path), memory * unit)


def _file_ledgers(staging: Path, files: int) -> Iterator[Ledger]:
    for number in range(files):
        path = staging / f"job_status_event-00001-{number:032x}.avro"
        path.write_bytes(_DATA)
        staged = StagedFile("job_status_event", str(path), 1, len(_DATA), "0" * 64)
        yield replace(_EVENT, files=[staged])


def _input_ledgers(inputs: int) -> Iterator[Ledger]:
    for number in range(inputs):
        name = f"gs://my-bucket/events/2025-05-01/webhooks-{number:012d}.jsonl.gz"
        yield Ledger(inputs={name: InputLedger(bytes=1000, end=1000, spans=[(0, 1000)])})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures one commit and prints a line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commit", description=__doc__)
    for name, default in (("files", 10_000), ("inputs", 0), ("others", 0)):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N")
    parser.add_argument(
        "--directory", help="directory for the output, for example on tmpfs", default=None
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        cost = measure(Path(directory), options.files, options.inputs, options.others)
    print(
        f"{options.files:,} files, {options.inputs:,} inputs, {options.others:,} others: "
        f"ledgers merged in {cost.merge_seconds:.2f} s, committed in {cost.commit_seconds:.2f} s, "
        f"manifest {cost.manifest_bytes / 1e6:.2f} MB, memory {cost.memory_bytes / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
