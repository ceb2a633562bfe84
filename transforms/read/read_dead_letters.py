"""ReadDeadLetters: files of dead letters → blocks of their payloads, to be processed again.

Each payload keeps its origin and its stored context, so that a replay creates the records that the
first run would have created. A payload that was truncated or not kept is read again from its
source. The spans of these blocks count letters, not bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import apache_beam as beam
import numpy as np

from transforms.blocks import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    CONTEXT_KEYS,
    Context,
    InputLedger,
    InputNote,
    Ledger,
    MessageInfo,
    RawBlock,
    Rejection,
    Span,
    too_large,
)
from transforms.kernel import Payloads
from transforms.local import REMOTE_RUN, LocalRun, Progress
from transforms.read.damage import UntilDamage, reason_of
from transforms.read.dead_letter_files import DeadLetterFile, Letter, letters_of
from transforms.read.limits import HELD_LETTER_BYTES, ReadLimits
from transforms.read.reread import reread_payloads

STEP = "ReadDeadLetters"

_LETTER_BYTES = 2048
"""Memory of a letter beside its payload."""

_FINAL_ERRORS = ("INVALID_UTF8", "LONE_SURROGATE", "TOO_DEEP")
"""Error codes that no other rule, limit or context can avoid."""

_NOT_READ_AGAIN = "; not read again: "
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_Outcome = tuple[int, Letter, bytes | Rejection]
"""A letter with its number, and its payload or its rejection."""


def read_dead_letters(file: DeadLetterFile, limits: ReadLimits) -> Iterator[RawBlock]:
    """Reads a file as blocks whose spans cover the number of each letter exactly once.

    Damage is reported in the note of the last block, after all that can be read.
    """
    letters = UntilDamage(letters_of(file))
    yield from _blocks(file.path, _outcomes(letters, limits))
    damage = None if letters.error is None else reason_of(letters.error)
    yield RawBlock.without_payloads(file.path, note=InputNote(file.path, letters.count, damage))


def _blocks(path: str, outcomes: Iterable[_Outcome]) -> Iterator[RawBlock]:
    """Collects letters of one source with consecutive numbers into blocks."""
    held: list[_Outcome] = []
    size = 0
    for each in outcomes:
        number, letter, outcome = each
        is_next = held and number == held[-1][0] + 1 and letter["source"] == held[-1][1]["source"]
        if not is_next or size >= BLOCK_BYTES or len(held) >= BLOCK_ROWS:
            if held:
                yield _block(path, held)
            held, size = [], 0
        held.append(each)
        size += len(outcome.payload if isinstance(outcome, Rejection) else outcome)
    if held:
        yield _block(path, held)


def _block(path: str, outcomes: list[_Outcome]) -> RawBlock:
    payloads = [(outcome, letter) for _, letter, outcome in outcomes if isinstance(outcome, bytes)]
    offsets = [letter["source_offset"] or 0 for _, letter in payloads]
    return RawBlock(
        outcomes[0][1]["source"] or "",
        Payloads.of([payload for payload, _ in payloads]),
        np.array(offsets, np.int64),
        Span(outcomes[0][0], outcomes[-1][0] + 1),
        [outcome for _, _, outcome in outcomes if isinstance(outcome, Rejection)],
        contexts=[context_of_letter(letter) for _, letter in payloads],
        input=path,
    )


def _outcomes(letters: Iterable[Letter], limits: ReadLimits) -> Iterator[_Outcome]:
    held: list[tuple[int, Letter]] = []
    held_bytes = 0
    for number, letter in enumerate(letters):
        outcome = _outcome(letter, limits)
        if outcome is not None:
            yield number, letter, outcome
            continue
        held.append((number, letter))
        held_bytes += len(letter["payload"] or b"") + _LETTER_BYTES
        if held_bytes >= HELD_LETTER_BYTES:
            yield from _read_again(held)
            held, held_bytes = [], 0
    yield from _read_again(held)


def _read_again(held: list[tuple[int, Letter]]) -> Iterator[_Outcome]:
    for number, letter, payload in reread_payloads(held):
        outcome = _rejected_again(letter, payload) if isinstance(payload, str) else payload
        yield number, letter, outcome


def _outcome(letter: Letter, limits: ReadLimits) -> bytes | Rejection | None:
    """Returns a payload, a rejection, or None if the payload must be read again."""
    size, limit = letter["payload_size"], limits.max_event_bytes
    if letter["error_path"] == "$" or letter["error_code"] in _FINAL_ERRORS:
        # The text around the payload caused the error: only a job was allowed there, or the nesting
        # was too deep. On its own, the payload could pass for events that the source does not hold.
        return _rejected_again(letter)
    if letter["error_code"] == "TOO_LARGE" and size > limit:
        head, digest = letter["payload"] or b"", letter["payload_sha256"]
        context = context_of_letter(letter)
        whole = (size, digest)
        return too_large(STEP, head, letter["source_offset"], limit, whole=whole, context=context)
    if _is_whole(letter):
        return cast("bytes", letter["payload"])
    if letter["message_id"] is not None:
        return _rejected_again(letter, "it came in a message")
    if not letter["payload_sha256"]:
        return _rejected_again(letter, "nothing of it was kept that identifies it")
    if not letter["source"] or letter["source_offset"] is None:
        return _rejected_again(letter, "nothing says where it came from")
    if size > max(limit, limits.max_document_bytes):
        return _rejected_again(letter, "it is longer than --max_document_bytes")
    return None


def _is_whole(letter: Letter) -> bool:
    return letter["payload"] is not None and not letter["payload_truncated"]


def _rejected_again(letter: Letter, reason: str | None = None) -> Rejection:
    """Returns the rejection of a letter, and why its payload could not be read again."""
    message = letter["error_message"].partition(_NOT_READ_AGAIN)[0]
    is_whole = _is_whole(letter)
    return Rejection(
        code=letter["error_code"],
        step=letter["step"],
        path=letter["error_path"],
        message=message if reason is None else f"{message}{_NOT_READ_AGAIN}{reason}",
        payload=letter["payload"] or b"",
        offset=letter["source_offset"],
        context=context_of_letter(letter),
        full_size=None if is_whole else letter["payload_size"],
        full_sha256=None if is_whole else letter["payload_sha256"],
    )


def context_of_letter(letter: Letter) -> Context:
    """Returns the stored context of a letter, with one attempt more."""
    message = None
    if letter["message_id"] is not None:
        published = letter["publish_time"] or _EPOCH
        message = MessageInfo(
            letter["message_id"],
            (published - _EPOCH) // timedelta(microseconds=1),
            json.loads(letter["attributes"] or "{}"),
        )
    fields = {name: letter[name] for name in (*CONTEXT_KEYS, "default_provider")}
    return Context(**fields, message=message, attempt=letter["attempt"] + 1)


def _read_file(
    file: tuple[str, int, int | None], limits: ReadLimits, local_run: LocalRun
) -> Iterator[Any]:
    found = DeadLetterFile(*file)
    # The commit checks the report of the reader against this ledger.
    ledger = Ledger(inputs={found.path: InputLedger(bytes=found.size, end=found.records)})
    yield beam.pvalue.TaggedOutput("inputs", ledger.to_bytes())
    yield from read_dead_letters(found, limits)
    local_run.report(Progress(bytes=found.size))


class ReadDeadLetters(beam.PTransform):
    """Reads files of dead letters as two collections, as ReadFiles does: `blocks` and `inputs`."""

    def __init__(
        self,
        files: list[DeadLetterFile],
        *,
        limits: ReadLimits,
        local_run: LocalRun = REMOTE_RUN,
    ) -> None:
        super().__init__()
        self._files = [tuple(file) for file in files]
        self._read = beam.FlatMap(_read_file, limits, local_run)

    def expand(self, root: beam.Pipeline) -> dict[str, beam.PCollection[Any]]:
        read = self._read.with_output_types(RawBlock).with_outputs("inputs", main="blocks")
        found = (
            root
            | "Files" >> beam.Create(self._files, reshuffle=False)
            | "SpreadFiles" >> beam.Reshuffle()
            | "Read" >> read
        )
        return {"blocks": found.blocks, "inputs": found.inputs}
