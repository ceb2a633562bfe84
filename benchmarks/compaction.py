"""Measures a compaction: the panes of a stream, with duplicates, become few files.

    python -m benchmarks.compaction --events 2000000 --panes 200 --duplicates 0.3

Each pane has events of its own, and repeats some of earlier panes. Before and after the compaction,
fastavro reads all records: the digest over the distinct ones must be equal, and afterwards each is
there once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import fastavro
import numpy as np

from benchmarks.compare import ROOT, elsewhere
from benchmarks.measure import measure
from pipeline.sample.write import write_samples
from schemas.mapping.tables import load_mapping
from transforms.blocks.block import RawBlock
from transforms.blocks.context import NO_CONTEXT
from transforms.derive.derive_job_status import StatusDeriver
from transforms.derive.rules import Deriver
from transforms.encode.encode_avro import BlockEncoder
from transforms.kernel import Payloads
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser
from transforms.write.commit import commit
from transforms.write.settings import CommitSettings
from transforms.write.stager import Stager

_LIMIT = 10_000_000
_BLOCK_LINES = 1_000
_REMEMBERED = 100_000


class Content(NamedTuple):
    """All records of an output: their number, their files, the distinct ones, a digest of these."""

    records: int
    files: int
    distinct: int
    digest: str


def write_panes(
    lines: Iterator[bytes], events: int, panes: int, duplicates: float, output: Path
) -> None:
    """Commits events as the panes of a stream, with a share of duplicates.

    Args:
        lines: The events.
        events: Their number.
        panes: How many panes.
        duplicates: The share of records that repeat an earlier event.
        output: The output.
    """
    choose = random.Random(1)
    deriver = StatusDeriver(Deriver(load_mapping()))
    earlier: list[bytes] = []
    each = -(-events // panes)
    for number in range(panes):
        own = list(islice(lines, each))
        again = int(len(own) * duplicates / (1 - duplicates))
        pane = own + choose.choices(earlier or own, k=again)
        choose.shuffle(pane)
        earlier = (earlier + own)[-_REMEMBERED:]
        run_id = f"20250501T{number:06}Z-0-0-benchmark"
        _commit_pane(
            pane,
            CommitSettings(str(output), run_id, "", write_mode="append", from_messages=True),
            deriver,
        )


def _commit_pane(payloads: list[bytes], settings: CommitSettings, deriver: StatusDeriver) -> None:
    parser = EventParser(EventTypes(), _LIMIT, NO_CONTEXT)
    encoder = BlockEncoder("deflate", "full", _LIMIT)
    stager = Stager(settings)
    for start in range(0, len(payloads), _BLOCK_LINES):
        block = payloads[start : start + _BLOCK_LINES]
        offsets = np.zeros(len(block), np.int64)
        for parsed in parser.parse(RawBlock("feed", Payloads.of(block), offsets)):
            stager.add(encoder.encode(deriver.derive(parsed)))
    ledger = stager.finish()
    ledger.blocks = [hashlib.sha256(settings.run_id.encode()).hexdigest()[:32]]
    commit(settings, ledger)


def content_of(output: Path) -> Content:
    """Reads an output in the order of its commits."""
    manifests = [json.loads(path.read_bytes()) for path in (output / "_manifest").glob("*.json")]
    manifests.sort(key=lambda each: (each["committed_at"], each["run_id"]))
    files = [output / file["path"] for each in manifests for file in each["files"]]
    known: set[str] = set()
    digest = records = 0
    for path in files:
        with path.open("rb") as file:
            for record in fastavro.reader(file):
                assert isinstance(record, dict)
                records += 1
                if record["event_id"] not in known:
                    known.add(record["event_id"])
                    text = repr(record).encode()
                    digest ^= int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
    return Content(records, len(files), len(known), f"{digest:032x}")


def make(source: str, events: int, panes: int, duplicates: float, output: Path) -> None:
    """Makes the panes from a file of events."""
    with open(source, "rb") as file:
        lines = (line.rstrip(b"\n") for line in file)
        write_panes(lines, events, panes, duplicates, output)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the content before and after, the time and the memory. Returns 1 if they differ."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compaction", description="Measures a compaction."
    )
    add = parser.add_argument
    add("--events", type=int, default=2_000_000, help="records, duplicates included")
    add("--panes", type=int, default=200, help="commits before the compaction (default: 200)")
    add("--duplicates", type=float, default=0.3, help="share of duplicates (default: 0.3)")
    add("--unchecked", action="store_true", help="do not read the records before and after")
    add("--arguments", default="", help="more arguments of compact")
    options = parser.parse_args(arguments)
    distinct = round(options.events * (1 - options.duplicates))
    with tempfile.TemporaryDirectory(prefix="job-status-compaction-") as work:
        output = Path(work) / "output"
        made = elsewhere(
            write_samples, f"{work}/in", events=distinct, seed=1, bad_fraction=0.0, shapes="lines"
        )
        source = str(Path(work) / "in" / made.files[0].name)
        how = {"panes": options.panes, "duplicates": options.duplicates, "output": output}
        elsewhere(make, source, events=distinct, **how)
        Path(source).unlink()
        before = None if options.unchecked else elsewhere(content_of, output)
        command = [sys.executable, "-c", "from pipeline.entry import main; exit(main())", "compact"]
        usage = measure(
            [*command, str(output), "--older_than", "0s", *options.arguments.split()], ROOT
        )
        after = None if options.unchecked else elsewhere(content_of, output)
        (manifest,) = (json.loads(p.read_bytes()) for p in (output / "_manifest").iterdir())
    print(
        f"| {options.events:,} | {options.panes} | {manifest['written']:,} "
        f"| {len(manifest['files'])} | {usage.seconds:.1f} | {usage.cpu_seconds:.1f} "
        f"| {usage.largest_bytes / 1e6:.0f} | {usage.total_bytes / 1e6:.0f} |"
    )
    if before is None or after is None:
        return 0
    print(f"before: {before}\nafter:  {after}")
    is_equal = (before.distinct, before.digest) == (after.distinct, after.digest)
    return 0 if is_equal and after.records == after.distinct else 1


if __name__ == "__main__":
    sys.exit(main())
