"""Contender: a plain loop with `json` and fastavro.

`python -m benchmarks.plain_json INPUT OUTPUT_DIRECTORY`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import fastavro

from benchmarks.records import Record, RecordMaker
from schemas.avro import record_schema


def records(source: str) -> Iterator[Record]:
    """Yields the records of a file's lines."""
    make = RecordMaker()
    offset = 0
    with open(source, "rb") as lines:
        for line in lines:
            record = make(line.decode(), source, offset)
            offset += len(line)
            if record is not None:
                yield record


def run(source: str, directory: str) -> None:
    """Writes one Avro file."""
    schema = fastavro.parse_schema(record_schema("job_status_event").parsed)
    with open(f"{directory}/job_status.avro", "wb") as out:
        fastavro.writer(out, schema, records(source), codec="deflate")


if __name__ == "__main__":
    run(*sys.argv[1:])
