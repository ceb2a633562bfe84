"""The ledger of a run: its events and their outcomes, and the bytes of its inputs.

Every bundle keeps its own ledger and passes it to the commit as a small record of bytes. The commit
merges them, and commits only if the ledger of the run balances.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from schemas.counts import Tallies, balance
from transforms.blocks.origin import InputNote, PendingAcks, Span
from transforms.blocks.unmapped import UnmappedState, UnmappedTally

Value = TypeVar("Value")


class InputLedger(Struct):
    """The ledger of one input.

    Attributes:
        bytes: Its size in storage.
        end: Its length after decompression, or None if it is not known yet.
        damage: A description of its damage, or None.
        spans: The bytes [start, end) that blocks accounted for.
        modified_ns: Time of its last change, in nanoseconds since 1970, or None if it is not known.
    """

    bytes: int = 0
    end: int | None = None
    damage: str | None = None
    spans: list[tuple[int, int]] = field(default_factory=list)
    modified_ns: int | None = None

    def add_span(self, span: Span) -> None:
        """Adds a span. If it starts at the end of the last one, it extends that."""
        if self.spans and self.spans[-1][1] == span.start:
            self.spans[-1] = self.spans[-1][0], span.end
        else:
            self.spans.append((span.start, span.end))

    def discrepancy(self) -> str | None:
        """Returns why the spans do not cover [0, end) exactly once, or None if they do."""
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
    """A staged file.

    Attributes:
        output: The kind of its records: job_status_event or dead_letter.
        path: Its path in the staging directory.
        records: Number of records in it.
        bytes: Its size.
        sha256: Hex digest of its content.
        folder: The folder of its final place, below that of its kind; "" for none.
    """

    output: str
    path: str
    records: int
    bytes: int
    sha256: str
    folder: str = ""


class Ledger(Tallies, kw_only=True):
    """The ledger of a block, a bundle or a run.

    Attributes:
        unmapped: Source texts that no rule maps.
        inputs: The inputs by path.
        skipped_inputs: Inputs that earlier runs had read, and that this one skipped.
        changed_inputs: Inputs that have changed since earlier runs read them.
        files: The staged files.
        pending_acks: The acknowledgements that wait for the commit.
        blocks: Digests of the pulled blocks in a pane.
    """

    unmapped: UnmappedTally = field(default_factory=UnmappedTally)
    inputs: dict[str, InputLedger] = field(default_factory=dict)
    skipped_inputs: int = 0
    changed_inputs: int = 0
    files: list[StagedFile] = field(default_factory=list)
    pending_acks: list[PendingAcks] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)

    def merge(self, other: Ledger) -> None:
        """Adds another ledger."""
        self.add_tallies(other)
        self.unmapped.merge(other.unmapped)
        self.skipped_inputs += other.skipped_inputs
        self.changed_inputs += other.changed_inputs
        for path, ledger in other.inputs.items():
            self._merge_input(path, ledger)
        self.files.extend(other.files)
        self.pending_acks.extend(other.pending_acks)

    def account_for(self, path: str, span: Span | None, note: InputNote | None) -> None:
        """Adds the span of a block to its input, and the note of a reader to its input."""
        if span is not None:
            self.inputs.setdefault(path, InputLedger()).add_span(span)
        if note is not None:
            noted = self.inputs.setdefault(note.path, InputLedger())
            noted.end, noted.damage = note.end, note.damage

    def _merge_input(self, path: str, theirs: InputLedger) -> None:
        mine = self.inputs.setdefault(path, InputLedger())
        mine.bytes += theirs.bytes
        # They differ if the input became shorter while it was read.
        mine.end = min((end for end in (mine.end, theirs.end) if end is not None), default=None)
        mine.damage = mine.damage or theirs.damage
        mine.modified_ns = theirs.modified_ns if mine.modified_ns is None else mine.modified_ns
        for span in theirs.spans:
            mine.add_span(Span(*span))

    def discrepancies(self) -> list[str]:
        """Returns the reasons why the ledger does not balance; empty if it does.

        It balances if each event has exactly one outcome and each byte was read exactly once.
        """
        checks = balance(
            self, self._staged_records("job_status_event"), self._staged_records("dead_letter")
        )
        found = [
            f"{check.text}: {check.expected}, but {check.found}"
            for check in checks
            if not check.holds
        ]
        for path, ledger in sorted(self.inputs.items()):
            gap = ledger.discrepancy()
            if gap is not None:
                found.append(f"{path}: {gap}")
        return found

    def _staged_records(self, output: str) -> int:
        return sum(file.records for file in self.files if file.output == output)

    def to_bytes(self) -> bytes:
        """Encodes the ledger as a small record, the only form that crosses a GroupByKey."""
        return packed(self)

    @staticmethod
    def from_bytes(data: bytes) -> Ledger:
        """Decodes the record of a ledger."""
        return unpacked(data, Ledger)

    @staticmethod
    def merged(records: Iterable[bytes]) -> Ledger:
        """Merges the records of bundles into the ledger of a run."""
        ledger = Ledger()
        for record in records:
            ledger.merge(Ledger.from_bytes(record))
        return ledger


def packed(value: Any) -> bytes:
    """Encodes a ledger, or a value that holds ledgers."""
    return msgspec.msgpack.encode(value, enc_hook=UnmappedTally.state)


def unpacked(data: bytes, kind: type[Value]) -> Value:
    """Decodes a value of this type that `packed` encoded."""
    return msgspec.msgpack.decode(data, type=kind, dec_hook=_tally)


def _tally(_: type, state: object) -> UnmappedTally:
    return UnmappedTally(msgspec.convert(state, UnmappedState))
