"""Measures the processor time of each step per event: the pure functions, without Beam.

    python -m benchmarks.stages --events 100000 --runs 9

The steps are called for each block, as Beam does. The result is the minimum of several rounds,
because other work on the machine can only add time. The floor is the time for reading the file and
splitting it into lines.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from isal import isal_zlib

from pipeline.runners.memory_tuning import freeze_loaded_objects, tune_memory
from pipeline.sample.write import write_samples
from schemas.mapping.tables import load_mapping
from transforms.blocks.block import AvroBlock, RawBlock
from transforms.blocks.block_size import BLOCK_BYTES
from transforms.blocks.context import NO_CONTEXT
from transforms.derive.derive_job_status import StatusDeriver
from transforms.derive.rules import Deriver
from transforms.encode.encode_avro import BlockEncoder
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser
from transforms.read.limits import ReadLimits
from transforms.read.ranges import split_file
from transforms.read.read_files import read_range
from transforms.write.settings import CommitSettings
from transforms.write.stager import Stager

_SEED = 1
_LIMIT = 10_000_000
_STEPS = ("read", "parse", "derive", "encode", "deflate", "write")


class Clock:
    """Processor time by step, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Adds the processor time of the `with` block to a step."""
        start = time.process_time()
        yield
        self.seconds[name] += time.process_time() - start


def floor(source: Path) -> int:
    """Only reads a file and splits it into lines. Returns the number of lines."""
    count, partial = 0, b""
    with source.open("rb", buffering=0) as file:
        while chunk := file.read(BLOCK_BYTES):
            lines = (partial + chunk).split(b"\n")
            partial = lines.pop()
            count += len(lines)
    return count


class Steps:
    """The steps between reading and compression, which keep what they learn."""

    def __init__(self) -> None:
        self.mapping = load_mapping()
        self.parser = EventParser(EventTypes(), _LIMIT, NO_CONTEXT)
        self.deriver = StatusDeriver(Deriver(self.mapping))
        # Compression is measured as a separate step.
        self.encoder = BlockEncoder("null", "full", _LIMIT)


def run(source: Path, output: str, steps: Steps, clock: Clock) -> int:
    """Runs all steps except the commit over a file. Returns the number of events that were read."""
    stager = Stager(CommitSettings(output, "stages", steps.mapping.fingerprint))
    blocks = _blocks(source)
    count = 0
    while True:
        with clock.step("read"):
            block = next(blocks, None)
        if block is None:
            break
        with clock.step("parse"):
            parsed = list(steps.parser.parse(block))
        for each in parsed:
            with clock.step("derive"):
                derived = steps.deriver.derive(each)
            with clock.step("encode"):
                encoded = steps.encoder.encode(derived)
            with clock.step("deflate"):
                if encoded.records is not None:
                    data = isal_zlib.compress(encoded.records.data, wbits=-15)
                    records = AvroBlock(encoded.records.count, data)
                    encoded = replace(encoded, records=records)
            with clock.step("write"):
                stager.add(encoded)
            count += each.read
    with clock.step("write"):
        stager.finish()
    return count


def _blocks(source: Path) -> Iterator[RawBlock]:
    for file_range in split_file(str(source), source.stat().st_size, "auto"):
        yield from read_range(file_range, ReadLimits())


def measure(events: int, rounds: int) -> dict[str, float]:
    """Returns microseconds per event of each step and of the floor: the minimum of the rounds."""
    least: dict[str, float] = {}
    # Its caches are filled after the first round, as in a long run.
    steps = Steps()
    tune_memory()
    with tempfile.TemporaryDirectory(prefix="job-status-stages-") as work:
        written = write_samples(work, events=events, seed=_SEED, bad_fraction=0.0, shapes="lines")
        source = Path(work) / written.files[0].name
        freeze_loaded_objects()
        for number in range(rounds):
            clock = Clock()
            with clock.step("floor"):
                floor(source)
            count = run(source, f"{work}/{number}", steps, clock)
            for name, seconds in clock.seconds.items():
                least[name] = min(least.get(name, seconds), seconds)
    return {name: seconds / count * 1e6 for name, seconds in least.items()}


def table(micros: dict[str, float]) -> str:
    """Renders the figures as a Markdown table."""
    whole = sum(micros[name] for name in _STEPS)
    rows = [(name, micros[name], micros[name] / whole) for name in _STEPS]
    lines = ["| step | µs an event | share |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {cost:.2f} | {share:.0%} |" for name, cost, share in rows]
    lines.append(f"| all | {whole:.2f} | |")
    lines.append(f"| floor: read and split the lines | {micros['floor']:.2f} | |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stages",
        description="Measures the processor time of each step per event.",
    )
    parser.add_argument(
        "--events", type=int, default=100_000, help="number of events (default: 100000)"
    )
    parser.add_argument("--runs", type=int, default=9, help="number of rounds (default: 9)")
    options = parser.parse_args(arguments)
    print(table(measure(options.events, options.runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
