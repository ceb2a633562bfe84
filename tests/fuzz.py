"""Runs mutated payloads through the real steps: `python -m tests.fuzz --payloads 200000`.

The payloads are those of the samples with bytes that are changed, deleted, repeated, or replaced by
text that is hard for JSON readers. The same seed makes the same payloads.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.sample.write import write_samples
from schemas.mapping.tables import load_mapping
from tests.transforms.event_cases import expected_outcomes, records_of
from transforms.blocks.block import EncodedBlock, RawBlock
from transforms.blocks.context import NO_CONTEXT
from transforms.derive.derive_job_status import StatusDeriver
from transforms.derive.rules import Deriver
from transforms.encode.encode_avro import BlockEncoder
from transforms.json.masks import depth
from transforms.kernel import Payloads
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser

_BLOCK_PAYLOADS = 100
_LIMIT = 10_000_000

_HARD = [
    *(b"NaN", b"-Infinity", b"1e400", b"-0", b"9" * 400, b"1" * 5000, b"01", b"+1", b".5", b"1."),
    *(rb'"\ud800"', rb'"\udc00\ud800"', rb'"\u0000"', rb'"\ud83d\ude00"', rb'"\x"', b'"\n"'),
    *(b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", "{}".encode("utf-16")),
    *(b"[" * 201 + b"]" * 201, b'{"a":' * 201 + b"1" + b"}" * 201, b"[" * 500, b"{" * 300),
    *(b"{}", b"[]", b"null", b"true", b'""', b'"open"', b"[[{}]]", b'{"value":[]}', b"{,}"),
    *(b'{"id":1,"id":{}}', b'{"data":[5,{"id":1}]}', b'{"source_value":[{"label":"open"}]}'),
]
_VALUES = [
    *(b"{}", b"[]", b"null", b"true", b'""', b'"open"', b"[[{}]]", b'{"value":[]}'),
    *(b"-0", b"1e400"),
    *(b'[{"id":1},{"id":{}}]', b'{"id":2,"event":"x"}', b'{"label":"open"}', b'"ats_jobs.x"'),
    *(rb'"\ud800"', rb'"\u0000"', rb'"\ud83d\ude00"', b"9" * 400, b"[1]", b"0.1", b'"2025-05-01"'),
]
_FIELDS = [
    *(b'"event":"x",', b'"id":[],', b'"job_status":[1],', b'"provider":7,', b'"data":[],'),
    *(b'"event_data":null,', b'"account_id":1,', b'"id":"a","id":5,', b'"job_status":"open",'),
]


@dataclass
class FuzzResult:
    """The outcomes of all payloads; `errors` is empty if every promise was kept."""

    payloads: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    errors: list[str] = field(default_factory=list)


def sample_payloads() -> list[bytes]:
    """Returns payloads of every format and provider."""
    with tempfile.TemporaryDirectory() as directory:
        write_samples(directory, events=400, seed=1, bad_fraction=0.1, shapes="all")
        paths = sorted(Path(directory).iterdir())
        documents = [path.read_bytes() for path in paths if path.suffix == ".json"]
        lines = [path.read_bytes().split(b"\n") for path in paths if path.suffix == ".jsonl"]
    found = [payload for group in (documents, *lines) for payload in group if payload.strip()]
    return [payload for payload in found if len(payload) < 20_000]


def mutated(chance: random.Random, payload: bytes, others: list[bytes]) -> bytes:
    """Returns a payload with one to three changes."""
    data = bytearray(payload)
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.7:
            data = _still_json(chance, data, others)
            continue
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice([0, 1, 1, 2, 8, 60]))
        kind = chance.randrange(7)
        if kind == 0:
            data[start:end] = bytes([chance.randrange(256)])
        elif kind == 1:
            data[start:end] = b""
        elif kind == 2:
            data[start:end] = chance.choice(_HARD)
        elif kind == 3:
            data[start:start] = data[start:end] * chance.choice([1, 3, 50])
        elif kind == 4:
            data[start:end] = chance.choice([b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\"])
        elif kind == 5:
            _replace_a_value(chance, data, _HARD)
        else:
            del data[start + chance.choice([0, 5, 10_000]) :]
    return bytes(data[:100_000])


def _still_json(chance: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Makes a change that usually leaves valid JSON."""
    kind = chance.randrange(4)
    if kind == 0:
        return bytearray(b"[" + data + b"," + chance.choice(others) + b"]")
    if kind == 1:
        start = data.find(b"{", chance.randint(0, len(data))) + 1
        data[start:start] = chance.choice(_FIELDS) if start else b""
    elif kind == 2:
        data = bytearray(b'{"data":[' + data + b"]," + chance.choice(_FIELDS) + b'"next":1}')
    else:
        _replace_a_value(chance, data, _VALUES)
    return data


