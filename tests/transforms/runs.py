"""Runs the sink without a runner: lines of JSON become staged files and their ledger."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from schemas.avro import Codec
from schemas.mapping.tables import load_mapping
from transforms.blocks.block import EncodedBlock, RawBlock
from transforms.blocks.context import NO_CONTEXT
from transforms.blocks.ledger import InputLedger, Ledger
from transforms.blocks.origin import PendingAcks
from transforms.derive.derive_job_status import StatusDeriver
from transforms.derive.rules import Deriver
from transforms.encode.encode_avro import BlockEncoder
from transforms.kernel import Payloads
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser
from transforms.read.lines import blocks_of_lines
from transforms.storage import filesystem
from transforms.storage.manifests import manifest_path
from transforms.write.commit import commit
from transforms.write.owner import OwnedStaging
from transforms.write.recovery import recover
from transforms.write.settings import CommitSettings
from transforms.write.stager import Stager

SOURCE = "events.jsonl"


@cache
def deriver() -> Deriver:
    """Returns the built-in rules."""
    return Deriver(load_mapping())


@cache
def status_deriver() -> StatusDeriver:
    """Returns the step that applies the built-in rules."""
    return StatusDeriver(deriver())


def settings(output: str, run_id: str, **changes: Any) -> CommitSettings:
    """Returns the settings of a run with the built-in rules."""
    return CommitSettings(output, run_id, deriver().mapping.fingerprint, **changes)


def lines(first: int, count: int, bad: int = 1) -> list[bytes]:
    """Returns events with job ids from `first` on, then payloads that are not events."""
    good = [
        b'{"event":"ats_jobs.updated","provider":"lever","event_data":'
        b'{"id":"%d","job_status":{"source_value":"%s"}}}' % (number, word)
        for number, word in zip(
            range(first, first + count), [b"published", b"closed", b"?"] * count, strict=False
        )
    ]
    return good + [b"no event %d" % number for number in range(first, first + bad)]


@cache
def encoded(payloads: tuple[bytes, ...], codec: Codec = "deflate") -> list[EncodedBlock]:
    """Runs the steps before the sink on the lines of a file, with one block per line."""
    blocks, start = [], 0
    for payload in payloads:
        line = payload + b"\n"
        for raw in blocks_of_lines(SOURCE, [line], start, 10_000_000):
            blocks += encoded_block(raw, codec)
        start += len(line)
    return blocks


def encoded_block(raw: RawBlock, codec: Codec = "deflate") -> list[EncodedBlock]:
    """Runs the steps before the sink on a block."""
    parser = EventParser(EventTypes(), 10_000_000, NO_CONTEXT)
    encoder = BlockEncoder(codec, "full", 10_000_000)
    return [encoder.encode(status_deriver().derive(block)) for block in parser.parse(raw)]


def stage(run: CommitSettings, payloads: list[bytes], bundles: int = 2) -> Ledger:
    """Stages a run of several bundles and returns its ledger as the commit gets it."""
    stagers = [Stager(run) for _ in range(bundles)]
    for number, block in enumerate(encoded(tuple(payloads), run.codec)):
        stagers[number % bundles].add(block)
    size = sum(len(payload) + 1 for payload in payloads)
    inputs = Ledger(inputs={SOURCE: InputLedger(bytes=size, end=size)})
    records = [inputs.to_bytes(), Ledger().to_bytes()]
    records += [stager.finish().to_bytes() for stager in stagers]
    return Ledger.merged(records)


def run_once(run: CommitSettings, payloads: list[bytes]) -> None:
    """Recovers earlier commits and then runs, unless the run is already committed."""
    recover(run)
    if not filesystem.exists(manifest_path(run.output, run.run_id)):
        with OwnedStaging(run):
            commit(run, stage(run, payloads))


@cache
def message_block(number: int, events: int = 1, bad: int = 0, ignored: int = 0) -> EncodedBlock:
    """Returns a block of messages, one per event, with job ids from `number * 1000` on.

    It acknowledges one id per message, or one id with `empty` if it has no message.
    """
    payloads = lines(number * 1000, events if not ignored else 0, bad)
    payloads += [b'{"event":"candidates.updated"}'] * ignored
    ack_ids = [f"{number}-{index}" for index in range(len(payloads))] or [f"{number}-empty"]
    raw = RawBlock(
        "projects/p/subscriptions/s",
        Payloads.of(payloads),
        np.zeros(len(payloads), np.int64),
        pending_acks=PendingAcks("projects/p/subscriptions/s", ack_ids, 0),
    )
    (made,) = encoded_block(raw)
    return made
