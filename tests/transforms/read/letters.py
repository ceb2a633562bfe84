"""Dead letters and files of them for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastavro

from schemas.avro import record_schema
from transforms.blocks.rejection import Rejection
from transforms.encode.dead_letters import dead_letters
from transforms.read.dead_letter_files import DeadLetterFile, Letter
from transforms.read.limits import ReadLimits
from transforms.read.read_dead_letters import read_dead_letters


def write_letters(path: Path, letters: list[Letter], **options: Any) -> DeadLetterFile:
    """Writes a file of dead letters, with a block for every few letters."""
    with path.open("wb") as file:
        schema = fastavro.parse_schema(record_schema("dead_letter").parsed)
        fastavro.writer(file, schema, letters, **{"sync_interval": 100, **options})
    return DeadLetterFile(str(path), path.stat().st_size, len(letters))


def letter_without_payload(path: Path, payload: bytes, offset: int, **changes: Any) -> Letter:
    """Returns a dead letter that does not hold its payload."""
    rejection = Rejection("INVALID_JSON", "ParseEvents", "$.x", "wrong", payload, offset)
    (letter,) = dead_letters(str(path), [rejection], "hash", 10_000_000)
    return {**letter, **changes}


def as_attempt(attempt: int, letter: Letter) -> Letter:
    """Returns a letter as another attempt would write it, without the id, which then differs."""
    return {**letter, "attempt": attempt, "dead_letter_id": ""}


def outcomes_of(file: DeadLetterFile) -> tuple[list[bytes], list[str]]:
    """Returns the payloads to process again, and the messages of the letters that stay."""
    blocks = list(read_dead_letters(file, ReadLimits()))
    messages = [each.message for block in blocks for each in block.rejections]
    return [payload for block in blocks for payload in block.payloads], messages