def _replace_a_value(chance: random.Random, data: bytearray, values: list[bytes]) -> None:
    """Replaces the value of a field."""
    colons = [place for place, octet in enumerate(data) if octet == ord(":")]
    if colons:
        start = chance.choice(colons) + 1
        ends = [end for end in (data.find(b",", start), data.find(b"}", start)) if end >= 0]
        data[start : min(ends, default=len(data))] = chance.choice(values)


def payloads(count: int, seed: int) -> Iterator[bytes]:
    """Yields mutated payloads, the same ones for the same seed."""
    chance = random.Random(seed)
    samples = sample_payloads()
    for _ in range(count):
        # A line end would make two lines of it.
        yield mutated(chance, chance.choice(samples), samples).replace(b"\n", b" ")


class _Steps:
    """The steps from payloads to encoded blocks, without a runner."""

    def __init__(self) -> None:
        self._deriver = StatusDeriver(Deriver(load_mapping()))
        self._parser = EventParser(EventTypes(("ats_job*",)), _LIMIT, NO_CONTEXT)
        self._encoder = BlockEncoder("null", "full", _LIMIT)

    def run(self, batch: list[bytes]) -> Counter[str]:
        """Returns the outcomes of a batch.

        Raises:
            AssertionError: See `outcomes_of`.
        """
        raw = RawBlock("in", Payloads.of(batch), np.arange(len(batch)))
        outcomes: Counter[str] = Counter()
        for parsed in self._parser.parse(raw):
            outcomes += outcomes_of(self._encoder.encode(self._deriver.derive(parsed)))
        return outcomes


def fuzz(count: int, seed: int) -> FuzzResult:
    """Runs mutated payloads through the steps.

    Args:
        count: Number of payloads.
        seed: Seed of the generator.
    """
    steps = _Steps()
    result = FuzzResult()
    batch: list[bytes] = []
    for payload in payloads(count, seed):
        result.payloads += 1
        # A payload that the plain reader cannot read has a batch of its own.
        if _expected(payload) is None:
            _check([payload], steps, result)
            continue
        batch.append(payload)
        if len(batch) == _BLOCK_PAYLOADS:
            _check(batch, steps, result)
            batch = []
    if batch:
        _check(batch, steps, result)
    return result


def _check(batch: list[bytes], steps: _Steps, result: FuzzResult) -> None:
    """Runs a batch and adds its outcomes and errors to the result."""
    try:
        outcomes = steps.run(batch)
    except Exception as error:
        result.errors.append(f"{type(error).__name__}: {error} in a block of {batch[:3]}…")
        return
    if outcomes["INTERNAL"]:
        internal = next((each for each in batch if steps.run([each])["INTERNAL"]), None)
        result.errors.append(f"INTERNAL: {internal!r}")
    result.outcomes += outcomes
    expected = [_expected(each) for each in batch]
    if None not in expected:
        result.compared += len(batch)
        total: Counter[str] = sum((each for each in expected if each), Counter())
        if total != outcomes:
            result.errors.append(f"{_first_difference(batch, steps)!r}")


def outcomes_of(encoded: EncodedBlock) -> Counter[str]:
    """Counts the outcomes in a block.

    Raises:
        AssertionError: The ledger of the block does not balance, or its records cannot be read.
    """
    ledger = encoded.ledger
    records = records_of(encoded.records)
    letters = records_of(encoded.dead_letters, "dead_letter")
    assert ledger.read == len(records) + len(letters) + ledger.ignored, (
        "the ledger does not balance"
    )
    assert sum(ledger.by_error_code.values()) == len(letters), "dead letters are not all counted"
    outcomes = Counter(str(letter["error_code"]) for letter in letters)
    outcomes["event"] += len(records)
    outcomes["ignored"] += ledger.ignored
    return +outcomes


def _expected(payload: bytes) -> Counter[str] | None:
    """Returns the outcomes that the plain reader of the tests finds, or None if it fails."""
    if not payload.strip() or depth(payload) > 150:
        return None
    try:
        return expected_outcomes(payload.decode())
    except (UnicodeDecodeError, RecursionError):
        return None


def _first_difference(batch: list[bytes], steps: _Steps) -> object:
    for payload in batch:
        outcomes = steps.run([payload])
        if outcomes != _expected(payload):
            return payload, outcomes, _expected(payload)
    return "only together", batch


def main() -> None:
    """Prints the outcomes; the exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payloads", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    result = fuzz(options.payloads, options.seed)
    print(
        f"{result.payloads:,} payloads, seed {options.seed}, {time.monotonic() - started:.0f} s; "
        f"{result.compared:,} compared with the plain reader; "
        f"{dict(result.outcomes.most_common())}"
    )
    for error in result.errors[:10]:
        print(error)
    raise SystemExit(1 if result.errors else 0)


if __name__ == "__main__":
    main()
