"""The books of a run: what was read, what became of it, and which bytes of which input it was.

Every bundle keeps its own and hands them to the commit as a small record of bytes. They are merged
there, and the run commits only if they close.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from schemas.counts import Counts, add_tallies, total
from transforms.blocks.origin import InputNote, PendingAcks, Span
from transforms.blocks.unmapped import UnmappedState, UnmappedTally

Value = TypeVar("Value")


class InputLedger(Struct):
    """What is known of one input.

    Attributes:
        bytes: Its size as it lies there.
        end: Its length after decompression, or None while nobody knows it.
        damage: What is wrong with it, or None.
        spans: The bytes [start, end) that blocks accounted for.
    """

    bytes: int = 0
    end: int | None = None
    damage: str | None = None
    spans: list[tuple[int, int]] = field(default_factory=list)

    def add_span(self, span: Span) -> None:
        """Adds a span; one that joins on to the last makes it longer."""
        if self.spans and self.spans[-1][1] == span.start:
            self.spans[-1] = self.spans[-1][0], span.end
        else:
            self.spans.append((span.start, span.end))

    def fault(self) -> str | None:
        """What keeps the spans from covering [0, end) exactly once, or None."""
        if self.end is None:
            return "it was not read to its end"
        position = 0
        for start, end in sorted(self.spans):
            if start > position:
                return f"bytes {position} to {start} were not read"
            if start < position:
                return f"bytes {start} to {position} were read twice"
            position = end
        if position != self.end:
            return f"bytes {position} to {self.end} were not read"
        return None


class StagedFile(Struct):
    """A file that is staged.

    Attributes:
        output: Which records it holds: job_status_event or dead_letter.
        path: Where it is staged.
        records: How many records are in it.
        bytes: Its size.
        sha256: Hex digest of all of it.
    """

    output: str
    path: str
    records: int
    bytes: int
    sha256: str


class Ledger(Struct):
    """The books of a block, a bundle or a run. Counts are of events.

    Attributes:
        read: Events that were found in the payloads.
        written: Records that were written to the job_status files.
        dead_lettered: Records that were written to the dead_letter files.
        ignored_by_type: Envelopes of other types.
        by_value: Written ones by their value; `null` for none.
        by_source_value_type: Written ones by the type of their source value.
        by_derivation: Written ones by how their value was found.
        by_provider: Written ones by provider, then by their value; `null` for none.
        by_day: Written ones by the day of their time, in UTC; `null` for none.
        by_error_code: Dead letters by code.
        unmapped: What no rule mapped.
        unreadable_timestamps: Timestamps that were given and could not be read.
        inputs: By path.
        files: What is staged.
        receipts: Of the messages that were read.
    """

    read: int = 0
    written: int = 0
    dead_lettered: int = 0
    ignored_by_type: dict[str, int] = field(default_factory=dict)
    by_value: dict[str, int] = field(default_factory=dict)
    by_source_value_type: dict[str, int] = field(default_factory=dict)
    by_derivation: dict[str, int] = field(default_factory=dict)
    by_provider: dict[str, Counts] = field(default_factory=dict)
    by_day: dict[str, int] = field(default_factory=dict)
    by_error_code: dict[str, int] = field(default_factory=dict)
    unmapped: UnmappedTally = field(default_factory=UnmappedTally)
    unreadable_timestamps: int = 0
    inputs: dict[str, InputLedger] = field(default_factory=dict)
    files: list[StagedFile] = field(default_factory=list)
    receipts: list[PendingAcks] = field(default_factory=list)

    def merge(self, other: Ledger) -> None:
        """Adds other books to these."""
        add_tallies(self, other)
        self.unmapped.merge(other.unmapped)
        for path, ledger in other.inputs.items():
            self._merge_input(path, ledger)
        self.files.extend(other.files)
        self.receipts.extend(other.receipts)

    def account_for(self, path: str, span: Span | None, note: InputNote | None) -> None:
        """Takes down what a block says of the input it came from."""
        if span is not None:
            self.inputs.setdefault(path, InputLedger()).add_span(span)
        if note is not None:
            mine = self.inputs.setdefault(note.path, InputLedger())
            mine.end, mine.damage = note.end, note.damage

    def _merge_input(self, path: str, theirs: InputLedger) -> None:
        mine = self.inputs.setdefault(path, InputLedger())
        mine.bytes += theirs.bytes
        # Where they differ, the input became shorter while it was read.
        mine.end = min((end for end in (mine.end, theirs.end) if end is not None), default=None)
        mine.damage = mine.damage or theirs.damage
        for span in theirs.spans:
            mine.add_span(Span(*span))

    @property
    def ignored(self) -> int:
        """How many envelopes were of other types."""
        return sum(self.ignored_by_type.values())

    def faults(self) -> list[str]:
        """Why the books do not close; empty where every event and every byte has one place."""
        faults = []
        if self.read != self.written + self.dead_lettered + self.ignored:
            faults.append(
                f"{self.read} events were read, but {self.written} written, "
                f"{self.dead_lettered} dead-lettered and {self.ignored} ignored"
            )
        for output, count, tallies in (
            (
                "job_status_event",
                self.written,
                (
                    sum(self.by_value.values()),
                    sum(self.by_source_value_type.values()),
                    sum(self.by_derivation.values()),
                    total(self.by_provider),
                    sum(self.by_day.values()),
                ),
            ),
            ("dead_letter", self.dead_lettered, (sum(self.by_error_code.values()),)),
        ):
            in_files = sum(file.records for file in self.files if file.output == output)
            if in_files != count:
                faults.append(f"{output}: {count} records were made, but {in_files} are in files")
            for counted in tallies:
                if counted != count:
                    faults.append(f"{output}: {count} records were made, but {counted} counted")
        for path, ledger in sorted(self.inputs.items()):
            fault = ledger.fault()
            if fault is not None:
                faults.append(f"{path}: {fault}")
        return faults

    def to_bytes(self) -> bytes:
        """The books as a small record, which is all that crosses a GroupByKey."""
        return packed(self)

    @staticmethod
    def from_bytes(data: bytes) -> Ledger:
        """Reads what `to_bytes` wrote."""
        return unpacked(data, Ledger)

    @staticmethod
    def merged(records: Iterable[bytes]) -> Ledger:
        """The books of a run out of those of its bundles."""
        ledger = Ledger()
        for record in records:
            ledger.merge(Ledger.from_bytes(record))
        return ledger


def packed(value: Any) -> bytes:
    """Books, or what holds some, as bytes."""
    return msgspec.msgpack.encode(value, enc_hook=UnmappedTally.state)


def unpacked(data: bytes, kind: type[Value]) -> Value:
    """Reads what `packed` made of a value of this type."""
    return msgspec.msgpack.decode(data, type=kind, dec_hook=_tally)


def _tally(_: type, state: object) -> UnmappedTally:
    return UnmappedTally(msgspec.convert(state, UnmappedState))
